import { Level } from 'level';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cancelRound } from '../../coordinator/control.ts';
import { journalRecordBytes } from '../../coordinator/limits.ts';
import { openHome } from '../../home/home.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { dealtGroup, documentRequest, releaseOf, requestersBytes } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

const group = await dealtGroup({
  tiers: ['admin', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ any: 1 }',
});

/** SHA-256 of the blobs that lie in the stopped coordinator's store, types of its records, and how many bytes all of it has. */
async function stored(
  world: CoordinatorWorld,
): Promise<{ readonly blobs: string[]; readonly types: string[]; readonly bytes: number }> {
  const level = new Level<string, Buffer>(join(world.home, 'record'), { valueEncoding: 'buffer' });
  const entries = await level.iterator().all();
  await level.close();
  const below = (letter: string): [string, Buffer][] => entries.filter(([key]) => key[0] === 'l' && key[33] === letter);
  return {
    blobs: below('b').map(([key]) => key.slice(34)),
    types: below('e').map(([, value]) => (JSON.parse(value.toString()) as { readonly type: string }).type),
    bytes: entries.reduce((sum, [, value]) => sum + value.length, 0),
  };
}

function textRequest(bytes: Uint8Array, release: string) {
  return releaseOf(group, group.requester, {
    channel: 'development',
    artifacts: [],
    formats: ['ssh'],
    documents: [{ kind: 'text', size: bytes.length, sha256: sha256Hex(bytes) }],
    release,
  });
}

const note = Buffer.from('These are the notes of a release that says what has changed since the last one.\n');

test('documents of a round that ended without a signature are dropped, from memory and from disk (T43)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const requester = world.requester(group);
  const { digest } = await requester.submit(textRequest(note, '1.0.0'));
  await requester.putDocument(digest, note);
  expect(Buffer.from(await requester.document(digest, sha256Hex(note)))).toEqual(note);
  await world.stop();
  expect((await stored(world)).blobs).toContain(sha256Hex(note));
  await world.start();
  await cancel(world, digest);
  expect(await refusalOf(world.requester(group).document(digest, sha256Hex(note)))).toBe('not-found');
  await world.stop();
  expect((await stored(world)).blobs).not.toContain(sha256Hex(note));
  // And what it is opens as undamaged.
  await world.start();
  expect((await world.requester(group).round(digest)).outcome).toBe('cancelled');
});

test('a document that another round has, too, or that was signed, stays (T43)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const requester = world.requester(group);
  const ids: string[] = [];
  for (const release of ['1.0.0', '2.0.0', '3.0.0']) {
    const { digest } = await requester.submit(textRequest(note, release));
    await requester.putDocument(digest, note);
    ids.push(digest);
  }
  await cancel(world, ids[0]!);
  expect(Buffer.from(await requester.document(ids[1]!, sha256Hex(note)))).toEqual(note);
  const member = world.member(group, 1, { decide: ({ payload }) => (payload.release === '3.0.0' ? 'approve' : 'ask') });
  await member.connect();
  expect((await member.closedFrame(ids[2]!)).outcome).toBe('signed');
  await cancel(world, ids[1]!);
  await world.stop();
  await world.start();
  expect(Buffer.from(await world.requester(group).document(ids[2]!, sha256Hex(note)))).toEqual(note);
});

test('what no quorum may sign is never stored (T43)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const requester = world.requester(group);
  // A list of checksums is no text.
  const checksums = Buffer.from(`${'ab'.repeat(32)}  tool-1.0.0.tgz\n`);
  const { digest } = await requester.submit(textRequest(checksums, '1.0.0'));
  expect(await refusalOf(requester.putDocument(digest, checksums))).toBe('bad-document');
  expect((await requester.round(digest)).outcome).toBe('cancelled');
  await world.stop();
  const { blobs, types } = await stored(world);
  expect(blobs).not.toContain(sha256Hex(checksums));
  expect(types).toContain('closed');
  expect(types).not.toContain('round-document');
});

test('what one identity has stored in a day is bounded in bytes, and only its own (T43)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { storedBytesPerDay: 100_000 } });
  await world.learn(group);
  const requester = world.requester(group);
  let rounds = 0;
  const askOnce = async (): Promise<void> => {
    const { digest } = await requester.submit(releaseOf(group, group.requester, { release: `1.0.${(rounds += 1)}` }));
    await cancel(world, digest);
  };
  await expect(
    (async () => {
      while (rounds < 100) await askOnce();
    })(),
  ).rejects.toMatchObject({ refusal: { status: 429, code: 'too-many' } });
  expect(rounds).toBeGreaterThan(5);
  const { client, person } = world.member(group, 2);
  const bytes = requestersBytes(group, 2, [group.requester]);
  const { digest } = await client.submit(documentRequest(group, person, 'requesters', bytes));
  await client.putDocument(digest, bytes);
  await world.stop();
  expect((await stored(world)).bytes).toBeLessThan(200_000);
});

test('journal heads that come with logins count, and what is not stored does not (T43)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { storedBytesPerDay: 3 * journalRecordBytes + 100 } });
  await world.learn(group);
  const one = world.member(group, 2);
  const restored = (life: number): void => {
    one.journal = { ...one.journal, incarnation: life.toString(16).padStart(32, '0') };
  };
  for (const life of [1, 2, 3]) {
    restored(life);
    for (let logins = 0; logins < 3; logins += 1) await one.client.login();
  }
  restored(4);
  // The second time, too: it was refused and not remembered.
  for (let logins = 0; logins < 2; logins += 1) expect(await refusalOf(one.client.login())).toBe('too-many');
});

async function cancel(world: CoordinatorWorld, digest: string): Promise<void> {
  await cancelRound(await openHome('coordinator', world.home), digest);
}
