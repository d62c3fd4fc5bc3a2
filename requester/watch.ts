/** Waits for the end of a round, believing only what is signed. */
import { randomBytes } from 'node:crypto';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import { longestTimerMs } from '../protocol/limits.ts';
import { submissionId, type Request } from '../protocol/request/request.ts';
import type { RoundBody } from '../protocol/wire/frames.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';
import { clockGraceSeconds } from './limits.ts';
import { assertGoesOn, expiryText, judgeFaults, openRound, type RoundView } from './round-view.ts';
import { roundBodyOf } from './rounds.ts';

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
 * Waits until the round of `request` is signed. Throws `RequesterError`: `refused`, `faulted`, `expired`, `cancelled`, `unproved`, or
 * `pending` at the deadline or when the signal fires; and `ClientError` for what no retry can mend.
 */
export async function waitForRound(
  connection: Connection,
  digest: string,
  request: Request,
  options: WaitOptions,
): Promise<RoundView> {
  const first = checkRound(connection, digest, request, await roundBodyOf(connection, digest));
  if (first.outcome !== 'pending') {
    options.onView?.(first);
    return await judged(connection, first, options.nowUnixSeconds());
  }
  const deadline = deadlineOf(first, options);
  using timer = signalAt(deadline, options.nowUnixSeconds);
  const signal = options.signal === undefined ? timer.signal : AbortSignal.any([timer.signal, options.signal]);
  let last = first;
  for await (const body of connection.client.watchRound(digest, { signal, onRetry: options.onRetry })) {
    const view = checkRound(connection, digest, request, body);
    last = view;
    options.onView?.(view);
    const { outcome } = await judged(connection, view, options.nowUnixSeconds());
    if (outcome === 'signed') return view;
  }
  // Past its expiry no member signs it any more, whatever the coordinator does.
  if (options.signal?.aborted !== true && deadline >= first.expiresAtUnixSeconds)
    throw new RequesterError('expired', expiryText(last));
  throw new RequesterError('pending', `the request is still pending: ${missingText(last)}`);
}

/** How the round of `request` is now. Throws what `waitForRound` does for one that is over and not signed. */
export async function lookAtRound(
  connection: Connection,
  digest: string,
  request: Request,
  nowUnixSeconds: number,
): Promise<RoundView> {
  const view = checkRound(connection, digest, request, await roundBodyOf(connection, digest));
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
  return missing
    .map((sharing) => `${sharing.of} lacks ${sharing.missing} of ${sharing.threshold} approvals`)
    .join(', ');
}

/** The coordinator may show us no other round than that of our very submission, made by us earlier at most. */
function checkRound({ group }: Connection, digest: string, request: Request, body: RoundBody): RoundView {
  if (body.digest !== digest) throw new RequesterError('bad-result', 'the coordinator answers for another round');
  const view = openRound(group, body);
  if (submissionId(view.request) !== submissionId(request))
    throw new RequesterError('bad-result', `round ${digest} asks for something else than we do`);
  return view;
}

function deadlineOf(view: RoundView, { untilUnixSeconds }: WaitOptions): number {
  const last = view.expiresAtUnixSeconds + clockGraceSeconds;
  return untilUnixSeconds === undefined ? last : Math.min(untilUnixSeconds, last);
}

/** Fires at that time, however far away. */
function signalAt(unixSeconds: number, nowUnixSeconds: () => number): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    const leftMs = (unixSeconds - nowUnixSeconds()) * 1000;
    if (leftMs <= 0) controller.abort();
    else timer = setTimeout(wait, Math.min(leftMs, longestTimerMs));
  };
  wait();
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Only a round that is said to have ended by faults needs them proved. */
async function provedFaults({ client, group }: Connection, view: RoundView): Promise<ReadonlySet<string>> {
  if (view.outcome !== 'faulted') return new Set();
  const files: Uint8Array[] = [];
  for (const hash of view.body.evidence) files.push(await client.evidence(view.request.digest, hash));
  const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
  return judgeFaults(arithmetic, group, view, files);
}
