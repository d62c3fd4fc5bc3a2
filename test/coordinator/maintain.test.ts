import { Level } from 'level';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { initCoordinator, storePaths } from '../../coordinator/init.ts';
import { archiveStore, checkStore } from '../../coordinator/maintain.ts';
import { Scrub } from '../../coordinator/scrub.ts';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import { parseTime } from '../../verifier/time.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { keyId } from '../../protocol/wire/envelope.ts';
import { writeOldStore } from '../harness/old-store.ts';
import {
  appendRound,
  charter,
  digestOf,
  document,
  documentOf,
  openedStore,
  round,
  signed,
} from '../harness/record-store.ts';

/** A coordinator's home with six rounds, every second of which is signed; round 7 has the document of round 2, and is pending. */
async function filledHome(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'frostmark-maintain-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'coordinator');
  await initCoordinator(path);
  const { store, log } = await openedHome(path);
  for (let number = 1; number <= 6; number += 1) await appendRound(log, number);
  await log.append([round(7), document(7, documentOf(2))], [documentOf(2)]);
  await store.close();
  return path;
}

/** Under the home's own identity. */
async function openedHome(path: string): ReturnType<typeof openedStore> {
  const home = await openHome('coordinator', path);
  const { publicKey } = await loadIdentity(home);
  return openedStore(storePaths(home), { coordinator: keyId(publicKey) });
}

async function tamper(
  home: string,
  change: (level: Level<string, Buffer>, at: string) => Promise<void>,
): Promise<void> {
  const level = new Level<string, Buffer>(join(home, 'record'), { valueEncoding: 'buffer' });
  const log = (await level.get(`c${charter.hash}`)).toString();
  await change(level, `l${log}`);
  await level.close();
}

const record = (index: number): string => `e${index.toString(16).padStart(12, '0')}`;

test('a check reads all of a store, and says that it is whole', async () => {
  const home = await filledHome();
  const [log] = await checkStore(home, { rebuild: false });
  expect(log).toMatchObject({ charter: charter.hash, records: 22, blobs: 7, problems: [], isRebuilt: false });
  expect(await readdir(home)).not.toContain('record.check');
});

test('a check names an entry that an index lost, and makes the indexes anew when it is told to', async () => {
  const home = await filledHome();
  await tamper(home, (level, at) => level.del(`${at}ir${digestOf(2)}`));
  const [found] = await checkStore(home, { rebuild: false });
  expect(found).toMatchObject({ isIndexOnly: true, isRebuilt: false });
  expect(found!.problems.join()).toContain(digestOf(2).slice(0, 40));
  expect((await checkStore(home, { rebuild: true }))[0]).toMatchObject({ problems: [], isRebuilt: true });
  expect((await checkStore(home, { rebuild: false }))[0]).toMatchObject({ problems: [], isRebuilt: false });
});

test('a check names a record that is changed, and does not make indexes out of it', async () => {
  const home = await filledHome();
  await tamper(home, (level, at) => level.put(at + record(4), Buffer.from('{}')));
  const [found] = await checkStore(home, { rebuild: true });
  expect(found).toMatchObject({ isIndexOnly: false, isRebuilt: false });
  expect(found!.problems).toEqual([expect.stringContaining('record 4 is changed')]);
});

test('a store of the old form is not checked, but taken over by a start', async () => {
  const home = await filledHome();
  await writeOldStore({ database: join(home, 'store'), anchor: join(home, 'store-head') }, []);
  await expect(checkStore(home, { rebuild: false })).rejects.toMatchObject({ code: 'store-older', message: /serve/ });
});

test('documents of old releases are moved to a folder, and nothing else is; what another round needs stays', async () => {
  const home = await filledHome();
  const to = join(home, 'archive');
  await mkdir(to, { mode: 0o700 });
  const before = parseTime('2026-01-01T00:06:00Z')!;
  expect(await archiveStore(home, { before, to })).toEqual({ documents: 1, bytes: 2000 });
  const moved = documentOf(4);
  expect(await readdir(to)).toEqual([sha256Hex(moved)]);
  expect(await readFile(join(to, sha256Hex(moved)))).toEqual(Buffer.from(moved));
  const { store, log } = await openedHome(home);
  await expect(log.blob(sha256Hex(moved))).rejects.toMatchObject({ code: 'archived' });
  for (const number of [2, 6]) expect(await log.blob(sha256Hex(documentOf(number)))).toHaveLength(2000);
  // A request that brings the same bytes again is not refused for what was archived.
  await log.append([round(8), document(8, moved)], [moved]);
  expect(await log.blob(sha256Hex(moved))).toHaveLength(2000);
  await log.append([signed(8)]);
  await store.close();
  expect((await checkStore(home, { rebuild: false }))[0]!.problems).toEqual([]);
  expect(await archiveStore(home, { before, to: undefined })).toEqual({ documents: 0, bytes: 0 });
});

/** So many steps of a walk by a coordinator that is started for them; bytes beside its records are bounded. */
async function walk(home: string, steps: number, maxBytes?: number): Promise<Scrub & { readonly said: string[] }> {
  const { store } = await openedHome(home);
  const said: string[] = [];
  const scrub = new Scrub(store, (level, event, fields) => said.push(`${level} ${event} ${fields?.failure}`), maxBytes);
  for (let step = 0; step < steps; step += 1) await scrub.step();
  await scrub.stop();
  await store.close();
  return Object.assign(scrub, { said });
}

test('the slow walk looks at everything in turn, and says aloud what it finds', async () => {
  const home = await filledHome();
  const whole = await walk(home, 3);
  expect(whole.status).toEqual({ steps: 3, rounds: 2, damaged: 0 });
  expect(whole.said).toEqual([]);
  await tamper(home, (level, at) => level.del(`${at}im${digestOf(2)}000000000004`));
  const lost = await walk(home, 1);
  expect(lost.status.damaged).toBe(1);
  expect(lost.said).toEqual(['error scrub-found the indexes lost record 4']);
  await tamper(home, (level, at) => level.del(at + record(5)));
  expect((await walk(home, 1)).said.join()).toContain('record 5 is missing');
});

test('the slow walk reads no more bytes in one step than it may, and a start goes on where the one before was', async () => {
  const home = await filledHome();
  await tamper(home, (level, at) => level.del(`${at}im${digestOf(7)}000000000015`));
  // The charter's file and seven documents: one of them is looked at whatever its size.
  const found: (readonly string[])[] = [];
  for (let start = 0; start < 8; start += 1) found.push((await walk(home, 1, 1)).said);
  expect(found.slice(0, -1).flat()).toEqual([]);
  expect(found.at(-1)).toEqual(['error scrub-found the indexes lost record 21']);
});
