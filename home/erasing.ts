/**
 * Files that are to be gone for good: overwritten with zeros, then removed.
 *
 *     old-NAME      what NAME was before it was replaced, until it is overwritten: a rename alone leaves its blocks on the disk
 *
 * A copy of the disk, a backup, and blocks that a drive or a file system moved away are not reached.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { equalBytes } from '../protocol/wire/bytes.ts';
import { disk as realDisk, type Disk } from './disk.ts';
import { systemCode, writeFailure } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { maxRekeyBytes } from './limits.ts';

/** What a replaced file is called until it is overwritten. Nothing else in a home has such a name. */
export const replacedName = /^old-(?:key-[0-9a-f]{64}\.age|next\.age|keys-new)$/;

function replacedPath(path: string): string {
  return join(dirname(path), `old-${basename(path)}`);
}

/** Overwrites a file with zeros, synced, and removes it; one that is not there is no error. Throws `HomeError('write-failed')`. */
export async function eraseFile(path: string, disk: Disk = realDisk): Promise<void> {
  try {
    const file = await disk.open(path);
    try {
      await file.write(new Uint8Array((await stat(path)).size), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.unlink(path);
    await disk.syncFolder(dirname(path));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw writeFailure(error, path);
  }
}

/** `writeFileAtomic`, and then what was there is erased. A crash leaves the old file or the new one under its name, and `finishErasing` the rest. */
export async function replaceErasing(path: string, bytes: Uint8Array, disk: Disk = realDisk): Promise<void> {
  const old = replacedPath(path);
  await eraseReplaced(old, path, disk);
  if (existsSync(path)) await onDisk(path, () => disk.link(path, old));
  await writeFileAtomic(path, bytes, { disk });
  await eraseFile(old, disk);
}

/** Takes a file's name away in one step, then erases it: a crash leaves no part of it under its name. */
export async function discard(path: string, disk: Disk = realDisk): Promise<void> {
  const old = replacedPath(path);
  await onDisk(path, () => disk.rename(path, old));
  await onDisk(path, () => disk.syncFolder(dirname(path)));
  await eraseFile(old, disk);
}

/** Erases what a killed process had replaced and not yet overwritten. */
export async function finishErasing(folder: string, disk: Disk = realDisk): Promise<void> {
  for (const name of (await readdir(folder)).filter((name) => replacedName.test(name)))
    await eraseReplaced(join(folder, name), join(folder, name.slice('old-'.length)), disk);
}

/** Before the new file has its name, both names lead to the old one: to overwrite that would be to lose it. */
async function eraseReplaced(old: string, path: string, disk: Disk): Promise<void> {
  if (!existsSync(old)) return;
  const isStillIt = existsSync(path) && equalBytes(await readOf(old), await readOf(path));
  if (isStillIt) await onDisk(old, () => disk.unlink(old));
  else await eraseFile(old, disk);
}

function readOf(path: string): Promise<Uint8Array> {
  return readFileBounded(path, maxRekeyBytes);
}

async function onDisk(path: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    throw writeFailure(error, path);
  }
}
