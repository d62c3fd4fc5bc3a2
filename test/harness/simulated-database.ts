/** A database in memory that can lose power. */
import type { KeyRange, KeyValues, Write } from '../../coordinator/level.ts';
import type { Aftermath } from '../home/simulated-disk.ts';

/** Keeps apart what was written and what was synced, and stops before any write. */
export class SimulatedDatabase implements KeyValues {
  writes = 0;
  crashAt = Infinity;
  /** Crash after the write instead of before it. */
  after = false;
  /** What is thrown then; a crash if left out. */
  failure: Error | undefined;
  #written = new Map<string, Uint8Array>();
  #synced = new Map<string, Uint8Array>();

  // Level's batches are whole or absent, so a crash falls between two of them.
  async write(entries: readonly Write[], { sync }: { readonly sync: boolean }): Promise<void> {
    await Promise.resolve();
    const crashes = (this.writes += 1) >= this.crashAt;
    if (crashes && !this.after) throw this.failure ?? new Error('crash');
    for (const [key, value] of entries) {
      if (value === undefined) this.#written.delete(key);
      else this.#written.set(key, value);
    }
    if (sync) this.#synced = new Map(this.#written);
    if (crashes) throw this.failure ?? new Error('crash');
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#written.get(key));
  }

  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.#written.get(key)));
  }

  async *entries({ from, to, reverse = false }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    await Promise.resolve();
    const found = [...this.#written].filter(([key]) => key >= from && key < to);
    yield* found.sort(([a], [b]) => (a < b !== reverse ? -1 : 1));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Changes what is there behind everybody's back. */
  tamper(change: (entries: Map<string, Uint8Array>) => void): void {
    change(this.#written);
  }

  afterwards(aftermath: Aftermath): SimulatedDatabase {
    const next = new SimulatedDatabase();
    next.#written = new Map(aftermath === 'kill' || aftermath === 'everything' ? this.#written : this.#synced);
    next.#synced = new Map(next.#written);
    return next;
  }
}
