/** What the journal's records exclude, and what they come to when it is read again. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SharePayload } from '../../protocol/signing/attempt.ts';
import { openJournal } from '../../participant/journal.ts';
import { Records, type MemberRecord } from '../../participant/records.ts';
import { makeWorld, now, scratch } from './members.ts';

const ceremony = 'aa'.repeat(32);
const other = 'bb'.repeat(32);
const later = 'cc'.repeat(32);
const plan = { tiers: ['a', 'a'], production: '{ any: 2 }' };

async function fresh(): Promise<{
  records: Records;
  reopen: (nowUnixSeconds?: number) => Promise<Records>;
  path: string;
}> {
  const path = join(await scratch(), 'journal');
  let journal = await openJournal(path, { mustExist: false });
  return {
    path,
    records: await Records.open(journal, now),
    reopen: async (at = now) => {
      await journal.close();
      journal = await openJournal(path, { mustExist: true });
      return Records.open(journal, at);
    },
  };
}

async function signedRecord(of: string): Promise<MemberRecord> {
  const world = await makeWorld(plan);
  const transcript = { ...world.live.epoch.certificate.transcript, ceremony: of };
  return { type: 'ceremony-signed', ceremony: of, transcript, proofs: [] };
}

function leftRecord(of: string): MemberRecord {
  const leave = { ceremony: of, code: 'fault' as const, reason: 'no', suspect: null };
  return { type: 'ceremony-left', ceremony: of, leave };
}

describe('records (T35)', () => {
  const given = (of: string): MemberRecord => ({ type: 'ceremony-given', ceremony: of });
  const joined = (of: string): MemberRecord => ({ type: 'ceremony-joined', ceremony: of });
  const stored = (of: string): MemberRecord => ({ type: 'ceremony-stored', ceremony: of });
  const parted = (of: string): MemberRecord => ({ type: 'ceremony-parted', ceremony: of });
  const returned = (of: string, isLive = false): MemberRecord => ({ type: 'ceremony-returned', ceremony: of, isLive });

  it('exclude what could give two keys shares, before and after a restart', async () => {
    const { records, reopen } = await fresh();
    let now = records;
    const refused = async (...wrong: MemberRecord[]): Promise<void> => {
      for (const record of wrong)
        await expect(now.append(record), record.type).rejects.toMatchObject({ code: 'contradiction' });
    };
    const written = async (record: MemberRecord): Promise<void> => {
      await now.append(record);
      now = await reopen();
    };
    await refused(await signedRecord(ceremony), stored(ceremony), parted(ceremony), given(ceremony));
    await written(joined(ceremony));
    // A member is in one ceremony at a time, and joins each id once.
    await refused(joined(ceremony), joined(other), stored(ceremony), given(ceremony), parted(ceremony));
    await written(await signedRecord(ceremony));
    await refused(parted(ceremony), given(ceremony));
    await written(stored(ceremony));
    // Who said `stored` never says that it left.
    await refused(leftRecord(ceremony), joined(other));
    await written(parted(ceremony));
    await refused(given(ceremony), parted(ceremony), leftRecord(ceremony));
    await written(joined(other));
    await refused(returned(ceremony));
    await written(await signedRecord(other));
    await written(stored(other));
    await written(parted(other));
    // Another was stored after it: only its genesis brings this member back.
    await refused(returned(ceremony), given(other));
    await written(returned(other));
    await written(given(other));
    await refused(parted(other), joined(later), returned(ceremony, true));
    expect(now.ceremonies.current).toBe(other);
  });

  it('are judged one after the other: of two that exclude each other and are asked for at once, one is written', async () => {
    const { records, reopen } = await fresh();
    const atOnce = [joined(ceremony), joined(other)].map((record) => records.append(record));
    expect(await Promise.allSettled(atOnce)).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'contradiction' } },
    ]);
    await records.append(await signedRecord(ceremony));
    await records.append(stored(ceremony));
    const { length } = records.head;
    await Promise.all([records.give(ceremony), records.give(ceremony)]);
    expect(records.head.length).toBe(length + 1);
    expect((await reopen()).ceremonies).toMatchObject({ current: ceremony, given: ceremony });
  });

  it('let nobody who left say `stored`, and leave who gave no share free to join again', async () => {
    const { records } = await fresh();
    await records.append(joined(ceremony));
    await records.append(await signedRecord(ceremony));
    await records.append(leftRecord(ceremony));
    for (const record of [stored(ceremony), given(ceremony), joined(ceremony), leftRecord(ceremony)])
      await expect(records.append(record)).rejects.toMatchObject({ code: 'contradiction' });
    await records.append(joined(other));
  });

  it('go into a backup without the transcripts of ceremonies that were left (T43)', async () => {
    const { records, reopen } = await fresh();
    const ofLeft = [joined(ceremony), await signedRecord(ceremony), leftRecord(ceremony)];
    const ofKept = [joined(other), await signedRecord(other), stored(other)];
    for (const record of [...ofLeft, ...ofKept]) await records.append(record);
    const lasting = [joined(ceremony), leftRecord(ceremony), ...ofKept];
    expect(records.lasting).toEqual(lasting);
    expect((await reopen()).lasting).toEqual(lasting);
  });

  it('let a member come back to a key whose genesis verifies, and sign under it', async () => {
    const { records } = await fresh();
    for (const of of [ceremony, other]) {
      await records.append(joined(of));
      await records.append(await signedRecord(of));
      await records.append(stored(of));
      await records.append(parted(of));
    }
    await records.append(returned(ceremony, true));
    await expect(records.append(parted(ceremony))).rejects.toMatchObject({ code: 'contradiction' });
    await records.give(ceremony);
    const { length } = records.head;
    await records.give(ceremony);
    expect(records.head.length).toBe(length);
  });
});

describe('a journal read again', () => {
  const decision = (serial: number, said: 'approve' | 'refuse'): MemberRecord => ({
    type: 'decision',
    decision: {
      groupKey: 'A'.repeat(43),
      epoch: '00'.repeat(32),
      requestDigest: '11'.repeat(32),
      decision: said,
      serial,
      reason: null,
      decidedAt: '2026-11-22T08:00:00Z',
    },
    expiresAt: now + 100,
  });
  const share: SharePayload = {
    epoch: '00'.repeat(32),
    channelKey: 'A'.repeat(43),
    requestDigest: '11'.repeat(32),
    stage: 1,
    attempt: '22'.repeat(32),
    shares: ['33'.repeat(32)],
  };

  it('gives the newest decision, every burned attempt and every stored share of a request', async () => {
    const { records, reopen } = await fresh();
    await records.append(decision(1, 'approve'));
    await records.append({
      type: 'burn',
      requestDigest: '11'.repeat(32),
      stage: 1,
      attempt: '22'.repeat(32),
      slot: `${'00'.repeat(16)}-1`,
      expiresAt: now + 100,
    });
    await records.append({
      type: 'burn',
      requestDigest: '11'.repeat(32),
      stage: 1,
      attempt: '44'.repeat(32),
      slot: `${'00'.repeat(16)}-2`,
      expiresAt: now + 100,
    });
    await records.append({ type: 'share', share, expiresAt: now + 100 });
    await records.append(decision(2, 'refuse'));
    const { said, attempts } = (await reopen()).roundOf('11'.repeat(32));
    expect(said).toMatchObject({ serial: 2, decision: 'refuse' });
    expect([...attempts]).toEqual([
      ['22'.repeat(32), { stage: 1, shares: share }],
      ['44'.repeat(32), { stage: 1, shares: undefined }],
    ]);
  });

  it('leaves out what is dead', async () => {
    const { records, reopen } = await fresh();
    await records.append(decision(1, 'approve'));
    const day = 24 * 3600;
    // A clock that goes back must not bring a refusal's request to life: a day is kept beyond its death.
    expect((await reopen(now + 100 + day - 1)).roundOf('11'.repeat(32)).said?.serial).toBe(1);
    expect((await reopen(now + 100 + day)).roundOf('11'.repeat(32))).toEqual({ said: undefined, attempts: new Map() });
  });

  it('keeps its incarnation, and another journal has another', async () => {
    const { records, reopen } = await fresh();
    const { incarnation } = records.head;
    expect(incarnation).toMatch(/^[0-9a-f]{32}$/);
    expect((await reopen()).head).toEqual(records.head);
    expect((await fresh()).records.head.incarnation).not.toBe(incarnation);
  });

  it('is refused when it has records of another version, contradicts itself, or does not begin with its incarnation', async () => {
    const path = join(await scratch(), 'journal');
    const journal = await openJournal(path, { mustExist: false });
    await journal.append({ type: 'incarnation', incarnation: '00'.repeat(16) });
    await journal.append({ type: 'lease', until: 7 });
    await journal.close();
    const opened = await openJournal(path, { mustExist: true });
    await expect(Records.open(opened, now)).rejects.toMatchObject({ code: 'damaged' });
    await opened.close();
    await rm(path);
    const headless = await openJournal(path, { mustExist: false });
    await headless.append({ type: 'requesters', version: 2 });
    await headless.close();
    const second = await openJournal(path, { mustExist: true });
    await expect(Records.open(second, now)).rejects.toMatchObject({ code: 'damaged' });
    await second.close();
    await rm(path);
    const torn = await openJournal(path, { mustExist: false });
    await torn.append({ type: 'incarnation', incarnation: '00'.repeat(16) });
    for (const of of [ceremony, other]) await torn.append({ type: 'ceremony-joined', ceremony: of });
    await torn.close();
    const third = await openJournal(path, { mustExist: true });
    const contradicted = { code: 'damaged', message: expect.stringContaining('contradicts itself') as string };
    await expect(Records.open(third, now)).rejects.toMatchObject(contradicted);
    await third.close();
    await writeFile(path, (await readFile(path)).subarray(0, -3));
  });
});
