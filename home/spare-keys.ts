/**
 * Keys that wait for a share. They are made while the passphrase is known, and used when it is not: a running daemon stores a new share under
 * one of them.
 *
 *     next-<i>.age      a key that waits; taking it is renaming it to key-<transcript>.age
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startAgeChild, type AgeChild } from './age-process.ts';
import { disk as realDisk, type Disk } from './disk.ts';
import { HomeError, systemCode, writeFailure } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { maxKeyFileBytes, maxSharePayloadBytes, spareKeys } from './limits.ts';
import { decodePart, encodePart, operation } from './pipe.ts';
import { keyPathOf } from './share-key.ts';
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

/** A key that waits. */
interface SpareKey {
  readonly path: string;
  /** Its age recipient, `age1…`. */
  readonly recipient: string;
}

/** The keys of one home that wait. Only their recipients are known here. */
export class SpareKeys {
  readonly #waiting: SpareKey[];
  readonly #childPath: string | undefined;

  /** Opens each to see that the passphrase does, and makes those that are missing. Throws what the child and `writeFileAtomic` do. */
  static async prepare(child: AgeChild, folder: string, childPath: string | undefined): Promise<SpareKeys> {
    const waiting: SpareKey[] = [];
    for (let index = 0; index < spareKeys; index++) {
      const path = join(folder, `next-${index}.age`);
      waiting.push({ path, recipient: (await heldKey(child, path)) ?? (await newKey(child, path)) });
    }
    return new SpareKeys(waiting, childPath);
  }

  private constructor(waiting: SpareKey[], childPath: string | undefined) {
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
    if (existsSync(file.path))
      throw new HomeError('exists', `${file.path} exists already and is not replaced`, { path: file.path });
    const key = this.#waiting.shift();
    if (key === undefined)
      throw new HomeError('no-key', `no key waits for ${file.path}; start the daemon again, it makes new ones`, {
        path: file.path,
      });
    const sealed = await sealTo(key.recipient, file, this.#childPath);
    // The key first: without a share it opens nothing, and a share without its key would be lost.
    await take(key.path, keyPathOf(file.path), file.disk ?? realDisk);
    await writeFileAtomic(file.path, sealed, file);
  }
}

async function heldKey(child: AgeChild, path: string): Promise<string | undefined> {
  try {
    const key = await readFileBounded(path, maxKeyFileBytes, { ownerOnly: true });
    return decodeText(await child.request(path, operation.recipientOf, key.length, (write) => write(key)));
  } catch (error) {
    // It opens nothing yet: one that is no good is replaced.
    if (error instanceof HomeError && ['missing', 'damaged', 'wrong-passphrase', 'too-large'].includes(error.code))
      return undefined;
    throw error;
  }
}

async function newKey(child: AgeChild, path: string): Promise<string> {
  const { part: recipient, rest: key } = decodePart(
    await child.request(path, operation.makeKey, 0, () => Promise.resolve()),
  );
  await writeFileAtomic(path, key);
  return decodeText(recipient);
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function take(from: string, to: string, disk: Disk): Promise<void> {
  try {
    await disk.rename(from, to);
    await disk.syncFolder(dirname(to));
  } catch (error) {
    if (systemCode(error) === 'ENOENT')
      throw new HomeError('missing', `${from} was taken away; start the daemon again, it makes new ones`, {
        path: from,
        cause: error,
      });
    throw writeFailure(error, to);
  }
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
    return await child.request(path, operation.sealTo, part.length + length, async (write) => {
      await write(part);
      await write(encodeHeader(file));
      for (const [index, share] of shares.entries()) {
        await write(at(labels, index));
        await exportOnce(share, write);
      }
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
