/** How the commands that ask for a signature submit and wait: what their flags say, and what a person is told meanwhile. */
import type { AskOptions } from '../requester/ask.ts';
import type { Connection } from '../requester/connection.ts';
import type { Submission } from '../requester/request.ts';
import type { RoundView } from '../requester/round-view.ts';
import type { Submitted } from '../requester/submit.ts';
import { connectAsAsker, type askingOptions } from './ask-coordinator.ts';
import { duration, flag, text, type Call, type OptionSpecs } from './command.ts';
import { CommandError } from './errors.ts';
import { untilInterrupted } from './interrupt.ts';
import { askingPatienceMs } from './limits.ts';
import { LiveRound } from './text/live-round.ts';
import { shortId } from './text/round.ts';

/** Flags of every command that asks for a signature. */
export const waitingOptions = {
  note: text('TEXT', 'a note to those who decide; it is not part of what is signed'),
  wait: duration('how long to wait, such as 30m (default: until it expires)'),
  'no-wait': flag('only ask, or see what became of it; the same command again gets the result'),
  again: flag('ask anew, in a new round, after a refusal, an expiry or a cancellation'),
} as const;

type AskingCall = Call<typeof askingOptions & typeof waitingOptions & OptionSpecs>;
type WaitingCall = Pick<Call<typeof waitingOptions & OptionSpecs>, 'settings' | 'output' | 'world'>;

/** Logs in for a request: what stands in the way is waited out for as long as `--wait` says. Throws what `connectAsAsker` does. */
export async function connectToAsk(call: AskingCall): Promise<Connection> {
  const { wait, 'no-wait': isOnlyAsked } = call.settings;
  const untilMs = wait === undefined ? undefined : (call.world.nowUnixSeconds() + wait) * 1000;
  const patience = isOnlyAsked === true ? undefined : { forMs: askingPatienceMs, untilMs };
  return await connectAsAsker(call, patience, true);
}

/** What came of it. */
export interface Asked {
  /** Names the round, ours or the one that was joined. */
  readonly digest: string;
  /** The signed round; `undefined` with `--no-wait` for what was asked only now. */
  readonly view: RoundView | undefined;
}

/**
 * Submits, and waits for the signature as the flags say.
 * Throws `RequesterError` for every other ending, `CommandError('interrupted')` at Ctrl-C.
 */
export async function submitAndWait(call: WaitingCall, connection: Connection, submission: Submission): Promise<Asked> {
  if (call.settings['no-wait'] === true) return await lookOnly(call, connection, submission);
  const view = await untilSigned(call, connection, submission);
  return { digest: view.request.digest, view };
}

/** Submits what leaves no file behind, and checks that the quorum signed it. Throws what `submitAndWait` does. */
export async function submitAndCheck(
  call: WaitingCall,
  connection: Connection,
  submission: Submission,
): Promise<{ readonly digest: string; readonly isSigned: boolean }> {
  const { digest, view } = await submitAndWait(call, connection, submission);
  if (view === undefined) return { digest, isSigned: false };
  const { openResult } = await import('../requester/bundle.ts');
  openResult(connection.group, view.request, submission.documents, view.body.signatures);
  return { digest, isSigned: true };
}

/** What was asked before is signed, or over, or still pending; what is asked now is for the next call to look at. */
async function lookOnly(call: WaitingCall, connection: Connection, submission: Submission): Promise<Asked> {
  const { digest, joined } = await submitOnly(call, connection, submission);
  if (!joined) return { digest, view: undefined };
  const { lookAtRound, missingText } = await import('../requester/watch.ts');
  const { RequesterError } = await import('../requester/errors.ts');
  const view = await lookAtRound(connection, digest, submission.request, call.world.nowUnixSeconds());
  if (view.outcome === 'signed') return { digest, view };
  throw new RequesterError('pending', `the request is still pending: ${missingText(view)}`);
}

/** Submits, and says so. Throws `ClientError`. */
async function submitOnly(
  { output, settings }: Pick<WaitingCall, 'output' | 'settings'>,
  connection: Connection,
  submission: Submission,
): Promise<Submitted> {
  const { ask } = await import('../requester/ask.ts');
  return ask(connection, submission, { onSubmitted: sayingOf(output), again: settings.again });
}

function sayingOf(output: WaitingCall['output']): NonNullable<AskOptions['onSubmitted']> {
  return ({ digest, joined }) => {
    output.event({ event: 'submitted', id: digest, joined });
    output.talk(
      joined ? `joined round ${shortId(digest)}, which asks for the same` : `submitted as round ${shortId(digest)}`,
    );
  };
}

/** Submits, and waits whatever the flags say but `--wait`. Throws what `submitAndWait` does. */
export async function untilSigned(
  { output, world, settings }: WaitingCall,
  connection: Connection,
  submission: Submission,
  again = settings.again,
): Promise<RoundView> {
  const { nowUnixSeconds } = world;
  const startedAt = nowUnixSeconds();
  const { askAndWait } = await import('../requester/ask.ts');
  const say = sayingOf(output);
  using live = new LiveRound(output, nowUnixSeconds);
  let id: string | undefined;
  return await untilInterrupted(
    (signal) =>
      askAndWait(connection, submission, {
        untilUnixSeconds: settings.wait === undefined ? undefined : startedAt + settings.wait,
        nowUnixSeconds,
        again,
        onSubmitted: (submitted) => {
          id = shortId(submitted.digest);
          say(submitted);
        },
        onView: (view) => live.show(view),
        onRetry: (error) => live.interrupted(error.message),
        signal,
      }),
    () => stopped(id),
  );
}

function stopped(id: string | undefined): CommandError {
  if (id === undefined) return new CommandError('interrupted', 'you stopped before the coordinator had answered');
  return new CommandError(
    'interrupted',
    `you stopped waiting; round ${id} goes on`,
    `Look at it with "frostmark round ${id}", take it back with "frostmark cancel ${id}"; the same command again waits for it and gets the result.`,
  );
}
