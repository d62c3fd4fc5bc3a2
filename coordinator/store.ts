/**
 * What the coordinator must not forget: records in one sequence, hash-chained, in a level database, and beside it a small file
 * that says how far the sequence must reach at least.
 *
 * Keys: `e<sequence, 16 hex digits>` a record, `b<SHA-256>` the bytes that a record names, `head` the newest sequence number and
 * hash, written in the same batch. level checks little of what it reads and takes a lost file for an earlier state, so everything
 * is read and checked at opening: a gap, a changed byte or an end before the known one is damage, and refused.
 */
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { disk as realDisk, type Disk } from '../home/disk.ts';
import { systemCode } from '../home/errors.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { createAnchor, openAnchor, type Anchor } from './anchor.ts';
import {
  decodeRecord,
  encodeHead,
  headKey,
  nextHead,
  readChain,
  recordKey,
  type StoreHead,
  type StoreRecord,
} from './chain.ts';
import type { Blobs } from './blobs.ts';
import { damaged, openLevel, type Database, type StorePaths, type Write } from './database.ts';
import { CoordinatorError } from './errors.ts';
import { lazyWriteMs, maxBatchBytes } from './limits.ts';

/** One call of `append`: its records stand together, in one batch. */
interface Waiting {
  readonly entries: readonly Write[];
  readonly bytes: number;
  /** The head once these are on the medium. */
  readonly head: StoreHead;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Who is told of what the store reads and of its failure. */
export interface StoreOptions {
  /** Given every record at opening, in order, with its number in the sequence. */
  readonly onRecord: (record: StoreRecord, sequence: number) => void;
  /** Nothing can be stored any more: the coordinator has to stop. */
  readonly onFailure: (error: CoordinatorError) => void;
}

/** Begins an empty store where there is none; an interrupted beginning can simply run again. */
export async function createStore(paths: StorePaths, disk: Disk = realDisk): Promise<void> {
  await createAnchor(paths.anchor, disk);
  const unfinished = `${paths.database}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await (await openLevel(unfinished, paths, { create: true })).close();
  await disk.rename(unfinished, paths.database);
  await disk.syncFolder(dirname(paths.database));
}

/** Whether the home has a store, in whatever state. */
export async function hasStore(paths: StorePaths): Promise<boolean> {
  return exists(paths.database);
}

/** Opens the store in a home that is locked. Throws `CoordinatorError` (`store-missing`, `store-damaged`). */
export async function openStore(paths: StorePaths, options: StoreOptions): Promise<Store> {
  if (!(await exists(paths.database))) {
    throw new CoordinatorError(
      'store-missing',
      `the store ${paths.database} is not there; put it back, or begin an empty one with: frostmark coordinator init ` +
        '(members bring their groups back; pending rounds have to be asked for again)',
    );
  }
  return openStoreOn(await openLevel(paths.database, paths, { create: false }), realDisk, paths, options);
}

/** Opens a store on any database and disk. Closes the database if it refuses. */
export async function openStoreOn(
  database: Database,
  disk: Disk,
  paths: StorePaths,
  options: StoreOptions,
): Promise<Store> {
  let anchor: Anchor | undefined;
  try {
    anchor = await openAnchor(paths, disk);
    const { head, blobs } = await readChain(database, paths, anchor.head, options.onRecord);
    await anchor.write(head);
    return new Store({ database, anchor, head, blobs, onFailure: options.onFailure });
  } catch (error) {
    await anchor?.close();
    await database.close();
    if (error instanceof CoordinatorError) throw error;
    throw damaged(paths, (error as Error).message, error);
  }
}

/** What an open store works with. */
interface StoreParts {
  readonly database: Database;
  readonly anchor: Anchor;
  readonly head: StoreHead;
  readonly blobs: Blobs;
  readonly onFailure: (error: CoordinatorError) => void;
}

/** An open store: appends records in batches, answers them by number, and says how far it is on the medium. */
export class Store implements AsyncDisposable {
  readonly #database: Database;
  readonly #anchor: Anchor;
  readonly #blobs: Blobs;
  readonly #onFailure: (error: CoordinatorError) => void;
  /** The newest head that was handed out, and the newest on the medium. */
  #head: StoreHead;
  #synced: StoreHead;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #anchoring: Promise<void> | undefined;
  #lazy: StoreRecord[] = [];
  #lazyTimer: NodeJS.Timeout | undefined;
  #refusal: CoordinatorError | undefined;

  /** Only `openStoreOn` makes one. */
  constructor({ database, anchor, head, blobs, onFailure }: StoreParts) {
    this.#database = database;
    this.#anchor = anchor;
    this.#blobs = blobs;
    this.#onFailure = onFailure;
    this.#head = head;
    this.#synced = head;
  }

  get head(): StoreHead {
    return this.#synced;
  }

  /**
   * Resolves with the number of the first when all records, and the bytes they name, are on the medium; a crash before leaves all or none.
   * Calls that wait together are synced together, in order. Throws `CoordinatorError` (`store-failed`, `closing`).
   */
  append(records: readonly StoreRecord[], blobs: readonly Uint8Array[] = []): Promise<number> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const all = [...this.#lazy.splice(0), ...records];
    if (all.length === 0) return Promise.resolve(this.#head.sequence);
    const first = this.#head.sequence + all.length - records.length + 1;
    const entries: Write[] = blobs.map((bytes) => [`b${sha256Hex(bytes)}`, bytes]);
    for (const record of all) {
      const bytes = Buffer.from(JSON.stringify(record));
      this.#head = nextHead(this.#head, bytes);
      entries.push([recordKey(this.#head.sequence), bytes]);
      for (const sha256 of this.#blobs.add(record)) entries.push([`b${sha256}`, undefined]);
    }
    const bytes = entries.reduce((sum, [, value]) => sum + (value?.length ?? 0), 0);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, bytes, head: this.#head, resolve: () => resolve(first), reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Stores a record with the next one, or soon: nobody is told that it is there. */
  appendLazily(record: StoreRecord): void {
    this.#lazy.push(record);
    this.#lazyTimer ??= setTimeout(() => {
      this.#lazyTimer = undefined;
      this.append([]).catch(() => undefined); // told by onFailure
    }, lazyWriteMs);
  }

  /** One record by its number. Throws `CoordinatorError('store-damaged')` if it is gone. */
  async record(sequence: number): Promise<StoreRecord> {
    const bytes = await this.#database.get(recordKey(sequence));
    if (bytes === undefined) throw new CoordinatorError('store-damaged', `record ${sequence} is gone from the store`);
    return decodeRecord(bytes);
  }

  /** The bytes that a record names by their SHA-256 (hex). Throws `CoordinatorError('store-damaged')` if they are gone or changed. */
  async blob(sha256: string): Promise<Uint8Array> {
    const bytes = await this.#database.get(`b${sha256}`);
    if (bytes === undefined || sha256Hex(bytes) !== sha256)
      throw new CoordinatorError('store-damaged', `the bytes ${sha256} are gone from the store, or changed`);
    return bytes;
  }

  /** Waits for what is under way; nothing is stored afterwards. A repeat is a no-op. */
  async close(): Promise<void> {
    if (this.#refusal?.code === 'closing') return;
    clearTimeout(this.#lazyTimer);
    if (this.#lazy.length > 0) await this.append([]).catch(() => undefined); // told by onFailure
    this.#refusal ??= new CoordinatorError('closing', 'the coordinator is about to stop');
    await this.#writing;
    await this.#anchoring;
    await this.#anchor.close();
    await this.#database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The one writer: takes all that waits, writes it, answers, until nothing waits. Never rejects. */
  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is appended in one turn is synced together
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      const head = batch.at(-1)?.head ?? this.#synced;
      try {
        // On the medium before anyone is told: what was acknowledged is never lost.
        await this.#database.write([...batch.flatMap(({ entries }) => entries), [headKey, encodeHead(head)]], {
          sync: true,
        });
        this.#synced = head;
        for (const { resolve } of batch) resolve();
        this.#anchoring ??= this.#writeAnchor();
      } catch (error) {
        this.#poison(batch, error);
      }
    }
    this.#writing = undefined;
  }

  #nextBatch(): Waiting[] {
    let total = 0;
    const fitting = this.#waiting.findIndex(({ bytes }) => (total += bytes) > maxBatchBytes);
    return this.#waiting.splice(0, fitting === -1 ? this.#waiting.length : Math.max(fitting, 1));
  }

  /** Follows the store by some milliseconds, so that nobody waits for it: it tells lost files, which are rare, not crashes. */
  async #writeAnchor(): Promise<void> {
    try {
      while (this.#anchor.head.sequence < this.#synced.sequence) await this.#anchor.write(this.#synced);
    } catch (error) {
      this.#poison([], error);
    }
    this.#anchoring = undefined;
  }

  /** After a failed write nobody knows what the medium holds; only opening it anew tells. */
  #poison(batch: readonly Waiting[], cause: unknown): void {
    const code = systemCode(cause);
    const error = new CoordinatorError(
      'store-failed',
      `the store could not be written${code === undefined ? '' : ` (${code})`}; check the disk and start again`,
      { cause },
    );
    this.#refusal ??= error;
    for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
    this.#onFailure(error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
