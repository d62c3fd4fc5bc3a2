/** Tiles and entry bundles as C2SP tlog-tiles has them: which there are, where they lie, what they hold, and what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntries, encodeEntries } from '../../../protocol/record/entries.ts';
import { maxLeafBytes, maxTilePathCharacters, maxTreeSize } from '../../../protocol/record/limits.ts';
import { consistencyPath, inclusionPath, proveAlong } from '../../../protocol/record/proof.ts';
import {
  decodeTile,
  encodeTile,
  parseTilePath,
  tileAt,
  tileLevels,
  tilePath,
  tilesAlong,
  tileSource,
  tilesOf,
  type FilledTile,
  type Tile,
} from '../../../protocol/record/tile.ts';
import { codeOf } from '../support.ts';
import { leafHashesUpTo, leavesUpTo, PlainTree, treeSizes } from './support.ts';

const hashes = leafHashesUpTo(800);
const plain = new PlainTree(hashes);

/** The definition: hash `i` of tile `n` at level `l` is MTH(D[(n·256 + i)·256^l : (n·256 + i + 1)·256^l]). */
function defined(tile: Tile): FilledTile {
  const span = 256 ** tile.level;
  const at = (i: number): number => (tile.index * 256 + i) * span;
  return { ...tile, hashes: Array.from({ length: tile.width }, (_, i) => plain.root(at(i), at(i + 1))) };
}

describe('the tiles of a log', () => {
  it('are those of the specification for a log of 70,000 records (tlog-tiles, "Partial Tiles")', () => {
    const tiles = [...tilesOf(70_000)];
    const count = (level: number, isFull: boolean): number =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === isFull).length;
    expect([0, 1, 2].map((level) => [count(level, true), count(level, false)])).toEqual([
      [273, 1],
      [1, 1],
      [0, 1],
    ]);
    expect(tiles.filter(({ width }) => width < 256).map(({ level, width }) => [level, width])).toEqual([
      [0, 112],
      [1, 17],
      [2, 1],
    ]);
  });

  it('are those of the specification for a log of 256 records', () => {
    expect([...tilesOf(256)]).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
  });

  it('are none for an empty log, and six levels for the largest', () => {
    expect([...tilesOf(0)]).toEqual([]);
    expect(tileLevels(maxTreeSize)).toBe(6);
    expect(tileAt(5, 0, maxTreeSize)).toEqual({ level: 5, index: 0, width: 255 });
  });

  it('give the proofs of the definition, from only the tiles along the path', () => {
    const someProof = treeSizes(800).chain((size) =>
      fc.record({ size: fc.constant(size), index: fc.nat(size - 1), older: fc.integer({ min: 1, max: size }) }),
    );
    fc.assert(
      fc.property(someProof, ({ size, index, older }) => {
        for (const path of [inclusionPath(index, size), consistencyPath(older, size)]) {
          const tiles = tilesAlong(path, size).map(defined);
          expect(proveAlong(path, tileSource(tiles))).toEqual(proveAlong(path, plain.source(size)));
          expect(tiles.length).toBeLessThanOrEqual(2 * tileLevels(size));
        }
      }),
    );
  });

  it('are not made up: a subtree out of a tile that is not there, or is too narrow, is refused', () => {
    const path = inclusionPath(3, 700);
    const tiles = tilesAlong(path, 700).map(defined);
    for (const index of tiles.keys())
      expect(codeOf(() => proveAlong(path, tileSource(tiles.toSpliced(index, 1))))).toBe('bad-tile');
    const narrow = tiles.map((tile) => ({ ...tile, hashes: tile.hashes.slice(0, -1) }));
    expect(codeOf(() => proveAlong(path, tileSource(narrow)))).toBe('bad-tile');
    expect(codeOf(() => tilesAlong([{ start: 512, end: 768 }], 300))).toBe('bad-tile');
  });

  it('are refused with a byte more or less than their width', () => {
    for (const width of [1, 44, 256]) {
      const tile = { level: 0, index: 0, width };
      const bytes = encodeTile(hashes.slice(0, width));
      expect(decodeTile(tile, bytes)).toEqual(defined(tile));
      for (const wrong of [bytes.slice(1), Uint8Array.from([...bytes, 0]), bytes.slice(32), new Uint8Array()])
        expect(codeOf(() => decodeTile(tile, wrong))).toBe('bad-tile');
    }
  });
});

describe('the path of a tile', () => {
  it.each<[string, Parameters<typeof tilePath>[0]]>([
    ['tile/0/x001/x234/067', { kind: 'hashes', level: 0, index: 1_234_067, width: 256 }],
    ['tile/0/000', { kind: 'hashes', level: 0, index: 0, width: 256 }],
    ['tile/1/000.p/17', { kind: 'hashes', level: 1, index: 0, width: 17 }],
    ['tile/2/000.p/1', { kind: 'hashes', level: 2, index: 0, width: 1 }],
    ['tile/0/x001/000.p/255', { kind: 'hashes', level: 0, index: 1000, width: 255 }],
    ['tile/entries/x001/x234/067', { kind: 'entries', index: 1_234_067, width: 256 }],
    ['tile/entries/273.p/112', { kind: 'entries', index: 273, width: 112 }],
  ])('is %s as the specification spells it', (path, resource) => {
    expect(tilePath(resource)).toBe(path);
    expect(parseTilePath(path)).toEqual(resource);
  });

  it('leads back to its tile, whichever it is', () => {
    const index = fc.oneof(fc.nat(2000), fc.nat(2 ** 31));
    fc.assert(
      fc.property(index, fc.integer({ min: 1, max: 256 }), fc.nat(1), (index, width, level) => {
        for (const resource of [
          { kind: 'hashes', level, index, width } as const,
          { kind: 'entries', index, width } as const,
        ])
          expect(parseTilePath(tilePath(resource))).toEqual(resource);
      }),
    );
  });

  it.each([
    '',
    'tile',
    'tile/0',
    'tile/0/',
    'tile/0/0',
    'tile/0/00',
    'tile/0/0000',
    'tile/0/x000/001',
    'tile/0/001/067',
    'tile/0/x001',
    'tile/0/x001x067',
    'tile/00/001',
    'tile/-1/001',
    'tile/6/000',
    'tile/63/000',
    'tile/64/000',
    'tile/5/001',
    'tile/8/0/001',
    'tile/data/001',
    'tile/entries/1',
    'tile/0/001.p/0',
    'tile/0/001.p/01',
    'tile/0/001.p/256',
    'tile/0/001.p/999',
    'tile/0/001.p/',
    'tile/0/001.p/1/',
    'tile/0/001.p/1.p/1',
    '/tile/0/001',
    'tile/0/001\n',
    'tile/0/../0/001',
    'tile/0/٠٠١',
    'TILE/0/001',
    `tile/0/${'x999/'.repeat(4)}999`,
    `tile/0/${'x001/'.repeat(maxTilePathCharacters)}001`,
  ])('is not %j', (path) => {
    expect(codeOf(() => parseTilePath(path))).toBe('bad-tile');
  });
});

describe('an entry bundle', () => {
  it('gives back its leaves, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 256 }), (leaves) => {
        expect(decodeEntries(encodeEntries(leaves), leaves.length)).toEqual(leaves.map((leaf) => new Uint8Array(leaf)));
      }),
    );
  });

  it('is each leaf after its length in two bytes, big-endian (tlog-tiles, "Log entries")', () => {
    const [long, short] = [new Uint8Array(0x0102).fill(7), Uint8Array.of(9)];
    const bytes = encodeEntries([long, short]);
    expect([...bytes.slice(0, 3)]).toEqual([1, 2, 7]);
    expect([...bytes.slice(-3)]).toEqual([0, 1, 9]);
  });

  it('is refused with a leaf more, a leaf less, and cut anywhere', () => {
    const leaves = leavesUpTo(5);
    const bytes = encodeEntries(leaves);
    for (const width of [0, 4, 6, 256]) expect(codeOf(() => decodeEntries(bytes, width))).toBe('bad-tile');
    for (let end = 0; end < bytes.length; end += 1)
      expect(codeOf(() => decodeEntries(bytes.slice(0, end), 5))).toBe('bad-tile');
    expect(codeOf(() => decodeEntries(Uint8Array.from([...bytes, 0]), 5))).toBe('bad-tile');
  });

  it('is not made with a leaf past the bound, and is at the bound', () => {
    const atBound = new Uint8Array(maxLeafBytes);
    expect(Buffer.from(decodeEntries(encodeEntries([atBound]), 1)[0]!).equals(atBound)).toBe(true);
    expect(codeOf(() => encodeEntries([new Uint8Array(maxLeafBytes + 1)]))).toBe('too-large');
  });
});
