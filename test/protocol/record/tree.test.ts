/** The Merkle tree of a log, against RFC 6962's published trees and its definition. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../../protocol/wire/bytes.ts';
import { maxTreeSize } from '../../../protocol/record/limits.ts';
import {
  appendLeaves,
  emptyTree,
  frontierLength,
  hashLeaf,
  hashNode,
  isTreeSize,
  rootOf,
  treeHead,
} from '../../../protocol/record/tree.ts';
import { codeOf } from '../support.ts';
import { leafHashesUpTo, PlainTree, treeSizes, vectors } from './support.ts';

const published = JSON.parse(readFileSync(join(vectors, 'rfc6962-trees.json'), 'utf8')) as {
  readonly leaves: readonly string[];
  readonly nodes: readonly (readonly string[])[];
  readonly roots: readonly string[];
};

describe('the tree of a log', () => {
  it('has the published hashes of leaves and nodes (RFC 6962 §2.1)', () => {
    expect(published.leaves.map((leaf) => bytesToHex(hashLeaf(hexToBytes(leaf))))).toEqual(published.nodes[0]);
    for (const [level, above] of published.nodes.slice(1).entries()) {
      const below = published.nodes[level]!.map(hexToBytes);
      const joined = above.map((_, index) => hashNode(below[2 * index]!, below[2 * index + 1]!));
      expect(joined.map(bytesToHex)).toEqual(above);
    }
  });

  it('has the published root at each size (RFC 6962 §2.1)', () => {
    const hashes = published.leaves.map((leaf) => hashLeaf(hexToBytes(leaf)));
    const roots = published.roots.map((_, size) => rootOf(appendLeaves(emptyTree, hashes.slice(0, size))));
    expect(roots.map(bytesToHex)).toEqual(published.roots);
  });

  it('has the root of the definition at any size', () => {
    const hashes = leafHashesUpTo(800);
    const plain = new PlainTree(hashes);
    fc.assert(
      fc.property(treeSizes(800, 0), (size) => {
        const tree = appendLeaves(emptyTree, hashes.slice(0, size));
        expect(treeHead(tree)).toEqual(plain.head(size));
        expect(tree.frontier).toHaveLength(frontierLength(size));
      }),
    );
  });

  it('is the same whatever the batches in which its leaves came', () => {
    const hashes = leafHashesUpTo(700);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 }), (widths) => {
        let tree = emptyTree;
        for (const width of widths) tree = appendLeaves(tree, hashes.slice(tree.size, tree.size + width));
        expect(tree).toEqual(appendLeaves(emptyTree, hashes.slice(0, tree.size)));
      }),
      { numRuns: 40 },
    );
  });

  it('changes its root with any order of the same leaves but their own', () => {
    const hashes = leafHashesUpTo(9);
    fc.assert(
      fc.property(fc.shuffledSubarray(hashes, { minLength: 9 }), (shuffled) => {
        const isSame = shuffled.every((hash, index) => hash === hashes[index]);
        const [root, own] = [shuffled, hashes].map((list) => bytesToHex(rootOf(appendLeaves(emptyTree, list))));
        expect(root === own).toBe(isSame);
      }),
    );
  });

  it('is left as it was by what is appended to it', () => {
    const tree = appendLeaves(emptyTree, leafHashesUpTo(7));
    const before = structuredClone(tree);
    appendLeaves(tree, leafHashesUpTo(3));
    expect(tree).toEqual(before);
  });

  it('tells a leaf from a node with the same bytes', () => {
    const [left, right] = leafHashesUpTo(2) as [Uint8Array, Uint8Array];
    expect(hashLeaf(Uint8Array.from([...left, ...right]))).not.toEqual(hashNode(left, right));
  });

  it('refuses a leaf past the largest size, and not the last one', () => {
    const [hash] = leafHashesUpTo(1) as [Uint8Array];
    const frontier = Array.from({ length: frontierLength(maxTreeSize - 1) }, () => hash);
    const last = appendLeaves({ size: maxTreeSize - 1, frontier }, [hash]);
    expect(last.size).toBe(maxTreeSize);
    expect(codeOf(() => appendLeaves(last, [hash]))).toBe('too-large');
  });

  it.each([-1, 0.5, Number.NaN, Infinity, maxTreeSize + 1])('cannot have the size %d', (size) => {
    expect(isTreeSize(size)).toBe(false);
  });
});
