/**
 * The file beside the database that says how far each log reaches at least: a database that lost its newest file, or is of last week, opens as an
 * earlier state of itself.
 *
 * Two slots of 512 bytes for each log, written in turn, so that a torn write leaves the other: `<log> <size, 16 hex digits> <root> <check>`, padded.
 * A log has its slots before it has a record.
 */
import { createHash } from 'node:crypto';
import type { Disk, DiskFile } from '../home/disk.ts';
import { HomeError, systemCode } from '../home/errors.ts';
import { writeFileOnce } from '../home/files.ts';
import { emptyRoot, isTreeSize, type TreeHead } from '../protocol/record/tree.ts';
import { bytesToHex, hexToBytes } from '../protocol/wire/bytes.ts';
import { damaged, type StorePaths } from './database.ts';

/** What the file says of one log. */
interface Place {
  /** Of its two slots. */
  readonly pair: number;
  tree: TreeHead;
  /** Which slot holds the older tree: 0 or 1. */
  next: number;
}

/** The open file. */
export class Anchor {
  readonly #file: DiskFile;
  readonly #places: Map<string, Place>;
  #pairs: number;
  #writing: Promise<void> = Promise.resolve();

  /** Only `openAnchor` makes one. */
  constructor(file: DiskFile, places: Map<string, Place>, pairs: number) {
    this.#file = file;
    this.#places = places;
    this.#pairs = pairs;
  }

  /** Ids of the logs that have a record at least. */
  get logs(): string[] {
    return [...this.#places].filter(([, { tree }]) => tree.size > 0).map(([log]) => log);
  }

  /** The tree that a log has at least; `undefined` for a log that has no slots. */
  treeOf(log: string): TreeHead | undefined {
    return this.#places.get(log)?.tree;
  }

  /** Makes room for a log that is about to be born. Resolves when it is on the medium. */
  async reserve(log: string): Promise<void> {
    if (this.#places.has(log)) return;
    const place: Place = { pair: this.#pairs, tree: { size: 0, root: emptyRoot }, next: 0 };
    this.#pairs += 1;
    this.#places.set(log, place);
    await this.write(log, place.tree);
  }

  /** Resolves when it is on the medium. */
  write(log: string, tree: TreeHead): Promise<void> {
    const turn = this.#writing.then(() => this.#write(log, tree));
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async #write(log: string, tree: TreeHead): Promise<void> {
    const place = this.#places.get(log);
    if (place === undefined) throw new Error('a log without a place in the anchor');
    await this.#file.write(encodeSlot(log, tree), blockOf(place.pair, place.next) * slotBytes);
    await this.#file.sync();
    place.tree = tree;
    place.next = 1 - place.next;
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}

const slotBytes = 512;
const slotPattern = /^([0-9a-f]{32}) ([0-9a-f]{16}) ([0-9a-f]{64}) ([0-9a-f]{8})\n *$/;
/** The first 512 bytes: a file that was emptied is not one that says that there is nothing. */
const header = Buffer.from('frostmark anchor 2\n'.padEnd(slotBytes, ' '));

/** Writes an anchor for a store without a log, over one that a lost store left. Throws `HomeError`. */
export async function createAnchor(path: string, disk: Disk): Promise<void> {
  try {
    await writeFileOnce(path, header, { disk });
  } catch (error) {
    // One that is there belongs to a store that is gone: the operator asked for an empty one.
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
    const file = await disk.open(path);
    await file.truncate(0);
    await file.write(header, 0);
    await file.sync();
    await file.close();
  }
}

/** Opens the anchor at its newest slots. Throws `CoordinatorError('store-damaged')`. */
export async function openAnchor(paths: StorePaths, disk: Disk): Promise<Anchor> {
  const file = await openFile(paths, disk);
  try {
    const places = await readPlaces(file, paths);
    return new Anchor(file, places.byLog, places.pairs);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readPlaces(
  file: DiskFile,
  paths: StorePaths,
): Promise<{ readonly byLog: Map<string, Place>; readonly pairs: number }> {
  if (!Buffer.from(await readAt(file, 0)).equals(header))
    throw damaged(paths, `${paths.anchor} is not what was written`);
  const byLog = new Map<string, Place>();
  for (let pair = 0; ; pair += 1) {
    const slots = [await readSlot(file, pair, 0), await readSlot(file, pair, 1)] as const;
    const isLast = (await readAt(file, blockOf(pair + 1, 0))).length === 0;
    const newest = newestOf(slots);
    // The last pair may be that of a log which was about to be born.
    if (newest === undefined && isLast) return { byLog, pairs: pair };
    if (newest === undefined) throw damaged(paths, `${paths.anchor} is not what was written`);
    byLog.set(newest.log, { pair, tree: newest.tree, next: 1 - newest.slot });
  }
}

function blockOf(pair: number, slot: number): number {
  return 1 + 2 * pair + slot;
}

interface Slot {
  readonly log: string;
  readonly tree: TreeHead;
}

function newestOf([a, b]: readonly [Slot | undefined, Slot | undefined]):
  (Slot & { readonly slot: number }) | undefined {
  if (a === undefined) return b === undefined ? undefined : { ...b, slot: 1 };
  if (b === undefined || b.tree.size < a.tree.size) return { ...a, slot: 0 };
  return { ...b, slot: 1 };
}

async function openFile(paths: StorePaths, disk: Disk): Promise<DiskFile> {
  try {
    return await disk.open(paths.anchor);
  } catch (error) {
    const found = `${paths.anchor} is missing or cannot be read (${systemCode(error) ?? 'unknown error'})`;
    throw damaged(paths, found, error);
  }
}

async function readAt(file: DiskFile, block: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(slotBytes);
  return buffer.subarray(0, await file.read(buffer, block * slotBytes));
}

async function readSlot(file: DiskFile, pair: number, slot: number): Promise<Slot | undefined> {
  const text = Buffer.from(await readAt(file, blockOf(pair, slot))).toString('latin1');
  const [, log = '', digits = '', root = '', check = ''] = slotPattern.exec(text) ?? [];
  const size = Number.parseInt(digits, 16);
  if (check === '' || check !== checkOf(log, digits, root) || !isTreeSize(size)) return undefined;
  return { log, tree: { size, root: hexToBytes(root) } };
}

function encodeSlot(log: string, { size, root }: TreeHead): Uint8Array {
  const digits = size.toString(16).padStart(16, '0');
  const hash = bytesToHex(root);
  return Buffer.from(`${log} ${digits} ${hash} ${checkOf(log, digits, hash)}\n`.padEnd(slotBytes, ' '));
}

function checkOf(log: string, digits: string, root: string): string {
  return createHash('sha256').update(`frostmark anchor\0${log} ${digits} ${root}`).digest('hex').slice(0, 8);
}
