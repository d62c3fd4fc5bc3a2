/** Our clock beside the coordinator's: who asks, who decides and who checks go by time, so that a difference is told as what it is. */
import { formatTimestamp } from '../protocol/wire/time.ts';
import { ClientError } from './errors.ts';
import { maxClockDifferenceSeconds } from './limits.ts';

/** What a clock is compared with. */
export interface Clocks {
  /** Milliseconds by which ours is ahead; negative when it is behind, `undefined` when that is not known. */
  readonly clockAheadMs: number | undefined;
  readonly nowUnixSeconds: number;
}

/** The difference in words, whose clock it is and by how much; `undefined` while it is small enough for everybody. */
export function clockDifference({ clockAheadMs, nowUnixSeconds }: Clocks): string | undefined {
  const seconds = Math.round((clockAheadMs ?? 0) / 1000);
  if (Math.abs(seconds) <= maxClockDifferenceSeconds) return undefined;
  const theirs = formatTimestamp(nowUnixSeconds - seconds);
  const how = `${inWords(Math.abs(seconds))} ${seconds > 0 ? 'ahead of' : 'behind'}`;
  return `this machine's clock (${formatTimestamp(nowUnixSeconds)}) is ${how} the coordinator's (${theirs})`;
}

/** Throws `ClientError('wrong-clock')`. */
export function assertClocksAgree(clocks: Clocks): void {
  const difference = clockDifference(clocks);
  if (difference !== undefined) throw new ClientError('wrong-clock', difference);
}

/** The two largest units. */
function inWords(seconds: number): string {
  const units = [
    ['days', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  let rest = seconds;
  return units
    .slice(first, first + 2)
    .map(([name, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? '' : `${count} ${count === 1 ? name.replace(/^days$/, 'day') : name}`;
    })
    .filter((text) => text !== '')
    .join(' ');
}
