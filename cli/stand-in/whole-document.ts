/** One document signed whole in one format, for the commands that stand in for stock tools. */
import type { Connection } from '../../requester/connection.ts';
import type { DocumentSignature, DocumentWish } from '../../requester/sign-document.ts';
import { askingOptions } from '../ask-coordinator.ts';
import { text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { untilSigned, waitingOptions } from '../waiting.ts';

/** All of them by variable or `config.yaml`: the tools in whose place we are called have no such flags. */
export const standInOptions = {
  channel: text('CHANNEL', 'production, development, …'),
  ...askingOptions,
  ...waitingOptions,
} as const;

/** A call of a command that stands in for a stock tool. */
export type StandInCall = Call<typeof standInOptions>;

/** Throws `CommandError('usage')` when no channel is set. */
export function requireChannel({ settings }: Pick<StandInCall, 'settings'>): string {
  if (settings.channel !== undefined) return settings.channel;
  throw new CommandError(
    'usage',
    'no channel is set',
    'There is no place for flags here: set FROSTMARK_CHANNEL, or write "channel: development" into config.yaml in the home.',
  );
}

/** Asks, waits, verifies. Throws what `frostmark sign` does. */
export async function signWhole(
  call: StandInCall,
  connection: Connection,
  wish: Pick<DocumentWish, 'format' | 'document'>,
): Promise<DocumentSignature> {
  // A decision about one call: no line of config.yaml says it for good.
  const again = call.world.environment['FROSTMARK_AGAIN'] === '1';
  const { signDocument } = await import('../../requester/sign-document.ts');
  return signDocument(
    connection,
    { channel: requireChannel(call), ...wish },
    (to, submission) => untilSigned(call, to, submission, again),
    call.world.nowUnixSeconds,
  );
}
