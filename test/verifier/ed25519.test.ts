import { sign } from 'node:crypto';

import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isPublicKey, verifySignature } from '../../verifier/ed25519.ts';
import { group, keyPair, signatureVectors } from './fixtures.ts';

const { Point } = ed25519;
const p = 2n ** 255n - 19n;
const order = Point.Fn.ORDER;
const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex));
const message = Buffer.from('message');

function littleEndian(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** The equation alone, without a cofactor, over any points: S·B = R + k·A. */
function signedOverPoints(secret: bigint, torsionOfA: number, nonce: bigint, torsionOfR: number) {
  const a = Point.BASE.multiplyUnsafe(secret).add(torsion[torsionOfA]!);
  const r = Point.BASE.multiplyUnsafe(nonce).add(torsion[torsionOfR]!);
  for (let counter = 0; ; counter++) {
    const text = Buffer.from(`message ${counter}`);
    const k = toBigInt(sha512(Buffer.concat([r.toBytes(), a.toBytes(), text]))) % order;
    const s = (nonce + k * secret) % order;
    // Only where the torsion of R and k·A cancels does the equation hold without the cofactor.
    const residue = torsion[torsionOfR]!.add(torsion[torsionOfA]!.multiplyUnsafe(k % 8n));
    if (residue.is0()) return { key: a.toBytes(), text, sig: Buffer.concat([r.toBytes(), littleEndian(s)]) };
    if (counter === 200) return undefined;
  }
}

describe('a signature', () => {
  it.each(['ed25519-speccheck.jsonl', 'ed25519-cctv.jsonl', 'ed25519-wycheproof.jsonl'])(
    'is judged as published for a strict verifier: %s (T20)',
    (name) => {
      const wrong = signatureVectors(name).filter(
        ({ key, msg, sig, accept }) => verifySignature(key, msg, sig) !== accept,
      );
      expect(wrong.map(({ id }) => id)).toEqual([]);
    },
  );

  it('is accepted nowhere here and refused elsewhere: noble agrees with every acceptance (T20)', () => {
    const accepted = ['ed25519-speccheck.jsonl', 'ed25519-cctv.jsonl', 'ed25519-wycheproof.jsonl']
      .flatMap(signatureVectors)
      .filter(({ key, msg, sig }) => verifySignature(key, msg, sig));
    expect(accepted.length).toBeGreaterThan(100);
    for (const { key, msg, sig } of accepted) expect(ed25519.verify(sig, msg, key, { zip215: false })).toBe(true);
  });

  it('verifies when it is an ordinary one, under any key, over any message', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.uint8Array({ maxLength: 300 }), (seed, text) => {
        const { privateKey, publicKey } = keyPair(seed);
        expect(verifySignature(publicKey, text, sign(null, text, privateKey))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is refused with any bit changed in key, message or signature', () => {
    const signature = sign(null, message, group.privateKey);
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 2), fc.nat(), fc.nat(7), (part, at, bit) => {
        const parts = [Buffer.from(group.publicKey), Buffer.from(message), Buffer.from(signature)] as const;
        const target = parts[part];
        target[at % target.length] = target[at % target.length]! ^ (1 << bit);
        expect(verifySignature(...parts)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('is refused for S + L, whose equation holds as well (T20; RFC 8032, Section 8.4)', () => {
    const signature = sign(null, message, group.privateKey);
    for (let multiple = 1n; multiple < 15n; multiple++) {
      const s = toBigInt(signature.subarray(32)) + multiple * order;
      const malleated = Buffer.concat([signature.subarray(0, 32), littleEndian(s)]);
      expect(verifySignature(group.publicKey, message, malleated)).toBe(false);
    }
  });

  it('is refused when R is the identity or of small order, though its equation holds (T20)', () => {
    const refusedHere = [0, 1, 2, 3, 4, 5, 6, 7]
      .map((index) => signedOverPoints(5n, index, 0n, index))
      .filter((it) => it !== undefined);
    expect(refusedHere.length).toBeGreaterThan(4);
    for (const { key, text, sig } of refusedHere) {
      // Whether the OpenSSL of this Node takes it depends on its version.
      expect(ed25519.verify(sig, text, key, { zip215: true })).toBe(true);
      expect(verifySignature(key, text, sig)).toBe(false);
    }
  });

  it('is refused when the key is the identity or of small order, though its equation holds (T20)', () => {
    const refusedHere = [0, 1, 2, 3, 4, 5, 6, 7]
      .map((index) => signedOverPoints(0n, index, 7n, 0))
      .filter((it) => it !== undefined);
    expect(refusedHere.length).toBeGreaterThan(6);
    for (const { key, text, sig } of refusedHere) {
      // Whether the OpenSSL of this Node takes it depends on its version.
      expect(ed25519.verify(sig, text, key, { zip215: true })).toBe(true);
      expect(verifySignature(key, text, sig)).toBe(false);
      expect(isPublicKey(key)).toBe(false);
    }
  });

  it('is refused when it satisfies the equation only after multiplying by the cofactor (T20)', () => {
    const a = Point.BASE.multiply(5n);
    const r = Point.BASE.multiply(7n).add(torsion[1]!);
    const k = toBigInt(sha512(Buffer.concat([r.toBytes(), a.toBytes(), message]))) % order;
    const sig = Buffer.concat([r.toBytes(), littleEndian((7n + k * 5n) % order)]);
    expect(ed25519.verify(sig, message, a.toBytes(), { zip215: true })).toBe(true);
    expect(verifySignature(a.toBytes(), message, sig)).toBe(false);
  });

  it('answers false and never throws for bytes of any shape (T8)', () => {
    const bytes = fc.uint8Array({ maxLength: 70 });
    const key = fc.oneof(bytes, fc.uint8Array({ minLength: 32, maxLength: 32 }));
    const sig = fc.oneof(bytes, fc.uint8Array({ minLength: 64, maxLength: 64 }));
    fc.assert(
      fc.property(key, bytes, sig, (a, text, b) => {
        expect(verifySignature(a, text, b)).toBe(false);
      }),
    );
  });
});

describe('a public key', () => {
  it('is any 32 bytes that noble decodes strictly to a point of more than small order, and no others', () => {
    const decodes = (bytes: Uint8Array): boolean => {
      try {
        return !Point.fromBytes(bytes, false).isSmallOrder();
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(isPublicKey(bytes)).toBe(decodes(bytes));
      }),
    );
    // Every value whose encoding without the sign bit is not below p, and the smallest ones beside it.
    for (let y = 0n; y < 40n; y++) {
      for (const bytes of [
        littleEndian(y),
        littleEndian(p - 20n + y),
        littleEndian(p + y - 20n + 2n ** 255n),
        littleEndian(y + 2n ** 255n),
      ]) {
        expect(isPublicKey(bytes)).toBe(decodes(bytes));
      }
    }
  });

  it.each([0, 31, 33, 64])('is not %i bytes', (length) => {
    const bytes = new Uint8Array(length);
    bytes.set(group.publicKey.subarray(0, length));
    expect(isPublicKey(bytes)).toBe(false);
    expect(isPublicKey(group.publicKey)).toBe(true);
  });
});
