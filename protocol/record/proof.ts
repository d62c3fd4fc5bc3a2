/**
 * Proofs about a log's tree: that a leaf is in it, and that a smaller tree is its beginning (RFC 6962, Sections 2.1.1 and 2.1.2; RFC 9162,
 * Sections 2.1.3 and 2.1.4).
 *
 * A proof is the list of the hashes of some runs of leaves. Which runs follows from the numbers alone: the path. Whoever proves reads the hashes
 * along the path, and whoever verifies joins them along the same path; so a proof for another index or size has another path or another result.
 */
import { equalBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { hashBytes, hashNode, isTreeSize, type TreeHead } from './tree.ts';

/** The leaves from `start` up to, not including, `end`. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** A complete subtree: leaves `index · 2^level` up to, not including, `(index + 1) · 2^level`. */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/** Gives the hash of a complete subtree, 32 bytes. */
export type HashSource = (node: Node) => Uint8Array;

/** The runs beside the way from a leaf to the root, from the leaf upwards (RFC 6962, Section 2.1.1). Throws `ProtocolError('bad-proof')`. */
export function inclusionPath(index: number, size: number): Run[] {
  if (!isTreeSize(size) || !isTreeSize(index) || index >= size)
    throw new ProtocolError('bad-proof', `there is no record ${index} in a log of ${size}`);
  return descend(size, ({ start, end }, split) => {
    if (end - start === 1) return undefined;
    return index < split ? 'left' : 'right';
  }).beside;
}

/**
 * The runs that make both the smaller and the larger root, from the smaller one's last subtree upwards (RFC 6962, Section 2.1.2). Empty when one
 * size is the other. From nothing there is no proof, as there is none in RFC 9162, Section 2.1.4.1: a log has its first record from birth.
 * Throws `ProtocolError('bad-proof')`.
 */
export function consistencyPath(older: number, newer: number): Run[] {
  if (!isTreeSize(older) || !isTreeSize(newer) || older === 0 || older > newer)
    throw new ProtocolError('bad-proof', `a log of ${newer} records does not go on from ${older}`);
  if (older === newer) return [];
  const { reached, beside } = descend(newer, ({ end }, split) => {
    if (end === older) return undefined;
    return older <= split ? 'left' : 'right';
  });
  // A smaller tree that is one complete subtree is known to whoever verifies, by its root.
  return reached.start === 0 ? beside : [reached, ...beside];
}

/** Goes down from the whole tree until `turn` says stop, and collects the runs it does not go into, the deepest first. */
function descend(
  size: number,
  turn: (run: Run, split: number) => 'left' | 'right' | undefined,
): { readonly reached: Run; readonly beside: Run[] } {
  const beside: Run[] = [];
  let reached: Run = { start: 0, end: size };
  for (;;) {
    const split = splitOf(reached);
    const way = turn(reached, split);
    if (way === undefined) return { reached, beside: beside.reverse() };
    const [left, right] = [
      { start: reached.start, end: split },
      { start: split, end: reached.end },
    ];
    beside.push(way === 'left' ? right : left);
    reached = way === 'left' ? left : right;
  }
}

/** Where a run of several leaves is cut: behind the largest power of two that is less than its length (RFC 6962, Section 2.1). */
function splitOf({ start, end }: Run): number {
  let left = 1;
  while (left * 2 < end - start) left *= 2;
  return start + left;
}

/** The complete subtrees that a run of a path is made of, left to right: only the run at the right edge is more than one. */
export function nodesOf({ start, end }: Run): Node[] {
  const nodes: Node[] = [];
  for (let at = start; at < end;) {
    let level = 0;
    while (2 ** (level + 1) <= end - at) level += 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

/** The proof along a path: the hash of each of its runs, 32 bytes each. */
export function proveAlong(path: readonly Run[], source: HashSource): Uint8Array[] {
  return path.map((run) =>
    nodesOf(run)
      .map(source)
      .reduceRight((right, left) => hashNode(left, right)),
  );
}

/** That a leaf is in a tree at an index, with its proof: hashes of 32 bytes, from the leaf upwards. */
export interface InclusionClaim {
  /** 32 bytes. */
  readonly leafHash: Uint8Array;
  /** 0-based. */
  readonly index: number;
  readonly tree: TreeHead;
  readonly proof: readonly Uint8Array[];
}

/** Throws `ProtocolError('bad-proof')` unless the leaf is in the tree at this index (RFC 9162, Section 2.1.3.2). */
export function assertInclusion({ leafHash, index, tree, proof }: InclusionClaim): void {
  const steps = stepsAlong(inclusionPath(index, tree.size), proof);
  const root = steps.reduce(
    (below, { start, hash }) => (start > index ? hashNode(below, hash) : hashNode(hash, below)),
    leafHash,
  );
  if (leafHash.length !== hashBytes || !equalBytes(root, tree.root))
    throw new ProtocolError('bad-proof', `the record is not number ${index} of the ${tree.size} under this root`);
}

/** That one tree is the beginning of another, with its proof: hashes of 32 bytes. */
export interface ConsistencyClaim {
  readonly older: TreeHead;
  readonly newer: TreeHead;
  readonly proof: readonly Uint8Array[];
}

/** Throws `ProtocolError('bad-proof')` unless the smaller tree is the beginning of the larger (RFC 9162, Section 2.1.4.2). */
export function assertConsistency({ older, newer, proof }: ConsistencyClaim): void {
  const steps = stepsAlong(consistencyPath(older.size, newer.size), proof);
  if (!goesOn(older, newer, steps))
    throw new ProtocolError(
      'bad-proof',
      `the log of ${newer.size} records does not go on from the one of ${older.size} under this root`,
    );
}

function goesOn(older: TreeHead, newer: TreeHead, steps: readonly Step[]): boolean {
  const [first] = steps;
  const isGiven = first?.end === older.size;
  const begin = isGiven ? first.hash : older.root;
  let [small, large] = [begin, begin];
  for (const { start, hash } of isGiven ? steps.slice(1) : steps) {
    large = start < older.size ? hashNode(hash, large) : hashNode(large, hash);
    if (start < older.size) small = hashNode(hash, small);
  }
  return equalBytes(small, older.root) && equalBytes(large, newer.root);
}

interface Step extends Run {
  readonly hash: Uint8Array;
}

/** A run of the path with its hash, each in turn. A proof of any other length is for something else. */
function stepsAlong(path: readonly Run[], proof: readonly Uint8Array[]): Step[] {
  if (proof.length !== path.length)
    throw new ProtocolError('bad-proof', `the proof has ${proof.length} hashes, and this one has ${path.length}`);
  return path.map((run, index) => {
    const hash = proof[index];
    if (hash?.length !== hashBytes)
      throw new ProtocolError('bad-proof', `number ${index} in the proof is not a hash of 32 bytes`);
    return { ...run, hash };
  });
}
