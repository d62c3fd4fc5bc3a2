/**
 * What the coordinator must not forget: one log for each group, in one database, and beside it a small file that says how far each reaches at least.
 *
 * At opening each log's head is checked with all that a start rests on: the edge of its tree, what is pending, the newest journal heads, and that the
 * tree which the anchor knows is its beginning. Every other record is proved against its head when it is read, for a database may open without
 * error when it lost or changed what it had acknowledged.
 */
import { randomBytes } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { disk as realDisk, type Disk } from '../home/disk.ts';
import { systemCode } from '../home/errors.ts';
import type { Charter } from '../protocol/files/charter.ts';
import { decodeHead } from '../protocol/record/head.ts';
import { decodeLeaf, refOf, type Beginning } from '../protocol/record/leaf.ts';
import { createAnchor, openAnchor, type Anchor } from './anchor.ts';
import { damaged, type Database, type DirectoryLine, type StorePaths, type WalkPlace } from './database.ts';
import { CoordinatorError } from './errors.ts';
import { bornLog, GroupLog, type LogWorld } from './group-log.ts';
import { openLevel } from './level.ts';
import { beginLevelDatabase, openLevelDatabase } from './level-database.ts';
import { Tiles } from './tiles.ts';

/** Whose store it is, and who is told of what happens to it. */
export interface StoreOptions {
  /** The coordinator's identity key, base64url: it signs the checkpoints of every log that is born here. */
  readonly coordinator: string;
  /** Nothing can be stored any more: the coordinator has to stop. */
  readonly onFailure: (error: CoordinatorError) => void;
  /** The indexes of a log had lost something, and were made anew from its records. */
  readonly onRebuilt?: (log: GroupLog) => void;
}

/** Begins an empty store where there is none; `lost` are charters that an earlier one may have had. An interrupted beginning can simply run again. */
export async function createStore(
  paths: StorePaths,
  lost: readonly string[] = [],
  disk: Disk = realDisk,
): Promise<void> {
  await createAnchor(paths.anchor, disk);
  await beginDatabase(paths, lost);
  await disk.rename(unfinished(paths), paths.database);
  await disk.syncFolder(dirname(paths.database));
}

/** An empty database beside the place where it belongs. */
async function beginDatabase(paths: StorePaths, lost: readonly string[]): Promise<void> {
  await rm(unfinished(paths), { recursive: true, force: true });
  const keys = await openLevel(unfinished(paths), paths, { create: true });
  await beginLevelDatabase(keys, lost);
  await keys.close();
}

function unfinished({ database }: StorePaths): string {
  return `${database}.new`;
}

/** Opens the store in a home that is locked. Throws `CoordinatorError` (`store-missing`, `store-foreign`, `store-damaged`, `store-newer`). */
export async function openStore(paths: StorePaths, options: StoreOptions): Promise<Store> {
  if (!(await exists(paths.database))) {
    throw new CoordinatorError(
      'store-missing',
      `the store ${paths.database} is not there; put it back, or begin an empty one with: frostmark coordinator init ` +
        '(members bring their groups back; pending rounds have to be asked for again)',
    );
  }
  return openStoreOn(await openDatabase(paths), realDisk, paths, options);
}

/** Opens the embedded database alone. Throws `CoordinatorError` (`store-damaged`, `store-newer`). */
async function openDatabase(paths: StorePaths): Promise<Database> {
  const keys = await openLevel(paths.database, paths, { create: false });
  try {
    return await openLevelDatabase(keys);
  } catch (error) {
    await keys.close();
    throw asDamage(paths, error);
  }
}

/** Opens a store on any database and disk. Closes the database if it refuses. */
export async function openStoreOn(
  database: Database,
  disk: Disk,
  paths: StorePaths,
  options: StoreOptions,
): Promise<Store> {
  let anchor: Anchor | undefined;
  try {
    anchor = await openAnchor(paths, disk);
    const store = new Store({ database, anchor, paths, options });
    await store.load();
    return store;
  } catch (error) {
    await anchor?.close();
    await database.close();
    throw asDamage(paths, error);
  }
}

function asDamage(paths: StorePaths, error: unknown): CoordinatorError {
  if (error instanceof CoordinatorError && error.message.includes(paths.database)) return error;
  if (error instanceof CoordinatorError && error.code !== 'store-damaged') return error;
  return damaged(paths, (error as Error).message, error);
}

interface StoreParts {
  readonly database: Database;
  readonly anchor: Anchor;
  readonly paths: StorePaths;
  readonly options: StoreOptions;
}

/** An open store: the logs by their charters, and the birth of a log for a charter that has none. */
export class Store implements AsyncDisposable {
  readonly #parts: StoreParts;
  readonly #logs = new Map<string, GroupLog>();
  readonly #births = new Map<string, Promise<GroupLog>>();
  readonly #world: LogWorld;
  #refusal: CoordinatorError | undefined;
  #closing: Promise<void> | undefined;

  /** Only `openStoreOn` makes one. */
  constructor(parts: StoreParts) {
    this.#parts = parts;
    const { database, anchor, paths } = parts;
    this.#world = {
      database,
      anchor,
      paths,
      fail: (cause) => this.#fail(cause),
      refusal: () => this.#refusal,
    };
  }

  /** Opens every log of the directory, and compares it with the anchor. Throws `CoordinatorError` (`store-damaged`, `store-foreign`). */
  async load(): Promise<void> {
    const { database, anchor, paths, options } = this.#parts;
    const directory = await database.directory();
    for (const log of anchor.logs)
      if (!directory.some((line) => line.log === log)) throw damaged(paths, `the log ${log} is missing`);
    for (const line of directory) {
      const known = this.logs.find(({ name }) => name.log === line.log);
      const log = known ?? (await loadLog(this.#world, line));
      this.#assertOwn(log);
      this.#logs.set(line.charter, log);
      if (known === undefined && (await log.settle()) === 'rebuilt') options.onRebuilt?.(log);
    }
  }

  /** Checkpoints by another key would be signed of what nobody promised under it. */
  #assertOwn({ name }: GroupLog): void {
    const { options, paths } = this.#parts;
    if (name.coordinator === options.coordinator) return;
    throw new CoordinatorError(
      'store-foreign',
      `the store ${paths.database} is of a coordinator with another identity: the log ${name.log} is signed by ${name.coordinator}, and the ` +
        `identity here is ${options.coordinator}; put the identity back that it was written with, or the store of this one (nothing was changed)`,
    );
  }

  /** Every log, once. */
  get logs(): GroupLog[] {
    return [...new Set(this.#logs.values())];
  }

  /** The log of a charter that has one. */
  logOf(charterHash: string): GroupLog | undefined {
    return this.#logs.get(charterHash);
  }

  /** From here on a log is that of one more charter, whose record is in it. */
  extend(charterHash: string, log: GroupLog): void {
    this.#logs.set(charterHash, log);
  }

  /** The log of a charter, born if it has none yet: it begins with its own name and the charter's file. Throws what `GroupLog.append` throws. */
  async of(charter: Charter, from?: Beginning): Promise<GroupLog> {
    const known = this.#logs.get(charter.hash);
    if (known !== undefined) return known;
    const birth = this.#births.get(charter.hash) ?? this.#bear(charter, from);
    this.#births.set(charter.hash, birth);
    try {
      return await birth;
    } finally {
      this.#births.delete(charter.hash);
    }
  }

  async #bear(charter: Charter, from: Beginning | undefined): Promise<GroupLog> {
    const { database, anchor, options } = this.#parts;
    if (this.#refusal !== undefined) throw this.#refusal;
    const isLost = (await database.lost()).includes(charter.hash);
    const name = { charter: charter.hash, log: randomBytes(16).toString('hex'), coordinator: options.coordinator };
    await anchor.reserve(name.log).catch((error: unknown) => Promise.reject(this.#fail(error)));
    const log = bornLog(this.#world, name);
    const birth = { type: 'born', version: 1, ...name, from: from ?? { kind: isLost ? 'again' : 'new' } } as const;
    const file = refOf(charter.bytes);
    await log.append([birth, { type: 'charter', charter: charter.hash, file }], [charter.bytes]);
    this.#logs.set(charter.hash, log);
    return log;
  }

  /** Where the slow walk over everything was when it was noted last. */
  walkPlace(): Promise<WalkPlace | undefined> {
    return this.#parts.database.walkPlace();
  }

  /** Notes it, unsynced: after a crash the walk looks at some records twice. */
  noteWalkPlace(place: WalkPlace): Promise<void> {
    return this.#parts.database.noteWalkPlace(place);
  }

  /** Waits for what is under way; nothing is stored afterwards. A repeat is a no-op. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#refusal ??= new CoordinatorError('closing', 'the coordinator is about to stop');
    await Promise.allSettled(this.#births.values());
    for (const log of this.logs) await log.close();
    await this.#parts.anchor.close();
    await this.#parts.database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #fail(cause: unknown): CoordinatorError {
    if (this.#refusal?.code === 'store-failed') return this.#refusal;
    const code = systemCode(cause);
    const error = new CoordinatorError(
      'store-failed',
      `the store could not be written${code === undefined ? '' : ` (${code})`}; check the disk and start again`,
      { cause },
    );
    this.#refusal = error;
    this.#parts.options.onFailure(error);
    return error;
  }
}

async function loadLog(world: LogWorld, line: DirectoryLine): Promise<GroupLog> {
  const { database, paths } = world;
  const bytes = await database.head(line.log);
  if (bytes === undefined) throw damaged(paths, `the head of the log ${line.log} is missing`);
  const head = decodeHead(bytes);
  const tiles = new Tiles(database, line.log);
  const tip = { head, edge: await tiles.edge(head) };
  const first = decodeLeaf(await tiles.leaf(tip, 0));
  if (first.type !== 'born' || first.log !== line.log)
    throw damaged(paths, `the log ${line.log} does not begin with its name`);
  const { charter, log, coordinator } = first;
  return new GroupLog(world, { charter, log, coordinator }, { tip, pending: [] });
}

/** Whether there is something at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
