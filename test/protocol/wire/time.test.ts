/** Times as they are signed, and durations as people write them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimestamp, parseDuration, parseTimestamp } from '../../../protocol/wire/time.ts';
import { codeOf } from '../support.ts';

describe('a timestamp', () => {
  it('is RFC 3339 in UTC with whole seconds, and reads back to the second', () => {
    expect(formatTimestamp(1_795_334_400)).toBe('2026-11-22T08:00:00Z');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        expect(parseTimestamp(formatTimestamp(seconds), 'bad-request', 'createdAt')).toBe(seconds);
      }),
    );
  });

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T08:00:60Z',
    '2026-11-22T08:00:00.000Z',
    '2026-11-22T08:00:00.5Z',
    '2026-11-22T08:00:00+00:00',
    '2026-11-22T09:00:00+01:00',
    '2026-11-22t08:00:00z',
    '2026-11-22 08:00:00Z',
    '2026-11-22T08:00Z',
    '2026-11-22',
    '1795334400',
    ' 2026-11-22T08:00:00Z',
    '',
    'now',
  ])('refuses %j, naming the field', (text) => {
    expect(codeOf(() => parseTimestamp(text, 'bad-decision', 'decidedAt'))).toBe('bad-decision');
    expect(() => parseTimestamp(text, 'bad-decision', 'decidedAt')).toThrow('decidedAt');
  });
});

describe('a duration', () => {
  it.each([
    ['90s', 90],
    ['30m', 1800],
    ['72h', 259_200],
    ['90d', 7_776_000],
    ['999999s', 999_999],
  ])('reads %s as %i seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(['0s', '05m', '-1h', '1.5h', '1h30m', '72', 'h', '', ' 1h', '1h ', '1w', '1H', '1000000s', '1e3s', '٣h'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});
