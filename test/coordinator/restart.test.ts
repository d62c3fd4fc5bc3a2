import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { helloMessage, storedMessage } from '../../protocol/ceremony/messages.ts';
import { openDecision } from '../../protocol/signing/decision.ts';
import type { RoundBody } from '../../protocol/wire/frames.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { initCoordinator } from '../../coordinator/init.ts';
import { dealtGroup, documentRequest, releaseOf, requestersBytes, storedBy } from '../harness/coordinator-group.ts';
import { CoordinatorWorld, startProcess, type CoordinatorProcess } from '../harness/coordinator-server.ts';

const group = await dealtGroup({
  tiers: ['admin', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ any: 1 }',
});

/** A coordinator as a process of its own, killed at the end of the test. */
async function processOf(world: CoordinatorWorld, port = 0): Promise<CoordinatorProcess> {
  const started = await startProcess(world.home, port, { stallAfterMs: 100 });
  world.onDispose(() => void started.process.kill('SIGKILL'));
  world.url = started.url;
  return started;
}

async function killed(one: CoordinatorProcess): Promise<void> {
  one.process.kill('SIGKILL');
  expect(await one.exited).toBe('SIGKILL');
}

describe('after kill -9', () => {
  test('requests, documents, decisions and results that were acknowledged are there, and rounds go on (T28)', async () => {
    await using world = await CoordinatorWorld.create(group);
    const first = await processOf(world);
    await world.learn(group);
    const members = await world.members(group);
    const [one, two, three] = members;
    const requester = world.requester(group);

    // One round has its request, one a document and a decision, one is signed, when the process is killed.
    const asked = await requester.submit(releaseOf(group, group.requester, { release: '1.0.0' }));
    const signed = await requester.submit(
      releaseOf(group, group.requester, { release: '2.0.0', channel: 'development' }),
    );
    const bytes = requestersBytes(group, 2, [group.requester]);
    const changed = await one!.client.submit(documentRequest(group, one!.person, 'requesters', bytes));
    await one!.client.putDocument(changed.digest, bytes);
    await two!.next('request', ({ request }) => request.payload.length > 0);
    await two!.next('request', () => two!.frames.filter(({ type }) => type === 'request').length >= 3);
    two!.decide(signed.digest, 'approve');
    const result = await two!.closedFrame(signed.digest);
    two!.decide(changed.digest, 'approve');
    await one!.next(
      'decision',
      ({ decision }) => openDecision(decision, group.epoch.charter).payload.requestDigest === changed.digest,
    );
    const seen: RoundBody[] = [];
    const watching = (async () => {
      for await (const body of requester.watchRound(asked.digest)) seen.push(body);
    })();
    await requester.round(asked.digest);
    await killed(first);

    await processOf(world, world.port);
    await Promise.all(members.map((member) => member.closed()));
    const again = await world.requester(group).round(signed.digest);
    expect(again).toMatchObject({ outcome: 'signed', signatures: result.signatures, signers: result.signers });
    expect(await one!.client.document(changed.digest, sha256Hex(bytes))).toEqual(Buffer.from(bytes));
    const { decisions, attempts } = await one!.client.round(changed.digest);
    expect(decisions.map((decision) => openDecision(decision, group.epoch.charter).member.identifier)).toEqual([2]);
    expect(attempts).toEqual([]);

    for (const member of members) await member.connect();
    three!.decide(changed.digest, 'approve');
    expect((await one!.closedFrame(changed.digest)).signers).toEqual([2, 3]);
    for (const member of [one!, three!]) member.decide(asked.digest, 'approve');
    expect((await two!.closedFrame(asked.digest)).signers).toEqual([1, 3]);
    await watching;
    expect(seen.at(-1)!.outcome).toBe('signed');
  });

  test('again and again, at any moment, nothing that was acknowledged is lost', async () => {
    await using world = await CoordinatorWorld.create(group);
    let running = await processOf(world);
    await world.learn(group);
    const acknowledged: string[] = [];
    for (let kill = 0; kill < 2; kill += 1) {
      const requester = world.requester(group);
      const pending = Array.from({ length: 8 }, (_, index) =>
        requester
          .submit(releaseOf(group, group.requester, { release: `${kill}.0.${index}` }))
          .then(({ digest }) => acknowledged.push(digest))
          .catch(() => undefined),
      );
      await Promise.race(pending);
      await killed(running);
      await Promise.all(pending);
      running = await processOf(world, world.port);
      const known = await world.requester(group).rounds(group.epoch.groupKey);
      for (const digest of acknowledged) expect(known.map((round) => round.digest)).toContain(digest);
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(2);
  });
});

test('on a disk that fills up it stops, and everything that was acknowledged is there afterwards', async () => {
  await using world = await CoordinatorWorld.create(group);
  const full = await startProcess(world.home, 0, {}, 100);
  world.onDispose(() => void full.process.kill('SIGKILL'));
  world.url = full.url;
  await world.learn(group);
  const requester = world.requester(group);
  const acknowledged: string[] = [];
  const fill = async (): Promise<void> => {
    for (let count = 0; count < 60; count += 1)
      acknowledged.push(
        (await requester.submit(releaseOf(group, group.requester, { release: `${count}`, note: 'n'.repeat(2000) })))
          .digest,
      );
  };
  await expect(fill()).rejects.toMatchObject({ name: 'ClientError' });
  expect(await full.exited).toBe(1);
  expect(full.stderr.some((line) => line.includes('"event":"store-failed"'))).toBe(true);
  expect(acknowledged.length).toBeGreaterThan(5);
  await processOf(world, world.port);
  const known = await world.requester(group).rounds(group.epoch.groupKey);
  expect(known.map(({ digest }) => digest)).toEqual(expect.arrayContaining(acknowledged));
});

test('SIGTERM stops it cleanly, with members and live streams connected', async () => {
  await using world = await CoordinatorWorld.create(group);
  const running = await processOf(world);
  await world.learn(group);
  const member = world.member(group, 1);
  await member.connect();
  const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
  const stream = world.requester(group).watchRound(digest)[Symbol.asyncIterator]();
  await stream.next();
  const before = performance.now();
  running.process.kill('SIGTERM');
  expect(await member.closed()).toBe(1001);
  expect(await running.exited).toBe(0);
  expect(performance.now() - before).toBeLessThan(5000);
  await stream.return?.();
});

test('one process serves one home', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await expect(processOf(world)).rejects.toThrow(/in use by/);
  await expect(initCoordinator(world.home)).rejects.toMatchObject({ code: 'locked' });
});

describe('a coordinator that lost its store but kept identity and charters', () => {
  test('asks members for what it lacks, and goes on', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    await world.learn(group);
    const { url } = world;
    await world.stop();
    await rm(join(world.home, 'record'), { recursive: true });
    await expect(world.start()).rejects.toMatchObject({ code: 'store-missing' });
    await initCoordinator(world.home);
    await world.start();
    expect(world.url).toBe(url);

    const poor = world.member(group, 1, { holding: { epoch: null, requesters: 0 } });
    await poor.connect();
    expect(poor.frames.map(({ type }) => type)).toEqual(['present']);
    const rich = world.member(group, 2, { decide: () => 'approve' });
    await rich.connect();
    expect(rich.frames.map(({ type }) => type)).toEqual(['wanted', 'present']);
    await rich.client.putGroup(group.epoch.charter.hash, group.body);
    await poor.next('documents', ({ genesis }) => genesis !== null);
    const third = world.member(group, 3);
    await third.connect();
    expect(third.frames.map(({ type }) => type)).toEqual(['documents', 'present']);
    const { digest } = await world
      .requester(group)
      .submit(releaseOf(group, group.requester, { channel: 'development' }));
    expect((await rich.closedFrame(digest)).outcome).toBe('signed');
  });

  test('asks a member that holds newer requesters, and no other', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    await world.learn(group);
    const newer = world.member(group, 1, { holding: { epoch: group.epoch.hash, requesters: 2 } });
    await newer.connect();
    expect(newer.frames.map(({ type }) => type)).toEqual(['documents', 'wanted', 'present']);
    const same = world.member(group, 2);
    await same.connect();
    expect(same.frames.map(({ type }) => type)).toEqual(['documents', 'present']);
  });
});

test('a member with another key of the same charter hears of it, and the log does (T35)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const member = world.member(group, 1, { holding: { epoch: 'ab'.repeat(32), requesters: 1 } });
  await member.connect();
  expect((await member.next('error')).code).toBe('conflict');
  expect(world.log).toContainEqual(expect.objectContaining({ event: 'second-key', member: 'admin-1' }));
});

describe('the relay of ceremonies', () => {
  const { epoch, people } = group;

  test('echoes to all, the sender included, and keeps the backlog for who comes later and over a restart', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const holding = { epoch: null, requesters: 0 };
    const [first, second] = [world.member(group, 1, { holding }), world.member(group, 2, { holding })];
    for (const member of [first, second]) await member.connect();
    const payload = {
      charter: epoch.charter.hash,
      requesters: '00'.repeat(32),
      import: null,
      nonce: '11'.repeat(32),
    };
    first.send({ type: 'ceremony', message: first.seal(helloMessage, payload) });
    const echo = await first.next('ceremony');
    expect(await second.next('ceremony')).toEqual(echo);
    first.send({ type: 'ceremony', message: first.seal(helloMessage, { ...payload, nonce: '22'.repeat(32) }) });
    await second.next('ceremony', ({ message }) => message.payload !== echo.message.payload);
    const third = world.member(group, 3, { holding });
    await third.connect();
    expect(third.frames.filter(({ type }) => type === 'ceremony')).toHaveLength(1);
    await world.stop();
    await world.start();
    const back = world.member(group, 3, { holding });
    await back.connect();
    expect(back.frames.filter(({ type }) => type === 'ceremony')).toEqual(
      third.frames.filter(({ type }) => type === 'ceremony'),
    );
  });

  test('keeps and relays two different versions, which are the proof, and refuses a third (T13)', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const holding = { epoch: null, requesters: 0 };
    const liar = world.member(group, 1, { holding });
    const victim = world.member(group, 2, { holding });
    for (const member of [liar, victim]) await member.connect();
    const said = (transcript: string) => liar.seal(storedMessage, { ceremony: epoch.certificate.ceremony, transcript });
    for (const transcript of ['01', '02', '01', '03'])
      liar.send({ type: 'ceremony', message: said(transcript.repeat(32)) });
    expect((await liar.next('error')).code).toBe('too-many');
    await victim.next('ceremony', () => victim.frames.filter(({ type }) => type === 'ceremony').length >= 2);
    expect(victim.frames.filter(({ type }) => type === 'ceremony')).toHaveLength(2);
  });

  test('asks for the group once every member said that it stored the certificate', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const holding = { epoch: null, requesters: 0 };
    const members = people.map((_person, index) => world.member(group, index + 1, { holding }));
    for (const member of members) await member.connect();
    for (const [index, message] of storedBy(group).entries()) {
      expect(members[0]!.frames.some(({ type }) => type === 'wanted')).toBe(false);
      members[index]!.send({ type: 'ceremony', message });
      await members[0]!.next('ceremony', (frame) => frame.message.payload === message.payload);
    }
    await Promise.all(members.map((member) => member.next('wanted')));
  });

  test('a charter that was not admitted has no room here; once it is, a running coordinator lets its members in', async () => {
    await using world = await CoordinatorWorld.create();
    await world.start();
    const member = world.member(group, 1, { holding: { epoch: null, requesters: 0 } });
    await expect(member.connect()).rejects.toMatchObject({ refusal: { code: 'not-found' } });
    await world.admit(epoch.charter.bytes);
    await member.connect();
  });
});

test('a newer connection of a member takes the place of the older one', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  const [old, fresh] = [world.member(group, 1), world.member(group, 1)];
  fresh.journal = old.journal;
  await old.connect();
  await fresh.connect();
  expect(await old.closed()).toBe(4000);
  expect(fresh.frames.at(-1)).toEqual({ type: 'present', members: [1] });
});
