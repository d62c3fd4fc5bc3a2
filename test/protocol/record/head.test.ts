/** One batch of a log: its head, the tiles it fills, the digests of its two indexes; and what a damaged head or edge is told by. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../../verifier/json.ts';
import { openEdge, partialTiles, type Edge } from '../../../protocol/record/edge.ts';
import {
  append,
  decodeHead,
  emptyHead,
  emptyTip,
  encodeHead,
  journalElement,
  noChanges,
  digestSetOfGroup,
  pendingElement,
  type Changes,
  type Head,
  type MemberJournal,
  type Tip,
} from '../../../protocol/record/head.ts';
import { maxHeadBytes, maxTreeSize } from '../../../protocol/record/limits.ts';
import { changeSet, digestSet, emptySet, isSameSet } from '../../../protocol/record/set-digest.ts';
import { encodeTile, tilesOf, type FilledTile } from '../../../protocol/record/tile.ts';
import { frontierLength, hashLeaf, rootOf } from '../../../protocol/record/tree.ts';
import { bytesToHex } from '../../../protocol/wire/bytes.ts';
import { codeOf, flipped, spoiltOf, utf8 } from '../support.ts';
import { leafHashesUpTo, leavesUpTo, PlainTree, treeSizes, vectors } from './support.ts';
import { WrittenLog } from './written-log.ts';

const leaves = leavesUpTo(800);
const plain = new PlainTree(leafHashesUpTo(800));
const someWidths = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 8 });

/** Place and hashes of each tile as text, in the order of level and index: comparing thousands of hashes one by one takes seconds. */
function named(tiles: readonly FilledTile[]): string[] {
  return [...tiles]
    .sort((a, b) => a.level - b.level || a.index - b.index)
    .map(({ level, index, width, hashes }) => `${level}/${index}/${width} ${bytesToHex(encodeTile(hashes))}`);
}

function hexOf(edge: Edge): string[] {
  return edge.map((hashes) => bytesToHex(encodeTile(hashes)));
}

describe('a batch', () => {
  it('gives the head of the definition, whatever the batches before', () => {
    fc.assert(
      fc.property(treeSizes(800), someWidths, (size, widths) => {
        const { head } = WrittenLog.of(leaves.slice(0, size), widths).tip;
        expect(head).toMatchObject(plain.head(size));
        expect(head).toEqual(WrittenLog.of(leaves.slice(0, size)).tip.head);
      }),
    );
  });

  it('gives each full tile once, and what partial tiles are made of, whatever the batches', () => {
    fc.assert(
      fc.property(treeSizes(800), someWidths, (size, widths) => {
        const { tiles } = WrittenLog.of(leaves.slice(0, size), widths);
        const defined = [...tilesOf(size)].map((tile) => {
          const at = (i: number): number => (tile.index * 256 + i) * 256 ** tile.level;
          return { ...tile, hashes: Array.from({ length: tile.width }, (_, i) => plain.root(at(i), at(i + 1))) };
        });
        expect(named(tiles)).toEqual(named(defined));
      }),
    );
  });

  it('gives the hash of each leaf, in order', () => {
    const { leafHashes } = append(emptyTip, leaves.slice(0, 3), noChanges);
    expect(leafHashes).toEqual(leaves.slice(0, 3).map(hashLeaf));
  });

  it('leaves the log before it as it was', () => {
    const { tip } = WrittenLog.of(leaves.slice(0, 511));
    const before = structuredClone(tip);
    append(tip, leaves.slice(511, 600), { ...noChanges, opened: ['aa'.repeat(32)] });
    expect(tip).toEqual(before);
  });

  it('has a record: the indexes never move alone', () => {
    expect(codeOf(() => append(emptyTip, [], { ...noChanges, opened: ['aa'.repeat(32)] }))).toBe('bad-record');
  });

  it('is refused past the largest size', () => {
    const frontier = Array.from({ length: frontierLength(maxTreeSize) }, () => plain.root(0, 1));
    const full: Tip = { head: { ...emptyHead, size: maxTreeSize, frontier }, edge: [] };
    expect(codeOf(() => append(full, leaves.slice(0, 1), noChanges))).toBe('too-large');
  });
});

const digest = fc.nat(20).map((number) => number.toString(16).padStart(64, '0'));
const member = fc.constantFrom('A'.repeat(43), 'B'.repeat(43));
const memberJournal = fc.record({
  member,
  journal: fc.record({
    incarnation: fc.constantFrom('1'.repeat(32), '2'.repeat(32)),
    length: fc.nat(5),
    head: fc.constantFrom('3'.repeat(64), '4'.repeat(64)),
  }),
});

describe('the digests in a head', () => {
  /** The indexes as a store keeps them, and the changes that bring them there. */
  class Indexes {
    readonly pending = new Set<string>();
    readonly journals = new Map<string, MemberJournal>();
    readonly group = new Set<number>();

    toggle(id: string): Changes {
      const isOpen = this.pending.delete(id);
      if (!isOpen) this.pending.add(id);
      return { ...noChanges, [isOpen ? 'closed' : 'opened']: [id] };
    }

    move(after: MemberJournal): Changes {
      const name = `${after.member} ${after.journal.incarnation}`;
      const before = this.journals.get(name);
      this.journals.set(name, after);
      return { ...noChanges, journals: [{ before, after }] };
    }

    forget(): Changes {
      const [name] = this.journals.keys();
      if (name === undefined) return noChanges;
      const before = this.journals.get(name);
      this.journals.delete(name);
      return { ...noChanges, journals: [{ before, after: undefined }] };
    }

    step(one: string | MemberJournal, index: number): Changes {
      if (typeof one !== 'string') return this.move(one);
      if (one === 'forget') return this.forget();
      if (one !== 'group') return this.toggle(one);
      this.group.add(index);
      return { ...noChanges, ofGroup: [index] };
    }
  }

  const step = fc.oneof(digest, memberJournal, fc.constantFrom('forget', 'group'));

  it('are those of the indexes, whatever changed and in what order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const indexes = new Indexes();
        let tip: Tip = emptyTip;
        for (const one of steps) tip = append(tip, [utf8('x')], indexes.step(one, tip.head.size));
        const { pending, heads, group } = tip.head;
        expect(pending).toEqual(digestSet([...indexes.pending].reverse().map(pendingElement)));
        expect(heads).toEqual(digestSet([...indexes.journals.values()].reverse().map(journalElement)));
        expect(group).toEqual(digestSetOfGroup([...indexes.group].reverse()));
      }),
    );
  });

  it('notice an entry that is lost, one too many, and one that is another (T27)', () => {
    fc.assert(
      fc.property(fc.uniqueArray(memberJournal, { selector: (one) => JSON.stringify(one), minLength: 1 }), (all) => {
        const [first, ...rest] = all.map(journalElement);
        const whole = digestSet([first!, ...rest]);
        expect(isSameSet(whole, digestSet(rest))).toBe(false);
        expect(isSameSet(whole, digestSet([first!, first!, ...rest]))).toBe(false);
        for (let at = 0; at < first!.length; at += 7)
          expect(isSameSet(whole, digestSet([flipped(first!, at), ...rest]))).toBe(false);
      }),
    );
  });

  it('tell a round from a journal, and every field of a journal from every other', () => {
    const one = { member: 'A'.repeat(43), journal: { incarnation: '1'.repeat(32), length: 1, head: '3'.repeat(64) } };
    const others = spoiltOf(one).filter(({ at }) => !/left out|extra/.test(at));
    const elements = [journalElement(one), ...others.map(({ value }) => journalElement(value as MemberJournal))];
    expect(new Set(elements.map((element) => digestSet([element]).digest)).size).toBe(5);
  });

  it('come back to nothing when everything is taken out, and not further', () => {
    const elements = [utf8('a'), utf8('b')];
    const some = changeSet(emptySet, { added: elements, removed: [] });
    expect(changeSet(some, { added: [], removed: elements })).toEqual(emptySet);
    expect(codeOf(() => changeSet(emptySet, { added: [], removed: [utf8('a')] }))).toBe('bad-record');
    expect(some.digest).toMatch(/^[0-9a-f]{128}$/);
  });
});

describe('a head on disk', () => {
  const { head } = WrittenLog.of(leaves.slice(0, 700)).tip;
  const full: Head = {
    ...head,
    pending: digestSet([pendingElement('aa'.repeat(32))]),
    heads: digestSet([utf8('x'), utf8('y')]),
    group: digestSetOfGroup([0, 1, 699]),
  };

  it('opens as it was written', () => {
    expect(decodeHead(encodeHead(full))).toEqual(full);
    expect(decodeHead(encodeHead(emptyHead))).toEqual(emptyHead);
  });

  it('is made again to the byte: the golden file', () => {
    expect(Buffer.from(encodeHead(full)).toString()).toBe(readFileSync(join(vectors, 'head.json'), 'utf8'));
  });

  it('is refused with any bit of its tree changed: it does not agree with itself', () => {
    const bytes = encodeHead(full);
    const end = Buffer.from(bytes).indexOf('"pending"');
    for (let at = 0; at < end; at += 1) expect(codeOf(() => decodeHead(flipped(bytes, at)))).toBe('bad-record');
  });

  it('is refused with any field changed but the digests, left out, or one too many', () => {
    const value = decodeCanonicalJson(encodeHead(full), { maxBytes: maxHeadBytes, maxDepth: 4 });
    for (const { at, value: spoilt } of spoiltOf(value)) {
      // A digest is compared with its index, and with nothing in the head.
      if (/^\/(pending|heads|group)\/(count|digest)$/.test(at)) continue;
      expect([at, codeOf(() => decodeHead(encodeCanonicalJson(spoilt)))]).toEqual([at, 'bad-record']);
    }
  });

  it('is refused cut anywhere, and past its bound', () => {
    const bytes = encodeHead(full);
    for (let end = 0; end < bytes.length; end += 1)
      expect(codeOf(() => decodeHead(bytes.slice(0, end)))).toBe('bad-record');
    expect(codeOf(() => decodeHead(new Uint8Array(maxHeadBytes + 1).fill(0x20)))).toBe('bad-record');
  });

  it('stays under its bound in the largest log', () => {
    const frontier = Array.from({ length: 48 }, () => plain.root(0, 1));
    const bytes = encodeHead({ ...full, size: maxTreeSize, frontier, root: rootOf({ frontier }) });
    expect(bytes.length).toBeLessThanOrEqual(maxHeadBytes);
    expect(decodeHead(bytes).size).toBe(maxTreeSize);
  });
});

describe('the edge of a log', () => {
  it('is read back from the partial tiles, and the log goes on as if it had never stopped', () => {
    fc.assert(
      fc.property(treeSizes(700), fc.integer({ min: 1, max: 100 }), (size, more) => {
        const log = WrittenLog.of(leaves.slice(0, size));
        const tiles = partialTiles(size).map((tile) => log.partialTile(tile.level, tile.index, tile.width));
        const opened: Tip = { head: log.tip.head, edge: openEdge(log.tip.head, tiles) };
        const next = leaves.slice(size, size + more);
        const [again, straight] = [opened, log.tip].map((tip) => append(tip, next, noChanges));
        expect(again!.head).toEqual(straight!.head);
        expect(named(again!.tiles)).toEqual(named(straight!.tiles));
        expect(hexOf(again!.edge)).toEqual(hexOf(straight!.edge));
      }),
      { numRuns: 30 },
    );
  });

  it('is refused with any hash wrong, lost or doubled, or a tile gone (T27)', () => {
    fc.assert(
      fc.property(treeSizes(700), fc.nat(10_000), (size, at) => {
        const log = WrittenLog.of(leaves.slice(0, size));
        const tiles = partialTiles(size).map((tile) => log.partialTile(tile.level, tile.index, tile.width));
        const tile = tiles[at % tiles.length]!;
        const which = at % tile.hashes.length;
        const spoilt = [
          tile.hashes.with(which, flipped(tile.hashes[which]!, at % 32)),
          tile.hashes.toSpliced(which, 1),
          tile.hashes.toSpliced(which, 0, tile.hashes[which]!),
          [],
        ];
        for (const hashes of spoilt) {
          const wrong = tiles.map((one) => (one === tile ? { ...tile, hashes } : one));
          expect(codeOf(() => openEdge(log.tip.head, wrong))).toBe('bad-tile');
        }
        expect(codeOf(() => openEdge(log.tip.head, tiles.toSpliced(at % tiles.length, 1)))).toBe('bad-tile');
      }),
    );
  });
});
