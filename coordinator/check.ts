/** Whether a log is what was written, record by record: its tree, the order of its records, the bytes that they name, and its indexes. */
import { rm } from 'node:fs/promises';
import { ProtocolError } from '../protocol/errors.ts';
import { blobsOf, decodeLeaf, type BlobRef, type LogRecord } from '../protocol/record/leaf.ts';
import { Order } from '../protocol/record/order.ts';
import { tileWidth } from '../protocol/record/tile.ts';
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

/**
 * Looks at one bundle of a log as a check does, and whether the indexes name its records; answers what is wrong. For a coordinator that serves
 * meanwhile, so the order of all records and entries that should not be there are left to `checkLog`.
 */
export async function scrubBundle(log: GroupLog, index: number): Promise<string[]> {
  const found = new Found();
  const records = await readBundle(log, index, found);
  for (const one of await log.unindexed(index * tileWidth, records)) found.add(`the indexes lost record ${one}`);
  return found.problems;
}

async function readBundle(log: GroupLog, index: number, found: Found): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  try {
    const width = Math.min(tileWidth, log.head.size - index * tileWidth);
    for (const bytes of await log.leaves(index, width)) {
      const record = decodeLeaf(bytes);
      records.push(record);
      found.records += 1;
      for (const blob of blobsOf(record)) await checkBlob(log, blob, found);
    }
  } catch (error) {
    if (!(error instanceof CoordinatorError || error instanceof ProtocolError)) throw error;
    found.add(error.message);
  }
  return records;
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
