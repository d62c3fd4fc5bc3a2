/**
 * Tiles: 256 neighbouring hashes of a log's tree at every eighth level, by which the tree is stored and served (C2SP tlog-tiles, "Merkle Tree").
 * A full tile never changes; the last one of a level is partial until 256 hashes are there.
 */
import { printableJson } from '../../verifier/printable.ts';
import { concatBytes } from '@noble/hashes/utils.js';
import { ProtocolError } from '../errors.ts';
import { maxTilePathCharacters, maxTreeSize } from './limits.ts';
import { nodesOf, type HashSource, type Node, type Run } from './proof.ts';
import { appendLeaves, emptyTree, hashBytes, rootOf } from './tree.ts';

/** Levels of the tree that one tile spans. */
export const tileHeight = 8;
/** Hashes of a full tile: 256. */
export const tileWidth = 2 ** tileHeight;

/** Hashes `index · 256` and on, at the tree's level `8 · level`. */
export interface Tile {
  /** 0 for the leaves; one more for each eight levels of the tree. */
  readonly level: number;
  /** 0-based, within the level. */
  readonly index: number;
  /** Hashes: 1 to 256; fewer than 256 make a partial tile. */
  readonly width: number;
}

/** A tile with its hashes, as many as it is wide. */
export interface FilledTile extends Tile {
  readonly hashes: readonly Uint8Array[];
}

/** What lies under a path: hashes of the tree, or the leaves themselves that belong to a tile of level 0. */
export type TileResource = ({ readonly kind: 'hashes' } & Tile) | ({ readonly kind: 'entries' } & Omit<Tile, 'level'>);

/** Hashes that a tree of this size has at a level of tiles. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / tileWidth ** level);
}

/** Levels of tiles that a tree of this size has. */
export function tileLevels(size: number): number {
  let levels = 0;
  while (hashesAt(levels, size) > 0) levels += 1;
  return levels;
}

/** One tile of a tree of this size; `undefined` if the tree does not reach it. */
export function tileAt(level: number, index: number, size: number): Tile | undefined {
  const width = Math.min(tileWidth, hashesAt(level, size) - index * tileWidth);
  return width > 0 ? { level, index, width } : undefined;
}

/** Every tile of a tree of this size, level by level; the last of a level may be partial. A large tree has many: take them one at a time. */
export function* tilesOf(size: number): Generator<Tile, void> {
  for (let level = 0; level < tileLevels(size); level += 1) {
    for (let index = 0, tile = tileAt(level, 0, size); tile !== undefined; tile = tileAt(level, (index += 1), size))
      yield tile;
  }
}

/** The tiles from which the hashes of some runs can be worked out, each once: what has to be read for a proof along a path. */
export function tilesAlong(path: readonly Run[], size: number): Tile[] {
  const tiles = new Map<string, Tile>();
  for (const node of path.flatMap(nodesOf)) {
    const { level, index } = placeOf(node);
    const tile = tileAt(level, index, size);
    if (tile === undefined || (node.index + 1) * 2 ** node.level > size)
      throw new ProtocolError('bad-tile', `a log of ${size} records has no such subtree`);
    tiles.set(tileKey(tile), tile);
  }
  return [...tiles.values()];
}

/** Hashes of complete subtrees out of some tiles. What it gives is as true as the tiles are. Throws `ProtocolError('bad-tile')` for a tile that is not there. */
export function tileSource(tiles: readonly FilledTile[]): HashSource {
  const byKey = new Map(tiles.map((tile) => [tileKey(tile), tile.hashes]));
  return (node) => {
    const place = placeOf(node);
    const hashes = byKey.get(tileKey(place))?.slice(place.from, place.from + place.count) ?? [];
    if (hashes.length !== place.count)
      throw new ProtocolError('bad-tile', `tile ${tileKey(place)} does not hold the subtree that is asked for`);
    return subtreeRoot(hashes);
  };
}

/** The root of the complete subtree over the hashes of a full tile, or of any power of two of them. */
export function subtreeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  return rootOf(appendLeaves(emptyTree, hashes));
}

/** Where a complete subtree lies: its tile, and which of the tile's hashes it spans. */
function placeOf(node: Node): { level: number; index: number; from: number; count: number } {
  const level = Math.floor(node.level / tileHeight);
  const count = 2 ** (node.level % tileHeight);
  const first = node.index * count;
  return { level, index: Math.floor(first / tileWidth), from: first % tileWidth, count };
}

function tileKey({ level, index }: Pick<Tile, 'level' | 'index'>): string {
  return `${level}/${index}`;
}

/** The hashes one after another, 32 bytes each. */
export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...hashes);
}

/** Inverse of `encodeTile` for a tile of this width. Throws `ProtocolError('bad-tile')` for any other length. */
export function decodeTile(tile: Tile, bytes: Uint8Array): FilledTile {
  if (bytes.length !== tile.width * hashBytes)
    throw new ProtocolError(
      'bad-tile',
      `${tilePath({ kind: 'hashes', ...tile })} has ${bytes.length} bytes, not ${tile.width * hashBytes}`,
    );
  const hashes = Array.from({ length: tile.width }, (_, at) => bytes.slice(at * hashBytes, (at + 1) * hashBytes));
  return { ...tile, hashes };
}

/** Where it is served, below the log's own prefix: `tile/0/x001/x234/067`, `tile/entries/000.p/17`. */
export function tilePath(resource: TileResource): string {
  const { kind, index, width } = resource;
  const digits = index.toString();
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
  return `tile/${kind === 'entries' ? kind : resource.level}/${path}${width < tileWidth ? `.p/${width}` : ''}`;
}

const pathPattern = /^tile\/(?:(entries)|(0|[1-9]\d?))\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Inverse of `tilePath`: only the one spelling, and only what a log of `maxTreeSize` can have. Throws `ProtocolError('bad-tile')`. */
export function parseTilePath(path: string): TileResource {
  const [, entries, level, groups, width] =
    (path.length <= maxTilePathCharacters ? pathPattern.exec(path) : null) ?? [];
  const place = {
    index: Number(groups?.replaceAll(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  };
  const resource: TileResource =
    entries === undefined ? { kind: 'hashes', level: Number(level), ...place } : { kind: 'entries', ...place };
  const isThere = (place.index * tileWidth + place.width) * tileWidth ** Number(level ?? 0) <= maxTreeSize;
  // One spelling: no leading zeros before the first group that has a digit, no width of 256 or more.
  if (groups === undefined || !isThere || tilePath(resource) !== path)
    throw new ProtocolError(
      'bad-tile',
      `${printableJson(path.slice(0, maxTilePathCharacters))} is not the path of a tile`,
    );
  return resource;
}
