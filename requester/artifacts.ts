/** Artifacts: files of any size, hashed as streams, as they are in a request. */
import { createHash } from 'node:crypto';
import { stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { isSubjectName } from '../verifier/names.ts';
import { openFile, readAhead, readingFrom } from '../verifier/open-file.ts';
import { printable } from '../verifier/printable.ts';
import { maxArtifacts, maxDocumentBytes } from '../protocol/limits.ts';
import type { Artifact } from '../protocol/request/request.ts';
import { RequesterError } from './errors.ts';
import { hashChunkBytes, minThreadBytes } from './limits.ts';
import { ThreadHash, type Hasher } from './thread-hash.ts';

/** A file on disk and what a request says of it. */
export interface ArtifactFile extends Artifact {
  readonly path: string;
}

/** Bytes, over all files together. */
export interface HashProgress {
  readonly path: string;
  readonly hashedBytes: number;
  readonly totalBytes: number;
}

/**
 * Hashes files in the order given, SHA-256 and SHA-512 in one pass, in constant memory. Names are judged before a byte is read.
 * Throws `RequesterError` (`bad-artifact`, `changed-file`) and the `VerifyError` of a file that is missing, unreadable or not regular.
 */
export async function hashArtifacts(
  paths: readonly string[],
  onProgress?: (progress: HashProgress) => void,
): Promise<ArtifactFile[]> {
  const totalBytes = await assertArtifacts(paths);
  const artifacts: ArtifactFile[] = [];
  let earlierBytes = 0;
  for (const path of paths) {
    const artifact = await hashFile(path, (bytes) =>
      onProgress?.({ path, hashedBytes: earlierBytes + bytes, totalBytes }),
    );
    earlierBytes += artifact.size;
    artifacts.push(artifact);
  }
  return artifacts;
}

/** Judges names and opens every file once, before anything is hashed: a typing error shows at once. Returns all bytes together. */
export async function assertArtifacts(paths: readonly string[]): Promise<number> {
  assertNames(paths);
  let total = 0;
  for (const path of paths) {
    await using handle = await openFile(path);
    total += (await handle.stat()).size;
  }
  return total;
}

/** What an installer compares is the base name, so that is what must be usable and unique. */
function assertNames(paths: readonly string[]): void {
  if (paths.length === 0) throw new RequesterError('bad-artifact', 'no file was given');
  if (paths.length > maxArtifacts)
    throw new RequesterError('bad-artifact', `${paths.length} files were given, one request takes ${maxArtifacts}`);
  const seen = new Map<string, string>();
  for (const path of paths) {
    const name = basename(path);
    if (!isSubjectName(name))
      throw new RequesterError('bad-artifact', `${printable(path)} has a name that cannot be signed`);
    const other = seen.get(name);
    if (other !== undefined) {
      throw new RequesterError(
        'bad-artifact',
        `${printable(other)} and ${printable(path)} have one name; a request names each file once`,
      );
    }
    seen.set(name, path);
  }
}

/** The SHA-256 of a file as it is now, hex. Throws what `hashArtifacts` does. */
export async function sha256Of(path: string): Promise<string> {
  await using handle = await openFile(path);
  const sha256 = createHash('sha256');
  await readThrough(handle, path, (bytes) => void sha256.update(bytes));
  return sha256.digest('hex');
}

/** One read for both hashes. */
async function hashFile(path: string, onBytes: (bytes: number) => void): Promise<ArtifactFile> {
  await using handle = await openFile(path);
  const sha256 = createHash('sha256');
  await using sha512 = await sha512For(handle);
  const size = await readThrough(handle, path, async (bytes, end) => {
    const isTaken = sha512.update(bytes);
    sha256.update(bytes);
    await isTaken;
    onBytes(end);
  });
  return { path, name: basename(path), size, sha256: sha256.digest('hex'), sha512: await sha512.digest() };
}

/**
 * Reads one descriptor to its end and refuses if file or path changed meanwhile (T39). `take` gets each chunk, and the bytes up to its end.
 * Returns all of them.
 */
async function readThrough(
  handle: FileHandle,
  path: string,
  take: (bytes: Uint8Array, end: number) => Promise<void> | void,
): Promise<number> {
  const before = await fingerprint(handle);
  let size = 0;
  for await (const bytes of readAhead(handle, path, hashChunkBytes)) {
    size += bytes.length;
    await take(bytes, size);
  }
  if ((await fingerprint(handle)) !== before || (await fingerprint(path)) !== before)
    throw new RequesterError('changed-file', `${printable(path)} changed while it was hashed`);
  return size;
}

/** In a thread beside this one, for a file that is worth it. */
async function sha512For(handle: FileHandle): Promise<Hasher> {
  if ((await handle.stat()).size >= minThreadBytes) return new ThreadHash();
  const hash = createHash('sha512');
  return {
    update: (bytes) => {
      hash.update(bytes);
      return Promise.resolve();
    },
    digest: () => Promise.resolve(hash.digest('hex')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function fingerprint(file: FileHandle | string): Promise<string> {
  const read = typeof file === 'string' ? stat(file, { bigint: true }) : file.stat({ bigint: true });
  const stats = await read.catch(() => undefined);
  return stats === undefined ? 'gone' : [stats.dev, stats.ino, stats.size, stats.mtimeNs].join(':');
}

/** A small file that travels whole. Throws `RequesterError('bad-artifact')` past the bound of a document, and what `hashArtifacts` throws. */
export async function readWholeDocument(path: string): Promise<Uint8Array> {
  await using handle = await openFile(path);
  const { size } = await handle.stat();
  if (size === 0 || size > maxDocumentBytes)
    throw new RequesterError(
      'bad-artifact',
      `${printable(path)} has ${size} bytes; a document that is signed whole has 1 to ${maxDocumentBytes}: sign big files by --manifest`,
    );
  return await readingFrom(path, () => handle.readFile());
}

/** The entry of a request: the path is nobody else's business. */
export function toArtifact({ name, size, sha256, sha512 }: ArtifactFile): Artifact {
  return { name, size, sha256, sha512 };
}
