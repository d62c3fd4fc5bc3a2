/**
 * The calls to the operating system that durability rests on, in one narrow place: what is written here is tested on a
 * disk that fails, fills up, or forgets what was not synced.
 */
import { link, open, rename, statfs, unlink, type FileHandle } from 'node:fs/promises';

/** An open regular file; positions and lengths are bytes. */
export interface DiskFile {
  /** Reads at most `buffer.length` bytes at `position`; the number read, 0 at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`, or throws. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Resolves when the file's bytes and length are on the medium (`fdatasync`). */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** A file system. Errors are those of `node:fs`, with their `code`. */
export interface Disk {
  /** Opens an existing file for reading and writing. */
  open(path: string): Promise<DiskFile>;
  /** Makes a new file, `EEXIST` if there is one; `mode` is cut by the umask. */
  create(path: string, mode: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file, `EEXIST` if `to` is taken. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Resolves when the folder's entries are on the medium. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that this user may still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
}

/** The disk below this process. */
export const disk: Disk = {
  open: async (path) => diskFile(await open(path, 'r+')),
  create: async (path, mode) => diskFile(await open(path, 'wx', mode)),
  rename,
  link,
  unlink,
  syncFolder: async (path) => {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  freeBytes: async (path) => {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

function diskFile(handle: FileHandle): DiskFile {
  return {
    read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    write: async (bytes, position) => {
      // One write may stop short, on a disk that is about to be full; the next call then says why.
      for (let done = 0; done < bytes.length;) {
        done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    },
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}
