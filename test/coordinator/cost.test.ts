import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { decodeBody } from '../../coordinator/body.ts';
import { CoordinatorError } from '../../coordinator/errors.ts';
import { maxBodyTokens } from '../../coordinator/limits.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { dealtGroup, documentRequest, releaseOf, requestersBytes } from '../harness/coordinator-group.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

const plan = { tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' } as const;
const [group, other] = [await dealtGroup(plan), await dealtGroup(plan)];
const MiB = 1024 * 1024;

interface Refusal {
  readonly status: number | undefined;
  readonly code: unknown;
  readonly retryAfter: string | undefined;
}

/** Announces a body and sends none of it: what is answered was judged by the head alone. */
async function announce(world: CoordinatorWorld, call: string, token: string, bytes: number): Promise<Refusal> {
  const [method = '', path = ''] = call.split(' ');
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': path.includes('documents') ? 'application/octet-stream' : 'application/json',
    'content-length': String(bytes),
  };
  const sent = request(world.base + path, { method, headers, signal: AbortSignal.timeout(10_000) });
  sent.flushHeaders();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  sent.once('error', () => undefined).destroy();
  const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: unknown };
  return { status: answer.statusCode, code, retryAfter: answer.headers['retry-after'] };
}

describe('who may is judged before a body is read (T41)', () => {
  let world: CoordinatorWorld;
  let requester: string;
  let member: string;
  let outsider: string;
  let digest: string;
  const document = requestersBytes(group, 2, [group.requester]);

  beforeAll(async () => {
    world = await CoordinatorWorld.create(group, other);
    await world.start();
    await world.learn(group);
    await world.learn(other);
    const asker = world.member(group, 2).client;
    ({ digest } = await asker.submit(documentRequest(group, group.people[1]!, 'requesters', document)));
    requester = (await world.requester(group).login()).token;
    member = (await asker.login()).token;
    outsider = (await world.requester(other).login()).token;
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const charter = `/v1/charters/${group.epoch.charter.hash}/group`;
  const documentPath = (name: string) => `PUT /v1/rounds/${digest}/documents/${name}`;
  const calls: readonly (readonly [string, () => string, () => string, number, string])[] = [
    ['no token: a group', () => `PUT ${charter}`, () => '00'.repeat(32), 11 * MiB, 'not-authenticated'],
    ['a requester brings a group', () => `PUT ${charter}`, () => requester, 11 * MiB, 'too-large'],
    ['a requester brings a small group', () => `PUT ${charter}`, () => requester, 1000, 'not-allowed'],
    ['somebody of another group brings a group', () => `PUT ${charter}`, () => outsider, 1000, 'not-allowed'],
    ['a group larger than its charter can have', () => `PUT ${charter}`, () => member, 4 * MiB, 'too-large'],
    [
      'a document of a round of somebody else',
      () => documentPath(sha256Hex(document)),
      () => requester,
      document.length,
      'not-allowed',
    ],
    [
      'a document of a round of another group',
      () => documentPath(sha256Hex(document)),
      () => outsider,
      document.length,
      'not-found',
    ],
    [
      'a document that the request does not name',
      () => documentPath('11'.repeat(32)),
      () => member,
      document.length,
      'not-found',
    ],
    [
      'a document of another size than the request says',
      () => documentPath(sha256Hex(document)),
      () => member,
      MiB,
      'bad-document',
    ],
    ['a request longer than any', () => 'POST /v1/rounds', () => requester, MiB, 'too-large'],
    ['a body where none belongs', () => `GET /v1/rounds/${'00'.repeat(32)}`, () => member, 10, 'too-large'],
    ['a cancellation by somebody else', () => `POST /v1/rounds/${digest}/cancel`, () => requester, 1000, 'not-allowed'],
  ];
  test.each(calls)('%s', async (_what, call, token, bytes, code) => {
    expect((await announce(world, call(), token(), bytes)).code).toBe(code);
  });

  test('a body of unknown length is refused', async () => {
    const answer = await fetch(`${world.base}/v1/rounds`, {
      method: 'POST',
      headers: { authorization: `Bearer ${requester}`, 'content-type': 'application/json' },
      body: new ReadableStream({ start: (controller) => controller.close() }),
      duplex: 'half',
    });
    expect(answer.status).toBe(400);
  });

  test('bodies under way of one identity are bounded in bytes, with the time to try again (T43)', async () => {
    await using small = await CoordinatorWorld.create(group);
    await small.start({ limits: { maxBytesUnderWay: 100_000 } });
    await small.learn(group);
    const { token } = await small.requester(group).login();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request(`${small.base}/v1/rounds`, {
      method: 'POST',
      headers: { ...headers, 'content-length': 90_000 },
    });
    sent.on('error', () => undefined);
    sent.flushHeaders();
    while ((await announce(small, 'POST /v1/rounds', token, 20_000)).status !== 429) await new Promise(setImmediate);
    expect(await announce(small, 'POST /v1/rounds', token, 20_000)).toMatchObject({
      code: 'too-many',
      retryAfter: '5',
    });
    sent.destroy();
  });

  test('who may ask no more is told before the request is read (T33)', async () => {
    await using small = await CoordinatorWorld.create(group);
    await small.start({ limits: { maxPendingPerAsker: 1 } });
    await small.learn(group);
    await small.requester(group).submit(releaseOf(group, group.requester));
    const { token } = await small.requester(group).login();
    expect(await announce(small, 'POST /v1/rounds', token, 1000)).toMatchObject({ status: 429, code: 'too-many' });
  });
});

describe('a JSON body', () => {
  test.each<readonly [string, unknown]>([
    ['more values than any body has', Array.from({ length: maxBodyTokens + 1 }, () => 0)],
    ['more objects than any body has', Array.from({ length: maxBodyTokens }, () => ({}))],
    ['a longer key than any body has', { ['k'.repeat(65)]: 1 }],
    ['more levels than any body has', JSON.parse('['.repeat(13) + ']'.repeat(13))],
  ])('with %s is refused before it is parsed (T41)', async (_what, value) => {
    await expect(decodeBody(encodeCanonicalJson(value))).rejects.toMatchObject({ code: 'too-large' });
  });

  test('of the largest size is refused, or read, without holding others up (T41)', async () => {
    const worst = [
      Buffer.alloc(11 * MiB, '['),
      Buffer.alloc(11 * MiB, '{"":'),
      Buffer.alloc(11 * MiB, '[],'),
      Buffer.alloc(11 * MiB, '"\\"'),
      encodeCanonicalJson({ certificate: 'A'.repeat(11 * MiB) }),
      randomBytes(11 * MiB),
    ];
    for (const body of worst) {
      const before = performance.eventLoopUtilization();
      await decodeBody(body).catch((error: unknown) => expect(error).toBeInstanceOf(CoordinatorError));
      expect(performance.eventLoopUtilization(before).active).toBeLessThan(1_000);
    }
  });

  test('is the value that was written, whatever its strings hold', async () => {
    const value = { a: ['"', '\\', '\\"', ',:[]{}', 'é', '\u2028'], b: { c: null, d: -1.5e-7, e: true } };
    expect(await decodeBody(encodeCanonicalJson(value))).toEqual(value);
    await expect(decodeBody(Buffer.from('{"a": 1}'))).rejects.toMatchObject({ code: 'bad-body' });
    await expect(decodeBody(Buffer.from(''))).rejects.toMatchObject({ code: 'bad-body' });
  });
});

describe('a call that came too early', () => {
  test('is told when to try again, and then taken', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start({ limits: { costPerSecond: 5, costBurst: 10 } });
    await world.learn(group);
    const { token } = await world.requester(group).login();
    const ask = (): Promise<Response> =>
      fetch(`${world.base}/v1/groups/${group.epoch.groupKey}`, { headers: { authorization: `Bearer ${token}` } });
    const answers = await Promise.all(Array.from({ length: 12 }, ask));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    while ((await ask()).status !== 200);
  });

  test('a login from an address in debt passes for a known key, and behind a proxy for every other address (T44)', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start({ limits: { addressCostPerSecond: 1, addressCostBurst: 2 }, trustProxies: ['127.0.0.1'] });
    await world.learn(group);
    const challenge = (from: string, key = ''): Promise<Response> =>
      fetch(`${world.base}/v1/challenge${key}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
        body: '{}',
      });
    const flooding = Array.from({ length: 8 }, () => challenge('192.0.2.1'));
    expect((await Promise.all(flooding)).map(({ status }) => status)).toContain(429);
    expect((await challenge('192.0.2.2')).status).toBe(200);
    expect((await challenge('192.0.2.1', `?key=${group.requester.key}`)).status).toBe(200);
    expect((await challenge('192.0.2.1')).status).toBe(429);
  });
});
