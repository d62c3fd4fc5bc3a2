/** Waits for the end of a round, believing only what is signed. */
import { portableArithmetic } from '../client/group.ts';
import type { WatchOptions } from '../client/live.ts';
import { channelOf } from '../protocol/files/charter.ts';
import { longestTimerMs } from '../protocol/limits.ts';
import { expiresAtUnixSeconds } from '../protocol/request/rights.ts';
import { submissionId, type Request } from '../protocol/request/request.ts';
import type { RoundBody } from '../protocol/wire/frames.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';
import { clockGraceSeconds } from './limits.ts';
import { assertGoesOn, expiryText, judgeFaults, RoundReader, type RoundSharing, type RoundView } from './round-view.ts';
import { asNotFound, roundBodyOf } from './rounds.ts';

/** How long to wait, and who is told meanwhile. */
export interface WaitOptions {
  /** Unix seconds at which to stop waiting; when the request expires by default. */
  readonly untilUnixSeconds?: number | undefined;
  readonly nowUnixSeconds: () => number;
  /** Told how the round stands, now and after every change. */
  readonly onView?: ((view: RoundView) => void) | undefined;
  /** Told when the connection broke and is tried again. */
  readonly onRetry?: ((error: Error) => void) | undefined;
  /** The person has seen enough: the round goes on without us. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until the round of `request`, which is our own, is signed. Throws `RequesterError`: `refused`, `faulted`, `expired`, `cancelled`,
 * `unproved`, `not-found`, or `pending` at the deadline or when the signal fires; and `ClientError` for what no retry can mend.
 */
export async function waitForRound(
  connection: Connection,
  digest: string,
  request: Request,
  options: WaitOptions,
): Promise<RoundView> {
  const { signal, onRetry, onView, nowUnixSeconds } = options;
  const reader = new RoundReader(connection.group, request);
  using deadline = new Deadline(deadlineOf(expiryOf(connection, request), options), nowUnixSeconds);
  const ends = signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]);
  let last: RoundView | undefined;
  for await (const body of statesOf(connection, digest, { signal: ends, onRetry })) {
    last = checkRound(reader, digest, request, body);
    onView?.(last);
    const { outcome } = await judged(connection, last, nowUnixSeconds());
    if (outcome === 'signed') return last;
    // A round that we joined began earlier.
    deadline.bringForward(deadlineOf(last.expiresAtUnixSeconds, options));
  }
  // Past its expiry no member signs it any more, whatever the coordinator does.
  const expiresAt = last?.expiresAtUnixSeconds ?? expiryOf(connection, request);
  if (signal?.aborted !== true && deadline.unixSeconds >= expiresAt)
    throw new RequesterError('expired', last === undefined ? 'the request expired unseen' : expiryText(last));
  const missing = last === undefined ? 'the coordinator could not be asked' : missingText(last);
  throw new RequesterError('pending', `the request is still pending: ${missing}`);
}

async function* statesOf(
  { client }: Connection,
  digest: string,
  options: WatchOptions,
): AsyncGenerator<RoundBody, void, undefined> {
  try {
    yield* client.watchRound(digest, options);
  } catch (error) {
    throw asNotFound(digest, error);
  }
}

/** How the round of `request` is now. Throws what `waitForRound` does for one that is over and not signed. */
export async function lookAtRound(
  connection: Connection,
  digest: string,
  request: Request,
  nowUnixSeconds: number,
): Promise<RoundView> {
  const reader = new RoundReader(connection.group, request);
  const view = checkRound(reader, digest, request, await roundBodyOf(connection, digest));
  return await judged(connection, view, nowUnixSeconds);
}

async function judged(connection: Connection, view: RoundView, nowUnixSeconds: number): Promise<RoundView> {
  assertGoesOn(view, await provedFaults(connection, view), nowUnixSeconds);
  return view;
}

/** What a round lacks that is still pending. */
export function missingText({ sharings }: RoundView): string {
  const missing = sharings.filter((sharing) => sharing.missing > 0);
  if (missing.length === 0) return 'enough members have approved, and are not all connected';
  return missing.map(lackOf).join('; ');
}

function lackOf({ missing, members }: RoundSharing): string {
  const open = members.filter(
    ({ standing, keptOut, out }) => standing === 'undecided' && !keptOut && out === undefined,
  );
  const names = open.map(({ member, connected }) => (connected ? member.name : `${member.name} (offline)`));
  const what = missing === 1 ? '1 approval is missing' : `${missing} approvals are missing`;
  return open.length < missing ? `${what}, and too few are left to give them` : `${what}, of ${names.join(', ')}`;
}

/** The coordinator may show us no other round than that of our very submission, made by us earlier at most. */
function checkRound(reader: RoundReader, digest: string, request: Request, body: RoundBody): RoundView {
  if (body.digest !== digest) throw new RequesterError('bad-result', 'the coordinator answers for another round');
  const view = reader.open(body);
  if (submissionId(view.request) !== submissionId(request))
    throw new RequesterError('bad-result', `round ${digest} asks for something else than we do`);
  return view;
}

function expiryOf({ group: { epoch } }: Connection, request: Request): number {
  return expiresAtUnixSeconds(request, channelOf(epoch.charter, request.payload.channel));
}

function deadlineOf(expiryUnixSeconds: number, { untilUnixSeconds }: WaitOptions): number {
  const last = expiryUnixSeconds + clockGraceSeconds;
  return untilUnixSeconds === undefined ? last : Math.min(untilUnixSeconds, last);
}

/** Fires at a time, however far away, or at an earlier one once that is known. */
class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #nowUnixSeconds: () => number;
  #unixSeconds: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(unixSeconds: number, nowUnixSeconds: () => number) {
    this.#unixSeconds = unixSeconds;
    this.#nowUnixSeconds = nowUnixSeconds;
    this.#wait();
  }

  get unixSeconds(): number {
    return this.#unixSeconds;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  bringForward(unixSeconds: number): void {
    if (unixSeconds >= this.#unixSeconds) return;
    this.#unixSeconds = unixSeconds;
    this.#wait();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const leftMs = (this.#unixSeconds - this.#nowUnixSeconds()) * 1000;
    if (leftMs <= 0) this.#controller.abort();
    else this.#timer = setTimeout(() => this.#wait(), Math.min(leftMs, longestTimerMs));
  }
}

/** Only a round that is said to have ended by faults needs them proved. */
async function provedFaults({ client, group }: Connection, view: RoundView): Promise<ReadonlySet<string>> {
  if (view.outcome !== 'faulted') return new Set();
  const files: Uint8Array[] = [];
  for (const hash of view.body.evidence) files.push(await client.evidence(view.request.digest, hash));
  return judgeFaults(portableArithmetic(), group, view, files);
}
