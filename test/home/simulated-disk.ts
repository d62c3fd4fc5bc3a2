/**
 * A disk in memory that can lose power. It keeps apart what was written and what was synced, and stops at any operation.
 * After a crash the files are what a real disk may hold then: see `Aftermath`.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../home/disk.ts';

/** The process is gone; nothing after it happens. */
class Crash extends Error {}

/**
 * What is found after a crash. `kill`: all that was written, the rest of the disk lives on and nothing more is synced. The others are power losses:
 * of what was not synced, `nothing` is there; `everything`; `names` without their bytes; `bytes` without new names; or names and `half` of the bytes.
 */
export const aftermaths = ['kill', 'nothing', 'everything', 'names', 'bytes', 'half'] as const;
export type Aftermath = (typeof aftermaths)[number];

interface Inode {
  written: Uint8Array;
  synced: Uint8Array;
}

export class SimulatedDisk implements Disk {
  /** Operations so far; each is a place to crash at. */
  operations = 0;
  crashed = false;
  /** Crash before this operation; a write crashes in its middle instead if `tear`. */
  crashAt = Infinity;
  tear = false;
  /** A broken disk: says that it synced and did not. */
  syncsNothing = false;
  /** What `freeBytes` says. */
  free = Infinity;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();

  /** What is read at `path` now; `undefined` if there is no such file. */
  contents(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.written;
  }

  /** Puts a file there, synced. */
  put(path: string, bytes: Uint8Array): void {
    const inode = { written: bytes, synced: bytes };
    this.#names.set(path, inode);
    this.#syncedNames.set(path, inode);
  }

  /** The disk after the machine, or only the process, came up again. */
  after(aftermath: Aftermath): SimulatedDisk {
    const next = new SimulatedDisk();
    next.syncsNothing = this.syncsNothing;
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const made = copies.get(inode) ?? afterwards(inode, aftermath);
      copies.set(inode, made);
      return made;
    };
    const namesSurvive = aftermath !== 'nothing' && aftermath !== 'bytes';
    for (const [path, inode] of namesSurvive ? this.#names : this.#syncedNames) next.#names.set(path, copy(inode));
    for (const [path, inode] of aftermath === 'kill' ? this.#syncedNames : next.#names) {
      next.#syncedNames.set(path, aftermath === 'kill' ? copy(inode) : inode);
    }
    return next;
  }

  open(path: string): Promise<DiskFile> {
    return this.#perform(() => this.#file(this.#existing(path)));
  }

  create(path: string): Promise<DiskFile> {
    return this.#perform(() => {
      if (this.#names.has(path)) throw systemError('EEXIST');
      const inode = { written: new Uint8Array(0), synced: new Uint8Array(0) };
      this.#names.set(path, inode);
      return this.#file(inode);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform(() => {
      this.#names.set(to, this.#existing(from));
      this.#names.delete(from);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#perform(() => {
      if (this.#names.has(to)) throw systemError('EEXIST');
      this.#names.set(to, this.#existing(from));
    });
  }

  unlink(path: string): Promise<void> {
    return this.#perform(() => {
      this.#existing(path);
      this.#names.delete(path);
    });
  }

  syncFolder(folder: string): Promise<void> {
    return this.#perform(() => {
      if (this.syncsNothing) return;
      for (const path of this.#syncedNames.keys()) if (dirname(path) === folder) this.#syncedNames.delete(path);
      for (const [path, inode] of this.#names) if (dirname(path) === folder) this.#syncedNames.set(path, inode);
    });
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(this.free);
  }

  #existing(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }

  #file(inode: Inode): DiskFile {
    return {
      read: (buffer, position) => {
        const bytes = inode.written.subarray(position, position + buffer.length);
        buffer.set(bytes);
        return Promise.resolve(bytes.length);
      },
      write: (bytes, position) =>
        this.#perform(
          () => (inode.written = overwritten(inode.written, bytes, position)),
          () => (inode.written = overwritten(inode.written, bytes.subarray(0, bytes.length / 2), position)),
        ).then(() => undefined),
      sync: () =>
        this.#perform(() => {
          if (!this.syncsNothing) inode.synced = inode.written;
        }),
      truncate: (length) =>
        this.#perform(() => {
          inode.written = inode.written.slice(0, length);
        }),
      close: () => Promise.resolve(),
    };
  }

  async #perform<T>(action: () => T, half?: () => unknown): Promise<T> {
    await Promise.resolve();
    if (this.crashed) throw new Crash('the process is gone');
    if (this.operations++ === this.crashAt) {
      this.crashed = true;
      if (this.tear) half?.();
      throw new Crash(`crash before operation ${this.crashAt}`);
    }
    return action();
  }
}

function afterwards({ written, synced }: Inode, aftermath: Aftermath): Inode {
  switch (aftermath) {
    case 'kill':
      return { written, synced };
    case 'nothing':
    case 'names':
      return { written: synced, synced };
    case 'everything':
    case 'bytes':
      return { written, synced: written };
    case 'half': {
      const bytes = written.slice(0, Math.ceil((written.length + Math.min(synced.length, written.length)) / 2));
      return { written: bytes, synced: bytes };
    }
  }
}

function overwritten(old: Uint8Array, bytes: Uint8Array, position: number): Uint8Array {
  const next = new Uint8Array(Math.max(old.length, position + bytes.length));
  next.set(old);
  next.set(bytes, position);
  return next;
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
