import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Http } from '../../client/http.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import {
  defineMessage,
  openMessage,
  sealMessage,
  type Envelope,
  type PayloadOf,
} from '../../protocol/wire/envelope.ts';
import { challengeMessage, loginMessage, tokenBody, type JournalHead } from '../../protocol/wire/frames.ts';
import { EnvelopeSchema, Type } from '../../protocol/wire/schema.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person, type Person } from '../harness/people.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' });
const member = group.people[0]!;

type Login = PayloadOf<typeof loginMessage>;
type Challenge = PayloadOf<typeof challengeMessage>;

function head(length = 0, incarnation = randomBytes(16).toString('hex')): JournalHead {
  return { incarnation, length, head: length.toString(16).padStart(64, '0') };
}

async function challengeOf(http: Http): Promise<Challenge> {
  const envelope = await http.json(EnvelopeSchema, { method: 'POST', path: '/v1/challenge', body: {} });
  return openMessage(challengeMessage, envelope, () => true).payload;
}

function asMember(challenge: Challenge, change: Partial<Login> = {}): Login {
  return {
    ...challenge,
    role: 'member',
    charter: group.epoch.charter.hash,
    groupKey: null,
    journal: head(),
    ...change,
  };
}

function send(http: Http, login: Login, who: Person = member): Promise<unknown> {
  return sendEnvelope(http, sealMessage(loginMessage, login, who));
}

function sendEnvelope(http: Http, login: Envelope): Promise<unknown> {
  return http.json(tokenBody, { method: 'POST', path: `/v1/login?key=${login.signatures[0].keyid}`, body: { login } });
}

describe('a login (T26)', () => {
  let world: CoordinatorWorld;
  let http: Http;
  let ahead = 0;
  beforeAll(async () => {
    world = await CoordinatorWorld.create(group);
    await world.start({ nowMs: () => Date.now() + ahead });
    await world.learn(group);
    http = new Http(world.base);
    world.onDispose(() => http.close());
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test('answers a token for a fresh challenge that the coordinator signed', async () => {
    const envelope = await http.json(EnvelopeSchema, { method: 'POST', path: '/v1/challenge', body: {} });
    const { from, payload } = openMessage(challengeMessage, envelope, () => true);
    expect(from).toBe(parseCoordinatorUrl(world.url).fingerprint);
    expect(payload.url).toBe(world.base);
    await expect(send(http, asMember(payload))).resolves.toMatchObject({
      token: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
  });

  test('is taken once: replayed it is refused', async () => {
    const login = sealMessage(loginMessage, asMember(await challengeOf(http)), member);
    await sendEnvelope(http, login);
    expect(await refusalOf(sendEnvelope(http, login))).toBe('bad-login');
  });

  test('that answers a challenge of another is as good: each identity answers it once', async () => {
    const challenge = await challengeOf(http);
    expect(await refusalOf(send(http, asMember(challenge), person('mallory')))).toBe('not-a-member');
    await send(http, asMember(challenge));
    expect(await refusalOf(send(http, asMember(challenge)))).toBe('bad-login');
  });

  test('that failed for its journal has spent its challenge, too', async () => {
    const incarnation = randomBytes(16).toString('hex');
    const two = group.people[1]!;
    await send(http, asMember(await challengeOf(http), { journal: head(5, incarnation) }), two);
    const challenge = await challengeOf(http);
    expect(await refusalOf(send(http, asMember(challenge, { journal: head(4, incarnation) }), two))).toBe(
      'rolled-back',
    );
    expect(await refusalOf(send(http, asMember(challenge, { journal: head(5, incarnation) }), two))).toBe('bad-login');
  });

  test('of somebody else than the query says is refused', async () => {
    const login = sealMessage(loginMessage, asMember(await challengeOf(http)), member);
    const path = `/v1/login?key=${group.people[1]!.key}`;
    expect(await refusalOf(http.json(tokenBody, { method: 'POST', path, body: { login } }))).toBe('not-a-member');
    expect(await refusalOf(http.json(tokenBody, { method: 'POST', path: '/v1/login', body: { login } }))).toBe(
      'bad-body',
    );
  });

  test('with a challenge that was changed, or of an earlier run, is refused', async () => {
    const challenge = await challengeOf(http);
    const changed = challenge.challenge.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    expect(await refusalOf(send(http, asMember({ ...challenge, challenge: changed })))).toBe('bad-login');
    const later = challenge.expiresAt.replace(/^..../, (year) => String(Number(year) + 1));
    expect(await refusalOf(send(http, asMember({ ...challenge, expiresAt: later })))).toBe('bad-login');
    await using other = await CoordinatorWorld.create(group);
    await other.start();
    const old = new Http(other.base);
    const before = await challengeOf(old);
    old.close();
    await other.stop();
    await other.start();
    const fresh = new Http(other.base);
    expect(await refusalOf(send(fresh, asMember(before)))).toBe('bad-login');
    fresh.close();
  });

  test('with a challenge of another coordinator is refused', async () => {
    await using other = await CoordinatorWorld.create(group);
    await other.start();
    const foreign = new Http(other.base);
    expect(await refusalOf(send(http, asMember(await challengeOf(foreign))))).toBe('bad-login');
    foreign.close();
  });

  const changes: readonly (readonly [string, string, (challenge: Challenge) => Partial<Login>])[] = [
    ['another URL', 'bad-login', () => ({ url: 'https://elsewhere:7443' })],
    ['a later expiry', 'bad-login', () => ({ expiresAt: '2099-01-01T00:00:00Z' })],
    ['no charter', 'bad-login', () => ({ charter: null })],
    ['no journal', 'bad-login', () => ({ journal: null })],
    ['a group key beside the charter', 'bad-login', () => ({ groupKey: group.epoch.groupKey })],
    ['a charter that is not admitted', 'not-found', () => ({ charter: 'ab'.repeat(32) })],
    [
      'the role of a requester without a group key',
      'bad-login',
      () => ({ role: 'requester', charter: null, journal: null }),
    ],
    [
      'the role of a requester with a journal',
      'bad-login',
      () => ({ role: 'requester', charter: null, groupKey: group.epoch.groupKey }),
    ],
    [
      'the role of a requester with a charter',
      'bad-login',
      () => ({ role: 'requester', groupKey: group.epoch.groupKey, journal: null }),
    ],
    [
      'an unknown group',
      'not-found',
      () => ({ role: 'requester', charter: null, journal: null, groupKey: 'A'.repeat(43) }),
    ],
  ];
  test.each(changes)('with %s is refused: %s', async (_what, code, change) => {
    const challenge = await challengeOf(http);
    expect(await refusalOf(send(http, asMember(challenge, change(challenge))))).toBe(code);
  });

  test('of another version is refused', async () => {
    const anything = defineMessage('login', Type.Unknown(), 'bad-login');
    const sealed = sealMessage(anything, { ...asMember(await challengeOf(http)), version: 2 }, member);
    expect(await refusalOf(sendEnvelope(http, sealed))).toBe('bad-login');
  });

  test('in a role that the identity does not have is refused', async () => {
    const asRequester = { role: 'requester', charter: null, journal: null, groupKey: group.epoch.groupKey } as const;
    expect(await refusalOf(send(http, asMember(await challengeOf(http), asRequester), person('mallory')))).toBe(
      'not-a-requester',
    );
    expect(await refusalOf(send(http, asMember(await challengeOf(http)), group.requester))).toBe('not-a-member');
  });

  test('that answers too late is refused', async () => {
    const challenge = await challengeOf(http);
    ahead = 61_000;
    expect(await refusalOf(send(http, asMember(challenge)))).toBe('bad-login');
    ahead = 0;
  });

  test('with a signature over another payload type is refused', async () => {
    const login = sealMessage(
      { ...loginMessage, payloadType: challengeMessage.payloadType },
      asMember(await challengeOf(http)),
      member,
    );
    expect(await refusalOf(sendEnvelope(http, login))).toBe('bad-envelope');
    const forged = { ...login, payloadType: loginMessage.payloadType };
    expect(await refusalOf(sendEnvelope(http, forged))).toBe('bad-signature');
  });

  test('ends with its token: HTTP and the WebSocket ask for another one', async () => {
    const one = world.member(group, 2);
    await one.connect();
    const { token } = await one.client.login();
    ahead = 13 * 3600 * 1000;
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${world.base}/v1/rounds?groupKey=${group.epoch.groupKey}`, { headers })).status).toBe(401);
    ahead = 0;
    await expect(one.client.rounds(group.epoch.groupKey)).resolves.toEqual([]);
  });

  test('keeps a bounded number of tokens for one identity: the oldest goes', async () => {
    const one = world.member(group, 3);
    const tokens: string[] = [];
    for (let count = 0; count < 17; count += 1) tokens.push((await one.client.login()).token);
    const statusOf = async (token: string) =>
      (
        await fetch(`${world.base}/v1/groups/${group.epoch.groupKey}`, {
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect(await statusOf(tokens[0]!)).toBe(401);
    expect(await statusOf(tokens[1]!)).toBe(200);
  });
});

test('a WebSocket is closed when its token expires', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { tokenSeconds: 1 } });
  const one = world.member(group, 1);
  await one.open();
  expect(await one.closed()).toBe(4001);
});

describe('a journal that goes back (T3)', () => {
  test('is refused at login, and an alarm goes to every other member and the log', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    await world.learn(group);
    const [first, second] = await world.members(group);
    first!.journal = { ...first!.journal, length: 5, head: '55'.repeat(32) };
    first!.send({ type: 'journal', journal: first!.journal });
    await first!.drop();
    for (const journal of [
      { ...first!.journal, length: 4, head: '44'.repeat(32) },
      { ...first!.journal, head: '66'.repeat(32) },
    ]) {
      const before = second!.frames.length;
      const clone = world.member(group, 1);
      clone.journal = journal;
      expect(await refusalOf(clone.client.login())).toBe('rolled-back');
      await second!.next('alarm', (frame) => frame.member === 'admin-1', before);
    }
    expect(world.log.filter(({ event, code }) => event === 'alarm' && code === 'rolled-back')).toHaveLength(2);
    await first!.connect();
  });

  test('is refused after a restart of the coordinator, too', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const one = world.member(group, 1);
    one.journal = head(7, 'ab'.repeat(16));
    await one.client.login();
    await world.stop();
    await world.start();
    one.journal = head(6, 'ab'.repeat(16));
    expect(await refusalOf(one.client.login())).toBe('rolled-back');
    one.journal = head(8, 'ab'.repeat(16));
    await one.client.login();
  });

  test('in a frame closes the connection', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const one = world.member(group, 1);
    one.journal = head(7, 'cd'.repeat(16));
    await one.connect();
    const other = world.member(group, 2);
    await other.connect();
    one.send({ type: 'journal', journal: head(6, 'cd'.repeat(16)) });
    expect(await one.closed()).toBe(4002);
    expect(one.frames.at(-1)).toMatchObject({ type: 'error', code: 'rolled-back' });
    await other.next('alarm');
  });

  test('is accepted as a new incarnation, which all are told of; the old one is refused from then on', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const other = world.member(group, 2);
    await other.connect();
    const restored = world.member(group, 1);
    restored.journal = head(9, '01'.repeat(16));
    await restored.client.login();
    expect(other.frames.some(({ type }) => type === 'alarm')).toBe(false);
    restored.journal = head(0, '02'.repeat(16));
    await restored.client.login();
    expect((await other.next('alarm')).message).toContain('restored');
    restored.journal = head(10, '01'.repeat(16));
    expect(await refusalOf(restored.client.login())).toBe('rolled-back');
  });

  test('is none when a frame of the same daemon overtook its login', async () => {
    await using world = await CoordinatorWorld.create(group);
    await world.start();
    const one = world.member(group, 1);
    one.journal = head(1, 'ee'.repeat(16));
    await one.connect();
    const http = new Http(world.base);
    const late = asMember(await challengeOf(http), { journal: one.journal });
    one.send({ type: 'journal', journal: head(2, 'ee'.repeat(16)) });
    one.send({ type: 'holding', epoch: group.epoch.hash, requesters: 1 });
    await one.next('wanted'); // the frame before it was handled by now
    await send(http, late);
    await one.drop();
    expect(await refusalOf(send(http, asMember(await challengeOf(http), { journal: head(1, 'ee'.repeat(16)) })))).toBe(
      'rolled-back',
    );
    http.close();
  });
});

test('only an authenticated member is upgraded, before any frame is read', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const { token } = await world.requester(group).login();
  const statusOf = (path: string, authorization: string | undefined): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${world.base.replace('http', 'ws')}${path}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      socket.on('error', () => undefined);
      socket.once('unexpected-response', (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      socket.once('open', () => resolve(101));
    });
  expect(await statusOf('/v1/members/socket', undefined)).toBe(401);
  expect(await statusOf('/v1/members/socket', `Bearer ${'00'.repeat(32)}`)).toBe(401);
  expect(await statusOf('/v1/members/socket', `Bearer ${token}`)).toBe(403);
  expect(await statusOf('/v1/elsewhere', `Bearer ${token}`)).toBe(404);
});
