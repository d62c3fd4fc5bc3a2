/**
 * What the coordinator must not forget: records in one sequence, hash-chained, in a level database, and beside it a small file
 * that says how far the sequence must reach at least.
 *
 * Keys: `e<sequence, 16 hex digits>` a record, `b<SHA-256>` the bytes that a record names, `head` the newest sequence number and
 * hash, written in the same batch. level checks little of what it reads and takes a lost file for an earlier state, so everything
 * is read and checked at opening: a gap, a changed byte or an end before the known one is damage, and refused.
 */
import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Level } from 'level';
import { disk as realDisk, type Disk, type DiskFile } from '../home/disk.ts';
import { HomeError, systemCode } from '../home/errors.ts';
import { writeFileOnce } from '../home/files.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { JournalHead, Outcome } from '../protocol/wire/frames.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { CoordinatorError } from './errors.ts';
import { lazyWriteMs, maxBatchBytes } from './limits.ts';

/** Hashes are hex; `charter` is the charter's hash, `digest` the request's. */
export type StoreRecord =
  | {
      readonly type: 'group';
      readonly charter: string;
      /** Names the certificate's bytes. */
      readonly certificate: string;
      readonly stored: readonly Envelope[];
    }
  | {
      readonly type: 'group-document';
      readonly charter: string;
      readonly document: 'genesis' | 'requesters' | 'delegation';
      readonly envelope: Envelope;
    }
  | { readonly type: 'ceremony'; readonly charter: string; readonly message: Envelope }
  | { readonly type: 'journal'; readonly charter: string; readonly member: number; readonly journal: JournalHead }
  | { readonly type: 'round'; readonly digest: string; readonly charter: string; readonly request: Envelope }
  /** Names the document's bytes. */
  | { readonly type: 'round-document'; readonly digest: string; readonly sha256: string }
  | { readonly type: 'decision'; readonly digest: string; readonly decision: Envelope }
  /** Names the evidence file's bytes. */
  | { readonly type: 'evidence'; readonly digest: string; readonly member: number; readonly sha256: string }
  | {
      readonly type: 'closed';
      readonly digest: string;
      readonly outcome: Exclude<Outcome, 'pending'>;
      /** 64 bytes each, hex. */
      readonly signatures: readonly string[];
      readonly signers: readonly number[];
    };

export interface StoreHead {
  /** Number of records. */
  readonly sequence: number;
  /** SHA-256 over all of them, hex. */
  readonly hash: string;
}

/** The few things that are asked of a database, so that tests can put one here that forgets what was not synced. */
export interface Database {
  /** All of it or, after a crash, none of it; on the medium when it resolves, if `sync`. */
  write(entries: readonly (readonly [string, Uint8Array])[], options: { readonly sync: boolean }): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** In the order of keys. */
  entries(): AsyncIterable<readonly [string, Uint8Array]>;
  close(): Promise<void>;
}

export interface StorePaths {
  /** Folder of the database. */
  readonly database: string;
  /** The file that says how far it reaches. */
  readonly anchor: string;
}

/** One call of `append`: its records stand together, in one batch. */
interface Waiting {
  readonly entries: readonly (readonly [string, Uint8Array])[];
  readonly bytes: number;
  /** The head once these are on the medium. */
  readonly head: StoreHead;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface StoreOptions {
  /** Given every record at opening, in order, with its number in the sequence. */
  readonly onRecord: (record: StoreRecord, sequence: number) => void;
  /** Nothing can be stored any more: the coordinator has to stop. */
  readonly onFailure: (error: CoordinatorError) => void;
}

const emptyHead: StoreHead = { sequence: 0, hash: '00'.repeat(32) };
const headKey = 'head';

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
    const head = await readChain(database, paths, anchor.head, options.onRecord);
    await anchor.write(head);
    return new Store(database, anchor, head, options.onFailure);
  } catch (error) {
    await anchor?.close();
    await database.close();
    if (error instanceof CoordinatorError) throw error;
    throw damaged(paths, (error as Error).message, error);
  }
}

export class Store implements AsyncDisposable {
  readonly #database: Database;
  readonly #anchor: Anchor;
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
  constructor(database: Database, anchor: Anchor, head: StoreHead, onFailure: (error: CoordinatorError) => void) {
    this.#database = database;
    this.#anchor = anchor;
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
    const entries: (readonly [string, Uint8Array])[] = blobs.map((bytes) => [`b${sha256Hex(bytes)}`, bytes]);
    for (const record of all) {
      const bytes = Buffer.from(JSON.stringify(record));
      this.#head = nextHead(this.#head, bytes);
      entries.push([recordKey(this.#head.sequence), bytes]);
    }
    const bytes = entries.reduce((sum, [, value]) => sum + value.length, 0);
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

function recordKey(sequence: number): string {
  return `e${sequence.toString(16).padStart(16, '0')}`;
}

function nextHead(head: StoreHead, record: Uint8Array): StoreHead {
  const sequence = head.sequence + 1;
  const hash = createHash('sha256')
    .update('frostmark store record\0')
    .update(head.hash, 'hex')
    .update(recordKey(sequence));
  return { sequence, hash: hash.update(record).digest('hex') };
}

function encodeHead(head: StoreHead): Uint8Array {
  return Buffer.from(JSON.stringify([head.sequence, head.hash]));
}

/** The chain vouches for what it says: it is what this program wrote. */
function decodeRecord(bytes: Uint8Array): StoreRecord {
  return JSON.parse(Buffer.from(bytes).toString()) as StoreRecord;
}

/** The bytes that must be there for a record. */
function blobOf(record: StoreRecord): string | undefined {
  switch (record.type) {
    case 'group':
      return record.certificate;
    case 'round-document':
    case 'evidence':
      return record.sha256;
    case 'group-document':
    case 'ceremony':
    case 'journal':
    case 'round':
    case 'decision':
    case 'closed':
      return undefined;
  }
}

/** Reads and checks everything, up to `known` at least; the head that results. */
async function readChain(
  database: Database,
  paths: StorePaths,
  known: StoreHead,
  onRecord: StoreOptions['onRecord'],
): Promise<StoreHead> {
  const blobs = new Set<string>();
  let head = emptyHead;
  let written: Uint8Array = encodeHead(emptyHead);
  for await (const [key, value] of database.entries()) {
    if (key === headKey) {
      written = value;
    } else if (key.startsWith('b')) {
      if (key !== `b${sha256Hex(value)}`) throw damaged(paths, `the bytes ${key.slice(1)} are changed`);
      blobs.add(key.slice(1));
    } else {
      const next = nextHead(head, value);
      if (key !== recordKey(next.sequence)) throw damaged(paths, `record ${next.sequence} is missing`);
      head = next;
      if (head.sequence === known.sequence && head.hash !== known.hash)
        throw damaged(paths, `record ${head.sequence} is not the one that ${paths.anchor} knows`);
      const record = decodeChecked(value, head.sequence, paths);
      const blob = blobOf(record);
      if (blob !== undefined && !blobs.has(blob)) throw damaged(paths, `the bytes ${blob} are missing`);
      onRecord(record, head.sequence);
    }
  }
  if (!Buffer.from(encodeHead(head)).equals(written))
    throw damaged(paths, `it ends at record ${head.sequence}, or a record is changed; its head says otherwise`);
  if (head.sequence < known.sequence)
    throw damaged(paths, `it ends at record ${head.sequence}, and ${known.sequence} were acknowledged`);
  return head;
}

/** Before the head has confirmed the chain, a record may be anything. */
function decodeChecked(value: Uint8Array, sequence: number, paths: StorePaths): StoreRecord {
  try {
    return decodeRecord(value);
  } catch (cause) {
    throw damaged(paths, `record ${sequence} is not what was written`, cause);
  }
}

function damaged(paths: StorePaths, found: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError(
    'store-damaged',
    `the store ${paths.database} is damaged: ${found}; put an undamaged copy that is as new back, or move it and ${paths.anchor} ` +
      'away and run: frostmark coordinator init (members bring their groups back; pending rounds have to be asked for again)',
    { cause },
  );
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

async function openLevel(path: string, paths: StorePaths, { create }: { readonly create: boolean }): Promise<Database> {
  const level = new Level<string, Buffer>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    // A folder without its CURRENT file would otherwise begin anew, silently empty.
    createIfMissing: create,
  });
  try {
    await level.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    throw damaged(paths, cause.message, cause);
  }
  return {
    write: (entries, options) =>
      level.batch(
        entries.map(([key, value]) => ({ type: 'put' as const, key, value: Buffer.from(value) })),
        options,
      ),
    get: (key) => level.get(key),
    entries: () => level.iterator(),
    close: () => level.close(),
  };
}

/** Two slots of one sector each, written in turn: a torn write leaves the other. `<sequence> <hash> <check>`, padded. */
class Anchor {
  readonly #file: DiskFile;
  #head: StoreHead;
  /** The slot that holds the older head. */
  #next: number;

  constructor(file: DiskFile, head: StoreHead, next: number) {
    this.#file = file;
    this.#head = head;
    this.#next = next;
  }

  get head(): StoreHead {
    return this.#head;
  }

  async write(head: StoreHead): Promise<void> {
    await this.#file.write(encodeSlot(head), this.#next * slotBytes);
    await this.#file.sync();
    this.#head = head;
    this.#next = 1 - this.#next;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const slotBytes = 512;
const slotPattern = /^([0-9a-f]{16}) ([0-9a-f]{64}) ([0-9a-f]{8})\n *$/;

async function createAnchor(path: string, disk: Disk): Promise<void> {
  try {
    await writeFileOnce(path, Buffer.concat([encodeSlot(emptyHead), encodeSlot(emptyHead)]), { disk });
  } catch (error) {
    // One that is there belongs to a store that is gone: the operator asked for an empty one.
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
    const file = await disk.open(path);
    await file.write(Buffer.concat([encodeSlot(emptyHead), encodeSlot(emptyHead)]), 0);
    await file.sync();
    await file.close();
  }
}

async function openAnchor(paths: StorePaths, disk: Disk): Promise<Anchor> {
  const file = await openFile(paths, disk);
  const slots = [await readSlot(file, 0), await readSlot(file, 1)];
  const newest = slots[1] !== undefined && slots[1].sequence > (slots[0]?.sequence ?? -1) ? 1 : 0;
  const head = slots[newest];
  if (head === undefined) {
    await file.close();
    throw damaged(paths, `${paths.anchor} is not what was written`);
  }
  return new Anchor(file, head, 1 - newest);
}

async function openFile(paths: StorePaths, disk: Disk): Promise<DiskFile> {
  try {
    return await disk.open(paths.anchor);
  } catch (error) {
    throw damaged(
      paths,
      `${paths.anchor} is missing or cannot be read (${systemCode(error) ?? 'unknown error'})`,
      error,
    );
  }
}

async function readSlot(file: DiskFile, place: number): Promise<StoreHead | undefined> {
  const buffer = Buffer.alloc(slotBytes);
  await file.read(buffer, place * slotBytes);
  const match = slotPattern.exec(buffer.toString('latin1'));
  const [, sequence = '', hash = '', check = ''] = match ?? [];
  if (match === null || check !== checkOf(sequence, hash)) return undefined;
  return { sequence: Number.parseInt(sequence, 16), hash };
}

function encodeSlot({ sequence, hash }: StoreHead): Uint8Array {
  const digits = sequence.toString(16).padStart(16, '0');
  return Buffer.from(`${digits} ${hash} ${checkOf(digits, hash)}\n`.padEnd(slotBytes, ' '));
}

function checkOf(sequence: string, hash: string): string {
  return createHash('sha256').update(`frostmark store anchor\0${sequence} ${hash}`).digest('hex').slice(0, 8);
}
