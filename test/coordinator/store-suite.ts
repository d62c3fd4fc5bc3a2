/**
 * What every database of a store has to do, whatever it is made of: give back what was written and nothing else, keep what was acknowledged through
 * every crash, and refuse or make good what is damaged (T27, T28).
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkLog } from '../../coordinator/check.ts';
import { CoordinatorError } from '../../coordinator/errors.ts';
import type { GroupLog } from '../../coordinator/group-log.ts';
import { maxIncarnations } from '../../coordinator/limits.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import type { Store } from '../../coordinator/store.ts';
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
  journal,
  otherCharter,
  readLog,
  round,
  signed,
  storeFolder,
} from '../harness/record-store.ts';
import { systemError } from '../home/simulated-disk.ts';
import type { Examined, FaultOutcome, LostEntry, StoreImplementation, StoreMachine } from '../harness/store-machine.ts';

/** Records of a log that was just born: its own name, and the charter. */
export const birth = 2;

interface Opened {
  readonly machine: StoreMachine;
  readonly store: Store;
  readonly log: GroupLog;
}

/** The digests of rounds that are asked for; passes over so many that are not. */
export async function digestsOf(
  log: GroupLog,
  asked: Parameters<GroupLog['rounds']>[0],
  most = 100,
): Promise<string[]> {
  const digests: string[] = [];
  for await (const { digest } of log.rounds(asked, { most, count: 0 })) digests.push(digest);
  return digests;
}

/** Everything that is shown is what was written; answers how many records were not shown. */
export function assertNothingElse(
  shown: readonly (StoreRecord | Error)[],
  written: readonly (StoreRecord | Error)[],
): number {
  let refused = 0;
  for (const [index, record] of shown.entries()) {
    if (record instanceof Error) refused += 1;
    else expect(record).toEqual(written[index]);
  }
  return refused;
}

/** A check of a log with a place for it that is gone with the test. */
async function checked(log: GroupLog): ReturnType<typeof checkLog> {
  return checkLog(log, join((await storeFolder()).database, '..', 'check'));
}

async function reopened(machine: StoreMachine): Promise<Opened> {
  const store = await machine.start();
  return { machine, store, log: store.logOf(charter.hash)! };
}

/** Why a machine does not start. */
async function refusalOf(machine: StoreMachine): Promise<CoordinatorError> {
  const outcome: unknown = await machine.start().then(
    async (store) => {
      await store.close();
      return 'opened';
    },
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CoordinatorError);
  return outcome as CoordinatorError;
}

/** Appends until the crash; the records that were acknowledged. */
export async function work(machine: StoreMachine): Promise<StoreRecord[]> {
  const acknowledged: StoreRecord[] = [];
  const store = await machine.start().catch(() => undefined);
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
  return acknowledged;
}

/** Everything that was acknowledged is there, and the indexes are those of the head. */
export async function assertKept(
  machine: StoreMachine,
  acknowledged: readonly StoreRecord[],
  where: string,
): Promise<void> {
  const store = await machine.start({
    onRebuilt: () => {
      throw new Error(`the indexes were not those of the head: ${where}`);
    },
  });
  const log = store.logOf(charter.hash);
  const records = log === undefined ? [] : (await readLog(log)).slice(birth);
  expect(records.slice(0, acknowledged.length), where).toEqual(acknowledged);
  await store.close();
}

/** Describes what a database of a store has to do, and judges one by it. */
export function describeStore(implementation: StoreImplementation): void {
  const opened = async (lost?: readonly string[]): Promise<Opened> => {
    const machine = await implementation.begin(lost);
    const store = await machine.start();
    return { machine, store, log: await store.of(charter) };
  };

  describe(implementation.name, () => {
    test('begins a log with its own name and the file of its charter, and gives back every record in order', async () => {
      const { machine, store, log } = await opened();
      await appendRound(log, 1);
      await appendRound(log, 2);
      await store.close();
      await using again = await machine.start();
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
      expect(Buffer.from(await again.logOf(charter.hash)!.blob(charter.hash))).toEqual(Buffer.from(charter.bytes));
      await again.close();
      await expect(again.logOf(charter.hash)!.append([round(9)])).rejects.toMatchObject({ code: 'closing' });
    });

    test('keeps the records of each group in a log of its own', async () => {
      const { store, log } = await opened();
      const other = await store.of(otherCharter);
      await Promise.all([log.append([round(1)]), other.append([journal(1)])]);
      expect(log.head.size).toBe(birth + 1);
      expect(other.head.size).toBe(birth + 1);
      expect(other.name.log).not.toBe(log.name.log);
      expect(await other.round(digestOf(1))).toBeUndefined();
      await store.close();
    });

    test('is born once, even when two ask at once', async () => {
      const { store } = await opened();
      const [one, two] = await Promise.all([store.of(otherCharter), store.of(otherCharter)]);
      expect(one).toBe(two);
      expect(one.head.size).toBe(birth);
      await store.close();
    });

    test('says that a log is the second one of a group that an earlier store may have had', async () => {
      const { store, log } = await opened([charter.hash]);
      expect(await log.record(0)).toMatchObject({ type: 'born', from: { kind: 'again' } });
      expect(await (await store.of(otherCharter)).record(0)).toMatchObject({ from: { kind: 'new' } });
      await store.close();
    });

    test('syncs what waits together in one batch, and writes a lazy record before the next one', async () => {
      const { machine, store, log } = await opened();
      const { writes } = machine;
      log.appendLazily(journal(1));
      const numbers = await Promise.all([
        log.append([round(1)]),
        log.append([round(2), round(3)]),
        log.append([round(4)]),
      ]);
      expect(numbers).toEqual([3, 4, 6]);
      expect(machine.writes).toBe(writes + 1);
      log.appendLazily(journal(2));
      await store.close();
      const again = await machine.start();
      expect((await readLog(again.logOf(charter.hash)!)).slice(birth)).toEqual([
        journal(1),
        ...[1, 2, 3, 4].map((number) => round(number)),
        journal(2),
      ]);
      await again.close();
    });

    test('finds a round by its digest and its submission, and what is pending, after a restart as well', async () => {
      const { machine, store, log } = await opened();
      for (const number of [1, 2, 3]) await appendRound(log, number);
      await store.close();
      const again = await reopened(machine);
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
      const { store, log } = await opened();
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

    test('takes no round twice, nothing about a round that is not there, and of two ends the first', async () => {
      const { store, log } = await opened();
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
      const { store, log } = await opened();
      const [shared, own] = [documentOf(1), documentOf(2)];
      await log.append([round(1), document(1, shared), document(1, own)], [shared, own]);
      await log.append([round(3), document(3, shared)], [shared]);
      await log.append([expired(1)]);
      await expect(log.blob(sha256Hex(own))).rejects.toMatchObject({ code: 'store-damaged' });
      expect(Buffer.from(await log.blob(sha256Hex(shared)))).toEqual(Buffer.from(shared));
      await log.append([signed(3)]);
      expect(Buffer.from(await log.blob(sha256Hex(shared)))).toEqual(Buffer.from(shared));
      await store.close();
    });

    test('keeps a message that is too long for a leaf beside it, and a read does not show the difference', async () => {
      const { store, log } = await opened();
      const long = round(1, 'n'.repeat(40_000));
      const index = await log.append([long]);
      expect((await log.leaf(index)).length).toBeLessThan(1000);
      expect(await log.record(index)).toEqual(long);
      await store.close();
    });

    test('says that bytes were archived, and shows all other records', async () => {
      const { store, log } = await opened();
      await appendRound(log, 2);
      const sha256 = sha256Hex(documentOf(2));
      await log.archive([sha256]);
      await expect(log.blob(sha256)).rejects.toMatchObject({ code: 'archived' });
      expect((await readLog(log)).every((record) => !(record instanceof Error))).toBe(true);
      await store.close();
    });

    test('proves every record against its head, and every size that it had, over more than one tile', async () => {
      const { store, log } = await opened();
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

    test('shows the records of a round only as its index and its head know them (T27)', async () => {
      const { machine, store, log } = await opened();
      for (const number of [1, 2]) await appendRound(log, number);
      const { index, end } = (await log.round(digestOf(2)))!;
      await store.close();
      for (const lost of [index, index + 1, end!]) {
        const copy = await machine.after('everything');
        await copy.lose(log, { of: 'records of a round', digest: digestOf(2), index: lost });
        const again = await reopened(copy);
        await expect(again.log.recordsOf(digestOf(2))).rejects.toMatchObject({
          code: 'store-damaged',
          message: /--rebuild/,
        });
        expect(await again.log.recordsOf(digestOf(1))).toHaveLength(2);
        expect(await again.log.recordsOf(digestOf(9))).toEqual([]);
        await again.store.close();
      }
    });

    test('gives the end of a round by one read', async () => {
      const { store, log } = await opened();
      for (const number of [1, 2]) await appendRound(log, number);
      const [pending, over] = [(await log.round(digestOf(1)))!, (await log.round(digestOf(2)))!];
      expect(await log.endOf(pending)).toBeUndefined();
      expect(await log.endOf(over)).toEqual(signed(2));
      await expect(log.endOf({ ...over, end: over.index })).rejects.toMatchObject({ code: 'store-damaged' });
      await expect(log.endOf({ ...over, outcome: 'expired' })).rejects.toMatchObject({ code: 'store-damaged' });
      await store.close();
    });

    test('passes over no more rounds than whoever asks allows, and counts them', async () => {
      const { store, log } = await opened();
      for (let number = 1; number <= 6; number += 1) await appendRound(log, number);
      const asked = { outcome: 'pending', channel: 'production' } as const;
      expect(await digestsOf(log, asked, 3)).toEqual([]);
      const passing = { most: 2, count: 0 };
      await expect(log.rounds(asked, passing)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'too-broad',
      });
      expect(passing.count).toBe(3);
      await store.close();
    });

    test('forgets the oldest incarnation of a member past its bound, in the indexes made anew as well (T43)', async () => {
      const { machine, store, log } = await opened();
      for (let life = 1; life <= maxIncarnations + 3; life += 1) await log.append([journal(1, life)]);
      await log.append([journal(2, maxIncarnations + 3), journal(1, 201), journal(1, 202)]);
      const lives = (journals: Awaited<ReturnType<GroupLog['journals']>>): string[] =>
        journals.map(({ journal: { incarnation } }) => incarnation.slice(0, 2));
      const known = lives(await log.journals());
      expect(known).toHaveLength(maxIncarnations);
      expect(known[0]).toBe('06');
      expect(known.slice(-2)).toEqual(['c9', 'ca']);
      await store.close();
      const again = await reopened(machine);
      expect(lives(await again.log.journals())).toEqual(known);
      expect((await checked(again.log)).problems).toEqual([]);
      await again.log.rebuild();
      expect(lives(await again.log.journals())).toEqual(known);
      await again.store.close();
    });

    test('does not call bytes archived that came again and are lost (T27)', async () => {
      const { store, log } = await opened();
      await appendRound(log, 2);
      const bytes = documentOf(2);
      await log.archive([sha256Hex(bytes)]);
      expect(await log.isNeeded(sha256Hex(bytes))).toBe(false);
      await log.append([round(4), document(4, bytes)], [bytes]);
      expect(await log.isNeeded(sha256Hex(bytes))).toBe(true);
      expect(await log.blob(sha256Hex(bytes))).toHaveLength(2000);
      await store.close();
    });

    test('remembers where the walk over everything was', async () => {
      const { machine, store, log } = await opened();
      expect(await store.walkPlace()).toBeUndefined();
      await store.noteWalkPlace({ log: log.name.log, index: 7 });
      await store.close();
      const again = await machine.start();
      expect(await again.walkPlace()).toEqual({ log: log.name.log, index: 7 });
      await again.close();
    });

    test('is refused under another identity than the one that it was written with, and nothing is changed (T27)', async () => {
      const { machine, store } = await opened();
      await store.close();
      const { writes } = machine;
      await expect(machine.start({ coordinator: askers.bob })).rejects.toMatchObject({
        code: 'store-foreign',
        message: expect.stringContaining(askers.bob) as string,
      });
      expect(machine.writes).toBe(writes);
      await (await machine.start()).close();
    });

    test.each(implementation.aftermaths)(
      'keeps what it acknowledged through a crash at any write (T28): %s',
      async (aftermath) => {
        const undisturbed = await implementation.begin();
        await work(undisturbed);
        const { writes } = undisturbed;
        await undisturbed.after('kill');
        expect(writes).toBeGreaterThan(8);
        for (const after of [false, true]) {
          for (let write = 1; write <= writes; write += 1) {
            const machine = await implementation.begin();
            machine.failAt({ write, after });
            const acknowledged = await work(machine);
            expect(machine.writes).toBe(write);
            await assertKept(await machine.after(aftermath), acknowledged, `write ${write}`);
          }
        }
      },
    );

    test.each([false, true])(
      'acknowledges nothing from the write on that found the disk full, and keeps the rest (T28): after it %s',
      async (after) => {
        const failures: CoordinatorError[] = [];
        const machine = await implementation.begin();
        const store = await machine.start({ onFailure: (error) => failures.push(error) });
        const [log, other] = [await store.of(charter), await store.of(otherCharter)];
        await log.append([round(1)]);
        machine.failAt({ write: machine.writes + 1, after, error: systemError('ENOSPC') });
        const both = await Promise.allSettled([log.append([round(2)]), log.append([round(3)])]);
        expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
        machine.failAt({ write: Infinity, after: false });
        for (const late of [log.append([round(4)]), other.append([journal(1)])])
          await expect(late).rejects.toMatchObject({ code: 'store-failed', message: /ENOSPC.*check the disk/ });
        expect(failures.map(({ code }) => code)).toEqual(['store-failed']);
        await store.close();
        const again = await reopened(machine);
        expect((await readLog(again.log)).slice(birth)).toEqual(
          [1, 2, 3].slice(0, after ? 3 : 1).map((number) => round(number)),
        );
        await again.store.close();
      },
    );

    test('of last week, put back beside the anchor of today, is refused (T27)', async () => {
      const { machine, store, log } = await opened();
      await log.append([round(1)]);
      await store.close();
      const before = await machine.after('everything');
      const again = await reopened(machine);
      await again.log.append([round(2)]);
      await again.store.close();
      await machine.putBack(before);
      const { code, message } = await refusalOf(machine);
      expect(code).toBe('store-damaged');
      expect(message).toMatch(/ends at record 3, and 4 were acknowledged; put an undamaged copy.*coordinator init/);
    });

    test.each([1, 2])('that went another way as a copy, and has %i records more, is refused (T27)', async (more) => {
      const { machine, store, log } = await opened();
      await log.append([round(1)]);
      await store.close();
      const copy = await machine.after('everything');
      const [one, other] = [await reopened(machine), await reopened(copy)];
      await one.log.append([round(2)]);
      for (let number = 3; number < 3 + more; number += 1) await other.log.append([round(number)]);
      for (const { store } of [one, other]) await store.close();
      await machine.putBack(copy);
      expect(await refusalOf(machine)).toMatchObject({
        code: 'store-damaged',
        message: expect.stringContaining('is not the one that') as string,
      });
    });

    test('of another coordinator is refused (T27)', async () => {
      const [one, other] = [await opened(), await opened()];
      for (const { store } of [one, other]) await store.close();
      await one.machine.putBack(other.machine);
      expect((await refusalOf(one.machine)).code).toBe('store-damaged');
    });

    /** Rounds 1 and 3 are pending, 2 is over. */
    async function withLost(entry: (log: GroupLog) => LostEntry): Promise<Opened & { readonly rebuilt: string[] }> {
      const { machine, store, log } = await opened();
      for (const number of [1, 2, 3]) await appendRound(log, number);
      await log.append([journal(1)]);
      const lost = entry(log);
      await store.close();
      await machine.lose(log, lost);
      const rebuilt: string[] = [];
      const again = await machine.start({ onRebuilt: ({ name }) => rebuilt.push(name.log) });
      return { machine, store: again, log: again.logOf(charter.hash)!, rebuilt };
    }

    test.each<readonly [string, (log: GroupLog) => LostEntry]>([
      ['a pending round', () => ({ of: 'pending', digest: digestOf(3) })],
      ['a journal head', () => ({ of: 'journals', member: askers.alice })],
      ['a record of the group itself', () => ({ of: 'group', index: 1 })],
    ])('makes an index good at the start, aloud, that lost %s (T27)', async (_what, entry) => {
      const { store, log, rebuilt } = await withLost(entry);
      expect(rebuilt).toEqual([log.name.log]);
      expect(log.pending.map(({ digest }) => digest).sort()).toEqual([digestOf(1), digestOf(3)].sort());
      expect(await log.journals()).toHaveLength(1);
      expect((await checked(log)).problems).toEqual([]);
      await store.close();
    });

    test.each<readonly [string, (log: GroupLog) => LostEntry]>([
      ['a finished round', () => ({ of: 'rounds', digest: digestOf(2) })],
      ['its place in the order', () => ({ of: 'order', index: 4 })],
      ['a record of a round', () => ({ of: 'records of a round', digest: digestOf(2), index: 6 })],
    ])('finds an index by a check that lost %s, and makes it good when told to (T27)', async (_what, entry) => {
      const { store, log, rebuilt } = await withLost(entry);
      expect(rebuilt).toEqual([]);
      const { problems, isIndexOnly } = await checked(log);
      expect(problems, problems.join('\n')).toHaveLength(1);
      expect(isIndexOnly).toBe(true);
      await log.rebuild();
      expect((await checked(log)).problems).toEqual([]);
      expect((await log.round(digestOf(2)))?.outcome).toBe('signed');
      await store.close();
    });

    /** What came of damage. Nothing else than what was written is shown, and whatever is not shown a check finds, too. */
    function outcomeOf(examined: Examined, written: readonly (StoreRecord | Error)[]): FaultOutcome {
      if (examined.kind === 'ended') return 'ended';
      if (examined.kind === 'refused') {
        expect(examined.code).toBe('store-damaged');
        expect(examined.message).toMatch(/put an undamaged copy|coordinator init/);
        return 'refused';
      }
      const { records, problems } = examined;
      expect(records).toHaveLength(written.length);
      for (const [index, shown] of records.entries())
        if ('record' in shown) expect(shown.record).toEqual(asJson(written[index]));
        else expect(problems).not.toEqual([]);
      return problems.length > 0 ? 'found' : 'harmless';
    }

    const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

    test.runIf(implementation.files.length > 0).each(implementation.files)(
      'shows nothing that was not written with $what (T27)',
      async ({ places, apply, outcomes }) => {
        const { machine, store, log } = await opened();
        for (let number = 1; number <= 40; number += 1) await appendRound(log, number);
        await store.close();
        const last = await reopened(machine);
        await last.log.append([round(1000)]);
        const written = await readLog(last.log);
        await last.store.close();
        const damaged: StoreMachine[] = [];
        for (let place = 0; place < places; place += 1) {
          const copy = await machine.after('everything');
          await apply(copy, (place + 0.5) / places);
          damaged.push(copy);
        }
        const examined = await implementation.examine(damaged);
        const seen = examined.map((one) => outcomeOf(one, written));
        expect(seen).toHaveLength(places);
        for (const outcome of seen) expect(outcomes).toContain(outcome);
        expect(seen.filter((outcome) => outcome !== 'harmless').length).toBeGreaterThan(places / 3);
      },
    );
  });
}
