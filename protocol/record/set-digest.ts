/**
 * A digest over a set that changes by one element at a time: the sum of a hash of each, modulo 2^512 (AdHash in Bellare and Micciancio, "A new
 * paradigm for collision-free hashing", EUROCRYPT 1997; MSet-Add-Hash in Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental multiset hash
 * functions", ASIACRYPT 2003), and how many there are.
 *
 * It shows that an index is complete, as no Merkle path can: a database that lost or kept an entry by accident has another sum. That is all it is
 * for. Who can choose elements finds two sets with one sum sooner than two texts with one hash (Wagner, "A generalized birthday problem",
 * CRYPTO 2002); but nobody who chooses an id here chooses what a disk loses, and who can write to the database writes the digest as well. The
 * modulus is that wide because it costs nothing, not because anything rests on it.
 */
import { hash } from 'node:crypto';
import { ProtocolError } from '../errors.ts';

/** A set, as far as it can be compared with another. */
export interface SetDigest {
  /** Elements. */
  readonly count: number;
  /** The sum, 64 bytes big-endian, as 128 hex digits. */
  readonly digest: string;
}

/** Elements as bytes; what is in both lists changes nothing. */
export interface SetChange {
  readonly removed: readonly Uint8Array[];
  readonly added: readonly Uint8Array[];
}

/** Hex digits of the sum. */
const digits = 128;
const modulus = 1n << 512n;

/** The digest of a set without elements. */
export const emptySet: SetDigest = { count: 0, digest: '0'.repeat(digits) };

/**
 * The digest of the set after the change. Whether an element is in the set is for the index to know; one that is taken out of an empty set is
 * refused, with `ProtocolError('bad-record')`.
 */
export function changeSet(set: SetDigest, { removed, added }: SetChange): SetDigest {
  const count = set.count + added.length - removed.length;
  if (count < 0) throw new ProtocolError('bad-record', `the index has ${set.count} entries and was to lose more`);
  const sum = BigInt(`0x${set.digest}`) + total(added) - total(removed);
  // BigInt's remainder keeps the sign, so the modulus goes in once more.
  return { count, digest: (((sum % modulus) + modulus) % modulus).toString(16).padStart(digits, '0') };
}

/** The digest of a whole set, to be compared with what a head says. */
export function digestSet(elements: readonly Uint8Array[]): SetDigest {
  return changeSet(emptySet, { removed: [], added: elements });
}

/** Whether two digests are of the same elements. */
export function isSameSet(a: SetDigest, b: SetDigest): boolean {
  return a.count === b.count && a.digest === b.digest;
}

function total(elements: readonly Uint8Array[]): bigint {
  return elements.reduce((sum, element) => sum + BigInt(`0x${hash('sha512', element)}`), 0n);
}
