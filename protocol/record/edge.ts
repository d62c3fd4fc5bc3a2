/**
 * The right edge of a log's tree: the hashes of its partial tile at each level (C2SP tlog-tiles, "Partial Tiles"). With it in memory, at most 255
 * hashes a level, full tiles are made while the log grows and nothing is read for them.
 */
import { equalBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import type { Node } from './proof.ts';
import { hashesAt, subtreeRoot, tileHeight, tileLevels, tileWidth, type FilledTile, type Tile } from './tile.ts';
import { appendLeaves, emptyTree, type Tree } from './tree.ts';
import { at } from '../wire/present.ts';

/** By level of tiles: up to 255 hashes of 32 bytes, those of the last, partial tile; none where the last tile is full. */
export type Edge = readonly (readonly Uint8Array[])[];

/** The edge of a tree without leaves. */
export const emptyEdge: Edge = [];

/** A complete subtree with its hash, 32 bytes. */
export interface HashedNode extends Node {
  readonly hash: Uint8Array;
}

/** What some more leaves make of an edge. */
export interface GrownEdge {
  readonly edge: Edge;
  /** Tiles that became full, to be written once. */
  readonly tiles: readonly FilledTile[];
  /** Their roots, of which the partial tiles of the levels above are made when they are asked for. */
  readonly nodes: readonly HashedNode[];
}

/** The edge of a tree of this size with some more leaves. */
export function growEdge(edge: Edge, size: number, leafHashes: readonly Uint8Array[]): GrownEdge {
  const levels = edge.map((hashes) => [...hashes]);
  const tiles: FilledTile[] = [];
  const nodes: HashedNode[] = [];
  const push = (level: number, added: Uint8Array, newSize: number): void => {
    const hashes = (levels[level] ??= []);
    hashes.push(added);
    if (hashes.length < tileWidth) return;
    const index = hashesAt(level + 1, newSize) - 1;
    const root = subtreeRoot(hashes);
    tiles.push({ level, index, width: tileWidth, hashes });
    nodes.push({ level: tileHeight * (level + 1), index, hash: root });
    levels[level] = [];
    push(level + 1, root, newSize);
  };
  leafHashes.forEach((leafHash, count) => push(0, leafHash, size + count + 1));
  return { edge: levels, tiles, nodes };
}

/** The partial tiles of a tree of this size, from the leaves upwards: what must be read to have its edge. */
export function partialTiles(size: number): Tile[] {
  return Array.from({ length: tileLevels(size) }, (_, level) => {
    const width = hashesAt(level, size) % tileWidth;
    return { level, index: hashesAt(level + 1, size), width };
  }).filter(({ width }) => width > 0);
}

/**
 * The edge of a tree out of its partial tiles, as `partialTiles` names them. Throws `ProtocolError('bad-tile')` unless their hashes make the tree's
 * own frontier: a log with one hash wrong or lost is not gone on with.
 */
export function openEdge(tree: Tree, tiles: readonly FilledTile[]): Edge {
  const edge = Array.from({ length: tileLevels(tree.size) }, (_, level) => {
    return tiles.find((tile) => tile.level === level)?.hashes ?? [];
  });
  const frontier = frontierOf(edge);
  const isSame =
    frontier.length === tree.frontier.length &&
    tree.frontier.every((hash, index) => equalBytes(hash, at(frontier, index)));
  if (!isSame || tiles.some(({ level, hashes }) => hashes.length !== hashesAt(level, tree.size) % tileWidth))
    throw new ProtocolError('bad-tile', `the last tiles of the log are not those of its ${tree.size} records`);
  return edge;
}

/** The largest subtrees are in the tiles furthest up; within a tile the frontier is that of a small tree over its hashes. */
function frontierOf(edge: Edge): Uint8Array[] {
  return edge.toReversed().flatMap((hashes) => appendLeaves(emptyTree, hashes).frontier);
}
