import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from '../../verifier/base64.ts';
import { codeOf } from './fixtures.ts';

describe('base64', () => {
  it('gives any bytes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
        expect(decodeBase64Url(encodeBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  it('encodes a view, not the buffer under it', () => {
    const bytes = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
    expect(encodeBase64(bytes)).toBe('AQI=');
    expect(encodeBase64Url(bytes)).toBe('AQI');
  });

  it.each([
    ['no padding', 'AQI'],
    ['too much padding', 'AQI=='],
    ['padding alone', '='],
    ['trailing bits that are not zero', 'AQJ='],
    ['a newline', 'AQID\n'],
    ['a space', 'AQ ID'],
    ['a character outside the alphabet', 'AQ!D'],
    ['the URL-safe alphabet', '-_-_'],
    ['a single character', 'A'],
    ['text after the padding', 'AQI=AQI='],
    ['characters beyond ASCII', 'AQІD'],
  ])('refuses base64 with %s (T38)', (_, text) => {
    expect(codeOf(() => decodeBase64(text))).toBe('bad-base64');
  });

  it.each([
    ['padding', 'AQI='],
    ['trailing bits that are not zero', 'AQJ'],
    ['the standard alphabet', '+/+/'],
    ['a newline', 'AQID\n'],
    ['a single character', 'A'],
  ])('refuses base64url with %s (T38)', (_, text) => {
    expect(codeOf(() => decodeBase64Url(text))).toBe('bad-base64');
  });
});
