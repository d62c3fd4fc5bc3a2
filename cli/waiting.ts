/** How `sign` and the commands that ask for documents submit and wait. */
import { parseDuration } from '../protocol/wire/time.ts';
import type { Connection } from '../requester/connection.ts';
import type { Submission } from '../requester/request.ts';
import type { RoundView } from '../requester/round-view.ts';
import { flag, text, type Call, type OptionSpecs } from './command.ts';
import { CommandError } from './errors.ts';
import { untilInterrupted } from './interrupt.ts';
import { LiveRound } from './text/live-round.ts';
import { shortId } from './text/round.ts';

/** Flags of every command that asks for a signature. */
export const waitingOptions = {
  note: text('TEXT', 'a note to those who decide; it is not part of what is signed'),
  wait: text('DURATION', 'how long to wait, such as 30m (default: until it expires)'),
  'no-wait': flag('only ask; the same command again gets the result'),
} as const;

type WaitingCall = Pick<Call<typeof waitingOptions & OptionSpecs>, 'settings' | 'output' | 'world'>;

/** Seconds, `undefined` for until it expires. Throws `CommandError('usage')`. */
export function parseWait({ settings }: Pick<WaitingCall, 'settings'>): number | undefined {
  if (settings.wait === undefined) return undefined;
  const seconds = parseDuration(settings.wait);
  if (seconds === undefined)
    throw new CommandError('usage', `--wait ${settings.wait} is no duration`, 'Write it as 90s, 30m, 72h or 3d.');
  return seconds;
}

export interface Asked {
  /** Names the round, ours or the one that was joined. */
  readonly digest: string;
  /** The signed round; `undefined` with `--no-wait`. */
  readonly view: RoundView | undefined;
}

/**
 * Submits, and waits for the signature as the flags say.
 * Throws `RequesterError` for every other ending, `CommandError('interrupted')` at Ctrl-C.
 */
export async function submitAndWait(call: WaitingCall, connection: Connection, submission: Submission): Promise<Asked> {
  parseWait(call);
  if (call.settings['no-wait'] === true)
    return { digest: await submitAloud(call, connection, submission), view: undefined };
  const view = await untilSigned(call, connection, submission);
  return { digest: view.request.digest, view };
}

async function submitAloud({ output }: WaitingCall, connection: Connection, submission: Submission): Promise<string> {
  const { submit } = await import('../requester/submit.ts');
  const { digest, joined } = await submit(connection, submission);
  output.event({ event: 'submitted', id: digest, joined });
  output.talk(
    joined ? `joined round ${shortId(digest)}, which asks for the same` : `submitted as round ${shortId(digest)}`,
  );
  return digest;
}

/** Submits, and waits whatever the flags say but `--wait`. Throws what `submitAndWait` does. */
export async function untilSigned(
  call: WaitingCall,
  connection: Connection,
  submission: Submission,
): Promise<RoundView> {
  const { output, world } = call;
  const waitSeconds = parseWait(call);
  const startedAt = world.nowUnixSeconds();
  const digest = await submitAloud(call, connection, submission);
  const { waitForRound } = await import('../requester/watch.ts');
  using live = new LiveRound(output, world.nowUnixSeconds);
  return await untilInterrupted(
    (signal) =>
      waitForRound(connection, digest, submission.request, {
        untilUnixSeconds: waitSeconds === undefined ? undefined : startedAt + waitSeconds,
        nowUnixSeconds: world.nowUnixSeconds,
        onView: (view) => live.show(view),
        onRetry: (error) => live.interrupted(error.message),
        signal,
      }),
    () =>
      new CommandError(
        'interrupted',
        `you stopped waiting; round ${shortId(digest)} goes on`,
        `Look at it with "frostmark round ${shortId(digest)}", take it back with "frostmark cancel ${shortId(digest)}"; the same command again waits for it and gets the result.`,
      ),
  );
}
