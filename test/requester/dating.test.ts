/** What date a request has, by which clock. */
import { expect, test } from 'vitest';
import { requestDate } from '../../requester/dating.ts';

const now = 1_800_000_000;

const at = (clockAheadMs: number | undefined) => ({ client: { clockAheadMs } });

test.each([
  ['is ours where the coordinator tells none', undefined, now],
  ['is ours where the two seem apart by what a call takes', 4000, now],
  ["is the coordinator's where ours is ahead", 290_000, now - 290],
  ['is ours where ours is behind', -290_000, now],
])('a date %s', (_what, aheadMs, expected) => {
  expect(requestDate(at(aheadMs), now)).toBe(expected);
  expect(requestDate(at(aheadMs), now, now + 5)).toBe(now + 5);
});

test.each([86_400_000, 301_000, -301_000])(
  'a coordinator whose clock is %i ms away from ours dates nothing (T51)',
  (aheadMs) => {
    expect(() => requestDate(at(aheadMs), now)).toThrow(expect.objectContaining({ code: 'wrong-clock' }));
  },
);
