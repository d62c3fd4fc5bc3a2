/** Proofs that a record is in a log, and that a log goes on from an earlier one: published cases, laws, and every way to be wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../../verifier/base64.ts';
import { maxProofHashes } from '../../../protocol/limits.ts';
import { maxTreeSize } from '../../../protocol/record/limits.ts';
import {
  assertConsistency,
  assertInclusion,
  consistencyPath,
  inclusionPath,
  proveAlong,
  type ConsistencyClaim,
  type InclusionClaim,
} from '../../../protocol/record/proof.ts';
import { codeOf, flipped } from '../support.ts';
import { leafHashesUpTo, PlainTree, treeSizes, vectorLines } from './support.ts';

const all = leafHashesUpTo(800);
const plain = new PlainTree(all);

function inclusion(index: number, size: number): InclusionClaim {
  const proof = proveAlong(inclusionPath(index, size), plain.source(size));
  return { leafHash: all[index]!, index, tree: plain.head(size), proof };
}

function consistency(older: number, newer: number): ConsistencyClaim {
  const proof = proveAlong(consistencyPath(older, newer), plain.source(newer));
  return { older: plain.head(older), newer: plain.head(newer), proof };
}

const someInclusion = treeSizes(800).chain((size) =>
  fc.integer({ min: 0, max: size - 1 }).map((index) => inclusion(index, size)),
);
const someConsistency = treeSizes(800).chain((newer) =>
  fc.integer({ min: 1, max: newer }).map((older) => consistency(older, newer)),
);
const isRefused = (run: () => void): void => expect(codeOf(run)).toBe('bad-proof');

/** Each hash with one bit turned, each left out, each twice, and one too many at either end. */
function spoiltProofs(proof: readonly Uint8Array[], bit: number): Uint8Array[][] {
  const stray = all[799]!;
  return [
    [...proof, stray],
    [stray, ...proof],
    ...proof.flatMap((hash, index) => [
      proof.with(index, flipped(hash, bit >>> 3, bit & 7)),
      proof.toSpliced(index, 1),
      proof.toSpliced(index, 0, hash),
      proof.with(index, hash.slice(1)),
      proof.with(index, Uint8Array.from([...hash, 0])),
    ]),
  ];
}
const someBit = fc.integer({ min: 0, max: 255 });

describe('a proof that a record is in a log', () => {
  it.each(
    vectorLines<{
      readonly name: string;
      readonly leafIdx: number;
      readonly treeSize: number;
      readonly root: string;
      readonly leafHash: string;
      readonly proof: readonly string[] | null;
      readonly wantErr: boolean;
    }>('rfc6962-inclusion.jsonl').map((one) => [one.name, one] as const),
  )('is judged as published: %s', (_name, { leafIdx, treeSize, root, leafHash, proof, wantErr }) => {
    const judge = (): void =>
      assertInclusion({
        leafHash: decodeBase64(leafHash),
        index: leafIdx,
        tree: { size: treeSize, root: decodeBase64(root) },
        proof: (proof ?? []).map(decodeBase64),
      });
    if (wantErr) isRefused(judge);
    else judge();
  });

  it('holds for any record of any log', () => {
    fc.assert(fc.property(someInclusion, assertInclusion));
  });

  it('is refused with any of its hashes changed, left out, doubled, cut or drawn out', () => {
    fc.assert(
      fc.property(someInclusion, someBit, (claim, bit) => {
        for (const proof of spoiltProofs(claim.proof, bit)) isRefused(() => assertInclusion({ ...claim, proof }));
      }),
    );
  });

  it('is refused for another record, another root, another index', () => {
    fc.assert(
      fc.property(someInclusion, someBit, fc.nat(799), (claim, bit, other) => {
        const turn = (bytes: Uint8Array): Uint8Array => flipped(bytes, bit >>> 3, bit & 7);
        const { tree, leafHash, index } = claim;
        isRefused(() => assertInclusion({ ...claim, leafHash: turn(leafHash) }));
        isRefused(() => assertInclusion({ ...claim, tree: { ...tree, root: turn(tree.root) } }));
        if (other !== index) isRefused(() => assertInclusion({ ...claim, index: other }));
      }),
    );
  });

  // A proof does not bind the size where the path is the same, as RFC 6962 has it: the size is signed with the root. So the root is another, too.
  it('is refused for a log of another size', () => {
    fc.assert(
      fc.property(someInclusion, treeSizes(800), (claim, size) => {
        fc.pre(size !== claim.tree.size);
        isRefused(() => assertInclusion({ ...claim, tree: plain.head(size) }));
      }),
    );
  });

  it.each([
    ['past the end', 5, 5],
    ['negative', -1, 5],
    ['no whole number', 0.5, 5],
    ['of an empty log', 0, 0],
    ['of a log past the bound', 0, maxTreeSize + 1],
    ['of no size at all', 0, Number.NaN],
  ])('is not looked for at an index that is %s', (_name, index, size) => {
    isRefused(() => inclusionPath(index, size));
  });

  it('has no more hashes than the bound, in the largest log', () => {
    for (const index of [0, 2 ** 47, maxTreeSize - 1])
      expect(inclusionPath(index, maxTreeSize).length).toBeLessThanOrEqual(maxProofHashes);
  });
});

describe('a proof that a log goes on from an earlier one', () => {
  it.each(
    vectorLines<{
      readonly name: string;
      readonly size1: number;
      readonly size2: number;
      readonly root1: string;
      readonly root2: string;
      readonly proof: readonly string[] | null;
      readonly wantErr: boolean;
    }>('rfc6962-consistency.jsonl').map((one) => [one.name, one] as const),
  )('is judged as published: %s', (_name, { size1, size2, root1, root2, proof, wantErr }) => {
    const judge = (): void =>
      assertConsistency({
        older: { size: size1, root: decodeBase64(root1) },
        newer: { size: size2, root: decodeBase64(root2) },
        proof: (proof ?? []).map(decodeBase64),
      });
    if (wantErr) isRefused(judge);
    else judge();
  });

  it('holds between any two sizes', () => {
    fc.assert(fc.property(someConsistency, assertConsistency));
  });

  it('is refused between two roots of one size', () => {
    const head = plain.head(5);
    isRefused(() => assertConsistency({ older: head, newer: { size: 5, root: plain.root(0, 6) }, proof: [] }));
  });

  it('is refused with any of its hashes changed, left out, doubled, cut or drawn out', () => {
    fc.assert(
      fc.property(someConsistency, someBit, (claim, bit) => {
        for (const proof of spoiltProofs(claim.proof, bit)) isRefused(() => assertConsistency({ ...claim, proof }));
      }),
    );
  });

  it('is refused for either root changed', () => {
    fc.assert(
      fc.property(someConsistency, someBit, (claim, bit) => {
        for (const side of ['older', 'newer'] as const) {
          const root = flipped(claim[side].root, bit >>> 3, bit & 7);
          isRefused(() => assertConsistency({ ...claim, [side]: { ...claim[side], root } }));
        }
      }),
    );
  });

  it('is refused for any other pair of sizes', () => {
    fc.assert(
      fc.property(someConsistency, treeSizes(800), (claim, size) => {
        const other = plain.head(size);
        if (size !== claim.newer.size) isRefused(() => assertConsistency({ ...claim, newer: other }));
        if (size !== claim.older.size) isRefused(() => assertConsistency({ ...claim, older: other }));
      }),
    );
  });

  it('is refused for a log in which an earlier record was changed', () => {
    const earlier = fc
      .integer({ min: 1, max: 40 })
      .chain((older) => fc.record({ older: fc.constant(older), at: fc.nat(older - 1) }));
    fc.assert(
      fc.property(earlier, fc.integer({ min: 40, max: 60 }), ({ older, at }, newer) => {
        const forged = new PlainTree(all.slice(0, newer).with(at, all[799]!));
        const proof = proveAlong(consistencyPath(older, newer), forged.source(newer));
        isRefused(() => assertConsistency({ older: plain.head(older), newer: forged.head(newer), proof }));
      }),
    );
  });

  it.each([
    ['nothing and something', 0, 5],
    ['nothing and nothing', 0, 0],
    ['a log that shrinks', 6, 5],
    ['a size below nothing', -1, 5],
    ['a size that is no whole number', 1.5, 5],
    ['a size past the bound', 5, maxTreeSize + 1],
  ])('is not looked for between %s', (_name, older, newer) => {
    isRefused(() => consistencyPath(older, newer));
  });

  it('has no more hashes than the bound, in the largest log', () => {
    for (const older of [1, 2 ** 47 - 1, 2 ** 47 + 1, maxTreeSize - 1])
      expect(consistencyPath(older, maxTreeSize).length).toBeLessThanOrEqual(maxProofHashes);
  });
});
