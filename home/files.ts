/** Files that are whole or absent, and private: temporary file, fsync, rename, fsync of the folder. */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { mkdir, open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { disk as realDisk, type Disk } from './disk.ts';
import { HomeError, readFailure, systemCode, writeFailure } from './errors.ts';
import { maxTemporaryNameCharacters } from './limits.ts';

/** How a file is written; `mode` is cut by the umask. */
export interface WriteOptions {
  /** Permission bits, 0600 by default. */
  readonly mode?: number;
  /** The disk to write to; tests put a failing one here. */
  readonly disk?: Disk;
}

const ownerOnlyFile = 0o600;
const ownerOnlyFolder = 0o700;
const groupAndOthers = 0o077;
const temporaryName = /^\..+\.[0-9a-f]{16}\.tmp$/;

/** From now on new files and folders of this process are the owner's alone, whatever `mode` says. */
export function useOwnerOnlyUmask(): void {
  process.umask(groupAndOthers);
}

/**
 * Replaces `path` by `bytes`: afterwards, and after any crash, the file is the old one or the new one, never a part.
 * Resolves when the new one is on the medium. Throws `HomeError` (`disk-full`, `write-failed`, `missing`) and leaves the old file.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
  const disk = options.disk ?? realDisk;
  await writeThrough({ ...options, path, bytes }, (temporary) => disk.rename(temporary, path));
}

/**
 * Writes a file that must not be there yet; like `writeFileAtomic` in all else. Of two writers one wins and the other
 * gets `HomeError('exists')`: the last step is a hard link, which never replaces.
 */
export async function writeFileOnce(path: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
  const disk = options.disk ?? realDisk;
  await writeThrough({ ...options, path, bytes }, async (temporary) => {
    await disk.link(temporary, path);
    await disk.unlink(temporary);
  });
}

/** A file as it is to become. */
interface NewFile extends WriteOptions {
  readonly path: string;
  readonly bytes: Uint8Array;
}

async function writeThrough(
  { path, bytes, mode = ownerOnlyFile, disk = realDisk }: NewFile,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryPathOf(path);
  try {
    await writeSynced(disk, { path: temporary, bytes, mode });
    // The bytes are synced first: a name that reaches the medium before its bytes would be a half file after a power loss.
    await publish(temporary);
  } catch (error) {
    await disk.unlink(temporary).catch(() => undefined); // gone already, or the disk is; the first error is the one to tell
    throw writeFailure(error, path);
  }
  try {
    await disk.syncFolder(dirname(path));
  } catch (cause) {
    throw new HomeError(
      'write-failed',
      `${path} was written, but the disk does not confirm it; check the disk and try again`,
      { path, cause },
    );
  }
}

/** Beside the file, and never longer than a name may be that the file itself can have. */
function temporaryPathOf(path: string): string {
  const name = basename(path).slice(0, maxTemporaryNameCharacters);
  return join(dirname(path), `.${name}.${randomBytes(8).toString('hex')}.tmp`);
}

/** A file that would be written, and how many bytes it takes, about. */
export interface WritingTrial {
  readonly path: string;
  readonly size: number;
}

/**
 * Writes as many bytes beside each of these files as they would take, all at once, and removes them again: whether `writeFileAtomic` could do it now.
 * Throws `HomeError` (`disk-full`, `write-failed`, `missing`) and leaves nothing.
 */
export async function tryToWrite(trials: readonly WritingTrial[], disk: Disk = realDisk): Promise<void> {
  const made: string[] = [];
  try {
    for (const { path, size } of trials) {
      const temporary = temporaryPathOf(path);
      try {
        const file = await disk.create(temporary, ownerOnlyFile);
        made.push(temporary);
        await file.write(new Uint8Array(size), 0).finally(() => file.close());
      } catch (error) {
        throw writeFailure(error, path);
      }
    }
  } finally {
    for (const temporary of made) await disk.unlink(temporary).catch(() => undefined); // the first error is the one to tell
  }
}

async function writeSynced(disk: Disk, { path, bytes, mode = ownerOnlyFile }: NewFile): Promise<void> {
  const file = await disk.create(path, mode);
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Overwrites a file with zeros, synced, and removes it; one that is not there is no error. A copy of the disk, a backup, and blocks that a
 * drive or file system moved away are not reached. Throws `HomeError('write-failed')`.
 */
export async function eraseFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      await file.write(new Uint8Array((await file.stat()).size), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await unlink(path);
    await realDisk.syncFolder(dirname(path));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw writeFailure(error, path);
  }
}

/** Makes durable what an earlier process may have left in the page cache: the file's bytes and its name. */
export async function syncFile(path: string, disk: Disk = realDisk): Promise<void> {
  try {
    const file = await disk.open(path);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.syncFolder(dirname(path));
  } catch (error) {
    throw readFailure(error, path);
  }
}

/** Resolves when the entries of the folder are on the medium. */
async function syncFolder(path: string): Promise<void> {
  try {
    await realDisk.syncFolder(path);
  } catch (error) {
    throw writeFailure(error, path);
  }
}

/** Removes what a killed process left unfinished in `folder`. Only for the holder of the home's lock: a living writer's file would go, too. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (temporaryName.test(name)) await unlink(join(folder, name));
  }
}

/**
 * Reads a whole regular file of at most `maxBytes` bytes.
 * With `ownerOnly` the open file must belong to this user (or root) and be closed to everyone else; checked on the
 * descriptor that is read, so that the file cannot be swapped in between.
 * Throws `HomeError` (`missing`, `unreadable`, `too-large`, `not-private`).
 */
export async function readFileBounded(
  path: string,
  maxBytes: number,
  options: { readonly ownerOnly?: boolean } = {},
): Promise<Uint8Array> {
  try {
    // Non-blocking: a FIFO put in the file's place must not hang the process before it is refused.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw new HomeError('unreadable', `${path} is not a regular file`, { path });
      if (options.ownerOnly === true) refuseShared(path, stats, '600');
      return await readAll(handle, path, { maxBytes, expectedBytes: stats.size });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readFailure(error, path);
  }
}

/** As much as the file should have, and more if it grows; one byte more than allowed is asked for, so that this is refused. What held it is wiped. */
async function readAll(
  handle: FileHandle,
  path: string,
  { maxBytes, expectedBytes }: { readonly maxBytes: number; readonly expectedBytes: number },
): Promise<Uint8Array> {
  let buffer = new Uint8Array(Math.min(maxBytes, expectedBytes) + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > maxBytes) throw new HomeError('too-large', `${path} is longer than ${maxBytes} bytes`, { path });
    if (bytesRead === 0) break;
    if (length === buffer.length) buffer = moved(buffer, Math.min(maxBytes + 1, 2 * length));
  }
  const bytes = buffer.slice(0, length);
  buffer.fill(0);
  return bytes;
}

function moved(from: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(length);
  to.set(from);
  from.fill(0);
  return to;
}

/** Makes the folder, and those above it that are missing, owner-only and durable. Refuses one that others can enter. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  const first = await makeFolder(resolve(path));
  for (let made = resolve(path); first !== undefined; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first) break;
  }
  await assertPrivateFolder(path);
}

async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true, mode: ownerOnlyFolder });
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new HomeError('unreadable', `${path} is not a folder`, { path, cause: error });
    throw writeFailure(error, path);
  }
}

/** Throws `HomeError` (`missing`, `unreadable`, `not-private`) unless `path` is a folder that only this user can enter. */
export async function assertPrivateFolder(path: string): Promise<void> {
  const stats = await statOf(path);
  if (!stats.isDirectory()) throw new HomeError('unreadable', `${path} is not a folder`, { path });
  refuseShared(path, stats, '700');
}

/** Throws `HomeError` (`missing`, `not-private`) unless only this user can reach what is at `path`. */
export async function assertOwnerOnly(path: string): Promise<void> {
  const stats = await statOf(path);
  refuseShared(path, stats, stats.isDirectory() ? '700' : '600');
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw readFailure(error, path);
  }
}

function refuseShared(path: string, stats: Stats, wanted: '600' | '700'): void {
  const user = process.getuid?.();
  if (user !== undefined && stats.uid !== user && stats.uid !== 0) {
    throw new HomeError('not-private', `${path} belongs to user ${stats.uid}, not to you (${user})`, { path });
  }
  if ((stats.mode & groupAndOthers) === 0) return;
  const mode = (stats.mode & 0o777).toString(8).padStart(3, '0');
  throw new HomeError(
    'not-private',
    `${path} can be reached by other users (mode ${mode}); run: chmod ${wanted} ${path}`,
    { path },
  );
}
