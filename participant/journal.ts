/**
 * What a participant must never forget: one append-only, hash-chained, synced file.
 *
 * The file is a first line, then one line for every record:
 *
 *     frostmark-journal v1
 *     <length> <check> <hash> <payload>
 *
 * `length` is the payload's number of bytes, 8 hex digits. `check` is 8 hex digits of a hash over the hash before and the
 * length, so that a damaged length is seen as damage and not as a record that ends beyond the file. `hash` is SHA-256
 * over the hash before, the length and the payload, 64 hex digits. `payload` is JSON as `JSON.stringify` writes it.
 *
 * A journal that was compacted begins with a record `{ type: 'compacted', length, head, kept }`: `length` and `head` name the state that it
 * replaces, and its own number is `length` + 1, so that heads only ever grow. The `kept` records after it were carried over; without all
 * of them the file is damaged.
 *
 * A file that ends inside its last record is what a power loss leaves of a record that nobody was told of: it is cut
 * back and reported. Everything else that is not exactly this is damage, and refused. A file cut at a record's end looks whole: that is a
 * rollback, which others see by the head in the login.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { disk as realDisk, type Disk, type DiskFile } from '../home/disk.ts';
import { HomeError, systemCode } from '../home/errors.ts';
import { writeFileAtomic, writeFileOnce } from '../home/files.ts';
import { maxJournalBatchBytes, maxJournalRecordBytes } from './limits.ts';

/**
 * - `missing`: the journal must be there and is not.
 * - `damaged`: the journal is not what was written.
 * - `unreadable`: the operating system refused to open or read it.
 * - `too-large`: a record is longer than `maxJournalRecordBytes`; nothing was changed.
 * - `disk-full`, `write-failed`: an append did not reach the medium; this one and all later ones are refused until it is opened again.
 * - `closed`: an append after `close`.
 */
export type JournalErrorCode =
  'missing' | 'damaged' | 'unreadable' | 'too-large' | 'disk-full' | 'write-failed' | 'closed';

/** A refusal by the journal: what was found, at which path, and what to do. */
export class JournalError extends Error {
  readonly code: JournalErrorCode;
  readonly path: string;

  constructor(code: JournalErrorCode, path: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'JournalError';
    this.code = code;
    this.path = path;
  }
}

/** Names one state of a journal: how many records, and the last one's hash over all before it. */
export interface JournalHead {
  readonly length: number;
  /** 64 hex digits. */
  readonly hash: string;
}

/** An open journal. It is the only writer of its file, whose lock the caller holds. */
export interface Journal extends AsyncDisposable {
  /** The records that were there at opening, in order, as JSON values. */
  readonly records: readonly unknown[];
  /** Lets go of `records`, which whoever opened the journal has read. */
  forgetRecords(): void;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Bytes of a torn last record that were cut off at opening; absent if the file ended at a record's end. */
  readonly cutBack?: number;
  /** The newest state that is on the medium. */
  readonly head: JournalHead;
  /**
   * Resolves when the record is on the medium; records keep the order of the calls, those that wait together are synced together.
   * A rejected record may still be found at the next opening. Throws `JournalError` (`too-large`, `disk-full`, `write-failed`, `closed`).
   */
  append(record: object): Promise<void>;
  /**
   * Replaces the file by one with only the records that `keep` wants, in their order, if that halves it at least and the disk has room for both; the state it is in afterwards
   * follows the one before. Answers whether it did. Appends wait meanwhile. Throws `JournalError` (`disk-full`, `write-failed`, `damaged`,
   * `closed`); nothing is appended then until it is opened again.
   */
  compact(keep: (record: unknown) => boolean): Promise<boolean>;
  /** Bytes that are free on the file system of the journal. Throws what the system refuses with. */
  freeBytes(): Promise<number>;
  /** Waits for the appends before it. */
  close(): Promise<void>;
}

/** How a journal is opened. */
export interface JournalOptions {
  /** Refuse to begin a new journal: there was one. */
  readonly mustExist: boolean;
  /** The disk to write to; tests put a failing or forgetful one here. */
  readonly disk?: Disk;
}

const firstLine = Buffer.from('frostmark-journal v1\n');
/** `<length:8> <check:8> <hash:64> `, then the payload and a newline. */
const lineHeadBytes = 8 + 1 + 8 + 1 + 64 + 1;
const lineEnd = Buffer.from('\n');
const readAheadBytes = 1024 * 1024;

/**
 * Opens the journal at `path`, or begins it; the caller holds the home's lock.
 * Throws `JournalError` (`missing`, `damaged`, `unreadable`, `disk-full`, `write-failed`).
 */
export async function openJournal(path: string, { mustExist, disk = realDisk }: JournalOptions): Promise<Journal> {
  const file = (await openFile(path, disk)) ?? (await beginFile(path, mustExist, disk));
  try {
    const records: unknown[] = [];
    const found = await readChain(file, path, (record) => records.push(record));
    if (found.tornBytes > 0) await file.truncate(found.end);
    // What a killed predecessor wrote may be in memory only: its bytes, and the file's name. We act upon it from here on.
    await file.sync();
    await disk.syncFolder(dirname(path));
    return new FileJournal({ file, path, disk }, records, found);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw failure(error, path, 'opened');
  }
}

/**
 * Writes a whole new journal of these records: afterwards, and after any crash, all of them are there or none. Throws `HomeError`: `exists`,
 * `disk-full`, `write-failed`.
 */
export async function writeJournal(path: string, records: readonly object[], disk: Disk = realDisk): Promise<void> {
  const lines: Buffer[] = [firstLine];
  let head = firstHead;
  for (const record of records) {
    const next = encodeLine(head, Buffer.from(JSON.stringify(record)));
    lines.push(next.line);
    head = next.head;
  }
  await writeFileOnce(path, Buffer.concat(lines), { disk });
}

/** What a journal holds that nobody works with, changing nothing; `undefined` if there is none. Throws `JournalError` (`damaged`, `unreadable`). */
export async function inspectJournal(
  path: string,
): Promise<{ readonly records: readonly unknown[]; readonly length: number } | undefined> {
  const file = await openFile(path, realDisk);
  if (file === undefined) return undefined;
  try {
    const records: unknown[] = [];
    const { head } = await readChain(file, path, (record) => records.push(record));
    return { records, length: head.length };
  } catch (error) {
    throw failure(error, path, 'opened');
  } finally {
    await file.close();
  }
}

async function openFile(path: string, disk: Disk): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw failure(error, path, 'opened');
  }
}

async function beginFile(path: string, mustExist: boolean, disk: Disk): Promise<DiskFile> {
  if (mustExist) {
    const advice =
      'nothing is signed without it; put the newest journal of this home back, or restore this member from its backup';
    throw new JournalError('missing', path, `the journal ${path} is missing and there was one; ${advice}`);
  }
  try {
    // Whole or absent: a shorter first line is always damage.
    await writeFileOnce(path, firstLine, { disk });
    return await disk.open(path);
  } catch (error) {
    throw failure(error, path, 'begun');
  }
}

interface Chain {
  readonly head: Head;
  /** Where the last whole record ends, in bytes. */
  readonly end: number;
  readonly tornBytes: number;
}

/** A head with its hash as 32 bytes. */
interface Head {
  readonly length: number;
  readonly hash: Buffer;
}

/** The head of a journal without records. */
const firstHead: Head = { length: 0, hash: sha256(firstLine) };

/** Reads and checks the whole file; `take` gets every record, with its payload as it was written. */
async function readChain(
  file: DiskFile,
  path: string,
  take: (record: unknown, payload: Uint8Array) => void,
): Promise<Chain> {
  const read = readAhead(file);
  if (!firstLine.equals(await read(0, firstLine.length)))
    throw damaged(path, 'its first line is not that of a journal');
  let head = firstHead;
  let end = firstLine.length;
  let fewest = 0;
  for (;;) {
    const lineHead = await read(end, lineHeadBytes);
    const length = lineHead.length === 0 ? undefined : decodeLength(lineHead, head, path);
    const line = length === undefined ? lineHead : await read(end, lineLength(length));
    // The length is certain here, or not wholly there: only the end of the file can make a line short.
    if (length === undefined || line.length < lineLength(length)) {
      if (head.length < fewest)
        throw damaged(path, `it ends with record ${head.length}, and ${fewest} were there when it was compacted`);
      return { head, end, tornBytes: line.length };
    }
    const payload = line.subarray(lineHeadBytes, -lineEnd.length);
    const next = encodeLine(head, payload);
    if (!next.line.equals(line))
      throw damaged(path, `record ${head.length + 1} at byte ${end} is not what was written`);
    const record = decodeRecord(payload, path);
    const compacted = end === firstLine.length ? decodeCompacted(record) : undefined;
    if (compacted === undefined) take(record, payload);
    else fewest = compacted.length + 1 + compacted.kept;
    head = compacted === undefined ? next.head : { length: compacted.length + 1, hash: next.head.hash };
    end += line.length;
  }
}

/** The first record of a compacted journal. */
interface Compacted {
  readonly type: 'compacted';
  /** The state before: its number of records, and its hash in hex. */
  readonly length: number;
  readonly head: string;
  /** How many records of that state follow. */
  readonly kept: number;
}

/** `undefined` for any other record. The chain has shown that it is as we wrote it. */
function decodeCompacted(record: unknown): Compacted | undefined {
  const isCompacted = typeof record === 'object' && record !== null && 'type' in record && record.type === 'compacted';
  return isCompacted ? (record as Compacted) : undefined;
}

/** The whole file of a journal that goes on after `head` with these records alone. */
function encodeCompacted(head: Head, kept: readonly Uint8Array[]): { readonly bytes: Buffer; readonly head: Head } {
  const record: Compacted = {
    type: 'compacted',
    length: head.length,
    head: head.hash.toString('hex'),
    kept: kept.length,
  };
  const first = encodeLine(firstHead, Buffer.from(JSON.stringify(record)));
  const lines = [firstLine, first.line];
  let last: Head = { length: head.length + 1, hash: first.head.hash };
  for (const payload of kept) {
    const next = encodeLine(last, payload);
    lines.push(next.line);
    last = next.head;
  }
  return { bytes: Buffer.concat(lines), head: last };
}

function decodeRecord(payload: Buffer, path: string): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch (cause) {
    throw damaged(path, 'a record is not JSON', cause);
  }
}

/** The payload's length, once it is checked; `undefined` if the file ends before length and check do. */
function decodeLength(lineHead: Buffer, head: Head, path: string): number | undefined {
  const text = lineHead.toString('latin1', 0, 18);
  if (text.length === 18) {
    const length = Number.parseInt(text.slice(0, 8), 16);
    if (length <= maxJournalRecordBytes && text === `${encodeLength(length, head)} `) return length;
  } else if (/^[0-9a-f]{1,8}$|^[0-9a-f]{8} [0-9a-f]{0,8}$/.test(text)) {
    return undefined;
  }
  throw damaged(path, `record ${head.length + 1} has a length that was not written`);
}

/** `<length> <check>`: the check is bound to the place in the chain. */
function encodeLength(length: number, head: Head): string {
  const digits = length.toString(16).padStart(8, '0');
  return `${digits} ${sha256('frostmark journal length\0', head.hash, digits).toString('hex', 0, 4)}`;
}

function encodeLine(head: Head, payload: Uint8Array): { readonly line: Buffer; readonly head: Head } {
  const length = encodeLength(payload.length, head);
  const hash = sha256('frostmark journal record\0', head.hash, length.slice(0, 8), payload);
  const line = Buffer.concat([Buffer.from(`${length} ${hash.toString('hex')} `), payload, lineEnd]);
  return { line, head: { length: head.length + 1, hash } };
}

function lineLength(payloadBytes: number): number {
  return lineHeadBytes + payloadBytes + lineEnd.length;
}

/** Reads ranges of a file that move forward, a large block at a time; fewer bytes than asked for only at the end of the file. */
function readAhead(file: DiskFile): (position: number, length: number) => Promise<Buffer> {
  let block: Buffer = Buffer.alloc(0);
  let start = 0;
  return async (position, length) => {
    if (position + length > start + block.length) {
      block = await readRange(file, position, Math.max(length, readAheadBytes));
      start = position;
    }
    return block.subarray(position - start, position - start + length);
  };
}

async function readRange(file: DiskFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(buffer.subarray(filled), position + filled);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

interface Compaction {
  readonly keep: (record: unknown) => boolean;
  readonly resolve: (done: boolean) => void;
  readonly reject: (error: JournalError) => void;
}

interface JournalFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly disk: Disk;
}

class FileJournal implements Journal {
  readonly cutBack?: number;
  readonly #path: string;
  readonly #disk: Disk;
  #file: DiskFile;
  #records: readonly unknown[];
  /** The newest head on the medium. */
  #synced: Head;
  #end: number;
  #waiting: Waiting[] = [];
  #compactions: Compaction[] = [];
  #writing: Promise<void> | undefined;
  /** Why nothing is appended any more. */
  #refusal: JournalError | undefined;
  #closed = false;

  constructor({ file, path, disk }: JournalFile, records: readonly unknown[], { head, end, tornBytes }: Chain) {
    this.#file = file;
    this.#path = path;
    this.#disk = disk;
    this.#records = records;
    this.#synced = head;
    this.#end = end;
    if (tornBytes > 0) this.cutBack = tornBytes;
  }

  get records(): readonly unknown[] {
    return this.#records;
  }

  forgetRecords(): void {
    this.#records = [];
  }

  get head(): JournalHead {
    return { length: this.#synced.length, hash: this.#synced.hash.toString('hex') };
  }

  get bytes(): number {
    return this.#end;
  }

  append(record: object): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#refusal !== undefined) throw this.#refusal;
      const payload = Buffer.from(JSON.stringify(record));
      if (payload.length > maxJournalRecordBytes) {
        throw new JournalError(
          'too-large',
          this.#path,
          `a record of ${payload.length} bytes is longer than ${maxJournalRecordBytes}`,
        );
      }
      this.#waiting.push({ payload, resolve, reject });
      this.#writing ??= this.#work();
    });
  }

  compact(keep: (record: unknown) => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#refusal !== undefined) throw this.#refusal;
      this.#compactions.push({ keep, resolve, reject });
      this.#writing ??= this.#work();
    });
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes(dirname(this.#path));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#refusal ??= new JournalError('closed', this.#path, `the journal ${this.#path} is closed`);
    await this.#writing;
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The one writer: takes all that waits, writes it, syncs it, answers, until nothing waits. Never rejects. */
  async #work(): Promise<void> {
    while (this.#waiting.length + this.#compactions.length > 0) {
      const compaction = this.#compactions.shift();
      const batch = compaction === undefined ? this.#nextBatch() : [];
      try {
        compaction?.resolve(await this.#rewrite(compaction.keep));
        await this.#writeBatch(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const refusal = failure(error, this.#path, 'written');
        compaction?.reject(refusal);
        this.#poison(batch, refusal);
      }
    }
    this.#writing = undefined;
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    const fitting = this.#waiting.findIndex(
      ({ payload }) => (bytes += lineLength(payload.length)) > maxJournalBatchBytes,
    );
    return this.#waiting.splice(0, fitting === -1 ? this.#waiting.length : Math.max(fitting, 1));
  }

  async #writeBatch(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    let head = this.#synced;
    const lines = batch.map(({ payload }) => {
      const next = encodeLine(head, payload);
      head = next.head;
      return next.line;
    });
    const bytes = Buffer.concat(lines);
    await this.#file.write(bytes, this.#end);
    // On the medium before anyone is told: a record that a power loss takes back was never there.
    await this.#file.sync();
    this.#end += bytes.length;
    this.#synced = head;
  }

  async #rewrite(keep: (record: unknown) => boolean): Promise<boolean> {
    const kept: Buffer[] = [];
    await readChain(this.#file, this.#path, (record, payload) => {
      if (keep(record)) kept.push(Buffer.from(payload));
    });
    const { bytes, head } = encodeCompacted(this.#synced, kept);
    if (bytes.length > this.#end / 2 || (await this.freeBytes()) < bytes.length) return false;
    // Whole and synced under another name, then renamed, then the folder: at any moment one of the two is there, and nobody was told of the new
    // head before it cannot go away any more.
    await writeFileAtomic(this.#path, bytes, { disk: this.#disk });
    const old = this.#file;
    this.#file = await this.#disk.open(this.#path);
    this.#end = bytes.length;
    this.#synced = head;
    await old.close();
    return true;
  }

  /** After a failed write or sync nobody knows what the medium holds; only opening it anew tells. */
  #poison(batch: readonly Waiting[], error: JournalError): void {
    this.#refusal = error;
    for (const { reject } of [...batch, ...this.#waiting.splice(0), ...this.#compactions.splice(0)]) reject(error);
  }
}

function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function damaged(path: string, found: string, cause?: unknown): JournalError {
  const advice =
    'nothing is signed with it; put an undamaged journal that is as new back, or restore this member from its backup';
  return new JournalError('damaged', path, `the journal ${path} is damaged: ${found}; ${advice}`, cause);
}

function failure(error: unknown, path: string, action: 'opened' | 'begun' | 'written'): JournalError {
  if (error instanceof JournalError) return error;
  const cause = error instanceof HomeError ? error.cause : error;
  const found = systemCode(cause) ?? 'unknown error';
  if (found === 'ENOSPC' || found === 'EDQUOT') {
    return new JournalError(
      'disk-full',
      path,
      `no space left for the journal ${path}; free some space and start again`,
      error,
    );
  }
  if (action === 'opened') {
    return new JournalError(
      'unreadable',
      path,
      `the journal ${path} could not be opened (${found}); check its owner and mode`,
      error,
    );
  }
  return new JournalError(
    'write-failed',
    path,
    `the journal ${path} could not be ${action} (${found}); check the disk and start again`,
    error,
  );
}
