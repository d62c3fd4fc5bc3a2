/** The coordinator's database: the one file that knows level, and the few things that are asked of it. */
import { Level } from 'level';
import { CoordinatorError } from './errors.ts';

/** Where a coordinator's home keeps what it must not forget. */
export interface StorePaths {
  /** Folder of the database. */
  readonly database: string;
  /** The file that says how far it reaches. */
  readonly anchor: string;
}

/** A key and its new value; without one the key is deleted. */
export type Write = readonly [string, Uint8Array | undefined];

/** The few things that are asked of a database, so that tests can put one here that forgets what was not synced. */
export interface Database {
  /** All of it in order or, after a crash, none of it; on the medium when it resolves, if `sync`. */
  write(entries: readonly Write[], options: { readonly sync: boolean }): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** In the order of keys. */
  entries(): AsyncIterable<readonly [string, Uint8Array]>;
  close(): Promise<void>;
}

/** Opens the level database in a folder; `paths` are for the message. Throws `CoordinatorError('store-damaged')`. */
export async function openLevel(
  path: string,
  paths: StorePaths,
  { create }: { readonly create: boolean },
): Promise<Database> {
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
    get: (key) => level.get(key),
    entries: () => level.iterator(),
    close: () => level.close(),
  };
}

/** The refusal of a store that is not what was written: `found` says which part of it. */
export function damaged(paths: StorePaths, found: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError(
    'store-damaged',
    `the store ${paths.database} is damaged: ${found}; put an undamaged copy that is as new back, or move it and ${paths.anchor} ` +
      'away and run: frostmark coordinator init (members bring their groups back; pending rounds have to be asked for again)',
    { cause },
  );
}
