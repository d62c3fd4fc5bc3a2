import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkLog } from '../../coordinator/check.ts';
import type { StorePaths } from '../../coordinator/database.ts';
import { CoordinatorError } from '../../coordinator/errors.ts';
import { beginLevelDatabase, openLevelDatabase } from '../../coordinator/level-database.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { createStore, openStore, type Store } from '../../coordinator/store.ts';
import { hashLeaf } from '../../protocol/record/tree.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import {
  charter,
  digestOf,
  document,
  documentOf,
  expired,
  filledStore,
  journal,
  newMachine,
  openedStore,
  readLog,
  round,
  signed,
  startedOn,
  storeFolder,
  storeOptions,
} from '../harness/record-store.ts';
import { levelStore } from '../harness/level-machine.ts';
import { SimulatedDatabase } from '../harness/simulated-database.ts';
import { simulatedStore } from '../harness/simulated-machine.ts';
import { assertKept, assertNothingElse, birth, describeStore, digestsOf, work } from './store-suite.ts';

async function refusal(paths: StorePaths): Promise<CoordinatorError> {
  const outcome: unknown = await openStore(paths, storeOptions()).then(
    async (store) => {
      await store.close();
      return 'opened';
    },
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CoordinatorError);
  return outcome as CoordinatorError;
}

// T27, T28 and T43, of every database alike.
describeStore(simulatedStore);
describeStore(levelStore);

describe('the store', () => {
  test('goes to a time by halves, and stops before it when nothing later can be meant', async () => {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    // There is a round a day for a year.
    const day = 24 * 60;
    await log.append(Array.from({ length: 365 }, (_, at) => round(at * day)));
    const { createdAt } = (await log.round(digestOf(100 * day)))!;
    let read = 0;
    const get = machine.database.get.bind(machine.database);
    machine.database.get = (key) => {
      read += 1;
      return get(key);
    };
    expect(await digestsOf(log, { since: createdAt, until: createdAt + 2 * 86_400 })).toEqual(
      [101, 100].map((at) => digestOf(at * day)),
    );
    expect(read).toBeLessThan(150);
    await store.close();
  });

  test('does not look who needs bytes that many do, when one more does, or one less', async () => {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    const bytes = documentOf(1);
    const one = (number: number): StoreRecord[] => [round(number), document(number, bytes)];
    await log.append(Array.from({ length: 300 }, (_, at) => [...one(at), signed(at)]).flat(), [bytes]);
    let read = 0;
    const entries = machine.database.entries.bind(machine.database);
    machine.database.entries = async function* (range) {
      for await (const entry of entries(range)) {
        read += 1;
        yield entry;
      }
    };
    await log.append(one(1000), [bytes]);
    await log.append([expired(1000)]);
    expect(read).toBeLessThan(5);
    expect(await log.blob(sha256Hex(bytes))).toHaveLength(2000);
    await store.close();
  });

  test('that is not there is refused, with what to do', async () => {
    const error = await refusal(await storeFolder());
    expect(error.code).toBe('store-missing');
    expect(error.message).toContain('frostmark coordinator init');
  });

  test('that is gone while its anchor is there can be begun anew', async () => {
    const paths = await filledStore(3);
    await rm(paths.database, { recursive: true });
    expect((await refusal(paths)).code).toBe('store-missing');
    await createStore(paths);
    const { store, log } = await openedStore(paths);
    expect(log.head.size).toBe(birth);
    await store.close();
  });

  test('of a newer form is refused, and nothing is changed', async () => {
    const database = new SimulatedDatabase();
    await beginLevelDatabase(database, []);
    database.tamper((entries) =>
      entries.set('version', Buffer.from(JSON.stringify({ version: 4, minReader: 3, lost: [] }))),
    );
    const { writes } = database;
    await expect(openLevelDatabase(database)).rejects.toMatchObject({ code: 'store-newer' });
    expect(database.writes).toBe(writes);
  });
});

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

describe('a damaged anchor is refused at the start (T27)', () => {
  async function expectDamaged(paths: StorePaths): Promise<void> {
    const error = await refusal(paths);
    expect(error.code).toBe('store-damaged');
    expect(error.message).toMatch(/put an undamaged copy|frostmark coordinator init/);
  }

  test('its anchor deleted, emptied, cut or scribbled over', async () => {
    for (const damage of [
      (path: string) => rm(path),
      (path: string) => truncate(path, 0),
      (path: string) => truncate(path, 512),
      (path: string) => writeFile(path, 'x'.repeat(1536)),
    ]) {
      const paths = await filledStore(2);
      await damage(paths.anchor);
      await expectDamaged(paths);
    }
  });

  test('but not when only the older slot of the anchor is torn', async () => {
    const paths = await filledStore(2);
    const bytes = await readFile(paths.anchor);
    const sizeAt = (slot: number): number =>
      Number.parseInt(bytes.toString('latin1', 512 * slot + 33, 512 * slot + 49), 16);
    const older = sizeAt(1) < sizeAt(2) ? 1 : 2;
    bytes.fill(0, 512 * older, 512 * (older + 1));
    await writeFile(paths.anchor, bytes);
    const { store, log } = await openedStore(paths);
    expect(log.head.size).toBe(birth + 6);
    await store.close();
  });
});

describe('a database that gives back something else than was written (T27)', () => {
  type Change = (entries: Map<string, Uint8Array>, at: string) => void;
  const key = (letter: string, index: number): string => `${letter}${index.toString(16).padStart(12, '0')}`;
  const bytes = documentOf(1);

  /** A log of 1196 records, of which round 1 is pending; written once, and copied by every test. */
  async function fill() {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    const born = machine.disk.after('everything');
    await log.append([round(1), document(1, bytes), journal(1)], [bytes]);
    await log.append(Array.from({ length: 595 }, (_, at) => [round(at + 2), signed(at + 2)]).flat());
    await log.append([journal(2)]);
    const written = await readLog(log);
    await store.close();
    return { machine, born, written, id: log.name.log, head: log.head };
  }
  let filled: ReturnType<typeof fill> | undefined;

  /** That log, changed behind everybody's back; its anchor knows the birth only, or all. */
  async function tampered(change: Change, anchored: 'birth' | 'all' = 'birth') {
    const { machine, born, written, id, head } = await (filled ??= fill());
    const database = machine.database.afterwards('everything');
    database.tamper((entries) => change(entries, `l${id}`));
    const disk = (anchored === 'birth' ? born : machine.disk).after('everything');
    const rebuilt: string[] = [];
    const opened = await startedOn({ database, disk }, { onRebuilt: ({ name }) => rebuilt.push(name.log) }).catch(
      (error: unknown) => error as CoordinatorError,
    );
    return { opened, written, rebuilt, head };
  }

  test('is refused at the first read: an index of a round with a record that is not there', async () => {
    const { opened } = await tampered((entries, at) =>
      entries.set(`${at}im${digestOf(2)}${key('', 99_999)}`, Buffer.from('')),
    );
    const log = (opened as Store).logOf(charter.hash)!;
    await expect(log.recordsOf(digestOf(2))).rejects.toMatchObject({ code: 'store-damaged' });
  });

  test('nothing changed, nothing refused', async () => {
    const { opened, written, rebuilt } = await tampered(() => undefined);
    const store = opened as Store;
    expect(assertNothingElse(await readLog(store.logOf(charter.hash)!), written)).toBe(0);
    expect(rebuilt).toEqual([]);
  });

  const atTheStart: readonly (readonly [string, Change])[] = [
    ['no head', (entries, at) => entries.delete(`${at}h`)],
    [
      'a head that does not agree with itself',
      (entries, at) => {
        const head = JSON.parse(Buffer.from(entries.get(`${at}h`)!).toString()) as { root: string };
        entries.set(`${at}h`, Buffer.from(JSON.stringify({ ...head, root: '00'.repeat(32) })));
      },
    ],
    ['no first record', (entries, at) => entries.delete(at + key('e', 0))],
    ['the first record changed', (entries, at) => entries.set(at + key('e', 0), Buffer.from('{}'))],
    ['no hash of the last record', (entries, at) => entries.delete(at + key('n00', 1192))],
    ['a changed hash of the last records', (entries, at) => entries.set(at + key('n00', 1190), new Uint8Array(32))],
    ['no line in the directory', (entries) => entries.delete(`c${charter.hash}`)],
    ['the directory leading elsewhere', (entries) => entries.set(`c${charter.hash}`, Buffer.from('ab'.repeat(16)))],
    ['no form', (entries) => entries.delete('version')],
    [
      'the first tile changed, which the anchor is proved by',
      (entries, at) => {
        const tile = Uint8Array.from(entries.get(at + key('t00', 0))!);
        tile[40]! ^= 1;
        entries.set(at + key('t00', 0), tile);
      },
    ],
  ];

  test.each(atTheStart)('is refused at the start: %s', async (_what, change) => {
    expect((await tampered(change)).opened).toMatchObject({ code: 'store-damaged' });
  });

  test('is refused at the start: an earlier head, once the anchor knows a later one', async () => {
    let head: Uint8Array = new Uint8Array();
    await tampered((entries, at) => (head = entries.get(`${at}h`)!));
    const older = JSON.parse(Buffer.from(head).toString()) as { size: number };
    expect(older.size).toBe(1196);
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    await log.append([round(1)]);
    const earlier = machine.database.afterwards('everything');
    await log.append([round(2)]);
    await store.close();
    await expect(startedOn({ disk: machine.disk, database: earlier })).rejects.toMatchObject({ code: 'store-damaged' });
  });

  test.each([1, 2])('is refused at the start: a copy that went another way, and has %i records more', async (more) => {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    await log.append([round(1)]);
    const copy = { disk: machine.disk.after('everything'), database: machine.database.afterwards('everything') };
    await log.append([round(2)]);
    await store.close();
    const other = await startedOn(copy);
    for (let number = 3; number < 3 + more; number += 1) await other.logOf(charter.hash)!.append([round(number)]);
    await other.close();
    await expect(startedOn({ disk: machine.disk, database: copy.database })).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringContaining('is not the one that') as string,
    });
  });

  const atTheFirstRead: readonly (readonly [string, Change])[] = [
    ['a changed record', (entries, at) => entries.set(at + key('e', 300), entries.get(at + key('e', 302))!)],
    ['a missing record', (entries, at) => entries.delete(at + key('e', 300))],
    [
      'two records exchanged',
      (entries, at) => {
        const third = entries.get(at + key('e', 300))!;
        entries.set(at + key('e', 300), entries.get(at + key('e', 302))!).set(at + key('e', 302), third);
      },
    ],
    [
      'a record and its hash changed together',
      (entries, at) => {
        const other = entries.get(at + key('e', 302))!;
        entries.set(at + key('e', 300), other).set(at + key('n00', 300), hashLeaf(other));
      },
    ],
    [
      'a record, its hash and its tile changed together',
      (entries, at) => {
        const other = entries.get(at + key('e', 302))!;
        const tile = Uint8Array.from(entries.get(at + key('t00', 1))!);
        tile.set(hashLeaf(other), (300 - 256) * 32);
        entries.set(at + key('e', 300), other).set(at + key('t00', 1), tile);
      },
    ],
    ['a tile missing', (entries, at) => entries.delete(at + key('t00', 1))],
    ['a tile cut', (entries, at) => entries.set(at + key('t00', 1), entries.get(at + key('t00', 1))!.slice(0, 100))],
  ];

  test.each(atTheFirstRead)('is refused at the first read, and by a check: %s', async (_what, change) => {
    const { opened, written } = await tampered(change);
    const log = (opened as Store).logOf(charter.hash)!;
    await expect(log.record(300)).rejects.toMatchObject({ code: 'store-damaged' });
    expect(assertNothingElse(await readLog(log), written)).toBeGreaterThan(0);
    const { problems, isIndexOnly } = await checkLog(log, join((await storeFolder()).database, '..', 'check'));
    expect(problems.length).toBeGreaterThan(0);
    expect(isIndexOnly).toBe(false);
  });

  test.each<readonly [string, Change]>([
    ['changed bytes', (entries, at) => entries.set(`${at}b${sha256Hex(bytes)}`, Buffer.from('other bytes'))],
    ['missing bytes', (entries, at) => entries.delete(`${at}b${sha256Hex(bytes)}`)],
  ])('is refused at the first read, and by a check: %s', async (_what, change) => {
    const log = ((await tampered(change)).opened as Store).logOf(charter.hash)!;
    await expect(log.blob(sha256Hex(bytes))).rejects.toMatchObject({ code: 'store-damaged' });
    const { problems } = await checkLog(log, join((await storeFolder()).database, '..', 'check'));
    expect(problems.join()).toContain(sha256Hex(bytes));
  });

  const ofTheStart: readonly (readonly [string, Change])[] = [
    ['a pending round lost', (entries, at) => entries.delete(`${at}ip${digestOf(1)}`)],
    ['a pending round too many', (entries, at) => entries.set(`${at}ip${digestOf(2)}`, Buffer.from(''))],
    [
      'a journal head lost',
      (entries, at) => {
        for (const name of [...entries.keys()]) if (name.startsWith(`${at}ij`)) entries.delete(name);
      },
    ],
    [
      'an older journal head',
      (entries, at) => {
        for (const name of [...entries.keys()].filter((one) => one.startsWith(`${at}ij`))) {
          const entry = JSON.parse(Buffer.from(entries.get(name)!).toString()) as { journal: { length: number } };
          entry.journal.length = 1;
          entries.set(name, Buffer.from(JSON.stringify(entry)));
        }
      },
    ],
    ['a record of the group lost', (entries, at) => entries.delete(at + key('ig', 1))],
    ['indexes half made', (entries, at) => entries.set(`${at}i!`, Buffer.from(''))],
  ];

  test.each(ofTheStart)('is made good from the records at the start, aloud: %s', async (_what, change) => {
    const { opened, written, rebuilt } = await tampered(change, 'all');
    const log = (opened as Store).logOf(charter.hash)!;
    expect(rebuilt).toEqual([log.name.log]);
    expect(log.pending.map(({ digest }) => digest)).toEqual([digestOf(1)]);
    expect((await log.journals()).map(({ journal: { length } }) => length)).toEqual([2]);
    expect(assertNothingElse(await readLog(log), written)).toBe(0);
    const { problems } = await checkLog(log, join((await storeFolder()).database, '..', 'check'));
    expect(problems).toEqual([]);
  });

  test.each<readonly [string, Change]>([
    ['a finished round', (entries, at) => entries.delete(`${at}ir${digestOf(2)}`)],
    ['its place in the order', (entries, at) => entries.delete(at + key('io', 5))],
    ['a record of a round', (entries, at) => entries.delete(`${at}im${digestOf(2)}${key('', 5)}`)],
  ])('is found by a check, and made good by making the indexes anew: an index that lost %s', async (_what, change) => {
    const log = ((await tampered(change)).opened as Store).logOf(charter.hash)!;
    const scratch = join((await storeFolder()).database, '..', 'check');
    const { problems, isIndexOnly } = await checkLog(log, scratch);
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(isIndexOnly).toBe(true);
    await log.rebuild();
    expect((await checkLog(log, scratch)).problems).toEqual([]);
    expect((await log.round(digestOf(2)))?.outcome).toBe('signed');
  });
});

describe('what was acknowledged is there after every crash (T28)', () => {
  test.each(simulatedStore.aftermaths)(
    'keeps it through a crash at any operation on the anchor (T28): %s',
    async (aftermath) => {
      const undisturbed = await simulatedStore.begin();
      await work(undisturbed);
      await undisturbed.after('kill');
      let crashes = 0;
      for (const tear of [false, true]) {
        for (let crashAt = 0; crashAt < undisturbed.disk.operations; crashAt += 1) {
          const machine = await simulatedStore.begin();
          Object.assign(machine.disk, { crashAt, tear });
          const acknowledged = await work(machine);
          if (machine.disk.crashed) crashes += 1;
          await assertKept(await machine.after(aftermath), acknowledged, `operation ${crashAt}`);
        }
      }
      expect(crashes).toBeGreaterThan(8);
    },
  );

  test('a disk that says that it synced and did not is noticed at the next start', async () => {
    const machine = await newMachine();
    const write = machine.database.write.bind(machine.database);
    machine.database.write = (entries) => write(entries, { sync: false });
    const store = await startedOn(machine);
    const log = await store.of(charter);
    for (let number = 1; number <= 4; number += 1) await log.append([round(number)]);
    await store.close();
    const next = { disk: machine.disk, database: machine.database.afterwards('nothing') };
    await expect(startedOn(next)).rejects.toMatchObject({ code: 'store-damaged' });
  });

  test('a torn end of the file of records gives back what was acknowledged before', async () => {
    const paths = await storeFolder();
    await createStore(paths);
    const { store, log } = await openedStore(paths);
    const steps: { readonly anchor: Buffer; readonly logBytes: number }[] = [];
    const note = async (): Promise<void> => {
      steps.push({ anchor: await readFile(paths.anchor), logBytes: (await stat(await fileOf(paths, '.log'))).size });
    };
    await note();
    for (let number = 1; number <= 3; number += 1) {
      await log.append([round(number)]);
      await note();
    }
    const copy = await storeFolder();
    let opens = 0;
    for (const [acknowledged, { anchor, logBytes }] of steps.slice(0, -1).entries()) {
      const next = steps[acknowledged + 1]!.logBytes;
      for (const arrived of [0, 1, 7, 100, next - logBytes - 1]) {
        for (const zeros of [0, next - logBytes - arrived]) {
          await rm(copy.database, { recursive: true, force: true });
          await cp(paths.database, copy.database, { recursive: true });
          await writeFile(copy.anchor, anchor);
          const file = await fileOf(copy, '.log');
          await truncate(file, logBytes + arrived);
          await truncate(file, logBytes + arrived + zeros);
          const again = await openedStore(copy);
          expect((await readLog(again.log)).slice(birth), `${acknowledged} and ${arrived} bytes`).toEqual(
            Array.from({ length: acknowledged }, (_, index) => round(index + 1)),
          );
          await again.store.close();
          opens += 1;
        }
      }
    }
    expect(opens).toBe(3 * 5 * 2);
    await store.close();
  });
});
