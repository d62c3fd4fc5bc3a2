import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { decisionMessage } from '../../protocol/signing/decision.ts';
import { helloMessage } from '../../protocol/ceremony/messages.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import type { MemberFrame } from '../../protocol/wire/frames.ts';
import { cancelMessage } from '../../protocol/request/request.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { CoordinatorClient } from '../../client/client.ts';
import {
  dealtGroup,
  delegationEnvelope,
  documentRequest,
  releaseOf,
  requestersBytes,
  requestersDocument,
} from '../harness/coordinator-group.ts';
import type { TestMember } from '../harness/coordinator-member.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person } from '../harness/people.ts';

const plan = { tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' } as const;
const [ours, theirs] = [await dealtGroup(plan), await dealtGroup(plan)];

describe('somebody outside the group reads and writes nothing of it (T25)', () => {
  let world: CoordinatorWorld;
  let digest: string;
  let document: string;
  let insider: TestMember;
  const documentBytes = requestersBytes(ours, 2, []);

  beforeAll(async () => {
    world = await CoordinatorWorld.create(ours, theirs);
    await world.start();
    await world.learn(ours);
    await world.learn(theirs);
    insider = world.member(ours, 1);
    await insider.connect();
    ({ digest } = await insider.client.submit(documentRequest(ours, insider.person, 'requesters', documentBytes)));
    document = sha256Hex(documentBytes);
    await insider.client.putDocument(digest, documentBytes);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const calls: readonly (readonly [string, (client: CoordinatorClient) => Promise<unknown>])[] = [
    ['GET group', (client) => client.group(ours.epoch.groupKey)],
    ['GET issued', (client) => client.issued(ours.epoch.groupKey)],
    ['GET index of documents', (client) => client.documentIndex(ours.epoch.groupKey)],
    ['GET rounds', (client) => client.rounds(ours.epoch.groupKey)],
    ['GET round', (client) => client.round(digest)],
    [
      'GET events',
      async (client) => {
        for await (const _ of client.watchRound(digest)) return;
      },
    ],
    ['GET document', (client) => client.document(digest, document)],
    ['PUT document', (client) => client.putDocument(digest, documentBytes)],
    ['GET evidence', (client) => client.evidence(digest, '00'.repeat(32))],
    [
      'cancel',
      (client) =>
        client.cancel(
          digest,
          sealMessage(cancelMessage, { groupKey: ours.epoch.groupKey, requestDigest: digest }, theirs.requester),
        ),
    ],
    ['submit', (client) => client.submit(releaseOf(ours, theirs.requester))],
    ['PUT group', (client) => client.putGroup(ours.epoch.charter.hash, ours.body)],
  ];

  describe.each([
    ['a requester of another group', () => world.requester(theirs)],
    ['a member of another group', () => world.member(theirs, 1).client],
  ] as const)('%s', (_who, client) => {
    test.each(calls)('%s', async (_call, call) => {
      expect(['not-found', 'not-allowed', 'wrong-group']).toContain(await refusalOf(call(client())));
    });
  });

  test.each(calls)('without a token: %s', async (_call, call) => {
    const stranger = world.requester(ours, person('mallory'));
    expect(await refusalOf(call(stranger))).toBe('not-a-requester');
  });

  test.each([
    ['GET', `/v1/groups/${ours.epoch.groupKey}`],
    ['PUT', `/v1/charters/${ours.epoch.charter.hash}/group`],
    ['GET', `/v1/rounds?groupKey=${ours.epoch.groupKey}`],
    ['POST', '/v1/rounds'],
    ['GET', `/v1/rounds/${'00'.repeat(32)}`],
    ['GET', `/v1/rounds/${'00'.repeat(32)}/events`],
    ['POST', `/v1/rounds/${'00'.repeat(32)}/cancel`],
    ['GET', `/v1/rounds/${'00'.repeat(32)}/documents/${'00'.repeat(32)}`],
    ['PUT', `/v1/rounds/${'00'.repeat(32)}/documents/${'00'.repeat(32)}`],
    ['GET', `/v1/rounds/${'00'.repeat(32)}/evidence/${'00'.repeat(32)}`],
    ['GET', '/v1/members/socket'],
  ])('no token at all: %s %s', async (method, path) => {
    expect((await fetch(world.base + path, { method })).status).toBe(path === '/v1/members/socket' ? 404 : 401);
  });

  test('only the health of the coordinator is for everybody', async () => {
    expect(await (await fetch(`${world.base}/healthz`)).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${world.base}/elsewhere`)).status).toBe(404);
  });

  describe('by a frame', () => {
    async function answerTo(member: TestMember, frame: MemberFrame): Promise<string> {
      const seen = member.frames.length;
      member.send(frame);
      return (await member.next('error', () => true, seen)).code;
    }
    const decision = (of: typeof ours, requestDigest: string) => ({
      groupKey: of.epoch.groupKey,
      epoch: of.epoch.hash,
      requestDigest,
      decision: 'approve' as const,
      serial: 1,
      reason: null,
      decidedAt: formatTimestamp(1_795_000_000),
    });

    test('a member of another group decides nothing here', async () => {
      const outsider = world.member(theirs, 1);
      await outsider.connect();
      const own = outsider.seal(decisionMessage, decision(ours, digest));
      expect(await answerTo(outsider, { type: 'decision', decision: own })).toBe('not-found');
    });

    test('a member brings only what it signed itself (T7)', async () => {
      const other = world.member(ours, 2);
      await other.connect();
      const foreign = insider.seal(decisionMessage, decision(ours, digest));
      expect(await answerTo(other, { type: 'decision', decision: foreign })).toBe('not-allowed');
      const hello = insider.seal(helloMessage, {
        charter: ours.epoch.charter.hash,
        requesters: '00'.repeat(32),
        import: null,
        nonce: '11'.repeat(32),
      });
      expect(await answerTo(other, { type: 'ceremony', message: hello })).toBe('not-allowed');
      const stranger = sealMessage(decisionMessage, decision(ours, digest), person('mallory'));
      expect(await answerTo(other, { type: 'decision', decision: stranger })).toBe('not-a-member');
    });

    test('a decision for another group or key epoch changes nothing', async () => {
      const wrongGroup = insider.seal(decisionMessage, { ...decision(ours, digest), groupKey: theirs.epoch.groupKey });
      expect(await answerTo(insider, { type: 'decision', decision: wrongGroup })).toBe('wrong-group');
      const wrongEpoch = insider.seal(decisionMessage, { ...decision(ours, digest), epoch: '22'.repeat(32) });
      expect(await answerTo(insider, { type: 'decision', decision: wrongEpoch })).toBe('wrong-epoch');
      expect((await insider.client.round(digest)).decisions).toEqual([]);
    });

    test('the first one says what the member holds', async () => {
      const other = world.member(ours, 2);
      await other.open();
      expect(await answerTo(other, { type: 'journal', journal: other.journal })).toBe('bad-frame');
    });

    test('rubbish gets one clear error and changes nothing', async () => {
      for (const text of [
        '',
        '{}',
        '[]',
        '{"type":"nothing"}',
        '{"type":"holding"}',
        '{"type":"decision","decision":{}}',
        '{"a":1,"a":2}',
        'x'.repeat(1000),
      ]) {
        const seen = insider.frames.length;
        insider.socket!.send(text);
        expect((await insider.next('error', () => true, seen)).code).toBe('bad-frame');
      }
      const seen = insider.frames.length;
      insider.socket!.send(Buffer.from('{}'), { binary: true });
      expect((await insider.next('error', () => true, seen)).code).toBe('bad-frame');
    });
  });
});

describe('a group that a member brings', () => {
  const now = Math.floor(Date.now() / 1000);

  async function fresh(): Promise<{ world: CoordinatorWorld; client: CoordinatorClient }> {
    const world = await CoordinatorWorld.create(ours);
    await world.start();
    return { world, client: world.member(ours, 1).client };
  }

  const bodies: readonly (readonly [string, string, () => Partial<typeof ours.body>])[] = [
    ['of another charter', 'bad-charter', () => ({ charter: theirs.body.charter })],
    ['with the certificate of another group', 'bad-certificate', () => ({ certificate: theirs.body.certificate })],
    [
      "without everybody's word that it is stored (T35)",
      'bad-certificate',
      () => ({ stored: ours.body.stored.slice(1) }),
    ],
    [
      'with a "stored" of somebody else',
      'not-a-member',
      () => ({ stored: [...ours.body.stored.slice(1), theirs.body.stored[0]!] }),
    ],
    ['with a genesis of another key', 'bad-signature', () => ({ genesis: theirs.body.genesis })],
    ['with requesters of another key', 'bad-signature', () => ({ requesters: theirs.body.requesters })],
    ['with a delegation of another key', 'bad-signature', () => ({ delegations: theirs.body.delegations })],
    ['with requesters in place of genesis', 'bad-document', () => ({ genesis: ours.body.requesters })],
    ['with what is no certificate', 'bad-certificate', () => ({ certificate: 'AAAA' })],
  ];
  describe('is believed only if everything follows from the charter', () => {
    let held: Awaited<ReturnType<typeof fresh>>;
    beforeAll(async () => (held = await fresh()));
    afterAll(() => held.world[Symbol.asyncDispose]());

    test.each(bodies)('%s: %s', async (_what, code, change) => {
      expect(await refusalOf(held.client.putGroup(ours.epoch.charter.hash, { ...ours.body, ...change() }))).toBe(code);
      expect(await refusalOf(held.client.group(ours.epoch.groupKey))).toBe('not-found');
    });
  });

  test('never replaces a newer document by an older one', async () => {
    const { world, client } = await fresh();
    onTestFinished(() => world[Symbol.asyncDispose]());
    const newer = {
      ...ours.body,
      requesters: requestersDocument(ours, 3, [ours.requester]),
      delegations: [delegationEnvelope(ours, 'development', now + 60)],
    };
    await client.putGroup(ours.epoch.charter.hash, newer);
    await client.putGroup(ours.epoch.charter.hash, ours.body);
    const body = await client.group(ours.epoch.groupKey);
    expect(body.requesters).toEqual(newer.requesters);
    expect(body.delegations).toEqual([newer.delegations[0], ours.body.delegations[0]]);
    await world.stop();
    await world.start();
    expect(await world.member(ours, 2).client.group(ours.epoch.groupKey)).toEqual(body);
  });

  test('that is there already changes nothing, and many at once are one', async () => {
    const { world, client } = await fresh();
    onTestFinished(() => world[Symbol.asyncDispose]());
    await Promise.all(Array.from({ length: 5 }, () => client.putGroup(ours.epoch.charter.hash, ours.body)));
    expect(world.log.filter(({ event }) => event === 'group-learned')).toHaveLength(1);
  });
});
