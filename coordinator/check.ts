/** Whether a log is what was written, record by record: its tree, the order of its records, the bytes that they name, and its indexes. */
import { rm } from 'node:fs/promises';
import { ProtocolError } from '../protocol/errors.ts';
import { blobsOf, decodeLeaf, type BlobRef, type LogRecord } from '../protocol/record/leaf.ts';
import { Order } from '../protocol/record/order.ts';
import { tileWidth } from '../protocol/record/tile.ts';
import { at } from '../protocol/wire/present.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { openLevel } from './level.ts';
import { beginLevelDatabase, openLevelDatabase } from './level-database.ts';
import { maxProblems } from './limits.ts';
import type { Database } from './database.ts';

/** What a check of one log found. */
export interface LogFindings {
  /** Records that were read and proved. */
  readonly records: number;
  /** Blobs that are there, and what they were. */
  readonly blobs: number;
  /** What is wrong, each a sentence; the first `maxProblems`. */
  readonly problems: readonly string[];
  /** Whether only the indexes are wrong: they can be made anew. */
  readonly isIndexOnly: boolean;
}

/** Checks one log whole; `scratch` is a path at which the indexes are made anew, to compare them. */
export async function checkLog(log: GroupLog, scratch: string): Promise<LogFindings> {
  const found = new Found();
  const order = new Order(log.name);
  for (let index = 0; index * tileWidth < log.head.size; index += 1) await checkBundle(log, index, order, found);
  const isIndexOnly = found.problems.length === 0;
  if (isIndexOnly) await compareIndexes(log, scratch, found);
  const { records, blobs, problems } = found;
  return { records, blobs, problems, isIndexOnly };
}

class Found {
  records = 0;
  blobs = 0;
  readonly problems: string[] = [];
  readonly seen = new Set<string>();

  add(problem: string): void {
    if (this.problems.length < maxProblems) this.problems.push(problem);
  }
}

async function checkBundle(log: GroupLog, index: number, order: Order, found: Found): Promise<void> {
  const records = await readBundle(log, index, found);
  try {
    // After damage nothing can be said of the order.
    if (found.problems.length === 0) for (const record of records) order.accept(record);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    found.add(error.message);
  }
}

async function checkBlob(log: GroupLog, { sha256, size }: BlobRef, found: Found): Promise<void> {
  if (found.seen.has(sha256) || !(await log.isNeeded(sha256))) return;
  found.seen.add(sha256);
  const bytes = await log.blob(sha256);
  if (bytes.length !== size) found.add(`the bytes ${sha256} are ${bytes.length}, not ${size}`);
  found.blobs += 1;
}

/** What a look at some records found, and which one comes next. */
export interface Scrubbed {
  readonly problems: readonly string[];
  readonly next: number;
}

/**
 * Looks at records of a log from `first` on as a check does, and whether the indexes name them; to the end of their bundle, or until `maxBytes` of what
 * they name were read, and of one of them whatever it names. For a coordinator that serves meanwhile, so the order of all records and entries that should not be there are left to `checkLog`.
 */
export async function scrubRecords(log: GroupLog, first: number, maxBytes: number): Promise<Scrubbed> {
  const found = new Found();
  const index = Math.floor(first / tileWidth);
  const records = (await readRecords(log, index, found)).slice(first - index * tileWidth);
  // What could not be read is said once, and what is there is looked at all the same.
  if (found.problems.length > 0) return { problems: found.problems, next: (index + 1) * tileWidth };
  let looked = 0;
  for (let bytes = 0; looked < records.length; looked += 1) {
    const blobs = blobsOf(at(records, looked));
    const own = blobs.reduce((sum, { size }) => sum + size, 0);
    if (own > 0 && bytes > 0 && bytes + own > maxBytes) break;
    bytes += own;
    for (const blob of blobs) await refused(found, () => checkBlob(log, blob, found));
  }
  for (const one of await log.unindexed(first, records.slice(0, looked))) found.add(`the indexes lost record ${one}`);
  return { problems: found.problems, next: first + looked };
}

async function readBundle(log: GroupLog, index: number, found: Found): Promise<LogRecord[]> {
  const records = await readRecords(log, index, found);
  for (const blob of records.flatMap(blobsOf)) await refused(found, () => checkBlob(log, blob, found));
  return records;
}

async function readRecords(log: GroupLog, index: number, found: Found): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await refused(found, async () => {
    const width = Math.min(tileWidth, log.head.size - index * tileWidth);
    for (const bytes of await log.leaves(index, width)) {
      records.push(decodeLeaf(bytes));
      found.records += 1;
    }
  });
  return records;
}

/** What is refused was found. */
async function refused(found: Found, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof CoordinatorError || error instanceof ProtocolError)) throw error;
    found.add(error.message);
  }
}

async function compareIndexes(log: GroupLog, scratch: string, found: Found): Promise<void> {
  const made = await scratchDatabase(scratch);
  try {
    await made.rebuild(log.name.log, log.changes());
    const [there, right] = [log.dumpIndexes(), made.dumpIndexes(log.name.log)].map((lines) =>
      lines[Symbol.asyncIterator](),
    );
    if (there !== undefined && right !== undefined) await compareLines(there, right, found);
  } catch (error) {
    if (!(error instanceof CoordinatorError)) throw error;
    found.add(error.message);
  } finally {
    await made.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function scratchDatabase(path: string): Promise<Database> {
  await rm(path, { recursive: true, force: true });
  const keys = await openLevel(path, { database: path, anchor: path }, { create: true });
  await beginLevelDatabase(keys, []);
  return openLevelDatabase(keys);
}

/** Both come in one order, so each line that only one has shows as soon as it is passed. */
async function compareLines(there: AsyncIterator<string>, right: AsyncIterator<string>, found: Found): Promise<void> {
  let [a, b] = [await there.next(), await right.next()];
  while (a.done !== true || b.done !== true) {
    if (a.done !== true && b.done !== true && a.value === b.value) [a, b] = [await there.next(), await right.next()];
    else if (b.done === true || (a.done !== true && a.value < b.value)) {
      found.add(`an index has an entry that no record makes: ${String(a.value).slice(0, 100)}`);
      a = await there.next();
    } else {
      found.add(`an index lost an entry: ${b.value.slice(0, 100)}`);
      b = await right.next();
    }
  }
}
