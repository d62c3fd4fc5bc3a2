/** Which one-time keys nobody can seal to: libsodium is the second opinion. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSmallOrderBoxKey } from '../../../protocol/ceremony/box-key.ts';
import { hexToBytes } from '../../../protocol/wire/bytes.ts';
import { sharedSodium } from '../../harness/ceremony-network.ts';
import { smallOrderBoxKeys } from './box-keys.ts';

describe('a one-time key (T17)', () => {
  it.each(smallOrderBoxKeys)('of small order is found, and nobody can seal to it: %s', async (key) => {
    expect(isSmallOrderBoxKey(hexToBytes(key))).toBe(true);
    expect((await sharedSodium()).seal(hexToBytes(key), new Uint8Array(32), [])).toBeUndefined();
  });

  it('of any other kind is one that can be sealed to', async () => {
    const sodium = await sharedSodium();
    const keys = Array.from({ length: 200 }, () => new Uint8Array(randomBytes(32)));
    const own = sodium.makeBoxKey();
    for (const key of [...keys, own.publicKey, Uint8Array.of(9, ...new Uint8Array(31))]) {
      expect(isSmallOrderBoxKey(key)).toBe(false);
      expect(sodium.seal(key, new Uint8Array(32), [])).toBeDefined();
    }
    sodium.wipe(own);
  });
});
