/** One request from its submission to its end, for a program as for the terminal. */
import type { Connection } from './connection.ts';
import type { Submission } from './request.ts';
import type { RoundView } from './round-view.ts';
import { submit, type Submitted } from './submit.ts';
import { waitForRound, type WaitOptions } from './watch.ts';

/** How to ask, how long to wait, and who is told meanwhile. */
export interface AskOptions extends WaitOptions {
  /** Opens a new round where the same request has one that ended without a signature. */
  readonly again?: boolean | undefined;
  /** Told as soon as a round handles the request. */
  readonly onSubmitted?: ((submitted: Submitted) => void) | undefined;
}

/** Asks as one caller wishes: `askAndWait`, or something that asks and tells a person of it. */
export type Ask = (connection: Connection, submission: Submission) => Promise<RoundView>;

/** Submits without waiting. Throws `ClientError`. */
export async function ask(
  connection: Connection,
  submission: Submission,
  { onSubmitted, again }: Pick<AskOptions, 'onSubmitted' | 'again'>,
): Promise<Submitted> {
  const submitted = await submit(connection, submission, again);
  onSubmitted?.(submitted);
  return submitted;
}

/** Submits, and waits until it is signed. Throws what `waitForRound` does. */
export async function askAndWait(
  connection: Connection,
  submission: Submission,
  options: AskOptions,
): Promise<RoundView> {
  const { digest } = await ask(connection, submission, options);
  return waitForRound(connection, digest, submission.request, options);
}
