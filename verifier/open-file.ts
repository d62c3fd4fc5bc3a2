/** Regular files read through one open descriptor, never past a bound. */
import { constants, promises } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

import { VerifyError, type VerifyErrorCode } from './errors.ts';

/** Opens a regular file, lends it and closes it. Throws `missing-file` or `unreadable`. */
export async function withFile<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await openFile(path);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

/** Opens a regular file for reading; who gets it closes it. Throws `missing-file` or `unreadable`. */
export async function openFile(path: string): Promise<FileHandle> {
  // O_NONBLOCK: opening a pipe must not wait for its writer before it can be refused.
  const handle = await readingFrom(path, () => promises.open(path, constants.O_RDONLY | constants.O_NONBLOCK));
  const stats = await readingFrom(path, () => handle.stat());
  if (stats.isFile()) return handle;
  await handle.close();
  throw new VerifyError('unreadable', `${path} is not a regular file`);
}

/** The whole file, of which never more than `maxBytes` and one are read. Throws `tooLarge`, and what `openFile` throws. */
export async function readSmallFile(path: string, maxBytes: number, tooLarge: VerifyErrorCode): Promise<Uint8Array> {
  return await withFile(path, async (handle) => {
    const buffer = new Uint8Array(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await readingFrom(path, () => handle.read(buffer, length, buffer.length - length, null));
      length += bytesRead;
      if (length > maxBytes) throw new VerifyError(tooLarge, `${path} has more than ${maxBytes} bytes`);
      if (bytesRead === 0) return buffer.slice(0, length);
    }
  });
}

/**
 * The file from its start to its end, a chunk at a time, through this one descriptor: while whoever asks works on one, the next is read. A chunk is
 * good until the next is asked for. Throws what `readingFrom` does.
 */
export async function* readAhead(
  handle: FileHandle,
  path: string,
  chunkBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let [chunk, other] = [new Uint8Array(chunkBytes), new Uint8Array(chunkBytes)];
  let position = 0;
  const read = (into: Uint8Array): Promise<{ readonly bytesRead: number }> => {
    const reading = readingFrom(path, () => handle.read(into, 0, chunkBytes, position));
    // Awaited below; until then a failure is nobody's surprise.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = read(chunk);
  try {
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      position += bytesRead;
      reading = read(other);
      yield chunk.subarray(0, bytesRead);
      [chunk, other] = [other, chunk];
    }
  } finally {
    // Nothing is read into a descriptor's place once it is closed.
    await reading.catch(() => undefined);
  }
}

/** Runs one operation on a file and says of which file it failed. */
export async function readingFrom<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    const why = systemCodeOf(cause);
    if (why === undefined) throw cause;
    if (why === 'ENOENT') throw new VerifyError('missing-file', `${path} does not exist`, { cause });
    throw new VerifyError('unreadable', `${path} cannot be read (${why})`, { cause });
  }
}

/** Only the system says a code; whatever else is thrown is no file's fault. Deno says in words what it was not allowed. */
function systemCodeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  if ('code' in cause) return String(cause.code);
  return cause.name === 'NotCapable' ? cause.message : undefined;
}
