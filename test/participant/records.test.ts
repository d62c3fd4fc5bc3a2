/** What the journal's records exclude, and what they come to when it is read again. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SharePayload } from '../../protocol/signing/attempt.ts';
import { openJournal } from '../../participant/journal.ts';
import { openCeremonyOf, Records, type MemberRecord } from '../../participant/records.ts';
import { makeWorld, now, scratch } from './members.ts';

const ceremony = 'aa'.repeat(32);
const other = 'bb'.repeat(32);
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

async function shareRecord(of: string): Promise<MemberRecord> {
  const world = await makeWorld(plan);
  return {
    type: 'ceremony-share',
    ceremony: of,
    transcript: { ...world.live.epoch.certificate.transcript, ceremony: of },
    proofs: [],
  };
}

describe('records (T35)', () => {
  it('of one ceremony exclude each other: signed and aborted, released and certified, joined twice, signed without a share', async () => {
    const { records, reopen } = await fresh();
    const refused = (record: MemberRecord) =>
      expect(records.append(record)).rejects.toMatchObject({ code: 'contradiction' });
    await records.append({ type: 'ceremony-joined', ceremony });
    await refused({ type: 'ceremony-joined', ceremony });
    await refused({ type: 'ceremony-signed', ceremony, transcript: '00'.repeat(32) });
    await records.append(await shareRecord(ceremony));
    await records.append({ type: 'ceremony-signed', ceremony, transcript: '00'.repeat(32) });
    await refused({ type: 'ceremony-aborted', ceremony });
    await records.append({ type: 'ceremony-joined', ceremony: other });
    await records.append(await shareRecord(other));
    await records.append({ type: 'ceremony-aborted', ceremony: other });
    await refused({ type: 'ceremony-signed', ceremony: other, transcript: '00'.repeat(32) });
    const abort = (await makeWorld(plan)).live.epoch.certificate.signatures[0]!;
    await records.append({ type: 'ceremony-released', ceremony, abort });
    await refused({ type: 'ceremony-certified', ceremony, certificate: '00'.repeat(32) });
    // A restart knows as much.
    const again = await reopen();
    await expect(
      again.append({ type: 'ceremony-certified', ceremony, certificate: '00'.repeat(32) }),
    ).rejects.toMatchObject({ code: 'contradiction' });
    await expect(
      again.append({ type: 'ceremony-signed', ceremony: other, transcript: '00'.repeat(32) }),
    ).rejects.toMatchObject({ code: 'contradiction' });
    expect(openCeremonyOf(again.ceremonies)).toBeUndefined();
    expect(again.head.length).toBe(8);
  });

  it('bind to a signed transcript until somebody’s abort releases from it', async () => {
    const { records } = await fresh();
    await records.append({ type: 'ceremony-joined', ceremony });
    await records.append(await shareRecord(ceremony));
    expect(openCeremonyOf(records.ceremonies)).toBeUndefined();
    await records.append({ type: 'ceremony-signed', ceremony, transcript: '00'.repeat(32) });
    expect(openCeremonyOf(records.ceremonies)?.transcript.ceremony).toBe(ceremony);
  });
});

describe('a journal read again', () => {
  const decision = (serial: number, said: 'approve' | 'refuse'): MemberRecord => ({
    type: 'decision',
    decision: {
      groupKey: 'A'.repeat(43),
      certificate: '00'.repeat(32),
      requestDigest: '11'.repeat(32),
      decision: said,
      serial,
      reason: null,
      decidedAt: '2026-11-22T08:00:00Z',
    },
    expiresAt: now + 100,
  });
  const share: SharePayload = {
    certificate: '00'.repeat(32),
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

  it('is refused when it has records of another version, or does not begin with its incarnation', async () => {
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
    await writeFile(path, (await readFile(path)).subarray(0, -3));
  });
});
