/**
 * Shares at rest, opened: an age file for a key of its own, which lies beside it under a passphrase (C2SP age v1). The stock `age` tool opens both.
 *
 * Only a short-lived child process (`age-child.ts`) knows passphrase and key; it gets and gives bytes over pipes.
 * Each scalar passes through this process once: from the arithmetic group into the pipe, or from the pipe into the group.
 */
import { randomFillSync } from 'node:crypto';
import { startAgeChild, whole, type AgeChild, type AgeChildOptions } from './age-process.ts';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import { maxBackupBytes, maxKeyFileBytes } from './limits.ts';
import { encodePart, operation } from './pipe.ts';
import { keyPathOf, readShareFile } from './share-key.ts';
import { decodePayload, scalarBytes, type ShareEntry, type ShareHeader, type ShareLabel } from './share-payload.ts';
import { SpareKeys } from './spare-keys.ts';

export type { PassphraseSource } from './age-process.ts';
export type { ShareHeader, ShareLabel } from './share-payload.ts';

/** A share on its way into the arithmetic group. */
export interface OpenedShare extends ShareLabel {
  /** Hands the 32-byte scalar to `load` once, and wipes it whatever `load` does. A second call throws `HomeError('missing')`. */
  take<T>(load: (bytes: Uint8Array) => T): T;
}

/** An opened share file: what it is about, and its shares, each to be taken out once. */
export interface OpenedShares extends ShareHeader {
  readonly shares: readonly OpenedShare[];
}

/** A child that knows the passphrase, asked for once, for as long as one command needs it. Requests run one after the other. */
export interface Keystore extends AsyncDisposable {
  /** Opens the share file at `path`. One that is itself under the passphrase, as earlier versions made it, is given a key of its own first. */
  open(path: string): Promise<OpenedShares>;
  /** The keys in `folder` that wait for shares; made anew when they do not open. `wrong-passphrase` if shares there have another passphrase. */
  spareKeys(folder: string): Promise<SpareKeys>;
  /** An age file under the passphrase. */
  seal(payload: Uint8Array): Promise<Uint8Array>;
  /** What is in an age file under the passphrase; `path` is for messages. */
  unseal(path: string, file: Uint8Array): Promise<Uint8Array>;
}

/** How the passphrase is asked for, and where the child process that keeps it is. */
export type KeystoreOptions = Omit<AgeChildOptions, 'purpose' | 'newPassphrase'> & {
  /** `new` asks twice at the terminal. */
  readonly purpose: 'new' | 'existing';
};

/**
 * Starts the child and resolves when it has the passphrase. Throws what `startAgeChild` does.
 * Its requests throw `HomeError`: `wrong-passphrase`, `damaged`, `missing`, `disk-full`, `write-failed`, `age-failed`.
 */
export async function openKeystore(options: KeystoreOptions): Promise<Keystore> {
  const child = await startAgeChild(options);
  const exclusive = oneAtATime();
  return {
    open: (path) => exclusive(() => open(child, path)),
    spareKeys: (folder) => exclusive(() => SpareKeys.prepare(child, folder, options.childPath)),
    seal: (payload) => exclusive(() => child.request({ path: '', kind: operation.seal, ...whole(payload) })),
    unseal: (path, file) => exclusive(() => unseal(child, path, file)),
    [Symbol.asyncDispose]: () => exclusive(() => child.end()),
  };
}

async function unseal(child: AgeChild, path: string, file: Uint8Array): Promise<Uint8Array> {
  if (file.length > maxBackupBytes)
    throw new HomeError('too-large', `${path} is longer than ${maxBackupBytes} bytes`, { path });
  const mask = new Uint8Array(file.length);
  return child.request({ path, kind: operation.open, ...whole(mask, file) });
}

/**
 * Node reads a pipe into blocks that it copies and frees without wiping. So that no scalar stays behind in them, the
 * child sends the payload XOR a random mask of ours, and each scalar is unmasked in a buffer of its own only when it is taken.
 */
async function open(child: AgeChild, path: string): Promise<OpenedShares> {
  const file = await readShareFile(child, path);
  const key = encodePart(await readFileBounded(keyPathOf(path), maxKeyFileBytes, { ownerOnly: true }));
  const mask = randomFillSync(new Uint8Array(new ArrayBuffer(file.length)));
  const masked = await child.request({ path, kind: operation.openWith, ...whole(key, mask, file) });

  const unmask = (from: number, to: number): Uint8Array => {
    // Its own ArrayBuffer: the garbage collector never moves it, and so leaves no copy behind.
    const bytes = new Uint8Array(new ArrayBuffer(to - from));
    for (let index = 0; index < bytes.length; index++)
      bytes[index] = (masked[from + index] ?? 0) ^ (mask[from + index] ?? 0);
    return bytes;
  };
  const { header, entries } = decodePayload(masked.length, unmask, path);
  return { ...header, shares: entries.map((entry) => openedShare(entry, unmask, mask)) };
}

function openedShare(
  { scalarOffset, ...label }: ShareEntry,
  unmask: (from: number, to: number) => Uint8Array,
  mask: Uint8Array,
): OpenedShare {
  let taken = false;
  return {
    ...label,
    take: (load) => {
      if (taken) throw new HomeError('missing', `the share for ${label.channel} was taken already`);
      taken = true;
      const scalar = unmask(scalarOffset, scalarOffset + scalarBytes);
      mask.fill(0, scalarOffset, scalarOffset + scalarBytes);
      try {
        return load(scalar);
      } finally {
        scalar.fill(0);
      }
    },
  };
}

function oneAtATime(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
}
