/** What the tests of the record share: leaves, the slow and plain definition of a tree's hashes, and sources of hashes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { emptyRoot, hashLeaf, hashNode, type TreeHead } from '../../../protocol/record/tree.ts';
import type { HashSource } from '../../../protocol/record/proof.ts';
import { utf8 } from '../support.ts';

export const vectors = join(import.meta.dirname, '..', '..', 'vectors', 'record');

/** The cases of a file of one JSON value a line, whose first line says where it is from. */
export function vectorLines<T>(name: string): T[] {
  const [, ...lines] = readFileSync(join(vectors, name), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as T);
}

/** Leaves that differ, one for each number. */
export function leavesUpTo(size: number): Uint8Array[] {
  return Array.from({ length: size }, (_, index) => utf8(`leaf ${index}`));
}

/** Hashes of those leaves. */
export function leafHashesUpTo(size: number): Uint8Array[] {
  return leavesUpTo(size).map(hashLeaf);
}

/** MTH of RFC 6962, Section 2.1, to the letter: by recursion over any run of some leaves. What was worked out once is kept, so that laws can ask often. */
export class PlainTree {
  readonly #leafHashes: readonly Uint8Array[];
  readonly #known = new Map<string, Uint8Array>();

  constructor(leafHashes: readonly Uint8Array[]) {
    this.#leafHashes = leafHashes;
  }

  root(start: number, end: number): Uint8Array {
    if (start === end) return emptyRoot;
    if (start + 1 === end) return this.#leafHashes[start]!;
    const name = `${start}-${end}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    let k = 1;
    while (k * 2 < end - start) k *= 2;
    const root = hashNode(this.root(start, start + k), this.root(start + k, end));
    this.#known.set(name, root);
    return root;
  }

  head(size: number): TreeHead {
    return { size, root: this.root(0, size) };
  }

  /** Complete subtrees of the tree of this size, and no other. */
  source(size: number): HashSource {
    return ({ level, index }) => {
      const width = 2 ** level;
      if ((index + 1) * width > size) throw new Error(`no subtree ${level}/${index} in ${size} leaves`);
      return this.root(index * width, (index + 1) * width);
    };
  }
}

/** A size up to this one, and often one at which a tile or a power of two ends. */
export function treeSizes(max: number, min = 1): fc.Arbitrary<number> {
  const edges = [1, 2, 3, 4, 7, 8, 9, 255, 256, 257, 511, 512, 513, 767, 768, 769].filter(
    (size) => size >= min && size <= max,
  );
  return fc.oneof(fc.integer({ min, max }), fc.constantFrom(...edges));
}
