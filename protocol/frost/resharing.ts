/**
 * Handing a quorum key on: those who hold it deal the same secret to other sharings (Desmedt and Jajodia, "Redistributing Secret Shares to New
 * Access Structures", 1997; Wong, Wang and Wing, "Verifiable Secret Redistribution", CMU-CS-02-114, 2002).
 *
 * A minimal qualified set deals. Dealer i of an old sharing holds λ_i·s_i of its part of the key; it cuts that into random summands, one for each
 * new sharing, and deals each by a polynomial of its own. So the new sharings sum to the key whatever shape the old ones had.
 */
import type { Group, Point, SealingGroup, Secret, SecretGroup } from './group.ts';
import { dealSecret, type Dealing } from './keygen.ts';
import type { Scalar } from './scalar.ts';
import { isMinimalQualifiedSet, samePoint, sharingOf, sumPoints, type Identifier, type Sharing } from './sharing.ts';

/**
 * Exactly t of every sharing, those before others that are named first, ascending; `undefined` if these members are not enough. Repeats and
 * strangers among `preferred` do not matter.
 */
export function chooseMinimalSet(
  sharings: readonly Sharing[],
  preferred: readonly Identifier[],
): Identifier[] | undefined {
  const chosen = sharings.flatMap(({ members, threshold }) =>
    [...new Set(preferred)].filter((candidate) => members.includes(candidate)).slice(0, threshold),
  );
  const ascending = chosen.sort((a, b) => a - b);
  return isMinimalQualifiedSet(sharings, ascending) ? ascending : undefined;
}

/** What one dealer cuts. */
export interface Cut {
  /** Its share of an old sharing, which stays the caller's. */
  readonly share: Secret;
  /** Its Lagrange coefficient at 0 among the dealers of that sharing (`interpolationCoefficient`). */
  readonly coefficient: Scalar;
  /** Of the new sharings, in their order: each gets a polynomial of exactly so many coefficients. */
  readonly thresholds: readonly number[];
}

/**
 * Cuts λ·share into random summands and draws a polynomial with each of them as its constant: one dealing for each new sharing.
 * `wipeDealing` forgets one. Throws `FrostError('arena-full')`, and then keeps nothing.
 */
export function dealCut(group: SealingGroup, { share, coefficient, thresholds }: Cut): Dealing[] {
  group.assertRoom(1 + thresholds.reduce((sum, threshold) => sum + threshold, 0));
  const weighted = group.scale(share, coefficient);
  try {
    return group
      .split(weighted, thresholds.length)
      .map((part, index) => dealSecret(group, part, thresholds[index] ?? 0));
  } finally {
    group.wipe(weighted);
  }
}

/** Forgets every coefficient of a dealing. */
export function wipeDealing(group: SecretGroup, { coefficients }: Dealing): void {
  for (const coefficient of coefficients) group.wipe(coefficient);
}

/**
 * Whether the constants that a dealer committed to, one for each new sharing, sum to λ·Y: what it cut is its own share of the key and nothing
 * else. Without a proof of knowledge for each constant this says little: one could be parked out of everybody's reach beside its opposite.
 */
export function isCutOf(
  group: Group,
  constants: readonly Point[],
  { coefficient, publicShare }: { readonly coefficient: Scalar; readonly publicShare: Point },
): boolean {
  return samePoint(sumPoints(group, constants), group.multiply(publicShare, coefficient));
}

/** The place of the sharing that this member holds a share of, counted from 0; `undefined` for who holds none. */
export function placeOfHolder(sharings: readonly Sharing[], identifier: Identifier): number | undefined {
  const held = sharingOf(sharings, identifier);
  return held === undefined ? undefined : sharings.indexOf(held);
}
