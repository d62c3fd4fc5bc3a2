/**
 * The real disk for a process that is killed before one of its operations: what it did until then is there, and nothing after. A sync is a place to
 * be killed at and does no more: the machine lives on, and with it what was written.
 */
import { disk, type Disk, type DiskFile } from '../../home/disk.ts';

export class MortalDisk implements Disk {
  /** Operations so far; each is a place to be killed at. */
  operations = 0;
  killed = false;
  readonly #killAt: number;

  /** Without a number it lives. */
  constructor(killAt = Infinity) {
    this.#killAt = killAt;
  }

  async open(path: string): Promise<DiskFile> {
    return this.#file(await this.#perform(() => disk.open(path)));
  }

  async create(path: string, mode: number): Promise<DiskFile> {
    return this.#file(await this.#perform(() => disk.create(path, mode)));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform(() => disk.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.#perform(() => disk.link(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.#perform(() => disk.unlink(path));
  }

  syncFolder(): Promise<void> {
    return this.#perform(() => Promise.resolve());
  }

  freeBytes(path: string): Promise<number> {
    return disk.freeBytes(path);
  }

  #file(file: DiskFile): DiskFile {
    return {
      read: (buffer, position) => file.read(buffer, position),
      write: (bytes, position) => this.#perform(() => file.write(bytes, position)),
      sync: () => this.#perform(() => Promise.resolve()),
      truncate: (length) => this.#perform(() => file.truncate(length)),
      close: () => file.close(),
    };
  }

  async #perform<T>(action: () => Promise<T>): Promise<T> {
    if (this.killed || this.operations++ === this.#killAt) {
      this.killed = true;
      throw new Error('the process is gone');
    }
    return await action();
  }
}
