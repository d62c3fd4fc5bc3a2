/** The tree of a log out of its database, every hash of which is compared with the head before it is believed. */
import { openEdge, partialTiles, type Edge } from '../protocol/record/edge.ts';
import type { Head, Tip } from '../protocol/record/head.ts';
import { consistencyPath, inclusionPath, proveAlong, type Run } from '../protocol/record/proof.ts';
import {
  decodeTile,
  hashesAt,
  subtreeRoot,
  tileAt,
  tilesAlong,
  tileSource,
  tileWidth,
  type FilledTile,
} from '../protocol/record/tile.ts';
import { hashBytes, hashLeaf } from '../protocol/record/tree.ts';
import { equalBytes } from '../protocol/wire/bytes.ts';
import type { Database } from './database.ts';
import { maxCachedTiles } from './limits.ts';

/** A hash of the tree that the database lost or changed; whoever asked says of what. */
export class TreeDamage extends Error {
  override readonly name = 'TreeDamage';
}

/** Reads one log's tree, as it was when a head was written or later. */
export class Tiles {
  readonly #database: Database;
  readonly #log: string;
  /** Full tiles that were proved; the one that was used last comes last. */
  readonly #proved = new Map<string, FilledTile>();

  constructor(database: Database, log: string) {
    this.#database = database;
    this.#log = log;
  }

  /** The right edge of a tree, which must make its root. Throws `ProtocolError('bad-tile')` or `TreeDamage`. */
  async edge(head: Head): Promise<Edge> {
    const tiles: FilledTile[] = [];
    for (const tile of partialTiles(head.size)) {
      const hashes = await this.#database.hashes(this.#log, tile.level, tile.index * tileWidth, tile.width);
      tiles.push({ ...tile, hashes: hashes.map((hash) => present(hash, 'a hash of the last records')) });
    }
    return openEdge(head, tiles);
  }

  /** A leaf that is proved to be in the tree. Throws `TreeDamage`. */
  async leaf(tip: Tip, index: number): Promise<Uint8Array> {
    const leaf = present(await this.#database.leaf(this.#log, index), `record ${index}`);
    if (!equalBytes(hashLeaf(leaf), await this.#hash(tip, 0, index)))
      throw new TreeDamage(`record ${index} is changed`);
    return leaf;
  }

  /** The leaves that belong to a tile of level 0, or the first of them, each proved. Throws `TreeDamage`. */
  async leaves(tip: Tip, index: number, width: number): Promise<Uint8Array[]> {
    const { hashes } = await this.tile(tip, 0, index);
    const leaves = await this.#database.leaves(this.#log, index * tileWidth, width);
    return leaves.map((found, at) => {
      const leaf = present(found, `record ${index * tileWidth + at}`);
      const hash = hashes[at];
      if (hash === undefined || !equalBytes(hashLeaf(leaf), hash))
        throw new TreeDamage(`record ${index * tileWidth + at} is changed`);
      return leaf;
    });
  }

  /** A tile of the tree as it is now: the partial ones are in memory, a full one is proved by its place in the one above. Throws `TreeDamage`. */
  async tile(tip: Tip, level: number, index: number): Promise<FilledTile> {
    const { head, edge } = tip;
    const tile = tileAt(level, index, head.size);
    if (tile === undefined) throw new TreeDamage(`tile ${level}/${index} is past the end of the log`);
    if (tile.width < tileWidth) return { ...tile, hashes: edge[level] ?? [] };
    const key = `${level}/${index}`;
    const proved = this.#proved.get(key) ?? (await this.#prove(tip, level, index));
    this.#proved.delete(key);
    this.#proved.set(key, proved);
    const [oldest] = this.#proved.keys();
    if (this.#proved.size > maxCachedTiles && oldest !== undefined) this.#proved.delete(oldest);
    return proved;
  }

  async #prove(tip: Tip, level: number, index: number): Promise<FilledTile> {
    const bytes = present(await this.#database.tile(this.#log, level, index), `tile ${level}/${index}`);
    if (bytes.length !== tileWidth * hashBytes) throw new TreeDamage(`tile ${level}/${index} is cut off`);
    const tile = decodeTile({ level, index, width: tileWidth }, bytes);
    if (!equalBytes(subtreeRoot(tile.hashes), await this.#hash(tip, level + 1, index)))
      throw new TreeDamage(`tile ${level}/${index} is changed`);
    return tile;
  }

  async #hash(tip: Tip, level: number, index: number): Promise<Uint8Array> {
    if (index >= hashesAt(level, tip.head.size)) throw new TreeDamage(`record ${index} is past the end of the log`);
    const { hashes } = await this.tile(tip, level, Math.floor(index / tileWidth));
    return present(hashes[index % tileWidth], `a hash at level ${level}`);
  }

  /** That a leaf is in the tree of a size that the log has passed. Throws `ProtocolError('bad-proof')` or `TreeDamage`. */
  inclusion(tip: Tip, index: number, size: number): Promise<Uint8Array[]> {
    return this.#along(tip, inclusionPath(index, size));
  }

  /** That one tree is the beginning of another. Throws `ProtocolError('bad-proof')` or `TreeDamage`. */
  consistency(tip: Tip, older: number, newer: number): Promise<Uint8Array[]> {
    return this.#along(tip, consistencyPath(older, newer));
  }

  async #along(tip: Tip, path: readonly Run[]): Promise<Uint8Array[]> {
    const tiles: FilledTile[] = [];
    for (const { level, index } of tilesAlong(path, tip.head.size)) tiles.push(await this.tile(tip, level, index));
    return proveAlong(path, tileSource(tiles));
  }
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TreeDamage(`${what} is missing`);
  return value;
}
