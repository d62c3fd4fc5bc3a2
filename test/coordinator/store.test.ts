import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CoordinatorError } from '../../coordinator/errors.ts';
import type { StoreRecord } from '../../coordinator/chain.ts';
import type { StorePaths } from '../../coordinator/database.ts';
import { createStore, openStore, openStoreOn, type Store } from '../../coordinator/store.ts';
import type { Envelope } from '../../protocol/wire/envelope.ts';
import { SimulatedDatabase } from '../harness/simulated-database.ts';
import { aftermaths, SimulatedDisk, type Aftermath } from '../home/simulated-disk.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';

const envelope: Envelope = {
  payload: 'e30=',
  payloadType: 'x/y',
  signatures: [{ keyid: 'k', sig: `${'A'.repeat(86)}==` }],
};

function round(index: number): StoreRecord {
  return { type: 'round', digest: index.toString(16).padStart(64, '0'), charter: 'c'.repeat(64), request: envelope };
}

async function folder(): Promise<StorePaths> {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-store-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return { database: join(path, 'store'), anchor: join(path, 'store-head') };
}

async function opened(paths: StorePaths): Promise<{ store: Store; records: StoreRecord[] }> {
  const records: StoreRecord[] = [];
  const store = await openStore(paths, { onRecord: (record) => records.push(record), onFailure: () => undefined });
  return { store, records };
}

/** A store with records and bytes, closed. */
async function filled(count = 40, seed = 0): Promise<StorePaths> {
  const paths = await folder();
  await createStore(paths);
  const { store } = await opened(paths);
  for (let index = 1; index <= count; index += 1) {
    const bytes = Buffer.alloc(2000, index + seed);
    await store.append([round(index), { type: 'round-document', digest: 'd', sha256: sha256Hex(bytes) }], [bytes]);
  }
  await store.close();
  return paths;
}

async function refusal(paths: StorePaths): Promise<CoordinatorError> {
  const outcome: unknown = await opened(paths).then(
    async ({ store, records }) => {
      await store.close();
      return `opened with ${records.length} records`;
    },
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CoordinatorError);
  return outcome as CoordinatorError;
}

async function fileOf(paths: StorePaths, ending: string): Promise<string> {
  const names = (await readdir(paths.database)).filter((name) => name.endsWith(ending)).sort();
  let largest = '';
  let size = -1;
  for (const name of names) {
    const path = join(paths.database, name);
    const bytes = (await stat(path)).size;
    if (bytes > size) [largest, size] = [path, bytes];
  }
  return largest;
}

describe('the store', () => {
  test('gives back every record in order, with the bytes that they name', async () => {
    const paths = await filled(3);
    const { store, records } = await opened(paths);
    expect(records.map(({ type }) => type)).toEqual([
      'round',
      'round-document',
      'round',
      'round-document',
      'round',
      'round-document',
    ]);
    expect(await store.record(3)).toEqual(round(2));
    expect(await store.blob(sha256Hex(Buffer.alloc(2000, 2)))).toEqual(Buffer.alloc(2000, 2));
    await expect(store.blob('00'.repeat(32))).rejects.toMatchObject({ code: 'store-damaged' });
    await expect(store.record(99)).rejects.toMatchObject({ code: 'store-damaged' });
    await store.close();
    await expect(store.append([round(9)])).rejects.toMatchObject({ code: 'closing' });
  });

  test('syncs what waits together in one batch, and writes a lazy record with the next one', async () => {
    const paths = await filled(0);
    const { store } = await opened(paths);
    store.appendLazily(round(1));
    const numbers = await Promise.all([
      store.append([round(2)]),
      store.append([round(3), round(4)]),
      store.append([round(5)]),
    ]);
    expect(numbers).toEqual([2, 3, 5]);
    store.appendLazily(round(6));
    await store.close();
    const again = await opened(paths);
    expect(again.records).toEqual([1, 2, 3, 4, 5, 6].map(round));
    await again.store.close();
  });

  test('that is not there is refused, with what to do', async () => {
    const paths = await folder();
    const error = await refusal(paths);
    expect(error.code).toBe('store-missing');
    expect(error.message).toContain('frostmark coordinator init');
  });

  test('that is gone while its head file is there can be begun anew', async () => {
    const paths = await filled();
    await rm(paths.database, { recursive: true });
    expect((await refusal(paths)).code).toBe('store-missing');
    await createStore(paths);
    const { store, records } = await opened(paths);
    expect(records).toEqual([]);
    await store.close();
  });
});

describe('a damaged store refuses to open and says what to do (T27)', () => {
  async function expectDamaged(paths: StorePaths): Promise<void> {
    const error = await refusal(paths);
    expect(error.code).toBe('store-damaged');
    expect(error.message).toMatch(/put an undamaged copy|frostmark coordinator init/);
  }

  test.each([0.1, 0.5, 0.9])('a byte flipped at %f of its log', async (place) => {
    const paths = await filled();
    const log = await fileOf(paths, '.log');
    const bytes = await readFile(log);
    const at = Math.floor(bytes.length * place);
    bytes[at]! ^= 0x40;
    await writeFile(log, bytes);
    await expectDamaged(paths);
  });

  test.each([1, 2600, 50_000])('its log cut by %i bytes', async (missing) => {
    const paths = await filled();
    const log = await fileOf(paths, '.log');
    await truncate(log, (await stat(log)).size - missing);
    await expectDamaged(paths);
  });

  test('its log emptied', async () => {
    const paths = await filled();
    await truncate(await fileOf(paths, '.log'), 0);
    await expectDamaged(paths);
  });

  test.each(['.log', 'CURRENT', 'MANIFEST'])('its file %s deleted', async (name) => {
    const paths = await filled();
    const found = (await readdir(paths.database)).filter((file) => file.endsWith(name) || file.startsWith(name));
    expect(found.length).toBeGreaterThan(0);
    for (const file of found) await rm(join(paths.database, file));
    await expectDamaged(paths);
  });

  /** After a reopening the records stand in a table file. */
  async function compacted(): Promise<StorePaths> {
    const paths = await filled();
    const { store } = await opened(paths);
    await store.append([round(1000)]);
    await store.close();
    expect(await fileOf(paths, '.ldb')).not.toBe('');
    return paths;
  }

  test('a table deleted', async () => {
    const paths = await compacted();
    await rm(await fileOf(paths, '.ldb'));
    await expectDamaged(paths);
  });

  test('a byte flipped anywhere in a table, unless nothing of what it says is changed by it', async () => {
    const paths = await compacted();
    const before = await opened(paths);
    await before.store.close();
    const copy = await folder();
    let refused = 0;
    for (let place = 0; place < 24; place += 1) {
      await rm(copy.database, { recursive: true, force: true });
      await cp(paths.database, copy.database, { recursive: true });
      await cp(paths.anchor, copy.anchor);
      const table = await fileOf(copy, '.ldb');
      const bytes = await readFile(table);
      bytes[Math.floor((bytes.length * (place + 0.5)) / 24)]! ^= 0x01;
      await writeFile(table, bytes);
      const outcome = await opened(copy).catch((error: unknown) => error);
      if (outcome instanceof CoordinatorError) {
        expect(outcome.code).toBe('store-damaged');
        refused += 1;
      } else {
        const { store, records } = outcome as Awaited<ReturnType<typeof opened>>;
        expect(records).toEqual(before.records);
        await store.close();
      }
    }
    expect(refused).toBeGreaterThan(12);
  });

  test('a table cut', async () => {
    const paths = await compacted();
    const table = await fileOf(paths, '.ldb');
    await truncate(table, Math.floor((await stat(table)).size / 2));
    await expectDamaged(paths);
  });

  test('the folder of last week beside the head file of today', async () => {
    const paths = await filled(5);
    const copy = `${paths.database}.old`;
    await cp(paths.database, copy, { recursive: true });
    const { store } = await opened(paths);
    await store.append([round(77)]);
    await store.close();
    await rm(paths.database, { recursive: true });
    await cp(copy, paths.database, { recursive: true });
    await expectDamaged(paths);
  });

  test('the folder of another coordinator', async () => {
    const paths = await filled(5);
    const other = await filled(9, 1);
    await rm(paths.database, { recursive: true });
    await cp(other.database, paths.database, { recursive: true });
    await expectDamaged(paths);
  });

  test('its head file deleted, emptied or scribbled over', async () => {
    for (const damage of [
      (path: string) => rm(path),
      (path: string) => truncate(path, 0),
      (path: string) => writeFile(path, 'x'.repeat(1024)),
    ]) {
      const paths = await filled(2);
      await damage(paths.anchor);
      await expectDamaged(paths);
    }
  });

  test('but not when only the older slot of the head file is torn', async () => {
    const paths = await filled(2);
    const bytes = await readFile(paths.anchor);
    const first = Number.parseInt(bytes.toString('latin1', 0, 16), 16);
    const second = Number.parseInt(bytes.toString('latin1', 512, 528), 16);
    bytes.fill(0, first < second ? 0 : 512, first < second ? 512 : 1024);
    await writeFile(paths.anchor, bytes);
    const { store, records } = await opened(paths);
    expect(records).toHaveLength(4);
    await store.close();
  });
});

/** `/home/store-head` as an empty store has it. */
let emptyAnchor: Promise<Uint8Array> | undefined;
const simulated: StorePaths = { database: '/home/store', anchor: '/home/store-head' };

async function simulatedDisk(): Promise<SimulatedDisk> {
  emptyAnchor ??= filled(0).then(({ anchor }) => readFile(anchor));
  const disk = new SimulatedDisk();
  disk.put(simulated.anchor, await emptyAnchor);
  return disk;
}

describe('a database that gives back something else than was written is refused (T27)', () => {
  const key = (sequence: number): string => `e${sequence.toString(16).padStart(16, '0')}`;
  const bytes = Buffer.from('some bytes');
  const changes: readonly (readonly [string, (entries: Map<string, Uint8Array>) => void])[] = [
    ['a changed record', (entries) => entries.set(key(3), Buffer.from(JSON.stringify(round(9))))],
    ['a missing record', (entries) => entries.delete(key(3))],
    [
      'two records exchanged',
      (entries) => {
        const third = entries.get(key(3))!;
        entries.set(key(3), entries.get(key(4))!).set(key(4), third);
      },
    ],
    ['no last record', (entries) => entries.delete(key(5))],
    ['one record too many', (entries) => entries.set(key(6), Buffer.from(JSON.stringify(round(6))))],
    ['no head', (entries) => entries.delete('head')],
    ['the head of another chain', (entries) => entries.set('head', Buffer.from(JSON.stringify([5, 'ab'.repeat(32)])))],
    ['changed bytes', (entries) => entries.set(`b${sha256Hex(bytes)}`, Buffer.from('other bytes'))],
    ['missing bytes', (entries) => entries.delete(`b${sha256Hex(bytes)}`)],
    ["a stranger's key", (entries) => entries.set('x', bytes)],
  ];

  /** Five records, the last of which names bytes; the head file knows only of the beginning. */
  async function damaged(change: (entries: Map<string, Uint8Array>) => void): Promise<unknown> {
    const [disk, database] = [await simulatedDisk(), new SimulatedDatabase()];
    const options = { onRecord: () => undefined, onFailure: () => undefined };
    const store = await openStoreOn(database, disk, simulated, options);
    for (let index = 1; index <= 4; index += 1) await store.append([round(index)]);
    await store.append([{ type: 'round-document', digest: 'd', sha256: sha256Hex(bytes) }], [bytes]);
    await store.close();
    database.tamper(change);
    return openStoreOn(database, await simulatedDisk(), simulated, options).then(
      () => 'opened',
      (error: unknown) => error,
    );
  }

  test('nothing changed', async () => {
    expect(await damaged(() => undefined)).toBe('opened');
  });

  test.each(changes)('%s', async (_what, change) => {
    expect(await damaged(change)).toMatchObject({ code: 'store-damaged' });
  });
});

describe('what was acknowledged is there after every crash (T28)', () => {
  const paths = simulated;

  /** Appends until the crash; the records that were acknowledged. */
  async function work(database: SimulatedDatabase, disk: SimulatedDisk): Promise<StoreRecord[]> {
    const acknowledged: StoreRecord[] = [];
    const store = await openStoreOn(database, disk, paths, { onRecord: () => undefined, onFailure: () => undefined });
    for (let index = 1; index <= 4; index += 1) {
      const records = [round(index * 2), round(index * 2 + 1)];
      const done = await store.append(records).then(
        () => true,
        () => false,
      );
      if (!done) break;
      acknowledged.push(...records);
    }
    await store.close().catch(() => undefined);
    return acknowledged;
  }

  async function recovered(
    database: SimulatedDatabase,
    disk: SimulatedDisk,
    aftermath: Aftermath,
  ): Promise<StoreRecord[]> {
    const records: StoreRecord[] = [];
    const options = { onRecord: (record: StoreRecord) => records.push(record), onFailure: () => undefined };
    const store = await openStoreOn(database.afterwards(aftermath), disk.after(aftermath), paths, options);
    await store.close();
    return records;
  }

  test.each(aftermaths)('a crash at every write of the database: %s', async (aftermath) => {
    for (const after of [false, true]) {
      for (let crashAt = 1; crashAt <= 4; crashAt += 1) {
        const disk = await simulatedDisk();
        const database = new SimulatedDatabase();
        Object.assign(database, { crashAt, after });
        const acknowledged = await work(database, disk);
        expect(database.writes).toBe(crashAt);
        const records = await recovered(database, disk, aftermath);
        expect(records.slice(0, acknowledged.length)).toEqual(acknowledged);
        expect(records.length % 2).toBe(0);
      }
    }
  });

  test.each(aftermaths)('a crash at every operation on the head file: %s', async (aftermath) => {
    for (const tear of [false, true]) {
      let crashes = 0;
      for (let crashAt = 3; crashAt < 40; crashAt += 1) {
        const disk = await simulatedDisk();
        Object.assign(disk, { crashAt: disk.operations + crashAt, tear });
        const database = new SimulatedDatabase();
        const acknowledged = await work(database, disk).catch(() => []);
        if (!disk.crashed) break;
        crashes += 1;
        const records = await recovered(database, disk, aftermath);
        expect(records.slice(0, acknowledged.length)).toEqual(acknowledged);
      }
      expect(crashes).toBeGreaterThan(3);
    }
  });

  test('a real level whose log is torn, or filled with zeros, anywhere behind what was acknowledged gives that back', async () => {
    const paths = await folder();
    await createStore(paths);
    const { store } = await opened(paths);
    const steps: { readonly anchor: Buffer; readonly logBytes: number }[] = [];
    const note = async (): Promise<void> => {
      steps.push({ anchor: await readFile(paths.anchor), logBytes: (await stat(await fileOf(paths, '.log'))).size });
    };
    await note();
    for (let index = 1; index <= 4; index += 1) {
      await store.append([round(index)], [Buffer.alloc(700 * index, index)]);
      await note();
    }
    const copy = await folder();
    let opens = 0;
    for (const [acknowledged, { anchor, logBytes }] of steps.slice(0, -1).entries()) {
      const next = steps[acknowledged + 1]!.logBytes;
      for (const arrived of [0, 1, 6, 7, 8, 100, next - logBytes - 1]) {
        for (const zeros of [0, next - logBytes - arrived]) {
          await rm(copy.database, { recursive: true, force: true });
          await cp(paths.database, copy.database, { recursive: true });
          await writeFile(copy.anchor, anchor);
          const log = await fileOf(copy, '.log');
          await truncate(log, logBytes + arrived);
          await truncate(log, logBytes + arrived + zeros);
          const again = await opened(copy);
          expect(again.records, `${acknowledged} and ${arrived} bytes`).toEqual(
            Array.from({ length: acknowledged }, (_, index) => round(index + 1)),
          );
          await again.store.close();
          opens += 1;
        }
      }
    }
    expect(opens).toBe(4 * 7 * 2);
    await store.close();
  });

  test('a write that fails poisons the store: nothing is acknowledged afterwards, and the owner is told', async () => {
    const failures: string[] = [];
    const database = new SimulatedDatabase();
    database.crashAt = 2;
    const store = await openStoreOn(database, await simulatedDisk(), paths, {
      onRecord: () => undefined,
      onFailure: ({ code }) => failures.push(code),
    });
    await store.append([round(1)]);
    const both = await Promise.allSettled([store.append([round(2)]), store.append([round(3)])]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    database.crashAt = Infinity;
    await expect(store.append([round(4)])).rejects.toMatchObject({ code: 'store-failed' });
    expect(failures).toEqual(['store-failed']);
  });
});
