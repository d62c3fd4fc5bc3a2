/**
 * An append-only Merkle tree over the leaves of a log (RFC 6962, Section 2.1; RFC 9162, Section 2.1.1): its hashes, its root, and its growth from
 * the few hashes of its frontier.
 */
import { hash } from 'node:crypto';
import { ProtocolError } from '../errors.ts';
import { maxTreeSize } from './limits.ts';

/** Bytes of every hash: SHA-256 (C2SP tlog-tiles, "APIs"). */
export const hashBytes = 32;

/** A tree as somebody vouches for it. */
export interface TreeHead {
  /** Number of leaves. */
  readonly size: number;
  /** 32 bytes: the Merkle tree hash over all of them. */
  readonly root: Uint8Array;
}

/** A tree that can grow. */
export interface Tree {
  /** Number of leaves. */
  readonly size: number;
  /** Hashes of the complete subtrees that the tree is made of, the largest first: one of 32 bytes for each bit that is set in its size. */
  readonly frontier: readonly Uint8Array[];
}

/** A tree without leaves. */
export const emptyTree: Tree = { size: 0, frontier: [] };

/** The root of a tree without leaves: the hash of nothing. */
export const emptyRoot: Uint8Array = sha256(new Uint8Array());

const leafPrefix = 0x00;
const nodePrefix = 0x01;

/** The hash of one leaf, of any length. The prefixes keep a leaf from being read as a node (RFC 6962, Section 2.1). */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + leaf.length);
  bytes[0] = leafPrefix;
  bytes.set(leaf, 1);
  return sha256(bytes);
}

/** The hash of two neighbours of 32 bytes, left and right. */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * hashBytes);
  bytes[0] = nodePrefix;
  bytes.set(left, 1);
  bytes.set(right, 1 + hashBytes);
  return sha256(bytes);
}

/** The tree with these leaf hashes behind all it has. Throws `ProtocolError('too-large')` past `maxTreeSize`. */
export function appendLeaves(tree: Tree, leafHashes: readonly Uint8Array[]): Tree {
  if (leafHashes.length > maxTreeSize - tree.size)
    throw new ProtocolError('too-large', `a log of ${tree.size} records takes no more; begin a new one`);
  const frontier = [...tree.frontier];
  leafHashes.forEach((leafHash, count) => push(frontier, tree.size + count, leafHash));
  return { size: tree.size + leafHashes.length, frontier };
}

/** Each bit that is set at the end of the old size is a subtree as large as the new one: the two become one. */
function push(frontier: Uint8Array[], size: number, leafHash: Uint8Array): void {
  let merged = leafHash;
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
    const left = frontier.pop();
    if (left !== undefined) merged = hashNode(left, merged);
  }
  frontier.push(merged);
}

/** The Merkle tree hash: complete subtrees are joined from the right, because the left of two is always the larger power of two. */
export function rootOf({ frontier }: Pick<Tree, 'frontier'>): Uint8Array {
  return frontier.length === 0 ? emptyRoot : frontier.reduceRight((right, left) => hashNode(left, right));
}

/** A tree's size and root, which is all that others need. */
export function treeHead(tree: Tree): TreeHead {
  return { size: tree.size, root: rootOf(tree) };
}

/** Whether a number can be the size of a log. */
export function isTreeSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0 && size <= maxTreeSize;
}

/** How many complete subtrees a tree of this size has: the bits that are set. */
export function frontierLength(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'));
}
