/** Waits out what passes: a coordinator that is busy or starts again, a connection that was refused or broke (RFC 9110, Section 10.2.3). */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientError, isPassing } from './errors.ts';
import { firstRetryMs, longestRetryMs } from './limits.ts';

/** How long calls are tried again, and who is told. */
export interface Patience {
  /** Milliseconds after a call's first failure until which it is tried again. */
  readonly forMs: number;
  /** Unix milliseconds in place of that, where one time holds for all calls. */
  readonly untilMs?: number | undefined;
  /** Told when a call waits; once for each code until another call succeeds is enough for a person. */
  readonly onWaiting?: ((error: ClientError) => void) | undefined;
}

/** What a patient call needs besides: the clock, and a signal that ends the waiting. */
export interface PatientCall {
  readonly patience: Patience | undefined;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/**
 * Makes the call again while its failures pass by themselves and there is patience left, at the earliest when the coordinator asks for it
 * (`Retry-After`). Throws the last failure, and at once what no wait can mend. Every call of a client may be made twice.
 */
export async function patiently<T>(call: () => Promise<T>, { patience, nowMs, signal }: PatientCall): Promise<T> {
  let firstFailureMs: number | undefined;
  for (let retries = 0; ; retries += 1) {
    try {
      return await call();
    } catch (error) {
      if (patience === undefined || signal.aborted || !(error instanceof ClientError) || !isWorthWaiting(error))
        throw error;
      firstFailureMs ??= nowMs();
      const delayMs = delayAfter(error, retries);
      if (nowMs() + delayMs > (patience.untilMs ?? firstFailureMs + patience.forMs)) throw error;
      patience.onWaiting?.(error);
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** A wrong name or certificate stays wrong, though it looks like an unreachable coordinator. */
const lasting = /^(ENOTFOUND|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_|ERR_TLS|ERR_SSL|ERR_PROXY|HOSTNAME)/;

function isWorthWaiting(error: ClientError): boolean {
  const { cause } = error;
  const system = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return isPassing(error) && !lasting.test(system);
}

/** Milliseconds before the next try. What the coordinator asks for is a lower bound, drawn out by up to half so that not all come back at once. */
export function delayAfter(error: ClientError, retries: number, random: () => number = Math.random): number {
  const { retryAfterMs } = error.refusal ?? {};
  const ownMs = retryDelay(retries, random);
  return retryAfterMs === undefined ? ownMs : Math.max(retryAfterMs * (1 + random() / 2), ownMs);
}

/** Doubles from retry to retry, and is shortened by up to half at random so that clients do not return together. */
export function retryDelay(retries: number, random: () => number = Math.random): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(retries, 10)) * (1 - random() / 2);
}
