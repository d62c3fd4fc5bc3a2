/** Verifies a file on disk: what is judged is what one open descriptor gave, and the result says what that was. */
import { createHash } from 'node:crypto';
import { promises, type BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';

import { bundleSuffix } from './bundle.ts';
import { VerifyError } from './errors.ts';
import { hashChunkBytes, maxBundleBytes, maxStatusFileBytes } from './limits.ts';
import { readAhead, readingFrom, readSmallFile, withFile } from './open-file.ts';
import type { StatusQuestion } from './status.ts';
import { verifyBundle, verifyRelease, type ReleaseQuestion, type VerifiedRelease } from './verify.ts';

/** What is asked of a file. */
export interface FileQuestion extends Omit<ReleaseQuestion, 'bundle' | 'sha256' | 'name' | 'status'> {
  readonly path: string;
  /** Where the bundle is; beside the file, with `.frostmark` appended, unless said. */
  readonly bundlePath?: string | undefined;
  readonly status?: StatusFileQuestion | undefined;
  /** Told after every chunk how many bytes are hashed. */
  readonly onProgress?: ((hashedBytes: number, totalBytes: number) => void) | undefined;
}

/** What is asked of a status file, and where it is. */
export interface StatusFileQuestion extends Omit<StatusQuestion, 'file'> {
  readonly path: string;
}

/** The bytes that were hashed. */
interface HashedFile {
  readonly path: string;
  /** Base name, the one that was compared. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** A file that verified. */
export interface VerifiedFile extends VerifiedRelease {
  readonly file: HashedFile;
  readonly bundlePath: string;
}

/**
 * Verifies a file of any size with the bundle beside it, in constant memory. Throws `VerifyError`; `changed-file` if the path no
 * longer leads to the bytes that were hashed.
 */
export async function verifyFile(question: FileQuestion): Promise<VerifiedFile> {
  const { path, bundlePath = path + bundleSuffix } = question;
  return await withFile(path, async (handle) => {
    const bundle = await readSmallFile(bundlePath, maxBundleBytes, 'too-large');
    const asked = { ...question, bundle, status: await readStatusFile(question.status) };
    // What is wrong with the bundle itself is said before gigabytes are hashed.
    verifyBundle(asked);
    const file = { path, name: basename(path), ...(await hashWhole(handle, question)) };
    return { ...verifyRelease({ ...asked, sha256: file.sha256, name: file.name }), file, bundlePath };
  });
}

async function readStatusFile(question: StatusFileQuestion | undefined): Promise<StatusQuestion | undefined> {
  if (question === undefined) return undefined;
  return { ...question, file: await readSmallFile(question.path, maxStatusFileBytes, 'bad-status') };
}

/** Hashes the descriptor to its end, and refuses if the path leads elsewhere afterwards or the file was written to. */
async function hashWhole(
  handle: FileHandle,
  { path, onProgress }: FileQuestion,
): Promise<Pick<HashedFile, 'size' | 'sha256'>> {
  const before = await readingFrom(path, () => handle.stat({ bigint: true }));
  const hash = createHash('sha256');
  let size = 0;
  for await (const bytes of readAhead(handle, path, hashChunkBytes)) {
    hash.update(bytes);
    size += bytes.length;
    onProgress?.(size, Number(before.size));
  }
  // Who installs by path afterwards should get what was hashed.
  const after = await promises.stat(path, { bigint: true }).catch(() => undefined);
  if (after === undefined || !isSameVersion(before, after)) {
    throw new VerifyError('changed-file', `${path} changed while it was read`);
  }
  return { size, sha256: hash.digest('hex') };
}

// The change time, because a writer can set the modification time back.
function isSameVersion(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.ctimeNs === b.ctimeNs;
}
