import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatTime, parseTime } from '../../verifier/time.ts';

describe('a time', () => {
  it('is whole seconds in UTC', () => {
    expect(parseTime('2026-11-22T08:00:00Z')).toBe(1795334400);
    expect(parseTime('1970-01-01T00:00:00Z')).toBe(0);
    expect(parseTime('2028-02-29T23:59:59Z')).toBe(Date.UTC(2028, 1, 29, 23, 59, 59) / 1000);
  });

  it('comes back from its text', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62167219200, max: 253402300799 }), (unixSeconds) => {
        expect(parseTime(formatTime(unixSeconds))).toBe(unixSeconds);
      }),
    );
  });

  it.each([
    '',
    '2026-11-22',
    '2026-11-22T08:00Z',
    '2026-11-22T08:00:00',
    '2026-11-22T08:00:00z',
    '2026-11-22t08:00:00Z',
    '2026-11-22 08:00:00Z',
    '2026-11-22T08:00:00.000Z',
    '2026-11-22T08:00:00.5Z',
    '2026-11-22T08:00:00+00:00',
    '2026-11-22T08:00:00Z\n',
    ' 2026-11-22T08:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2016-12-31T23:59:60Z',
    '+02026-11-22T08:00:00Z',
    '12026-11-22T08:00:00Z',
    '1795334400',
    '٢٠٢٦-11-22T08:00:00Z',
  ])('is not %j', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});
