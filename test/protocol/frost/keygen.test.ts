/** Key generation, as one member checks the others: what a dealer may send, and what it must not. */
import { describe, expect, test } from 'vitest';
import type { Point, SecretGroup } from '../../../protocol/frost/group.ts';
import {
  deal,
  dealShare,
  decodeCommitments,
  finalShare,
  groupPublicKey,
  proofBytes,
  proveDealing,
  proveShare,
  sumCommitments,
  verifyDealing,
  verifyDealtShare,
  verifyShareProof,
  type Dealing,
} from '../../../protocol/frost/keygen.ts';
import { encodeScalar, groupOrder } from '../../../protocol/frost/scalar.ts';
import { publicShare, toIdentifier } from '../../../protocol/frost/sharing.ts';
import { hostilePoints, littleEndian } from './hostile.ts';
import { flat, groups, hex, makeKey, noble, readSecret, sodium } from './keys.ts';

const context = Buffer.from('ceremony, charter, production, sharing 0');
const dealer = toIdentifier(2);
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const encodedOf = (points: readonly Point[]): Uint8Array[] => points.map(({ bytes }) => bytes);

describe.each(groups)('commitments of a dealer, read by $name', ({ group }) => {
  const encoded = encodedOf(deal(group, 3).commitments);

  test('are exactly t points', () => {
    expect(encodedOf(decodeCommitments(group, encoded, 3)!)).toEqual(encoded);
  });

  const identity = littleEndian(1n);
  const wrong: [string, Uint8Array[]][] = [
    ['t - 1', encoded.slice(0, 2)],
    ['t + 1', [...encoded, ...encoded.slice(0, 1)]],
    ['t + 1, the last the identity,', [...encoded, identity]],
    ['t, the last the identity,', [...encoded.slice(0, 2), identity]],
    ['t, the first the identity,', [identity, ...encoded.slice(1)]],
    ['no', []],
  ];
  test.each(wrong)('of %s points are refused (T14)', (_, points) => {
    expect(decodeCommitments(group, points, 3)).toBeUndefined();
  });

  test('of no points are refused even for a threshold of 0 (T14)', () => {
    expect(decodeCommitments(group, [], 0)).toBeUndefined();
  });

  test.each(hostilePoints)('with a point of %s anywhere are refused (T8)', (_, encodings) => {
    for (const bytes of encodings) {
      for (const place of [0, 1, 2]) expect(decodeCommitments(group, encoded.with(place, bytes), 3)).toBeUndefined();
    }
  });
});

describe.each(groups)('a proof of knowledge on $name', ({ group }) => {
  const dealing = deal(group, 3);
  const { commitments } = dealing;
  const proof = proveDealing(group, dealing, dealer, context);
  const check = (bytes: Uint8Array): boolean => verifyDealing(group, commitments, bytes, dealer, context);

  test('convinces both groups', () => {
    expect(proof).toHaveLength(proofBytes);
    expect(verifyDealing(sodium, commitments, proof, dealer, context)).toBe(true);
    expect(verifyDealing(noble, commitments, proof, dealer, context)).toBe(true);
  });

  test('is bound to context, dealer and every coefficient (T15)', () => {
    const other = group.multiplyBase(77n);
    expect(verifyDealing(group, commitments, proof, toIdentifier(3), context)).toBe(false);
    expect(verifyDealing(group, commitments, proof, dealer, context.subarray(1))).toBe(false);
    for (const place of [0, 1, 2]) {
      expect(verifyDealing(group, commitments.with(place, other), proof, dealer, context)).toBe(false);
    }
    expect(verifyDealing(group, commitments.slice(0, 2), proof, dealer, context)).toBe(false);
    expect(verifyDealing(group, [], proof, dealer, context)).toBe(false);
  });

  test('cannot be made for the negated sum of the others: the rogue key (T15)', () => {
    const rogue: Point = group.add(group.generator, group.multiply(commitments[0]!, -1n));
    const pretended: Dealing = { ...dealing, commitments: [rogue, ...commitments.slice(1)] };
    const attempt = proveDealing(group, pretended, dealer, context);
    expect(verifyDealing(group, pretended.commitments, attempt, dealer, context)).toBe(false);
  });

  test('is refused when a bit of it changes, or its length', () => {
    for (let bit = 0; bit < 8 * proofBytes; bit += 19) {
      expect(check(proof.with(bit >> 3, (proof[bit >> 3] ?? 0) ^ (1 << (bit & 7)))), `bit ${bit}`).toBe(false);
    }
    for (const bytes of [new Uint8Array(), proof.subarray(1), Buffer.concat([proof, Buffer.alloc(1)])]) {
      expect(check(bytes)).toBe(false);
    }
  });

  test.each(hostilePoints.filter(([, encodings]) => encodings.every((bytes) => bytes.length === 32)))(
    'with an R of %s is refused (T8)',
    (_, encodings) => {
      for (const bytes of encodings) expect(check(Buffer.concat([bytes, proof.subarray(32)]))).toBe(false);
    },
  );

  test('with a response of z + L is refused (T8)', () => {
    const z = BigInt(`0x${Buffer.from(proof.subarray(32)).reverse().toString('hex')}`);
    expect(check(Buffer.concat([proof.subarray(0, 32), encodeScalar(z + groupOrder)]))).toBe(false);
    expect(check(Buffer.concat([proof.subarray(0, 32), encodeScalar(z)]))).toBe(true);
  });

  test('of a share convinces, and is no proof of a dealing or of another member, share or transcript', () => {
    const share = group.randomSecret();
    const point = group.publicPoint(share);
    const shareProof = proveShare(group, share, dealer, context);
    expect(verifyShareProof(sodium, point, shareProof, dealer, context)).toBe(true);
    expect(verifyShareProof(noble, point, shareProof, dealer, context)).toBe(true);
    expect(verifyDealing(group, [point], shareProof, dealer, context)).toBe(false);
    expect(verifyShareProof(group, point, shareProof, toIdentifier(1), context)).toBe(false);
    expect(verifyShareProof(group, group.generator, shareProof, dealer, context)).toBe(false);
    expect(verifyShareProof(group, point, shareProof, dealer, Buffer.from('another'))).toBe(false);
    expect(verifyShareProof(group, group.identity, shareProof, dealer, context)).toBe(false);
  });
});

describe.each(groups)('dealt shares on $name', ({ group }) => {
  const dealing = deal(group, 2);

  test('pass for their receiver alone', () => {
    const share = dealShare(group, dealing, toIdentifier(4));
    expect(verifyDealtShare(group, share, toIdentifier(4), dealing.commitments)).toBe(true);
    expect(verifyDealtShare(group, share, toIdentifier(5), dealing.commitments)).toBe(false);
    expect(verifyDealtShare(group, group.randomSecret(), toIdentifier(4), dealing.commitments)).toBe(false);
    expect(verifyDealtShare(group, share, toIdentifier(4), deal(group, 2).commitments)).toBe(false);
  });

  test('of a dealer whose coefficients cancel for one member are zero there, and pass without a throw (T8)', () => {
    const cancelling = dealingOf(group, [6n, -3n]);
    const receiver = toIdentifier(2);
    const share = dealShare(group, cancelling, receiver);
    expect(group.publicPoint(share)).toEqual(group.identity);
    expect(verifyDealtShare(group, share, receiver, cancelling.commitments)).toBe(true);
    expect(verifyDealtShare(group, group.randomSecret(), receiver, cancelling.commitments)).toBe(false);
    expect(verifyDealtShare(group, share, receiver, dealing.commitments)).toBe(false);
  });

  test('of dealers who cancel for one member together give it no public share (T8)', () => {
    const [one, other] = [dealingOf(group, [6n, 4n]), dealingOf(group, [2n, -8n])];
    const sum = sumCommitments(group, [one.commitments, other.commitments]);
    expect(() => publicShare(group, sum, toIdentifier(2))).toThrow(code('identity'));
    expect(publicShare(group, sum, toIdentifier(1))).toEqual(group.multiplyBase(4n));
  });

  test('sum to a share whose point is the public share', async () => {
    const other = deal(group, 2);
    const receiver = toIdentifier(3);
    const share = finalShare(group, [dealShare(group, dealing, receiver), dealShare(group, other, receiver)]);
    const sum = sumCommitments(group, [dealing.commitments, other.commitments]);
    expect(publicShare(group, sum, receiver)).toEqual(group.publicPoint(share));
    expect(await readSecret(group, share)).toHaveLength(32);
  });
});

describe.each(groups)('sums of commitments on $name', ({ group }) => {
  test.each([0, 1])('are refused when coefficient %i cancels between dealers', (place) => {
    const one = dealingOf(group, [5n, 7n]);
    const other = dealingOf(group, [place === 0 ? -5n : 5n, place === 1 ? -7n : 7n]);
    expect(() => sumCommitments(group, [one.commitments, other.commitments])).toThrow(code('identity'));
  });

  test('are refused for no dealer, and for vectors of unequal length (T14)', () => {
    expect(() => sumCommitments(group, [])).toThrow(code('invalid-sharing'));
    const vectors = [deal(group, 2).commitments, deal(group, 3).commitments];
    expect(() => sumCommitments(group, vectors)).toThrow(code('invalid-sharing'));
    expect(() => sumCommitments(group, vectors.toReversed())).toThrow(code('invalid-sharing'));
  });

  test('make no key when two sharings cancel', () => {
    const [one, other] = [dealingOf(group, [5n]), dealingOf(group, [-5n])];
    expect(() => groupPublicKey(group, [one.commitments, other.commitments])).toThrow(code('identity'));
    expect(groupPublicKey(group, [one.commitments])).toEqual(group.multiplyBase(5n));
  });
});

test('a whole key generation gives every member the share behind its public share', () => {
  const [one, other] = [makeKey(sodium, flat(2, 3)), makeKey(noble, flat(2, 3))];
  for (const { group, shares, publicShares } of [one, other]) {
    for (const [member, share] of shares) expect(group.publicPoint(share)).toEqual(publicShares.get(member));
  }
  expect(hex(one.key.bytes)).not.toBe(hex(other.key.bytes));
});

/** A dealing with chosen coefficients, as a hostile dealer makes it. */
function dealingOf(group: SecretGroup, values: readonly bigint[]): Dealing {
  const coefficients = values.map((value) =>
    group.loadSecret(littleEndian(((value % groupOrder) + groupOrder) % groupOrder))!,
  );
  return { coefficients, commitments: coefficients.map((secret) => group.publicPoint(secret)) };
}
