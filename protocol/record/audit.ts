/**
 * An audit of a whole log against one checkpoint: every leaf is read, every tile and the root are made again from them, and the records come in an
 * order that a log can have. What the signed messages in them say is judged by whoever opens them.
 *
 * It holds no more than a tile for each level, and a name for each round. Nothing that it gives out is to be believed before `end` agreed.
 * A coordinator can still have left out whatever it never told anybody.
 */
import { encodeBase64Url } from '../../verifier/base64.ts';
import { equalBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { emptyEdge, growEdge, partialTiles, type Edge } from './edge.ts';
import { decodeEntries } from './entries.ts';
import { decodeLeaf, type LogRecord } from './leaf.ts';
import { Order } from './order.ts';
import { encodeTile, tileAt, tilePath, tileWidth, type FilledTile } from './tile.ts';
import { appendLeaves, emptyTree, hashLeaf, rootOf, type Tree } from './tree.ts';
import { at } from '../wire/present.ts';

/** A record that is in the log. */
export interface AuditedRecord {
  /** 0-based. */
  readonly index: number;
  readonly record: LogRecord;
}

/** What one entry bundle holds. */
export interface AuditedEntries {
  readonly records: readonly AuditedRecord[];
  /** The full tiles that must be served now that these leaves are there. */
  readonly tiles: readonly FilledTile[];
}

/** The reading of one log against one checkpoint, bundle by bundle. */
export class Audit {
  readonly #checkpoint: Checkpoint;
  readonly #order: Order;
  #tree: Tree = emptyTree;
  #edge: Edge = emptyEdge;

  /**
   * Of the log that the checkpoint names, whose first record has to say the same, by the coordinator (32 bytes) under whose key it was opened. Whether
   * that is the log in question is asked before, with `assertOrigin`.
   */
  constructor(checkpoint: Checkpoint, coordinator: Uint8Array) {
    const { charter, log } = checkpoint;
    this.#checkpoint = checkpoint;
    this.#order = new Order({ charter, log, coordinator: encodeBase64Url(coordinator) });
  }

  /** Path of the entry bundle that comes next; `undefined` when all are there. */
  get next(): string | undefined {
    const bundle = tileAt(0, this.#tree.size / tileWidth, this.#checkpoint.tree.size);
    return bundle === undefined ? undefined : tilePath({ kind: 'entries', ...bundle });
  }

  /** Takes the bundle at `next`. Throws `ProtocolError` (`bad-tile`, `bad-leaf`, `bad-record`); the audit is over then. */
  add(entries: Uint8Array): AuditedEntries {
    const first = this.#tree.size;
    const bundle = tileAt(0, first / tileWidth, this.#checkpoint.tree.size);
    if (bundle === undefined) throw new ProtocolError('bad-tile', `the log has no more than ${first} records`);
    const leaves = decodeEntries(entries, bundle.width);
    const records = leaves.map((leaf, count) => ({ index: first + count, record: this.#open(leaf, first + count) }));
    const leafHashes = leaves.map(hashLeaf);
    const { edge, tiles } = growEdge(this.#edge, first, leafHashes);
    this.#tree = appendLeaves(this.#tree, leafHashes);
    this.#edge = edge;
    return { records, tiles };
  }

  /** Says that the log is the one of the checkpoint, and gives the partial tiles that must be served for it. Throws `ProtocolError('bad-record')`. */
  end(): FilledTile[] {
    const { size, root } = this.#checkpoint.tree;
    if (this.#tree.size !== size)
      throw new ProtocolError('bad-record', `${this.#tree.size} of the ${size} records were looked at`);
    if (!equalBytes(rootOf(this.#tree), root))
      throw new ProtocolError('bad-record', `the ${size} records are not those of the checkpoint: its root is another`);
    return partialTiles(size).map((tile) => ({ ...tile, hashes: at(this.#edge, tile.level) }));
  }

  #open(leaf: Uint8Array, index: number): LogRecord {
    try {
      const record = decodeLeaf(leaf);
      this.#order.accept(record);
      return record;
    } catch (cause) {
      if (!(cause instanceof ProtocolError) || cause.code === 'bad-record') throw cause;
      throw new ProtocolError(cause.code, `record ${index}: ${cause.message}`, { cause });
    }
  }
}

/** Throws `ProtocolError('bad-tile')` unless what was served for a tile is what the leaves make of it. */
export function assertTile(made: FilledTile, served: Uint8Array): void {
  if (!equalBytes(encodeTile(made.hashes), served))
    throw new ProtocolError('bad-tile', `${tilePath({ kind: 'hashes', ...made })} is not what its records make of it`);
}
