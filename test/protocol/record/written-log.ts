/** A log as a store would write it, batch by batch, and as it is then served: every file by its path, made only of what the batches gave. */
import { sealCheckpoint, type Checkpoint, type LogName } from '../../../protocol/record/checkpoint.ts';
import { partialTiles } from '../../../protocol/record/edge.ts';
import { encodeEntries } from '../../../protocol/record/entries.ts';
import { append, emptyTip, noChanges, type Tip } from '../../../protocol/record/head.ts';
import { encodeTile, tilePath, tilesOf, tileWidth, type FilledTile } from '../../../protocol/record/tile.ts';
import { personFromSeed, type Person } from '../../harness/people.ts';

export const coordinator: Person = personFromSeed('coordinator', 5);
export const logName: LogName = { charter: 'c4'.repeat(32), log: '10'.repeat(16) };

export class WrittenLog {
  tip: Tip = emptyTip;
  readonly leaves: Uint8Array[] = [];
  readonly leafHashes: Uint8Array[] = [];
  /** Roots of the trees at the end of each batch, by size. */
  readonly roots = new Map<number, Uint8Array>();
  readonly fullTiles: FilledTile[] = [];
  /** By `level/index`. */
  readonly nodes = new Map<string, Uint8Array>();

  append(leaves: readonly Uint8Array[]): void {
    const { leafHashes, tiles, nodes, head, edge } = append(this.tip, leaves, noChanges);
    this.tip = { head, edge };
    this.leaves.push(...leaves);
    this.leafHashes.push(...leafHashes);
    this.roots.set(head.size, head.root);
    this.fullTiles.push(...tiles);
    for (const { level, index, hash } of nodes) this.nodes.set(`${level}/${index}`, hash);
  }

  /** Appends in batches of these widths, as far as there are leaves, and the rest in one. */
  static of(leaves: readonly Uint8Array[], widths: readonly number[] = []): WrittenLog {
    const log = new WrittenLog();
    let at = 0;
    for (const width of [...widths, leaves.length]) {
      const batch = leaves.slice(at, at + width);
      if (batch.length > 0) log.append(batch);
      at += batch.length;
    }
    return log;
  }

  get size(): number {
    return this.tip.head.size;
  }

  checkpoint(name: LogName = logName, signer: Person = coordinator): Checkpoint {
    return sealCheckpoint(name, this.tip.head, signer);
  }

  /** A partial tile, of the leaf hashes or of the roots of the full tiles below: as a store makes it when it is asked for. */
  partialTile(level: number, index: number, width: number): FilledTile {
    const hashes = Array.from({ length: width }, (_, count) => {
      const at = index * tileWidth + count;
      return level === 0 ? this.leafHashes[at]! : this.nodes.get(`${8 * level}/${at}`)!;
    });
    return { level, index, width, hashes };
  }

  get tiles(): FilledTile[] {
    const partial = partialTiles(this.size).map(({ level, index, width }) => this.partialTile(level, index, width));
    return [...this.fullTiles, ...partial];
  }

  /** Tiles and entries by path. */
  files(): Map<string, Uint8Array> {
    const files = new Map(this.tiles.map((tile) => [tilePath({ kind: 'hashes', ...tile }), encodeTile(tile.hashes)]));
    for (const { level, index, width } of tilesOf(this.size)) {
      if (level > 0) break;
      const leaves = this.leaves.slice(index * tileWidth, index * tileWidth + width);
      files.set(tilePath({ kind: 'entries', index, width }), encodeEntries(leaves));
    }
    return files;
  }
}
