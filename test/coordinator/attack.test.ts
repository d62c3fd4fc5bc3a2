import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { encodeBase64 } from '../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { commitmentMessage, type CommitmentPayload } from '../../protocol/signing/attempt.ts';
import { boxesMessage } from '../../protocol/ceremony/messages.ts';
import { maxFrameBytes } from '../../protocol/limits.ts';
import { dealtGroup, documentRequest, releaseOf, requestersBytes } from '../harness/coordinator-group.ts';
import type { TestMember } from '../harness/coordinator-member.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld, startProcess, type CoordinatorProcess } from '../harness/coordinator-server.ts';

const group = await dealtGroup({
  tiers: ['admin', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ any: 1 }',
});

/** Short, so that a test sees their end; the numbers of a real server are in `coordinator/limits.ts`. */
const limits = {
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 5_000,
  connectionsCheckMs: 100,
  maxUnauthenticatedSockets: 32,
  framesPerSecond: 400,
  frameBurst: 400,
  costPerSecond: 100,
  costBurst: 100,
  addressCostPerSecond: 50,
  addressCostBurst: 50,
  streamStalledMs: 500,
  maxStreamsPerIdentity: 4,
  maxCallsAtOnce: 8,
};
/** What an honest caller may wait while an attack goes on, on a busy machine. */
const patienceMs = 10_000;

describe('while honest rounds go on (T24)', () => {
  let world: CoordinatorWorld;
  let running: CoordinatorProcess;
  let honest: TestMember;
  let releases = 0;

  beforeAll(async () => {
    world = await CoordinatorWorld.create(group);
    running = await startProcess(world.home, 0, limits);
    world.onDispose(() => void running.process.kill('SIGKILL'));
    world.url = running.url;
    await world.learn(group);
    honest = world.member(group, 1, { decide: () => 'approve' });
    await honest.connect();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** A fresh login, a submission and its signature; all of it within bounds. */
  async function honestRound(): Promise<void> {
    const before = performance.now();
    const requester = world.requester(group);
    const { digest } = await requester.submit(
      releaseOf(group, group.requester, { channel: 'development', release: `1.0.${(releases += 1)}` }),
    );
    expect((await honest.closedFrame(digest)).outcome).toBe('signed');
    expect(performance.now() - before).toBeLessThan(patienceMs);
  }

  async function memoryMiB(): Promise<number> {
    const status = await readFile(`/proc/${String(running.process.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
  }

  /** Raw connections, each told when it is closed. */
  async function sockets(
    count: number,
    begin: (socket: Socket) => void,
  ): Promise<{ all: Socket[]; closed: () => number; allClosed: Promise<unknown> }> {
    let closed = 0;
    const all = Array.from({ length: count }, () => connect(world.port, '127.0.0.1'));
    const ends = all.map(async (socket) => {
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('close', resolve));
      closed += 1;
    });
    await Promise.all(
      all.map(async (socket) => {
        await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
        begin(socket);
      }),
    );
    world.onDispose(() => all.forEach((socket) => socket.destroy()));
    return { all, closed: () => closed, allClosed: Promise.all(ends) };
  }

  /** The statuses of many calls over few connections. */
  function flood(method: string, path: string, headers: Record<string, string>, body?: string): Promise<number[]> {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    world.onDispose(() => agent.destroy());
    const call = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request(world.base + path, { agent, method, headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        sent.once('error', reject);
        sent.end(body);
      });
    return Promise.all(Array.from({ length: 300 }, call));
  }

  /** A byte now and then, until the other side has had enough. */
  function drip(socket: Socket): void {
    const timer = setInterval(() => socket.write('x'), 50);
    socket.once('close', () => clearInterval(timer));
  }

  test('silent connections are bounded, the oldest goes first, and all end', async () => {
    const { closed, allClosed } = await sockets(200, (socket) => void socket.resume());
    await sleep(300); // It is less than the time for headers.
    expect(closed()).toBeGreaterThanOrEqual(200 - limits.maxUnauthenticatedSockets);
    await honestRound();
    await allClosed;
  });

  test('slow headers end', async () => {
    const { allClosed } = await sockets(20, (socket) => {
      socket.resume();
      socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ');
      drip(socket);
    });
    const before = performance.now();
    const lasted = allClosed.then(() => performance.now() - before);
    await honestRound();
    // Before the time for a whole request is over.
    expect(await lasted).toBeLessThan(limits.requestTimeoutMs - 500);
  });

  test('slow bodies end', async () => {
    const { allClosed } = await sockets(20, (socket) => {
      socket.resume();
      socket.write(
        'POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
      );
      drip(socket);
    });
    await honestRound();
    await allClosed;
  });

  test('frames without a login are never read', async () => {
    const answers: string[] = [];
    const { allClosed } = await sockets(20, (socket) => {
      socket.on('data', (bytes) => answers.push(bytes.toString()));
      socket.write(
        'GET /v1/members/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n',
      );
      socket.write('sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
      socket.write(Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]), randomBytes(64 * 1024)]));
    });
    await honestRound();
    await allClosed;
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.every((answer) => answer.startsWith('HTTP/1.1 401'))).toBe(true);
  });

  test('a body past its bound is refused before it is read', async () => {
    const { token } = await world.requester(group).login();
    const sent = request(`${world.base}/v1/rounds`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': String(1024 * 1024),
      },
    });
    sent.flushHeaders();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    sent.once('error', () => undefined).destroy();
    expect(answer.statusCode).toBe(413);
    await honestRound();
  });

  test('a flood of challenges from one address refuses no login of a known key there (T44)', async () => {
    const flooding = flood('POST', '/v1/challenge', { 'content-type': 'application/json' }, '{}');
    for (let logins = 0; logins < 10; logins += 1) await world.requester(group).login();
    await honestRound();
    const statuses = await flooding;
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
  });

  test('calls of one identity that never end are bounded, and hold up only its own', async () => {
    const requester = world.member(group, 3).client;
    const bytes = requestersBytes(group, 2, [group.requester]);
    const { digest } = await requester.submit(documentRequest(group, group.people[2]!, 'requesters', bytes));
    const { token } = await requester.login();
    const path = `/v1/rounds/${digest}/documents/${sha256Hex(bytes)}`;
    let refused = 0;
    const { all, allClosed } = await sockets(2 * limits.maxCallsAtOnce, (socket) => {
      socket.on('data', (bytes) => (refused += bytes.toString().startsWith('HTTP/1.1 429') ? 1 : 0));
      socket.write(
        `PUT ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/octet-stream\r\ncontent-length: ${bytes.length}\r\n\r\n`,
      );
    });
    const ask = (): Promise<Response> =>
      fetch(`${world.base}/v1/rounds/${digest}`, { headers: { authorization: `Bearer ${token}` } });
    while (refused < limits.maxCallsAtOnce) await sleep(20);
    expect(await (await ask()).text()).toContain(`${limits.maxCallsAtOnce} calls of this identity are under way`);
    await honestRound();
    for (const socket of all) socket.destroy();
    await allClosed;
    while ((await ask()).status !== 200) await sleep(50);
  });

  test('tiny fragments end the connection', async () => {
    const attacker = world.member(group, 2);
    await attacker.connect();
    for (let count = 0; count < 200; count += 1) attacker.socket!.send('x', { fin: false });
    await honestRound();
    expect([1008, 1006]).toContain(await attacker.closed());
  });

  test('a frame larger than any of this group ends the connection', async () => {
    const attacker = world.member(group, 2);
    await attacker.connect();
    attacker.socket!.send('x'.repeat(maxFrameBytes(3) + 1));
    expect(await attacker.closed()).toBe(1009);
    await honestRound();
  });

  test('a live stream that nobody reads is cut, and memory stays flat', async () => {
    const artifacts = Array.from({ length: 200 }, (_, index) => ({
      name: `${'n'.repeat(100)}-${index}`,
      size: index,
      sha256: '11'.repeat(32),
      sha512: '22'.repeat(64),
    }));
    const deciders = [2, 3].map((identifier) => world.member(group, identifier));
    for (const decider of deciders) await decider.connect();
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester, { artifacts }));
    const { token } = await world.requester(group).login();
    const before = await memoryMiB();
    const { all, allClosed } = await sockets(4, (socket) => {
      socket.write(`GET /v1/rounds/${digest}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`);
    });
    for (const decider of deciders) {
      await decider.next('request', ({ request: asked }) => asked.payload.length > 50_000);
      for (let turn = 0; turn < 60; turn += 1) {
        const seen = decider.frames.length;
        decider.decide(digest, turn % 2 === 0 ? 'refuse' : 'withdraw');
        await decider.next('decision', () => true, seen);
      }
    }
    await honestRound();
    await sleep(limits.streamStalledMs + 300);
    expect((await memoryMiB()) - before).toBeLessThan(100);
    // Only who reads sees that the other side is gone.
    for (const socket of all) socket.resume();
    await allClosed;
  });

  test('live streams of one identity are bounded', async () => {
    const requester = world.requester(group);
    const { digest } = await requester.submit(releaseOf(group, group.requester, { release: 'streams' }));
    const stop = new AbortController();
    const streams = Array.from({ length: limits.maxStreamsPerIdentity }, () =>
      requester.watchRound(digest, stop.signal)[Symbol.asyncIterator](),
    );
    await Promise.all(streams.map((stream) => stream.next()));
    const { token } = await requester.login();
    const answer = await fetch(`${world.base}/v1/rounds/${digest}/events`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(429);
    stop.abort();
  });

  test('a flood of frames is slowed down, then cut', async () => {
    const attacker = world.member(group, 2);
    await attacker.connect();
    const before = await memoryMiB();
    // All at once: frames that come one by one are slowed down and never pile up.
    attacker.atOnce((socket) => {
      for (let count = 0; count < 20_000; count += 1) socket.send('{}');
    });
    await honestRound();
    expect(await attacker.closed()).toBe(1006);
    expect(running.stderr.some((line) => line.includes('"code":"floods"'))).toBe(true);
    expect((await memoryMiB()) - before).toBeLessThan(100);
  });

  test('a flood of calls by one identity is slowed down, and only its own', async () => {
    const { token } = await world.member(group, 3).client.login();
    const statuses = await flood('GET', `/v1/rounds?groupKey=${group.epoch.groupKey}`, {
      authorization: `Bearer ${token}`,
    });
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    await honestRound();
  });
});

describe('what cannot be read is not kept for ever', () => {
  test('a member that does not read is cut before much waits for it (T24)', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    await world.learn(group);
    const [lazy, sender] = [world.member(group, 2), world.member(group, 3)];
    const honest = world.member(group, 1, { decide: () => 'approve' });
    for (const member of [lazy, sender, honest]) await member.connect();
    lazy.socket!.pause();
    const boxes = Array.from({ length: 40 }, () => ({ to: 1, box: encodeBase64(randomBytes(3000)) }));
    const seen = () => sender.frames.filter(({ type }) => type === 'ceremony').length;
    for (let count = 0; count < 150 && !isCut(); count += 1) {
      sender.send({
        type: 'ceremony',
        message: sender.seal(boxesMessage, { ceremony: randomBytes(32).toString('hex'), boxes }),
      });
      await sender.next('ceremony', () => seen() > count);
    }
    expect(isCut()).toBe(true);
    const { digest } = await world
      .requester(group)
      .submit(releaseOf(group, group.requester, { channel: 'development' }));
    expect((await honest.closedFrame(digest)).outcome).toBe('signed');

    function isCut(): boolean {
      return world.log.some(({ code, member }) => code === 'does-not-read' && member === 'admin-2');
    }
  });
});

test('a member that answers no ping is cut (T24)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { pingMs: 1_000 } });
  const attacker = world.member(group, 2);
  await attacker.connect();
  attacker.socket!.pause();
  while (!world.log.some(({ code, member }) => code === 'silent' && member === 'admin-2')) await sleep(50);
  attacker.socket!.resume();
  expect(await attacker.closed()).toBe(1006);
});

describe('points in a big frame burn no time (T30)', () => {
  test('more commitments than messages are refused before a point is decoded', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    await world.learn(group);
    const member = world.member(group, 1);
    await member.connect();
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    await member.next('request');
    const pair = { hiding: '11'.repeat(32), binding: '22'.repeat(32) };
    const commitment: CommitmentPayload = {
      epoch: group.epoch.hash,
      channelKey: group.epoch.groupKey,
      requestDigest: digest,
      stage: 1,
      slot: `${'00'.repeat(16)}-1`,
      messages: Array.from({ length: 16 }, () => '33'.repeat(32)),
      commitments: Array.from({ length: 16 }, () => pair),
    };
    member.send({ type: 'commitment', commitment: member.seal(commitmentMessage, commitment) });
    expect((await member.next('error')).code).toBe('bad-commitment');
    expect((await world.requester(group).round(digest)).out).toEqual([]);
  });

  test('a certificate full of points is refused at once', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const { transcript, signatures } = group.epoch.certificate;
    const commitments = Array.from({ length: 128 }, () =>
      Buffer.from(group.epoch.channel('production').point.bytes).toString('hex'),
    );
    const channels = transcript.channels.map(({ channel }) => ({
      channel,
      sharings: Array.from({ length: 40 }, () => ({ commitments })),
    }));
    const certificate = encodeBase64(encodeCanonicalJson({ transcript: { ...transcript, channels }, signatures }));
    const client = world.member(group, 1).client;
    await client.login();
    const before = performance.now();
    const put = refusalOf(client.putGroup(group.epoch.charter.hash, { ...group.body, certificate }));
    expect(await put).toBe('bad-certificate');
    // 10,240 points would take seconds.
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});
