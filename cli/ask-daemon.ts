/** What the commands that talk to the daemon on this host have in common. */
import { openHome } from '../home/home.ts';
import type { AnswerTo, Command, CommandName } from '../participant/control.ts';
import { text, type Call, type OptionSpecs } from './command.ts';

/** Flags of every command that talks to a daemon on this host. */
export const socketOptions = {
  socket: text('PATH', 'the control socket (default: control.sock in the home)'),
} as const;

/** Asks the daemon of this home. Throws `HomeError` and `ParticipantError`. */
export async function askDaemon<Name extends CommandName>(
  call: Pick<Call<typeof socketOptions & OptionSpecs>, 'settings' | 'homePath'>,
  command: Extract<Command, { command: Name }>,
): Promise<AnswerTo<Name>> {
  const { callControl } = await import('../participant/control.ts');
  const path = call.settings.socket ?? (await socketOf(call.homePath));
  return callControl<Name>(path, command);
}

async function socketOf(homePath: string | undefined): Promise<string> {
  const { defaultSocketPath } = await import('../participant/member-home.ts');
  return defaultSocketPath(await openHome('participant', homePath));
}
