/** A wait with an end. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a promise, and no longer than that: what hangs must not keep a daemon from stopping. */
export async function within(milliseconds: number, promise: Promise<unknown> | undefined): Promise<void> {
  const stop = new AbortController();
  await Promise.race([promise, sleep(milliseconds, undefined, { signal: stop.signal }).catch(() => undefined)]);
  stop.abort();
}
