/** Sharings: who qualifies, and interpolation within each of them. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { groupOrder, invertScalar, reduceScalar } from '../../../protocol/frost/scalar.ts';
import {
  assertSharings,
  decodeIdentifier,
  evaluateCommitments,
  interpolationCoefficient,
  isMinimalQualifiedSet,
  isQualified,
  publicShare,
  publicSharesMatch,
  sharingOf,
  toIdentifier,
  type Identifier,
  type Sharing,
} from '../../../protocol/frost/sharing.ts';
import { flat, groups, identifiers, makeKey, sodium } from './keys.ts';

const code = (value: string) => expect.objectContaining({ code: value }) as Error;

/** `{ admin: 2, build: 1 }`: builds 1 and 2, admins 3, 4 and 5. */
const tiers: Sharing[] = [
  { threshold: 2, members: identifiers(3, 4, 5), tier: 'admin' },
  { threshold: 1, members: identifiers(1, 2), tier: 'build' },
];

describe('identifiers', () => {
  test.each([0, -1, 1.5, NaN, Infinity, 65_536, 2 ** 53, '1', 1n, null, undefined, [1], true])(
    'refuses %s as an identifier (T8)',
    (value) => {
      expect(decodeIdentifier(value)).toBeUndefined();
      expect(() => toIdentifier(value as number)).toThrow(code('invalid-identifier'));
    },
  );

  test('accepts 1 to 65,535', () => {
    for (const value of [1, 2, 65_535]) expect(decodeIdentifier(value)).toBe(value);
  });
});

describe('sharings', () => {
  const members = identifiers(1, 2, 3);
  const impossible: [string, Sharing[]][] = [
    ['no sharing', []],
    ['no member', [{ threshold: 1, members: [] }]],
    ['a threshold of 0', [{ threshold: 0, members }]],
    ['a negative threshold', [{ threshold: -1, members }]],
    ['a threshold over the number of members', [{ threshold: 4, members }]],
    ['half a threshold', [{ threshold: 1.5, members }]],
    ['a threshold that is no number', [{ threshold: NaN, members }]],
    ['a member twice', [{ threshold: 1, members: identifiers(1, 2, 2) }]],
    ['members out of order', [{ threshold: 1, members: identifiers(2, 1) }]],
    ['an identifier of 0', [{ threshold: 1, members: [0 as Identifier, toIdentifier(1)] }]],
    ['a member in two tiers', [...tiers, { threshold: 1, members: identifiers(5, 6), tier: 'hardware' }]],
  ];
  test.each(impossible)('refuses %s', (_, sharings) => {
    expect(() => assertSharings(sharings)).toThrow(code('invalid-sharing'));
  });

  test('accepts t of n for every t from 1 to n, and tiers', () => {
    for (const threshold of [1, 2, 3]) expect(() => assertSharings([{ threshold, members }])).not.toThrow();
    expect(() => assertSharings(tiers)).not.toThrow();
  });

  test('knows the one sharing of a member', () => {
    expect(sharingOf(tiers, toIdentifier(4))?.tier).toBe('admin');
    expect(sharingOf(tiers, toIdentifier(1))?.tier).toBe('build');
    expect(sharingOf(tiers, toIdentifier(6))).toBeUndefined();
  });

  const sets: [number[], boolean, boolean][] = [
    [[1, 3, 4], true, true],
    [[2, 3, 5], true, true],
    [[1, 2, 3, 4], true, false],
    [[1, 3, 4, 5], true, false],
    [[1, 3, 4, 6], true, false],
    [[3, 1, 4], true, false],
    [[1, 3, 4, 4], true, false],
    [[3, 4, 5], false, false],
    [[1, 2, 3], false, false],
    [[1, 3], false, false],
    [[1, 3, 3], false, false],
    [[1, 3, 6], false, false],
    [[], false, false],
  ];
  test.each(sets)('2 admins and 1 build: %j is qualified: %s, a signer set: %s', (values, qualified, minimal) => {
    expect(isQualified(tiers, identifiers(...values))).toBe(qualified);
    expect(isMinimalQualifiedSet(tiers, identifiers(...values))).toBe(minimal);
  });

  test('exactly the t-element subsets of a flat quorum are signer sets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.subarray([1, 2, 3, 4, 5, 6, 7]), (threshold, values) => {
        const inside = values.every((value) => value <= 6);
        const expected = inside && values.length === threshold;
        expect(isMinimalQualifiedSet(flat(threshold, 6), identifiers(...values))).toBe(expected);
      }),
    );
  });
});

describe('interpolation (RFC 9591, Section 4.2)', () => {
  test('recovers the constant of any polynomial from its values', () => {
    const scalar = fc.bigInt({ min: 0n, max: groupOrder - 1n });
    const places = fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(places, fc.array(scalar, { minLength: 8, maxLength: 8 }), (values, coefficients) => {
        const chosen = identifiers(...values.toSorted((a, b) => a - b));
        const polynomial = coefficients.slice(0, chosen.length);
        const sum = chosen.reduce((total, identifier) => {
          const value = polynomial.reduceRight((acc, c) => reduceScalar(acc * BigInt(identifier) + c), 0n);
          return reduceScalar(total + interpolationCoefficient(chosen, identifier) * value);
        }, 0n);
        expect(sum).toBe(polynomial[0]);
      }),
    );
  });

  test('gives the coefficients of 1 and 3: 3/2 and -1/2', () => {
    const chosen = identifiers(1, 3);
    expect(interpolationCoefficient(chosen, chosen[0]!)).toBe(reduceScalar(3n * invertScalar(2n)));
    expect(interpolationCoefficient(chosen, chosen[1]!)).toBe(reduceScalar(-invertScalar(2n)));
  });

  test.each([[[1, 2, 2]], [[2, 1]], [[1, 3]], [[]]])('refuses to interpolate over %j for 2 (T8)', (chosen) => {
    const call = () => interpolationCoefficient(identifiers(...chosen), toIdentifier(2));
    expect(call).toThrow(code('invalid-identifier'));
  });
});

describe.each(groups)('public shares on $name', ({ group }) => {
  const key = makeKey(group, tiers);

  test('interpolate to the key of two sharings', () => {
    expect(publicSharesMatch(group, tiers, key.publicShares, key.key)).toBe(true);
  });

  test('do not, when any one of them is another point (T19)', () => {
    for (const [member, share] of key.publicShares) {
      const changed = new Map(key.publicShares).set(member, group.add(share, group.generator));
      expect(publicSharesMatch(group, tiers, changed, key.key), `member ${member}`).toBe(false);
    }
    expect(publicSharesMatch(group, tiers, key.publicShares, group.generator)).toBe(false);
  });

  test('are what adding up and what multiplying makes of the commitments', () => {
    const commitments = [5n, 7n, 11n].map((scalar) => group.multiplyBase(scalar));
    for (const x of [1, 2, 77, 255, 65_535]) {
      const horner = commitments.reduceRight(
        (sum, commitment) => group.add(group.multiply(sum, BigInt(x)), commitment),
        group.identity,
      );
      expect(evaluateCommitments(group, commitments, toIdentifier(x)).bytes).toEqual(horner.bytes);
    }
    expect(evaluateCommitments(group, [], toIdentifier(3)).bytes).toEqual(group.identity.bytes);
    const foreign = { bytes: new Uint8Array(32).fill(0xff) };
    expect(() => evaluateCommitments(group, [foreign], toIdentifier(3))).toThrow(code('foreign-point'));
  });

  test('of many, cost one multiplication for each member and one more for each of the threshold', () => {
    const many = makeKey(group, [
      { threshold: 9, members: identifiers(...Array.from({ length: 13 }, (_, i) => i + 1)) },
    ]);
    const multiply = vi.spyOn(group, 'multiply');
    onTestFinished(() => {
      multiply.mockRestore();
    });
    expect(publicSharesMatch(group, many.sharings, many.publicShares, many.key)).toBe(true);
    expect(multiply).toHaveBeenCalledTimes(13 + 9);
  });

  test('are refused when one is missing (T19)', () => {
    const missing = new Map(key.publicShares);
    missing.delete(toIdentifier(5));
    expect(() => publicSharesMatch(group, tiers, missing, key.key)).toThrow(code('invalid-identifier'));
  });

  test('are refused when the polynomial has a root at a member (T8)', () => {
    // f(x) = 6 - 3x is 0 at 2 alone.
    const commitments = [group.multiplyBase(6n), group.multiplyBase(-3n)];
    expect(() => publicShare(group, commitments, toIdentifier(2))).toThrow(code('identity'));
    expect(publicShare(group, commitments, toIdentifier(1)).bytes).toEqual(sodium.multiplyBase(3n).bytes);
  });
});
