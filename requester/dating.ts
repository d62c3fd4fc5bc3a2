/** The date of a request: installers' tools refuse a signature from their future, and one from before the key that made it. */
import { assertClocksAgree } from '../client/clock.ts';
import type { Connection } from './connection.ts';

/** Milliseconds by which two clocks may seem apart that agree: an answer tells whole seconds, and was under way. */
const noiseMs = 5000;

/**
 * Unix seconds: now, by the coordinator's clock where ours is ahead of it, so that what is signed verifies at once for whoever has the right
 * time; and never before `notBeforeUnixSeconds`. Nobody vouches for what the coordinator says of its clock: past the bound for two clocks it
 * dates nothing. Throws `ClientError('wrong-clock')`.
 */
export function requestDate(
  { client: { clockAheadMs = 0 } }: { readonly client: Pick<Connection['client'], 'clockAheadMs'> },
  nowUnixSeconds: number,
  notBeforeUnixSeconds = 0,
): number {
  assertClocksAgree({ clockAheadMs, nowUnixSeconds });
  const corrected = clockAheadMs > noiseMs ? Math.floor(nowUnixSeconds - clockAheadMs / 1000) : nowUnixSeconds;
  return Math.max(corrected, notBeforeUnixSeconds);
}
