/** The embedded database: the one file that knows level, and the few things that are asked of it. */
import { Level } from 'level';
import { damaged, type StorePaths } from './database.ts';

/** A key and its new value; without one the key is deleted. */
export type Write = readonly [string, Uint8Array | undefined];

/** The keys from `from` up to, not including, `to`. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
  /** The last first. */
  readonly reverse?: boolean;
}

/** The few things that are asked of level, so that tests can put one here that forgets what was not synced. */
export interface KeyValues {
  /** All of it in order or, after a crash, none of it; on the medium when it resolves, if `sync`. */
  write(entries: readonly Write[], options: { readonly sync: boolean }): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  entries(range: KeyRange): AsyncIterable<readonly [string, Uint8Array]>;
  close(): Promise<void>;
}

/** Opens the level database in a folder; `paths` are for the message. Throws `CoordinatorError('store-damaged')`. */
export async function openLevel(
  path: string,
  paths: StorePaths,
  { create }: { readonly create: boolean },
): Promise<KeyValues> {
  const level = new Level<string, Buffer>(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    // A folder without its CURRENT file would otherwise begin anew, silently empty.
    createIfMissing: create,
  });
  try {
    await level.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    throw damaged(paths, cause.message, cause);
  }
  return {
    write: (entries, options) =>
      level.batch(
        entries.map(([key, value]) =>
          value === undefined
            ? { type: 'del' as const, key }
            : { type: 'put' as const, key, value: Buffer.from(value) },
        ),
        options,
      ),
    get: (key) => reading(level.get(key), paths),
    getMany: (keys) => reading(level.getMany([...keys]), paths),
    entries: async function* ({ from, to, reverse = false }) {
      const iterator = level.iterator({ gte: from, lt: to, reverse });
      try {
        for (
          let next = await reading(iterator.next(), paths);
          next !== undefined;
          next = await reading(iterator.next(), paths)
        )
          yield next;
      } finally {
        await iterator.close();
      }
    },
    close: () => level.close(),
  };
}

/** What level says of a file that it cannot read is damage, whatever its code. */
async function reading<T>(read: Promise<T>, paths: StorePaths): Promise<T> {
  try {
    return await read;
  } catch (error) {
    throw damaged(paths, (error as Error).message, error);
  }
}
