/**
 * Keys that wait for a share. They are made while the passphrase is known, and used when it is not: a running daemon stores a new share under
 * one of them.
 *
 *     next.age          the keys that wait, in their order; to take the next one is to copy the file to key-<transcript>.age
 *
 * How many of them are taken is how many copies there are. A copy costs no second guess at the passphrase.
 */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../protocol/wire/bytes.ts';
import { startAgeChild, whole, type AgeChild } from './age-process.ts';
import type { Disk } from './disk.ts';
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { maxKeyFileBytes, maxSharePayloadBytes } from './limits.ts';
import { encodePart, operation } from './pipe.ts';
import { formerWaitingFileName, keyFileName, keyPathOf, waitingFileName } from './share-key.ts';
import {
  encodeHeader,
  encodeLabel,
  headerBytes,
  scalarBytes,
  type ShareHeader,
  type ShareLabel,
} from './share-payload.ts';
import { at } from '../protocol/wire/present.ts';

/** A share on its way out of the arithmetic group. */
export interface ShareToSeal extends ShareLabel {
  /** Calls `write` once with the 32 bytes of the scalar and may wipe them when the promise settles (`SecretGroup.exportSecret`). */
  export(write: (bytes: Uint8Array) => Promise<void>): Promise<void>;
}

/** One share file to be written. */
export interface ShareFile extends ShareHeader {
  readonly path: string;
  readonly shares: readonly ShareToSeal[];
  /** The disk to write to; tests put a failing one here. */
  readonly disk?: Disk;
}

/** A key file whose passphrase is known to be right. */
interface OpenedKeys {
  readonly file: Uint8Array;
  /** Their age recipients, `age1…`, in the file's order. */
  readonly recipients: readonly string[];
}

/** The keys of one home that wait. Only their recipients are known here. */
export class SpareKeys {
  readonly #file: Uint8Array;
  readonly #waiting: string[];
  readonly #childPath: string | undefined;

  /**
   * Opens the file to see that the passphrase does, and makes a new one when it is no good or all are taken. Throws what the child and
   * `writeFileAtomic` do, and `HomeError('wrong-passphrase')` for a home whose shares have another passphrase.
   */
  static async prepare(child: AgeChild, folder: string, childPath: string | undefined): Promise<SpareKeys> {
    const path = join(folder, waitingFileName);
    const taken = await takenKeys(folder);
    const held = await openHeld(child, path);
    // None is made under a passphrase that does not open what is there: a home has one.
    const found = held ?? (await unusedKeys(child, taken));
    const copies = taken.filter(({ file }) => found !== undefined && equalBytes(file, found.file)).length;
    const isUsed = found === undefined || found.recipients.length <= copies;
    const keys = isUsed ? await makeKeys(child, path) : found;
    if (keys !== held) await writeFileAtomic(path, keys.file);
    await removeFormer(folder);
    return new SpareKeys(keys.file, keys.recipients.slice(isUsed ? 0 : copies), childPath);
  }

  private constructor(file: Uint8Array, waiting: string[], childPath: string | undefined) {
    this.#file = file;
    this.#waiting = waiting;
    this.#childPath = childPath;
  }

  /** How many more share files can be stored before the passphrase is needed. */
  get left(): number {
    return this.#waiting.length;
  }

  /**
   * Seals shares under the next key, synced when it resolves; nobody needs the passphrase. Throws `HomeError`: `exists` if there is such a share
   * file, `no-key` if no key waits, `too-large`, `disk-full`, `write-failed`, `age-failed`.
   */
  async store(file: ShareFile): Promise<void> {
    const writing = file.disk === undefined ? {} : { disk: file.disk };
    if (existsSync(file.path))
      throw new HomeError('exists', `${file.path} exists already and is not replaced`, { path: file.path });
    const recipient = this.#waiting.shift();
    if (recipient === undefined)
      throw new HomeError('no-key', `no key waits for ${file.path}; start the daemon again, it makes new ones`, {
        path: file.path,
      });
    const sealed = await sealTo(recipient, file, this.#childPath);
    // The key first: without a share it opens nothing, and a share without its key would be lost.
    await writeFileAtomic(keyPathOf(file.path), this.#file, writing);
    await writeFileAtomic(file.path, sealed, writing);
  }
}

/** A key file of a home. */
interface KeyFile {
  readonly path: string;
  readonly file: Uint8Array;
}

async function takenKeys(folder: string): Promise<KeyFile[]> {
  const names = (await readdir(folder)).filter((name) => keyFileName.test(name)).sort();
  return Promise.all(names.map((name) => readKeyFile(join(folder, name))));
}

async function readKeyFile(path: string): Promise<KeyFile> {
  return { path, file: await readFileBounded(path, maxKeyFileBytes, { ownerOnly: true }) };
}

/** The keys of a file that opens with the passphrase. Throws what the child does. */
async function openKeys(child: AgeChild, { path, file }: KeyFile): Promise<OpenedKeys> {
  const recipients = await child.request({ path, kind: operation.recipientsOf, ...whole(file) });
  return { file, recipients: new TextDecoder().decode(recipients).split('\n') };
}

async function openHeld(child: AgeChild, path: string): Promise<OpenedKeys | undefined> {
  try {
    return await openKeys(child, await readKeyFile(path));
  } catch (error) {
    // It opens nothing yet: one that is no good is replaced.
    if (error instanceof HomeError && ['missing', 'damaged', 'wrong-passphrase', 'too-large'].includes(error.code))
      return undefined;
    throw error;
  }
}

/** Of the files that shares have, the one with the most keys that wait: a restored home has no other. Throws if the passphrase opens one of them not. */
async function unusedKeys(child: AgeChild, taken: readonly KeyFile[]): Promise<OpenedKeys | undefined> {
  let most: OpenedKeys | undefined;
  for (const key of taken) {
    try {
      const opened = await openKeys(child, key);
      if (most === undefined || opened.recipients.length > most.recipients.length) most = opened;
    } catch (error) {
      if (!(error instanceof HomeError && error.code === 'damaged')) throw error; // opening its share will say so
    }
  }
  return most;
}

/** A new file of keys that wait, under the child's passphrase; `path` is for messages. */
export async function makeKeys(child: AgeChild, path: string): Promise<OpenedKeys> {
  return openKeys(child, { path, file: await child.request({ path, kind: operation.makeKeys, ...whole() }) });
}

/** What earlier versions left: no share has ever been under one of them. */
async function removeFormer(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (formerWaitingFileName.test(name)) await rm(join(folder, name), { force: true });
}

/** In a child that knows nothing but the recipient. */
async function sealTo(recipient: string, file: ShareFile, childPath: string | undefined): Promise<Uint8Array> {
  const { path, shares } = file;
  const labels = shares.map(encodeLabel);
  const length = labels.reduce((sum, label) => sum + label.length + scalarBytes, headerBytes);
  if (length > maxSharePayloadBytes)
    throw new HomeError('too-large', `${shares.length} shares are more than one share file holds`, { path });
  const part = encodePart(new TextEncoder().encode(recipient));
  const child = await startAgeChild({ purpose: 'none', ...(childPath === undefined ? {} : { childPath }) });
  try {
    return await child.request({
      path,
      kind: operation.sealTo,
      length: part.length + length,
      send: async (write) => {
        await write(part);
        await write(encodeHeader(file));
        for (const [index, share] of shares.entries()) {
          await write(at(labels, index));
          await exportOnce(share, write);
        }
      },
    });
  } finally {
    await child.end();
  }
}

async function exportOnce(share: ShareToSeal, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  let exported = 0;
  await share.export(async (bytes) => {
    exported += bytes.length;
    if (exported !== scalarBytes) throw new HomeError('age-failed', `a share of ${exported} bytes was to be sealed`);
    await write(bytes);
  });
  if (exported !== scalarBytes) throw new HomeError('age-failed', 'a share was not exported');
}
