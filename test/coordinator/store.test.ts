import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkLog } from '../../coordinator/check.ts';
import type { StorePaths } from '../../coordinator/database.ts';
import { CoordinatorError } from '../../coordinator/errors.ts';
import type { GroupLog } from '../../coordinator/group-log.ts';
import { beginLevelDatabase, openLevelDatabase } from '../../coordinator/level-database.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { createStore, openStore, type Store } from '../../coordinator/store.ts';
import { assertConsistency, assertInclusion } from '../../protocol/record/proof.ts';
import { hashLeaf } from '../../protocol/record/tree.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import {
  appendRound,
  askers,
  charter,
  decision,
  digestOf,
  document,
  documentOf,
  expired,
  filledStore,
  journal,
  newMachine,
  openedStore,
  otherCharter,
  readLog,
  round,
  signed,
  startedOn,
  storeFolder,
  storeOptions,
} from '../harness/record-store.ts';
import { SimulatedDatabase } from '../harness/simulated-database.ts';
import { aftermaths } from '../home/simulated-disk.ts';

const birth = 2;

/** An empty store in a folder, opened; closed and removed with the test. */
async function emptyStore(): Promise<{ store: Store; log: GroupLog; paths: StorePaths }> {
  const paths = await storeFolder();
  await createStore(paths);
  return { ...(await openedStore(paths)), paths };
}

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

async function digestsOf(log: GroupLog, asked: Parameters<GroupLog['rounds']>[0]): Promise<string[]> {
  const digests: string[] = [];
  for await (const { digest } of log.rounds(asked)) digests.push(digest);
  return digests;
}

describe('the store', () => {
  test('begins a log with its own name and the file of its charter, and gives back every record in order', async () => {
    const { store, log, paths } = await emptyStore();
    await appendRound(log, 1);
    await appendRound(log, 2);
    await store.close();
    await using again = await openStore(paths, storeOptions());
    const records = await readLog(again.logOf(charter.hash)!);
    expect(records.map((record) => 'type' in record && record.type)).toEqual([
      'born',
      'charter',
      'round',
      'round-document',
      'round',
      'round-document',
      'decision',
      'closed',
    ]);
    expect(records[0]).toMatchObject({ charter: charter.hash, from: { kind: 'new' } });
    expect(records[4]).toEqual(round(2));
    expect(await again.logOf(charter.hash)!.blob(charter.hash)).toEqual(Buffer.from(charter.bytes));
    await again.close();
    await expect(again.logOf(charter.hash)!.append([round(9)])).rejects.toMatchObject({ code: 'closing' });
  });

  test('keeps the records of each group in a log of its own', async () => {
    const { store, log } = await emptyStore();
    const other = await store.of(otherCharter);
    await Promise.all([log.append([round(1)]), other.append([journal(1)])]);
    expect(log.head.size).toBe(birth + 1);
    expect(other.head.size).toBe(birth + 1);
    expect(other.name.log).not.toBe(log.name.log);
    expect(await other.round(digestOf(1))).toBeUndefined();
    await store.close();
  });

  test('is born once, even when two ask at once', async () => {
    const { store } = await emptyStore();
    const [one, two] = await Promise.all([store.of(otherCharter), store.of(otherCharter)]);
    expect(one).toBe(two);
    expect(one.head.size).toBe(birth);
    await store.close();
  });

  test('says that a log is the second one of a group that an earlier store may have had', async () => {
    const paths = await storeFolder();
    await createStore(paths, [charter.hash]);
    const { store, log } = await openedStore(paths);
    expect(await log.record(0)).toMatchObject({ type: 'born', from: { kind: 'again' } });
    expect(await (await store.of(otherCharter)).record(0)).toMatchObject({ from: { kind: 'new' } });
    await store.close();
  });

  test('syncs what waits together in one batch, and writes a lazy record before the next one', async () => {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    const { writes } = machine.database;
    log.appendLazily(journal(1));
    const numbers = await Promise.all([
      log.append([round(1)]),
      log.append([round(2), round(3)]),
      log.append([round(4)]),
    ]);
    expect(numbers).toEqual([3, 4, 6]);
    expect(machine.database.writes).toBe(writes + 1);
    log.appendLazily(journal(2));
    await store.close();
    const again = await startedOn(machine);
    expect((await readLog(again.logOf(charter.hash)!)).slice(birth)).toEqual([
      journal(1),
      ...[1, 2, 3, 4].map((number) => round(number)),
      journal(2),
    ]);
    await again.close();
  });

  test('finds a round by its digest and its submission, and what is pending, after a restart as well', async () => {
    const { store, log, paths } = await emptyStore();
    for (const number of [1, 2, 3]) await appendRound(log, number);
    await store.close();
    const again = await openedStore(paths);
    expect(again.log.pending.map(({ digest }) => digest).sort()).toEqual([digestOf(1), digestOf(3)].sort());
    const found = await again.log.round(digestOf(2));
    expect(found).toMatchObject({ outcome: 'signed', channel: 'production', asker: askers.alice, index: 4 });
    expect(await again.log.roundOfSubmission(found!.submission)).toEqual(found);
    expect((await again.log.recordsOf(digestOf(2))).map(({ type }) => type)).toEqual([
      'round',
      'round-document',
      'decision',
      'closed',
    ]);
    expect(await again.log.round(digestOf(9))).toBeUndefined();
    await again.store.close();
  });

  test('lists rounds newest first by outcome, asker, channel, time and place', async () => {
    const { store, log } = await emptyStore();
    for (let number = 1; number <= 6; number += 1) await appendRound(log, number);
    const named = (numbers: readonly number[]): string[] => numbers.map(digestOf);
    expect(await digestsOf(log, {})).toEqual(named([6, 5, 4, 3, 2, 1]));
    expect(await digestsOf(log, { outcome: 'signed' })).toEqual(named([6, 4, 2]));
    expect(await digestsOf(log, { outcome: 'pending' })).toEqual(named([5, 3, 1]));
    expect(await digestsOf(log, { asker: askers.bob })).toEqual(named([6, 3]));
    expect(await digestsOf(log, { asker: askers.bob, outcome: 'pending' })).toEqual(named([3]));
    expect(await digestsOf(log, { channel: 'production' })).toEqual(named([6, 4, 2]));
    const { createdAt, index } = (await log.round(digestOf(4)))!;
    expect(await digestsOf(log, { since: createdAt })).toEqual(named([6, 5, 4]));
    expect(await digestsOf(log, { until: createdAt })).toEqual(named([3, 2, 1]));
    expect(await digestsOf(log, { before: index })).toEqual(named([3, 2, 1]));
    expect(await digestsOf(log, { channel: 'production', before: index })).toEqual(named([2]));
    expect(await digestsOf(log, { groupKey: 'x' })).toEqual([]);
    await store.close();
  });

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

  test('takes no round twice, nothing about a round that is not there, and of two ends the first', async () => {
    const { store, log } = await emptyStore();
    await log.append([round(1)]);
    await expect(log.append([round(1)])).rejects.toMatchObject({ code: 'conflict' });
    await expect(log.append([decision(2)])).rejects.toMatchObject({ code: 'bad-record' });
    await log.append([signed(1)]);
    await log.append([expired(1)]);
    await log.append([round(3), signed(3), expired(3)]);
    expect(log.head.size).toBe(birth + 4);
    expect((await log.round(digestOf(1)))?.outcome).toBe('signed');
    expect((await log.round(digestOf(3)))?.outcome).toBe('signed');
    await store.close();
  });

  test('drops the documents of a round that ended without a signature, but none that another needs (T43)', async () => {
    const { store, log } = await emptyStore();
    const [shared, own] = [documentOf(1), documentOf(2)];
    await log.append([round(1), document(1, shared), document(1, own)], [shared, own]);
    await log.append([round(3), document(3, shared)], [shared]);
    await log.append([expired(1)]);
    await expect(log.blob(sha256Hex(own))).rejects.toMatchObject({ code: 'store-damaged' });
    expect(await log.blob(sha256Hex(shared))).toEqual(Buffer.from(shared));
    await log.append([signed(3)]);
    expect(await log.blob(sha256Hex(shared))).toEqual(Buffer.from(shared));
    await store.close();
  });

  test('keeps a message that is too long for a leaf beside it, and a read does not show the difference', async () => {
    const { store, log } = await emptyStore();
    const long = round(1, 'n'.repeat(40_000));
    const index = await log.append([long]);
    expect((await log.leaf(index)).length).toBeLessThan(1000);
    expect(await log.record(index)).toEqual(long);
    await store.close();
  });

  test('says that bytes were archived, and shows all other records', async () => {
    const { store, log } = await emptyStore();
    await appendRound(log, 2);
    const sha256 = sha256Hex(documentOf(2));
    await log.archive([sha256]);
    await expect(log.blob(sha256)).rejects.toMatchObject({ code: 'archived' });
    expect((await readLog(log)).every((record) => !(record instanceof Error))).toBe(true);
    await store.close();
  });

  test('proves every record against its head, and every size that it had, over more than one tile', async () => {
    const { store, log } = await emptyStore();
    const heads = [log.head];
    for (let number = 1; number <= 300; number += 75) {
      await log.append(Array.from({ length: 75 }, (_, at) => round(number + at)));
      heads.push(log.head);
    }
    const { size, root } = log.head;
    expect(size).toBe(302);
    for (const index of [0, 1, 2, 200, 255, 256, 301]) {
      const [leaf, proof] = [await log.leaf(index), await log.inclusion(index, size)];
      expect(() => assertInclusion({ leafHash: hashLeaf(leaf), index, tree: { size, root }, proof })).not.toThrow();
    }
    for (const older of heads) {
      const proof = await log.consistency(older.size, size);
      expect(() => assertConsistency({ older, newer: { size, root }, proof })).not.toThrow();
    }
    await expect(log.inclusion(0, size + 1)).rejects.toMatchObject({ code: 'bad-proof' });
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

/** Everything that is shown is what was written; answers how many records were not shown. */
function assertNothingElse(shown: readonly (StoreRecord | Error)[], written: readonly (StoreRecord | Error)[]): number {
  let refused = 0;
  for (const [index, record] of shown.entries()) {
    if (record instanceof Error) refused += 1;
    else expect(record).toEqual(written[index]);
  }
  return refused;
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

describe('a damaged file is refused at the start, at the first read, or by a check, and nothing else is shown (T27)', () => {
  async function expectDamaged(paths: StorePaths): Promise<void> {
    const error = await refusal(paths);
    expect(error.code).toBe('store-damaged');
    expect(error.message).toMatch(/put an undamaged copy|frostmark coordinator init/);
  }

  /** `refused` at the start, `found` by a read or a check, or `harmless`. */
  async function outcomeOf(
    paths: StorePaths,
    written: readonly (StoreRecord | Error)[],
  ): Promise<'refused' | 'found' | 'harmless'> {
    const opened = await openStore(paths, storeOptions()).catch((error: unknown) => error);
    if (opened instanceof CoordinatorError) {
      expect(opened.code).toBe('store-damaged');
      return 'refused';
    }
    const store = opened as Store;
    try {
      const log = store.logOf(charter.hash)!;
      expect(log.head.size).toBe(written.length);
      const refused = assertNothingElse(await readLog(log), written);
      const { problems } = await checkLog(log, `${paths.database}.check`);
      if (refused > 0) expect(problems).not.toEqual([]);
      return problems.length > 0 ? 'found' : 'harmless';
    } finally {
      await store.close();
    }
  }

  /**
   * After a reopening the records lie in a table file; with `more` what came last lies in a log. One table alone is never compacted: level ends the
   * whole process when a damaged one is.
   */
  async function compacted(more: boolean): Promise<{ paths: StorePaths; written: (StoreRecord | Error)[] }> {
    const paths = await filledStore(40);
    const { store, log } = await openedStore(paths);
    if (more) await log.append([round(1000)]);
    const written = await readLog(log);
    await store.close();
    expect(await fileOf(paths, '.ldb')).not.toBe('');
    return { paths, written };
  }

  async function damagedAt(
    file: '.log' | '.ldb',
    places: number,
    damage: (bytes: Buffer, place: number) => Buffer,
  ): Promise<string[]> {
    const { paths, written } = await compacted(file === '.log');
    const copy = await storeFolder();
    const outcomes: string[] = [];
    for (let place = 0; place < places; place += 1) {
      await rm(copy.database, { recursive: true, force: true });
      await cp(paths.database, copy.database, { recursive: true });
      await cp(paths.anchor, copy.anchor);
      const path = await fileOf(copy, file);
      const bytes = await readFile(path);
      await writeFile(path, damage(bytes, (place + 0.5) / places));
      outcomes.push(await outcomeOf(copy, written));
    }
    return outcomes;
  }

  const flipped = (bytes: Buffer, place: number): Buffer => {
    bytes[Math.floor(bytes.length * place)]! ^= 0x01;
    return bytes;
  };
  const cut = (bytes: Buffer, place: number): Buffer => bytes.subarray(0, Math.floor(bytes.length * place));

  test('a byte flipped anywhere in a table', async () => {
    const outcomes = await damagedAt('.ldb', 24, flipped);
    expect(outcomes.filter((outcome) => outcome !== 'harmless').length).toBeGreaterThan(12);
    expect(outcomes).toContain('found');
  });

  test('a table cut anywhere', async () => {
    const outcomes = await damagedAt('.ldb', 6, cut);
    expect(outcomes).not.toContain('harmless');
  });

  test('a byte flipped anywhere in the log of what came last', async () => {
    const outcomes = await damagedAt('.log', 6, flipped);
    expect(outcomes).toContain('refused');
  });

  test('the log of what came last emptied', async () => {
    const { paths } = await compacted(true);
    await truncate(await fileOf(paths, '.log'), 0);
    await expectDamaged(paths);
  });

  test.each(['.log', '.ldb', 'CURRENT', 'MANIFEST'])('its file %s deleted', async (name) => {
    const { paths } = await compacted(true);
    const found = (await readdir(paths.database)).filter((file) => file.endsWith(name) || file.startsWith(name));
    expect(found.length).toBeGreaterThan(0);
    for (const file of found) await rm(join(paths.database, file));
    await expectDamaged(paths);
    // Nothing began anew in its place.
    if (name === 'CURRENT') expect(await readdir(paths.database)).not.toContain('CURRENT');
  });

  test('the folder of last week beside the anchor of today', async () => {
    const paths = await filledStore(5);
    const copy = `${paths.database}.old`;
    await cp(paths.database, copy, { recursive: true });
    const { store, log } = await openedStore(paths);
    await log.append([round(77)]);
    await store.close();
    await rm(paths.database, { recursive: true });
    await cp(copy, paths.database, { recursive: true });
    await expectDamaged(paths);
    expect((await refusal(paths)).message).toMatch(/ends at record 16, and 17 were acknowledged/);
  });

  test('the folder of another coordinator', async () => {
    const [paths, other] = [await filledStore(5), await filledStore(9)];
    await rm(paths.database, { recursive: true });
    await cp(other.database, paths.database, { recursive: true });
    await expectDamaged(paths);
  });

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

  /** A log of 600 records, of which round 1 is pending, changed behind everybody's back; its anchor knows the birth only, or all. */
  async function tampered(change: Change, anchored: 'birth' | 'all' = 'birth') {
    const machine = await newMachine();
    const store = await startedOn(machine);
    const log = await store.of(charter);
    const born = machine.disk.after('everything');
    await log.append([round(1), document(1, bytes), journal(1)], [bytes]);
    await log.append(Array.from({ length: 595 }, (_, at) => [round(at + 2), signed(at + 2)]).flat());
    await log.append([journal(2)]);
    const written = await readLog(log);
    const { head } = log;
    await store.close();
    machine.database.tamper((entries) => change(entries, `l${log.name.log}`));
    const rebuilt: string[] = [];
    const opened = await startedOn(
      { database: machine.database, disk: anchored === 'birth' ? born : machine.disk },
      { onRebuilt: ({ name }) => rebuilt.push(name.log) },
    ).catch((error: unknown) => error as CoordinatorError);
    return { opened, written, rebuilt, head };
  }

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
    ['a record of the group', (entries, at) => entries.delete(at + key('ig', 1))],
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
  interface Machine {
    readonly disk: Awaited<ReturnType<typeof newMachine>>['disk'];
    readonly database: SimulatedDatabase;
  }

  /** Appends until the crash; the records that were acknowledged. */
  async function work(machine: Machine): Promise<StoreRecord[]> {
    const acknowledged: StoreRecord[] = [];
    const store = await startedOn(machine).catch(() => undefined);
    if (store === undefined) return acknowledged;
    try {
      const log = await store.of(charter);
      for (let number = 1; number <= 4; number += 1) {
        const records = [round(number), journal(number)];
        await log.append(records);
        acknowledged.push(...records);
        await log.append([signed(number)]);
        acknowledged.push(signed(number));
      }
    } catch {
      // The machine is gone; what was acknowledged until now counts.
    }
    await store.close().catch(() => undefined);
    return acknowledged;
  }

  async function assertKept(machine: Machine, acknowledged: readonly StoreRecord[], where: string): Promise<void> {
    const store = await startedOn(machine, {
      onRebuilt: () => {
        throw new Error(`the indexes were not those of the head: ${where}`);
      },
    });
    const log = store.logOf(charter.hash);
    const records = log === undefined ? [] : (await readLog(log)).slice(birth);
    expect(records.slice(0, acknowledged.length), where).toEqual(acknowledged);
    await store.close();
  }

  test.each(aftermaths)('a crash at every write of the database: %s', async (aftermath) => {
    const undisturbed = await newMachine();
    await work(undisturbed);
    for (const after of [false, true]) {
      for (let crashAt = 1; crashAt <= undisturbed.database.writes; crashAt += 1) {
        const machine = await newMachine();
        Object.assign(machine.database, { crashAt, after });
        const acknowledged = await work(machine);
        expect(machine.database.writes).toBe(crashAt);
        const next = { disk: machine.disk.after(aftermath), database: machine.database.afterwards(aftermath) };
        await assertKept(next, acknowledged, `write ${crashAt}`);
      }
    }
  });

  test.each(aftermaths)('a crash at every operation on the anchor: %s', async (aftermath) => {
    const undisturbed = await newMachine();
    await work(undisturbed);
    let crashes = 0;
    for (const tear of [false, true]) {
      for (let crashAt = 0; crashAt < undisturbed.disk.operations; crashAt += 1) {
        const machine = await newMachine();
        Object.assign(machine.disk, { crashAt, tear });
        const acknowledged = await work(machine);
        if (machine.disk.crashed) crashes += 1;
        const next = { disk: machine.disk.after(aftermath), database: machine.database.afterwards(aftermath) };
        await assertKept(next, acknowledged, `operation ${crashAt}`);
      }
    }
    expect(crashes).toBeGreaterThan(8);
  });

  test('a disk that says that it synced and did not is noticed at the next start', async () => {
    const machine = await newMachine();
    const write = machine.database.write.bind(machine.database);
    machine.database.write = (entries) => write(entries, { sync: false });
    await work(machine);
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

  test('a write that fails poisons every log: nothing is acknowledged afterwards, and the owner is told', async () => {
    const failures: string[] = [];
    const machine = await newMachine();
    const store = await startedOn(machine, { onFailure: ({ code }) => failures.push(code) });
    const [log, other] = [await store.of(charter), await store.of(otherCharter)];
    machine.database.crashAt = machine.database.writes + 2;
    await log.append([round(1)]);
    const both = await Promise.allSettled([log.append([round(2)]), log.append([round(3)])]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    machine.database.crashAt = Infinity;
    await expect(log.append([round(4)])).rejects.toMatchObject({ code: 'store-failed' });
    await expect(other.append([journal(1)])).rejects.toMatchObject({ code: 'store-failed' });
    expect(failures).toEqual(['store-failed']);
  });
});
