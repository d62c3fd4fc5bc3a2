/**
 * Keys that wait for a share. They are made while the passphrase is known, and used when it is not: a running daemon stores a new share under
 * one of them.
 *
 *     next.age          the keys that wait, in their order; to take the next one is to copy the file to key-<transcript>.age
 *
 * The copy is narrowed to its one key when the passphrase is known again (`settle-keys.ts`).
 */
import { existsSync } from 'node:fs';
import { startAgeChild } from './age-process.ts';
import type { Disk } from './disk.ts';
import { HomeError } from './errors.ts';
import { writeFileAtomic } from './files.ts';
import { maxSharePayloadBytes } from './limits.ts';
import { encodePart, operation } from './pipe.ts';
import { settleKeys, type KeysToSettle } from './settle-keys.ts';
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

/** The keys of one home that wait. Only their recipients are known here. */
export class SpareKeys {
  readonly #file: Uint8Array;
  readonly #waiting: string[];
  readonly #childPath: string | undefined;

  /** Puts the home's key files right, and takes the keys that wait. Throws what `settleKeys` does. */
  static async prepare(home: KeysToSettle, childPath: string | undefined): Promise<SpareKeys> {
    const { file, recipients } = await settleKeys(home);
    return new SpareKeys(file, [...recipients], childPath);
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
