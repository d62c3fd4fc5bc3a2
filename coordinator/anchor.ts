/** The file beside the database that says how far its records reach at least: a database that lost its newest file opens as an earlier state of itself. */
import { createHash } from 'node:crypto';
import type { Disk, DiskFile } from '../home/disk.ts';
import { HomeError, systemCode } from '../home/errors.ts';
import { writeFileOnce } from '../home/files.ts';
import { emptyHead, type StoreHead } from './chain.ts';
import { damaged, type StorePaths } from './database.ts';

/** Two slots of one sector each, written in turn: a torn write leaves the other. `<sequence> <hash> <check>`, padded. */
export class Anchor {
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

/** Writes an anchor for an empty store, over one that a lost store left. Throws `HomeError`. */
export async function createAnchor(path: string, disk: Disk): Promise<void> {
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

/** Opens the anchor at its newest slot. Throws `CoordinatorError('store-damaged')`. */
export async function openAnchor(paths: StorePaths, disk: Disk): Promise<Anchor> {
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
