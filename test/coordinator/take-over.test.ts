import { Level } from 'level';
import { access, cp, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CoordinatorError } from '../../coordinator/errors.ts';
import type { StorePaths } from '../../coordinator/database.ts';
import type { OldHead, OldRecord } from '../../coordinator/old-chain.ts';
import { createStore, openStore, type Store } from '../../coordinator/store.ts';
import { needsTakeOver, takeOver } from '../../coordinator/take-over.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { writeOldStore } from '../harness/old-store.ts';
import {
  askers,
  charter,
  digestOf,
  documentOf,
  otherCharter,
  readLog,
  requestEnvelope,
  storeFolder,
  storeOptions,
} from '../harness/record-store.ts';

const certificate = new Uint8Array(Buffer.from('a certificate'));
const kept = documentOf(1);
const dropped = documentOf(2);
const head = 'ab'.repeat(32);
const journal = { incarnation: '01'.repeat(16), length: 3, head };

function request(number: number, documents: readonly Uint8Array[] = []) {
  const envelope = requestEnvelope(number);
  const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as object;
  const named = documents.map((bytes) => ({ kind: 'text', size: bytes.length, sha256: sha256Hex(bytes) }));
  return { ...envelope, payload: Buffer.from(JSON.stringify({ ...payload, documents: named })).toString('base64') };
}

const closed = {
  type: 'closed',
  digest: digestOf(1),
  outcome: 'signed',
  signatures: ['5e'.repeat(64)],
  signers: [1],
} as const;
const unsigned = { type: 'closed', digest: digestOf(2), outcome: 'expired', signatures: [], signers: [] } as const;

/** Two groups; a signed round, an expired one whose document was dropped and whose end was written twice, a pending one. */
const records: readonly OldRecord[] = [
  { type: 'ceremony', charter: charter.hash, message: requestEnvelope(90) },
  {
    type: 'group',
    charter: charter.hash,
    epoch: head,
    certificate: sha256Hex(certificate),
    stored: [requestEnvelope(91)],
  },
  { type: 'group-document', charter: charter.hash, epoch: head, document: 'genesis', envelope: requestEnvelope(92) },
  { type: 'journal', charter: charter.hash, member: 1, journal },
  { type: 'journal', charter: otherCharter.hash, member: 2, journal },
  { type: 'round', digest: digestOf(1), charter: charter.hash, request: request(1, [kept]) },
  { type: 'round', digest: digestOf(2), charter: charter.hash, request: request(2, [dropped]) },
  { type: 'round-document', digest: digestOf(1), sha256: sha256Hex(kept) },
  { type: 'round-document', digest: digestOf(2), sha256: sha256Hex(dropped) },
  { type: 'decision', digest: digestOf(1), decision: requestEnvelope(93) },
  { type: 'evidence', digest: digestOf(1), member: 2, sha256: sha256Hex(certificate) },
  closed,
  unsigned,
  unsigned,
  { type: 'round', digest: digestOf(3), charter: charter.hash, request: request(3) },
];

interface Home {
  readonly paths: StorePaths;
  readonly oldPaths: StorePaths;
  readonly head: OldHead;
}

async function oldHome(): Promise<Home> {
  const paths = await storeFolder();
  const folder = dirname(paths.database);
  const oldPaths = { database: join(folder, 'store'), anchor: join(folder, 'store-head') };
  return { paths, oldPaths, head: await writeOldStore(oldPaths, records, [certificate, kept]) };
}

function taking({ paths, oldPaths }: Home, charters: readonly Charter[] = [charter, otherCharter]) {
  const find = (hash: string): Promise<Charter> => {
    const found = charters.find((one) => one.hash === hash);
    return found === undefined
      ? Promise.reject(new CoordinatorError('not-found', 'no charter'))
      : Promise.resolve(found);
  };
  return takeOver({ ...storeOptions(), paths, oldPaths, charter: find });
}

function typesOf(entries: readonly unknown[]): unknown[] {
  return entries.map((entry) => (entry as { readonly type: string }).type);
}

async function assertTaken({ paths, oldPaths, head: of }: Home): Promise<void> {
  expect(await needsTakeOver(oldPaths)).toBe(false);
  await access(`${oldPaths.database}.taken-over`);
  const store: Store = await openStore(paths, storeOptions());
  const log = store.logOf(charter.hash)!;
  const taken = await readLog(log);
  expect(taken[0]).toMatchObject({ type: 'born', from: { kind: 'taken-over', sequence: of.sequence, hash: of.hash } });
  const own = records.filter((record) => !('charter' in record) || record.charter === charter.hash);
  const ends = typesOf(own).lastIndexOf('closed');
  expect(typesOf(taken)).toEqual(['born', 'charter', ...typesOf(own.filter((_, index) => index !== ends))]);
  expect(log.pending.map(({ digest }) => digest)).toEqual([digestOf(3)]);
  expect(await log.round(digestOf(1))).toMatchObject({ outcome: 'signed', documents: [sha256Hex(kept)] });
  expect(await log.blob(sha256Hex(kept))).toEqual(Buffer.from(kept));
  expect(await log.journals()).toMatchObject([{ member: askers.alice, journal }]);
  expect(await store.logOf(otherCharter.hash)!.journals()).toMatchObject([{ member: askers.bob, journal }]);
  await store.close();
}

describe('a store of the old form', () => {
  test('is taken over whole: each group into a log of its own, and the old one put aside', async () => {
    const home = await oldHome();
    expect(await needsTakeOver(home.oldPaths)).toBe(true);
    expect(await taking(home)).toEqual({ records: records.length, logs: 2 });
    await assertTaken(home);
  });

  test('that was being taken over when the process was killed is taken over again', async () => {
    const home = await oldHome();
    // Something of every moment before the new store has its name.
    await createStore({ database: `${home.paths.database}.taking-over`, anchor: `${home.paths.anchor}.taking-over` });
    await cp(home.oldPaths.anchor, home.paths.anchor);
    await taking(home);
    await assertTaken(home);
  });

  test('whose new store had its name already when the process was killed is put aside', async () => {
    const home = await oldHome();
    const copy = `${home.oldPaths.database}.copy`;
    await cp(home.oldPaths.database, copy, { recursive: true });
    await taking(home);
    await rm(`${home.oldPaths.database}.taken-over`, { recursive: true });
    await cp(copy, home.oldPaths.database, { recursive: true });
    expect(await taking(home)).toEqual({ records: 0, logs: 0 });
    await assertTaken(home);
  });

  test('that came back after it was taken over is refused, with what to do', async () => {
    const home = await oldHome();
    await taking(home);
    await cp(`${home.oldPaths.database}.taken-over`, home.oldPaths.database, { recursive: true });
    await expect(taking(home)).rejects.toMatchObject({ code: 'store-older', message: /move one of the two away/ });
  });

  test('with records of a charter whose file is gone is refused, with what to do, and stays as it was', async () => {
    const home = await oldHome();
    await expect(taking(home, [charter])).rejects.toMatchObject({ code: 'store-older', message: /admit it again/ });
    expect(await needsTakeOver(home.oldPaths)).toBe(true);
    await taking(home);
    await assertTaken(home);
  });

  test.each([
    ['a changed record', 'e0000000000000003', '{}'],
    ['changed bytes', `b${sha256Hex(kept)}`, 'other'],
    ['another head', 'head', `[2,"${head}"]`],
    ["a stranger's key", 'x', ''],
  ])('that is damaged is refused as before, and nothing takes its place: %s', async (_what, key, value) => {
    const home = await oldHome();
    await tamper(home, (level) => level.put(key, Buffer.from(value)));
    await expectRefused(home);
  });

  test.each([
    ['a record', 'e0000000000000003'],
    ['the last record', `e${records.length.toString(16).padStart(16, '0')}`],
    ['bytes that a record needs', `b${sha256Hex(certificate)}`],
  ])('that lost %s is refused, and nothing takes its place', async (_what, key) => {
    const home = await oldHome();
    await tamper(home, (level) => level.del(key));
    await expectRefused(home);
  });

  test('whose anchor is gone, or knows more, is refused', async () => {
    const gone = await oldHome();
    await rm(gone.oldPaths.anchor);
    await expectRefused(gone);
    const older = await oldHome();
    const ahead = { database: `${older.oldPaths.database}.ahead`, anchor: older.oldPaths.anchor };
    await writeOldStore(ahead, [...records, ...records.slice(-1)]);
    await expectRefused(older);
  });

  async function expectRefused(home: Home): Promise<void> {
    await expect(taking(home)).rejects.toMatchObject({ code: 'store-damaged' });
    expect(await readdir(dirname(home.paths.database))).not.toContain('record');
    expect(await needsTakeOver(home.oldPaths)).toBe(true);
  }
});

async function tamper({ oldPaths }: Home, change: (level: Level<string, Buffer>) => Promise<void>): Promise<void> {
  const level = new Level<string, Buffer>(oldPaths.database, { valueEncoding: 'buffer' });
  await change(level);
  await level.close();
}
