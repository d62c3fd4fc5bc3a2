/** The real embedded database in a folder. A power loss cuts its files back to what they were when a write was synced last. */
import { Level } from 'level';
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { StorePaths } from '../../coordinator/database.ts';
import { beginLevelDatabase, openLevelDatabase } from '../../coordinator/level-database.ts';
import { openLevel, type KeyValues } from '../../coordinator/level.ts';
import { openStoreOn } from '../../coordinator/store.ts';
import { SimulatedDisk } from '../home/simulated-disk.ts';
import { keysIn, keysOfEntry } from './level-layout.ts';
import { present } from '../../protocol/wire/present.ts';
import { charter, emptyAnchor, storeFolder, storeOptions } from './record-store.ts';
import type { Examined, FileFault, LostEntry, StoreImplementation, StoreMachine, WriteFault } from './store-machine.ts';

type Aftermath = Parameters<StoreMachine['after']>[0];

class LevelMachine implements StoreMachine {
  readonly paths: StorePaths;
  readonly disk: SimulatedDisk;
  writes = 0;
  #fault: WriteFault | undefined;
  #hasCrashed = false;
  #open: KeyValues | undefined;
  /** Bytes of each file when a write was synced last. */
  #synced = new Map<string, number>();

  constructor(paths: StorePaths, disk: SimulatedDisk) {
    this.paths = paths;
    this.disk = disk;
  }

  async start(options = {}): ReturnType<StoreMachine['start']> {
    const keys = await openLevel(this.paths.database, this.paths, { create: false });
    this.#open = keys;
    this.#synced = await sizesIn(this.paths.database);
    const database = await openLevelDatabase({ ...keys, write: (...write) => this.#write(keys, ...write) });
    return openStoreOn(database, this.disk, this.paths, storeOptions(options));
  }

  async #write(keys: KeyValues, ...[entries, options]: Parameters<KeyValues['write']>): Promise<void> {
    this.writes += 1;
    const fault = this.writes === this.#fault?.write ? this.#fault : undefined;
    const failure = fault?.error ?? new Error('crash');
    if (this.#hasCrashed || fault?.after === false) {
      this.#hasCrashed ||= fault?.error === undefined;
      throw failure;
    }
    await keys.write(entries, options);
    if (options.sync) this.#synced = await sizesIn(this.paths.database);
    if (fault === undefined) return;
    this.#hasCrashed = fault.error === undefined;
    throw failure;
  }

  failAt(fault: WriteFault): void {
    this.#fault = fault;
  }

  async after(aftermath: Aftermath): Promise<LevelMachine> {
    await this.#open?.close(); // of what it has not written yet, level writes nothing then
    const next = new LevelMachine(await newPaths(), this.disk.after(aftermath));
    await cp(this.paths.database, next.paths.database, { recursive: true });
    if (aftermath === 'kill' || aftermath === 'everything' || aftermath === 'bytes') return next;
    for (const [name, size] of await sizesIn(next.paths.database)) {
      const synced = this.#synced.get(name) ?? 0;
      const kept = aftermath === 'half' ? Math.ceil((size + synced) / 2) : synced;
      if (kept < size) await truncate(join(next.paths.database, name), kept);
    }
    return next;
  }

  async putBack(other: StoreMachine): Promise<void> {
    await rm(this.paths.database, { recursive: true });
    await cp(ownOf(other).paths.database, this.paths.database, { recursive: true });
  }

  async lose({ name }: Parameters<StoreMachine['lose']>[0], entry: LostEntry): Promise<void> {
    const level = new Level<string, Buffer>(this.paths.database, { valueEncoding: 'buffer' });
    const there = await keysIn(level);
    const keys = keysOfEntry(name.log, entry, there).filter((key) => there.includes(key));
    expect(keys.length).toBeGreaterThan(0);
    await level.batch(keys.map((key) => ({ type: 'del' as const, key })));
    await level.close();
  }
}

/** A folder for a database, and the one place of an anchor on a simulated disk. */
async function newPaths(): Promise<StorePaths> {
  return { database: (await storeFolder()).database, anchor: '/home/record-anchor' };
}

function ownOf(machine: StoreMachine): LevelMachine {
  if (machine instanceof LevelMachine) return machine;
  throw new Error('the machine of another database');
}

async function sizesIn(folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const name of await readdir(folder)) sizes.set(name, (await stat(join(folder, name))).size);
  return sizes;
}

/** The largest file with this ending. */
async function fileOf(machine: StoreMachine, ending: string): Promise<string> {
  const { database } = ownOf(machine).paths;
  const found = [...(await sizesIn(database))].filter(([name]) => name.endsWith(ending) || name.startsWith(ending));
  const [largest] = found.sort(([, a], [, b]) => b - a);
  expect(largest, `no file ${ending}`).toBeDefined();
  return join(database, largest![0]);
}

function damage(ending: string, change: (bytes: Buffer, place: number) => Buffer): FileFault['apply'] {
  return async (machine, place) => {
    const path = await fileOf(machine, ending);
    await writeFile(path, change(await readFile(path), place));
  };
}

const flipped = (bytes: Buffer, place: number): Buffer => {
  bytes[Math.floor(bytes.length * place)]! ^= 0x01;
  return bytes;
};
const cut = (bytes: Buffer, place: number): Buffer => bytes.subarray(0, Math.floor(bytes.length * place));

async function deleteAll(machine: StoreMachine, ending: string): Promise<void> {
  const { database } = ownOf(machine).paths;
  const found = (await readdir(database)).filter((name) => name.endsWith(ending) || name.startsWith(ending));
  expect(found.length).toBeGreaterThan(0);
  for (const name of found) await rm(join(database, name));
}

const files: readonly FileFault[] = [
  {
    what: 'a table flipped',
    places: 12,
    apply: damage('.ldb', flipped),
    outcomes: ['refused', 'found', 'ended', 'harmless'],
  },
  { what: 'a table cut', places: 4, apply: damage('.ldb', cut), outcomes: ['refused', 'found'] },
  { what: 'its log flipped', places: 6, apply: damage('.log', flipped), outcomes: ['refused', 'found', 'harmless'] },
  { what: 'its log emptied', places: 1, apply: damage('.log', (bytes) => bytes.subarray(0, 0)), outcomes: ['refused'] },
  ...['.log', '.ldb', 'CURRENT', 'MANIFEST'].map((ending): FileFault => ({
    what: `its file ${ending} deleted`,
    places: 1,
    apply: (machine) => deleteAll(machine, ending),
    outcomes: ['refused'],
  })),
];

const examiner = fileURLToPath(new URL('../coordinator/programs/examine-store.js', import.meta.url));

/** One process for as many as it lives through; the next one begins with the store after that. */
async function examine(damaged: readonly StoreMachine[]): Promise<readonly Examined[]> {
  const folders = await Promise.all(damaged.map(folderOf));
  const examined: Examined[] = [];
  while (examined.length < folders.length) {
    const args = [examiner, storeOptions().coordinator, charter.hash, ...folders.slice(examined.length)];
    const { stdout, status, signal, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    });
    examined.push(
      ...stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Examined),
    );
    if (status === 0) continue;
    // Level's own words, and nothing else, may end it.
    expect({ signal, stderr }).toEqual({ signal: 'SIGABRT', stderr: expect.stringContaining('leveldb') as string });
    examined.push({ kind: 'ended' });
  }
  return examined;
}

/** With the anchor as a real file beside the database. */
async function folderOf(machine: StoreMachine): Promise<string> {
  const { database, anchor } = ownOf(machine).paths;
  const folder = dirname(database);
  await writeFile(join(folder, 'record-anchor'), present(machine.disk.contents(anchor), 'the anchor'));
  return folder;
}

/** The embedded database as it is installed. */
export const levelStore: StoreImplementation = {
  name: 'level in a folder',
  begin: async (lost = []) => {
    const paths = await newPaths();
    const disk = new SimulatedDisk();
    disk.put(paths.anchor, emptyAnchor);
    const keys = await openLevel(paths.database, paths, { create: true });
    await beginLevelDatabase(keys, lost);
    await keys.close();
    return new LevelMachine(paths, disk);
  },
  aftermaths: ['kill', 'nothing', 'half'],
  files,
  examine,
};
