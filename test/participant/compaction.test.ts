/** The journal compacted: what is dead goes, what must never be forgotten stays, and a head only ever grows (T2, T3, T28, T43). */
import { describe, expect, it } from 'vitest';
import { Journals } from '../../coordinator/journals.ts';
import { minCompactedBytes } from '../../participant/limits.ts';
import { openJournal, type Journal } from '../../participant/journal.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { aftermaths, SimulatedDisk, type Aftermath } from '../home/simulated-disk.ts';
import {
  commitmentOf,
  hookedJournal,
  makeParticipant,
  makeWorld,
  now,
  openedFrames,
  packageFrame,
  release,
  requestFrame,
} from './members.ts';

const path = '/home/journal';
const dead = { dead: true, filler: 'x'.repeat(400) };
const old = [{ n: 1 }, dead, { n: 2 }, dead, dead];
const kept = [{ n: 1 }, { n: 2 }];
const keep = (record: unknown): boolean => !(record as { dead?: boolean }).dead;

async function journalOf(disk: SimulatedDisk, records: readonly object[] = old): Promise<Journal> {
  const journal = await openJournal(path, { mustExist: false, disk });
  await Promise.all(records.map((record) => journal.append(record)));
  return journal;
}

const reopened = (disk: SimulatedDisk): Promise<Journal> => openJournal(path, { mustExist: true, disk });
const text = (disk: SimulatedDisk): string => Buffer.from(disk.contents(path)!).toString('latin1');
const codeOf = (outcome: Promise<unknown>): Promise<unknown> =>
  outcome.then(
    () => 'none',
    (error: unknown) => (error as { code?: string }).code,
  );

describe('a compacted journal', () => {
  it('holds what was kept, in order, and goes on where the old one ended', async () => {
    const disk = new SimulatedDisk();
    const journal = await journalOf(disk);
    const before = journal.head;
    expect(await journal.compact(keep)).toBe(true);
    const after = journal.head;
    expect(after.length).toBe(old.length + 1 + kept.length);
    expect(text(disk).split('\n')[1]).toContain(
      JSON.stringify({ type: 'compacted', length: before.length, head: before.hash, kept: 2 }),
    );
    await journal.append({ n: 3 });
    await journal.close();
    await using again = await reopened(disk);
    expect(again.records).toEqual([...kept, { n: 3 }]);
    expect(again.head.length).toBe(after.length + 1);
    expect(again.bytes).toBe(disk.contents(path)!.length);
  });

  it('can be compacted again, and a second life of it has another hash', async () => {
    const disk = new SimulatedDisk();
    await using journal = await journalOf(disk);
    await journal.compact(keep);
    const first = journal.head;
    await Promise.all([dead, dead, dead].map((record) => journal.append(record)));
    expect(await journal.compact(keep)).toBe(true);
    expect(journal.head.length).toBe(first.length + 3 + 1 + kept.length);
    const other = new SimulatedDisk();
    await using twin = await journalOf(other, [...kept, dead, dead, dead]);
    await twin.compact(keep);
    // It keeps the same records, after another past.
    expect(twin.head.hash).not.toBe(first.hash);
  });

  it('stays as it is when less than half would go, or the disk has no room for both', async () => {
    const disk = new SimulatedDisk();
    await using journal = await journalOf(disk);
    const bytes = text(disk);
    expect(await journal.compact(() => true)).toBe(false);
    disk.free = 10;
    expect(await journal.compact(keep)).toBe(false);
    expect(text(disk)).toBe(bytes);
  });

  it('takes appends that came meanwhile after it, and loses none', async () => {
    const disk = new SimulatedDisk();
    const journal = await journalOf(disk);
    const appends = [
      journal.append({ n: 3 }),
      journal.compact(keep),
      journal.append({ n: 4 }),
      journal.append({ n: 5 }),
    ];
    await Promise.all(appends);
    await journal.close();
    await using again = await reopened(disk);
    expect(again.records).toEqual([...kept, { n: 3 }, { n: 4 }, { n: 5 }]);
  });

  it('is damaged without a record that it carried over, cut at a record\u2019s end or torn, and with any byte flipped (T2)', async () => {
    const disk = new SimulatedDisk();
    const journal = await journalOf(disk);
    await journal.compact(keep);
    await journal.close();
    const whole = disk.contents(path)!;
    const ends = [...whole].flatMap((byte, index) => (byte === 10 ? [index + 1] : []));
    for (const cut of [...ends.slice(1, -1), whole.length - 3]) {
      const short = new SimulatedDisk();
      short.put(path, whole.slice(0, cut));
      expect(await codeOf(reopened(short)), String(cut)).toBe('damaged');
    }
    for (let index = 0; index < whole.length; index += 1) {
      const flipped = new SimulatedDisk();
      flipped.put(
        path,
        whole.map((byte, at) => (at === index ? byte ^ 1 : byte)),
      );
      expect(await codeOf(reopened(flipped)), String(index)).toBe('damaged');
    }
  });

  it('raises the alarm when the old file is put back (T3)', async () => {
    const { live } = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const charter = decodeCharter(live.epoch.charter.bytes);
    const member = charter.members[0]!;
    const journals = new Journals(() => 0);
    const login = ({ head }: Journal): unknown => {
      const offered = { incarnation: '11'.repeat(16), length: head.length, head: head.hash };
      const move = journals.judge({ root: charter.hash, member, journal: offered, isConnected: false });
      if (move !== 'same') journals.remember(charter.hash, member.key, offered);
      return move;
    };
    const disk = new SimulatedDisk();
    const journal = await journalOf(disk);
    const file = disk.contents(path)!;
    expect(login(journal)).toBe('moved');
    await journal.compact(keep);
    expect(login(journal)).toBe('moved');
    const back = new SimulatedDisk();
    back.put(path, file);
    await using restored = await reopened(back);
    expect(() => login(restored)).toThrow(expect.objectContaining({ code: 'rolled-back' }));
    // Even when it went on for a while: it has another last record than the compacted one had at that length.
    while (restored.head.length < journal.head.length) await restored.append({ n: 9 });
    expect(() => login(restored)).toThrow(expect.objectContaining({ code: 'rolled-back' }));
  });
});

describe('a crash at every step of a compaction (T28)', () => {
  async function compacting(disk: SimulatedDisk): Promise<{ readonly acknowledged: boolean }> {
    let acknowledged = false;
    try {
      const journal = await reopened(disk);
      const compacted = journal.compact(keep);
      compacted.catch(() => undefined);
      await journal.append({ n: 3 });
      acknowledged = true;
      await compacted;
      await journal.close();
    } catch (error) {
      if (!disk.crashed) throw error;
    }
    return { acknowledged };
  }

  it.each(aftermaths)(
    'leaves the old file or the new one, and what was acknowledged (%s)',
    async (aftermath: Aftermath) => {
      const found = { old: 0, compacted: 0 };
      for (let crashAt = 0; ; crashAt += 1) {
        const base = new SimulatedDisk();
        const journal = await journalOf(base);
        const { head } = journal;
        await journal.close();
        const disk = base.after('kill');
        disk.crashAt = crashAt;
        disk.tear = crashAt % 2 === 0;
        const { acknowledged } = await compacting(disk);
        if (!disk.crashed) break;
        await using again = await reopened(disk.after(aftermath));
        const carried = again.records.filter(
          (record) => !('n' in (record as object)) || (record as { n: number }).n < 3,
        );
        const isOld = again.records.length >= old.length;
        found[isOld ? 'old' : 'compacted'] += 1;
        expect(carried).toEqual(isOld ? old : kept);
        if (acknowledged) expect(again.records.at(-1)).toEqual({ n: 3 });
        // Whatever it is, its head is no lower than what anybody was shown before.
        expect(again.head.length).toBeGreaterThanOrEqual(head.length);
        await again.append({ n: 4 });
      }
      expect(found.old).toBeGreaterThan(0);
      expect(found.compacted).toBeGreaterThan(0);
    },
  );
});

describe('days of requests (T43)', () => {
  const day = 24 * 3600;

  it('leave journal and memory flat, and no documents of what is over', { timeout: 120_000 }, async () => {
    const world = await makeWorld({
      tiers: ['a', 'a', 'a'],
      production: '{ any: 2 }',
      development: '{ any: 2 }',
    });
    let clock = now;
    let written = 0;
    let peak = 0;
    let journal: Journal | undefined;
    const participant = await makeParticipant(world, 1, {
      now: () => clock,
      judge: () => Promise.resolve({ action: 'approve', reason: 'r'.repeat(500), rule: 'all' }),
      journal: (real) => {
        journal = real;
        return hookedJournal(real, (record, next) => {
          written += JSON.stringify(record).length;
          return next();
        });
      },
    });
    const digests: string[] = [];
    for (let count = 0; count < 300; count += 1) {
      clock += day / 12;
      const request = release(world, { release: `1.0.${count}`, createdAt: formatTimestamp(clock) }, 'development');
      digests.push(request.digest);
      await participant.receive(requestFrame(request));
      await participant.rounds.settled();
      const own = participant.lastCommitment();
      await participant.receive(packageFrame(request, [own, commitmentOf(world, request, 2)]));
      await participant.receive({
        type: 'closed',
        requestDigest: request.digest,
        outcome: 'cancelled',
        signatures: [],
        signers: [],
      });
      participant.rounds.sweep(clock);
      await participant.rounds.settled();
      peak = Math.max(peak, journal!.bytes);
    }
    expect(openedFrames(world, participant).shares).toHaveLength(300);
    expect(written).toBeGreaterThan(2 * minCompactedBytes);
    expect(peak).toBeLessThan(1.2 * minCompactedBytes);
    const shown = participant.rounds.list(true);
    expect(shown.length).toBeLessThanOrEqual(200);
    expect(shown.every(({ state }) => state === 'over')).toBe(true);
    expect(participant.rounds.show(digests.at(-1)!)).toMatchObject({ signs: [], contents: [], outcome: 'cancelled' });
    // Its own decision is still shown, and nothing is asked about that is over.
    expect(participant.rounds.show(digests.at(-1)!).decisions).toHaveLength(1);
    expect(participant.rounds.forgotten()).toEqual([]);
    expect(participant.fatal).toEqual([]);
    // Another run reads what is left, and knows of a day and of nothing before.
    await participant.restart();
    expect(participant.rounds.forgotten().length).toBeLessThan(24);
  });
});
