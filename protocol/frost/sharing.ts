/** Who holds a quorum key and how many must sign: t-of-n sharings whose sum is the key, and interpolation within each (RFC 9591, Section 4.2). */
import { createHash } from 'node:crypto';
import { FrostError } from './errors.ts';
import type { Group, Point } from './group.ts';
import { maxIdentifier } from './limits.ts';
import { encodeScalar, invertScalar, littleEndianInteger, reduceScalar, type Scalar } from './scalar.ts';

/** A member's 1-based place in the charter, 1 to 65,535: its RFC 9591 identifier and its evaluation point in every sharing. */
export type Identifier = number & { readonly identifier: true };

/** One t-of-n Shamir sharing. `{ any: 3 }` is one of them over all members; a tier quorum has one for each tier. */
export interface Sharing {
  /** t, 1 to the number of members. */
  readonly threshold: number;
  /** The holders, who are also the dealers: ascending, each once. */
  readonly members: readonly Identifier[];
  /** The tier that holds it; absent in `{ any: t }`. */
  readonly tier?: string;
}

/** `undefined` for anything but an integer of 1 to 65,535. */
export function decodeIdentifier(value: unknown): Identifier | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value)) return undefined;
  return value >= 1 && value <= maxIdentifier ? (value as Identifier) : undefined;
}

/** For numbers that must be identifiers already. Throws `invalid-identifier`. */
export function toIdentifier(value: number): Identifier {
  const identifier = decodeIdentifier(value);
  if (identifier === undefined) throw new FrostError('invalid-identifier', `${value} is no identifier`);
  return identifier;
}

/** Throws `invalid-sharing` unless every threshold can be met and no member is in two places. */
export function assertSharings(sharings: readonly Sharing[]): void {
  if (sharings.length === 0) throw new FrostError('invalid-sharing', 'a key needs at least one sharing');
  for (const { threshold, members } of sharings) {
    if (!isAscending(members)) throw new FrostError('invalid-sharing', 'members are not ascending identifiers');
    if (!Number.isInteger(threshold) || threshold < 1 || threshold > members.length) {
      throw new FrostError('invalid-sharing', `a threshold of ${threshold} cannot be met by ${members.length} members`);
    }
  }
  const all = sharings.flatMap((sharing) => sharing.members);
  if (new Set(all).size !== all.length) throw new FrostError('invalid-sharing', 'a member is in two sharings');
}

/** Whether every value is an identifier and greater than the one before. */
function isAscending(identifiers: readonly number[]): boolean {
  return identifiers.every(
    (value, index) => decodeIdentifier(value) !== undefined && value > (identifiers[index - 1] ?? 0),
  );
}

/** The sharing that a member holds a share of, if any: a member has one tier, so there is no second. */
export function sharingOf(sharings: readonly Sharing[], identifier: Identifier): Sharing | undefined {
  return sharings.find((sharing) => sharing.members.includes(identifier));
}

/** Whether these members contain at least t of every sharing. Order, repeats and strangers do not matter. */
export function isQualified(sharings: readonly Sharing[], members: readonly Identifier[]): boolean {
  return sharings.every((sharing) => chosenOf(sharing, members).length >= sharing.threshold);
}

/** Whether these are signers: ascending, each once, exactly t of every sharing and nobody else. */
export function isMinimalQualifiedSet(sharings: readonly Sharing[], signers: readonly Identifier[]): boolean {
  const needed = sharings.reduce((sum, sharing) => sum + sharing.threshold, 0);
  return signers.length === needed && isAscending(signers) && isQualified(sharings, signers);
}

/** Those members of a sharing that are among `signers`, ascending. */
export function chosenOf(sharing: Sharing, signers: readonly Identifier[]): Identifier[] {
  const chosen = new Set(signers);
  return sharing.members.filter((member) => chosen.has(member));
}

/**
 * `derive_interpolating_value` (RFC 9591, Section 4.2): the Lagrange coefficient of `identifier` at 0 among `chosen`.
 * Throws `invalid-identifier` unless `chosen` is ascending and contains it.
 */
export function interpolationCoefficient(chosen: readonly Identifier[], identifier: Identifier): Scalar {
  if (!isAscending(chosen) || !chosen.includes(identifier)) {
    throw new FrostError(
      'invalid-identifier',
      `${identifier} is not one of the ascending identifiers to interpolate over`,
    );
  }
  let [numerator, denominator] = [1n, 1n];
  for (const other of chosen) {
    if (other === identifier) continue;
    numerator = reduceScalar(numerator * BigInt(other));
    denominator = reduceScalar(denominator * BigInt(other - identifier));
  }
  return reduceScalar(numerator * invertScalar(denominator));
}

/** Σ i^k · C_k: what share i of a polynomial must be, times B (RFC 9591, Appendix C.2). It may come out as the identity. */
export function evaluateCommitments(group: Group, commitments: readonly Point[], identifier: Identifier): Point {
  return group.evaluate(commitments, BigInt(identifier));
}

/**
 * Y_i of one member of a sharing, from the commitments summed over its dealers.
 * Throws `identity` if the dealers' polynomials cancel for this member: its share would be zero and known to all.
 */
export function publicShare(group: Group, summedCommitments: readonly Point[], identifier: Identifier): Point {
  return assertNotIdentity(
    group,
    evaluateCommitments(group, summedCommitments, identifier),
    `the public share of member ${identifier}`,
  );
}

/** The key's part in one sharing: its public shares interpolated at 0 over exactly `chosen`. */
function interpolateKey(
  group: Group,
  publicShares: ReadonlyMap<Identifier, Point>,
  chosen: readonly Identifier[],
): Point {
  return chosen.reduce((sum, identifier) => {
    const coefficient = interpolationCoefficient(chosen, identifier);
    return group.add(sum, group.multiply(publicShareOf(publicShares, identifier), coefficient));
  }, group.identity);
}

/**
 * Whether the public shares are those of `key`: in every sharing all members lie on one polynomial of degree t - 1, and
 * the polynomials' constants sum to the key. Costs n + t multiplications for each sharing.
 */
export function publicSharesMatch(
  group: Group,
  sharings: readonly Sharing[],
  publicShares: ReadonlyMap<Identifier, Point>,
  key: Point,
): boolean {
  const parts = sharings.map(({ threshold, members }) =>
    interpolateKey(group, publicShares, members.slice(0, threshold)),
  );
  const consistent = sharings.every((sharing) => lieOnPolynomial(group, sharing, publicShares));
  return consistent && samePoint(sumPoints(group, parts), key);
}

/**
 * Whether the public shares of one sharing lie on a polynomial of degree t - 1: those that do, and of all others one in L, are orthogonal to a random
 * word of the dual code, v_i·f(i) with v_i = Π 1/(i - j) and f of degree n - t - 1 (Cascudo and David, "SCRAPE", 2017, Lemma 1). f is hashed from
 * the shares, so that nobody could choose them by it.
 */
function lieOnPolynomial(
  group: Group,
  { threshold, members }: Sharing,
  publicShares: ReadonlyMap<Identifier, Point>,
): boolean {
  const shares = members.map((member) => publicShareOf(publicShares, member));
  const f = hashedScalars(shares, members.length - threshold);
  const terms = members.map((member) => {
    const x = BigInt(member);
    const value = f.reduceRight((sum, coefficient) => reduceScalar(sum * x + coefficient), 0n);
    return group.multiply(publicShareOf(publicShares, member), value * dualCoefficient(members, member));
  });
  return samePoint(sumPoints(group, terms), group.identity);
}

/** Π 1/(i - j) over the other members. */
function dualCoefficient(members: readonly Identifier[], member: Identifier): Scalar {
  const others = members.filter((other) => other !== member);
  return invertScalar(others.reduce((product, other) => reduceScalar(product * BigInt(member - other)), 1n));
}

function hashedScalars(points: readonly Point[], count: number): Scalar[] {
  const seed = createHash('sha512').update('frostmark dual code v1');
  for (const { bytes } of points) seed.update(bytes);
  return Array.from({ length: count }, (_, index) => {
    const digest = seed
      .copy()
      .update(encodeScalar(BigInt(index)))
      .digest();
    return reduceScalar(littleEndianInteger(digest));
  });
}

/** The entry of one member. Throws `invalid-identifier` if there is none. */
export function publicShareOf(publicShares: ReadonlyMap<Identifier, Point>, identifier: Identifier): Point {
  const share = publicShares.get(identifier);
  if (share === undefined) throw new FrostError('invalid-identifier', `no public share of member ${identifier}`);
  return share;
}

/** Encodings are canonical, so equal points have equal bytes. */
export function samePoint(a: Point, b: Point): boolean {
  return Buffer.from(a.bytes).equals(b.bytes);
}

/** The sum of these points; of none, the identity. */
export function sumPoints(group: Group, points: readonly Point[]): Point {
  return points.reduce((sum, point) => group.add(sum, point), group.identity);
}

/** Passes a point on; throws `identity`, naming `what`, if it is the identity. */
export function assertNotIdentity(group: Group, point: Point, what: string): Point {
  if (samePoint(point, group.identity)) throw new FrostError('identity', `${what} is the identity`);
  return point;
}
