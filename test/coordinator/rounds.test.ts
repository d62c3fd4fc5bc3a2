import { maxDocumentBytes } from '../../protocol/limits.ts';
import { emptyRequesters } from '../../protocol/files/requesters.ts';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Gate } from '../../coordinator/gate.ts';
import { GroupLog } from '../../coordinator/group-log.ts';
import { costs } from '../../coordinator/limits.ts';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { openDecision } from '../../protocol/signing/decision.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { judgeEvidence } from '../../protocol/evidence.ts';
import { delegationOf, genesisOf } from '../../protocol/ceremony/founding.ts';
import { commitmentMessage, openCommitment, openShare, shareMessage } from '../../protocol/signing/attempt.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import type { MemberFrame, RoundBody } from '../../protocol/wire/frames.ts';
import { cancelMessage, openRequest } from '../../protocol/request/request.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { openGroup } from '../../client/group.ts';
import { Http } from '../../client/http.ts';
import { readEvents } from '../../client/live.ts';
import { publicGroup } from '../harness/ceremony-network.ts';
import {
  dealtGroup,
  documentRequest,
  releaseOf,
  requestersBytes,
  type DealtGroup,
} from '../harness/coordinator-group.ts';
import type { MemberOptions } from '../harness/coordinator-member.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person, type Person } from '../harness/people.ts';

const group = await dealtGroup({
  tiers: ['build', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ build: 1 }',
});
const now = (): number => Math.floor(Date.now() / 1000);
const approve: MemberOptions = { decide: () => 'approve' };

/** A running coordinator that knows the group. */
async function knowing(
  of: DealtGroup = group,
  options: Parameters<CoordinatorWorld['start']>[0] = {},
): Promise<CoordinatorWorld> {
  const world = await CoordinatorWorld.create(of);
  await world.start(options);
  await world.learn(of);
  return world;
}

function cancelOf(digest: string, asker: Person) {
  return sealMessage(cancelMessage, { groupKey: group.epoch.groupKey, requestDigest: digest }, asker);
}

/** The events of a round's stream as they come over the line. */
async function openStream(
  world: CoordinatorWorld,
  digest: string,
  query: string,
): Promise<ReturnType<typeof readEvents>> {
  const { token } = await world.requester(group).login();
  const http = new Http(world.base);
  world.onDispose(() => http.close());
  return readEvents(await http.stream({ method: 'GET', path: `/v1/rounds/${digest}/events${query}`, token }, {}));
}

/** The last state that a stream shows. */
async function lastOf(stream: AsyncIterable<RoundBody>): Promise<RoundBody> {
  let last: RoundBody | undefined;
  for await (const body of stream) last = body;
  return last!;
}

test('a question that passes over too many rounds is refused for good, and its asker pays for them (T44)', async () => {
  const charged = vi.spyOn(Gate.prototype, 'chargeMore');
  onTestFinished(() => charged.mockRestore());
  await using world = await knowing(group, { limits: { maxPassedRounds: 2 } });
  const requester = world.requester(group);
  for (const release of ['1.0.0', '2.0.0', '3.0.0'])
    await requester.submit(releaseOf(group, group.requester, { release, channel: 'development' }));
  const asked = { outcome: 'pending', channel: 'production' } as const;
  charged.mockClear();
  await expect(requester.rounds(group.epoch.groupKey, asked)).rejects.toMatchObject({
    refusal: { status: 400, code: 'too-broad' },
  });
  expect(charged.mock.calls).toEqual([[group.requester.key, 3 * costs.passedRound]]);
  expect(await requester.rounds(group.epoch.groupKey, { ...asked, channel: 'development' })).toHaveLength(3);
});

describe('a round', () => {
  test('ends signed when a quorum approves, and everybody believes the result', async () => {
    await using world = await knowing();
    const members = await world.members(group, approve);
    const requester = world.requester(group);
    const { digest, joined, missing } = await requester.submit(releaseOf(group, group.requester));
    expect({ joined, missing }).toEqual({ joined: false, missing: [] });
    for (const member of members) {
      const closed = await member.closedFrame(digest);
      expect(closed.outcome).toBe('signed');
      expect(member.believes(closed)).toBe(true);
    }
    const round = await requester.round(digest);
    expect(round).toMatchObject({ outcome: 'signed', out: [] });
    expect(round.signers).toHaveLength(2);
    // A frame that comes late costs one read, however many records the round has.
    const read = vi.spyOn(GroupLog.prototype, 'recordsOf');
    onTestFinished(() => read.mockRestore());
    const [late] = members;
    const own = round.decisions.find(({ signatures: [{ keyid }] }) => keyid === late!.person.key)!;
    const before = late!.frames.length;
    late!.send({ type: 'decision', decision: own });
    await late!.next('closed', ({ requestDigest }) => requestDigest === digest, before);
    expect(read).not.toHaveBeenCalled();
  });

  test('on a channel of its own is asked only of that channel and signed by its key', async () => {
    await using world = await knowing();
    const [build, admin] = await world.members(group, approve);
    const { digest } = await world
      .requester(group)
      .submit(releaseOf(group, group.requester, { channel: 'development' }));
    expect(build!.believes(await build!.closedFrame(digest))).toBe(true);
    expect(admin!.frames.filter(({ type }) => type === 'request')).toEqual([]);
  });

  test('shows its live stream from submission to the end', async () => {
    await using world = await knowing();
    const members = await world.members(group);
    const requester = world.requester(group);
    const { digest } = await requester.submit(releaseOf(group, group.requester));
    const seen: RoundBody[] = [];
    for await (const body of requester.watchRound(digest)) {
      seen.push(body);
      if (seen.length === 1) {
        for (const member of members.slice(0, 2)) {
          await member.next('request');
          member.decide(digest, 'approve');
        }
      }
    }
    expect(seen[0]).toMatchObject({ outcome: 'pending', connected: [1, 2, 3], decisions: [], attempts: [] });
    expect(seen.at(-1)!.outcome).toBe('signed');
    expect(seen.at(-1)!.decisions.map((one) => openDecision(one, group.epoch.charter).member.name)).toEqual([
      'build-1',
      'admin-2',
    ]);
    expect(seen.at(-1)!.attempts).toMatchObject([{ signers: [1, 2], answered: [1, 2], open: false }]);
    expect(await lastOf(requester.watchRound(digest))).toMatchObject({ outcome: 'signed' });
  });

  test('is shown whole first, then what is new, a pending state not right after another, and the last one at once', async () => {
    // So long that only the first pending state and the last one can come.
    await using world = await knowing(group, { limits: { streamPauseMs: 60_000 } });
    const members = await world.members(group);
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    const events = await openStream(world, digest, '?changes=1');
    const { value: first } = await events.next();
    for (const member of members.slice(0, 2)) {
      await member.next('request');
      member.decide(digest, 'approve');
    }
    const { value: last } = await events.next();
    expect(first).toMatchObject({ name: undefined });
    expect(JSON.parse(first!.data)).toMatchObject({ digest, outcome: 'pending', decisions: [] });
    expect(last).toMatchObject({ name: 'change' });
    const change = JSON.parse(last!.data) as Partial<RoundBody>;
    expect(change).toMatchObject({ outcome: 'signed', signers: [1, 2] });
    expect(change.decisions).toHaveLength(2);
    expect(Object.keys(change)).not.toContain('request');
    expect((await events.next()).done).toBe(true);
  });

  test('is shown whole every time to whoever did not ask for changes', async () => {
    await using world = await knowing();
    const [first, second] = await world.members(group);
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    const shown: RoundBody[] = [];
    for await (const event of await openStream(world, digest, '')) {
      expect(event.name).toBeUndefined();
      shown.push(JSON.parse(event.data) as RoundBody);
      const member = shown.length === 1 ? first! : second!;
      if (shown.length === 1 || shown.at(-1)!.decisions.length === 1) {
        await member.next('request');
        member.decide(digest, 'approve');
      }
    }
    expect(shown.every((body) => body.request.payload === shown[0]!.request.payload)).toBe(true);
    expect(shown.at(-1)!.outcome).toBe('signed');
  });

  test('ends refused when verified refusals leave no quorum (T34)', async () => {
    await using world = await knowing();
    const [first, second] = await world.members(group, { decide: () => 'refuse' });
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    expect((await first!.closedFrame(digest)).outcome).toBe('refused');
    const round = await lastOf(world.requester(group).watchRound(digest));
    const said = round.decisions.map((one) => openDecision(one, group.epoch.charter).payload);
    expect(said.map(({ decision }) => decision)).toContain('refuse');
    expect(said.every(({ requestDigest }) => requestDigest === digest)).toBe(true);
    expect(second!.frames.some(({ type }) => type === 'decision')).toBe(true);
  });

  test('expires when its time is over', async () => {
    let ahead = 0;
    await using world = await knowing(group, { nowMs: () => Date.now() + ahead });
    const createdAt = formatTimestamp(now() - 3597);
    const requester = world.requester(group);
    const { digest } = await requester.submit(releaseOf(group, group.requester, { channel: 'development', createdAt }));
    ahead = 3000;
    expect(await lastOf(requester.watchRound(digest))).toMatchObject({ outcome: 'expired' });
  });

  test('goes on with a spare member when one of its signers is silent, and never excludes the silent one', async () => {
    await using world = await knowing(group, { limits: { stallAfterMs: 50 } });
    let swallowed = 0;
    const silent = world.member(group, 1, {
      ...approve,
      send: (frame) => (frame.type === 'share' ? (swallowed++, undefined) : frame),
    });
    const spare = world.member(group, 3, approve);
    await silent.connect();
    const others = [world.member(group, 2, approve), spare];
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    await silent.next('request');
    for (const member of others) await member.connect();
    expect((await spare.closedFrame(digest)).signers).toEqual([2, 3]);
    expect(swallowed).toBe(1);
    const round = await world.requester(group).round(digest);
    expect(round.out).toEqual([]);
    expect(round.attempts.length).toBe(2);
  });

  test('goes on with a spare member when one of its signers disconnects, and sends the package again when it is back', async () => {
    await using world = await knowing();
    const leaving = world.member(group, 1, {
      ...approve,
      send: (frame) => (frame.type === 'share' ? undefined : frame),
    });
    await leaving.connect();
    const second = world.member(group, 2, approve);
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    await second.connect();
    await leaving.next('package');
    await leaving.drop();
    const packages = leaving.frames.filter(({ type }) => type === 'package').length;
    await leaving.connect();
    expect(leaving.frames.filter(({ type }) => type === 'package').length).toBe(packages + 1);
    const third = world.member(group, 3, approve);
    await third.connect();
    expect((await third.closedFrame(digest)).signers).toEqual([2, 3]);
  });

  test('goes on without a member whose share is wrong, and serves evidence that judges it offline (T9)', async () => {
    await using world = await knowing();
    const liar = world.member(group, 1, {
      ...approve,
      send: (frame): MemberFrame => {
        if (frame.type !== 'share') return frame;
        const { payload } = openShare(frame.share, group.epoch.charter);
        const wrong = payload.shares.map((share) => share.replace(/^../, (byte) => (byte === '00' ? '01' : '00')));
        return { type: 'share', share: liar.seal(shareMessage, { ...payload, shares: wrong }) };
      },
    });
    await liar.connect();
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    await liar.next('request');
    const honest = [world.member(group, 2, approve), world.member(group, 3, approve)];
    for (const member of honest) await member.connect();
    expect((await honest[0]!.closedFrame(digest)).signers).toEqual([2, 3]);
    const round = await world.requester(group).round(digest);
    expect(round.out).toEqual([{ member: 1, reason: 'fault' }]);
    const evidence = await world.requester(group).evidence(digest, round.evidence[0]!);
    expect(judgeEvidence(publicGroup, evidence)).toMatchObject({ culprit: { name: 'build-1' }, requestDigest: digest });
    expect(world.log).toContainEqual(expect.objectContaining({ event: 'fault', member: 'build-1', round: digest }));
  });

  test('goes on without a member whose commitment is no point, with evidence (T8)', async () => {
    await using world = await knowing();
    const liar = world.member(group, 1, {
      ...approve,
      send: (frame): MemberFrame => {
        if (frame.type !== 'commitment') return frame;
        const { payload } = openCommitment(frame.commitment, group.epoch.charter);
        const identity = { hiding: `01${'00'.repeat(31)}`, binding: `01${'00'.repeat(31)}` };
        const commitments = payload.commitments.map(() => identity);
        return { type: 'commitment', commitment: liar.seal(commitmentMessage, { ...payload, commitments }) };
      },
    });
    await liar.connect();
    const { digest } = await world.requester(group).submit(releaseOf(group, group.requester));
    await liar.next('request');
    const honest = [world.member(group, 2, approve), world.member(group, 3, approve)];
    for (const member of honest) await member.connect();
    expect((await honest[0]!.closedFrame(digest)).signers).toEqual([2, 3]);
    const round = await world.requester(group).round(digest);
    const evidence = await world.requester(group).evidence(digest, round.evidence[0]!);
    expect(judgeEvidence(publicGroup, evidence).culprit.name).toBe('build-1');
  });
});

describe('a submission', () => {
  const refused: readonly (readonly [string, string, () => ReturnType<typeof releaseOf>])[] = [
    [
      'of another group',
      'wrong-group',
      () => releaseOf(group, group.requester, { groupKey: encodeBase64Url(new Uint8Array(32).fill(9)) }),
    ],
    ['of another key epoch', 'wrong-epoch', () => releaseOf(group, group.requester, { epoch: '11'.repeat(32) })],
    ['on an unknown channel', 'unknown-channel', () => releaseOf(group, group.requester, { channel: 'nightly' })],
    ['with an unknown format', 'unknown-format', () => releaseOf(group, group.requester, { formats: ['raw'] })],
    [
      'with a format of another kind',
      'unknown-format',
      () => releaseOf(group, group.requester, { formats: ['genesis'] }),
    ],
    [
      'that has expired',
      'expired',
      () => releaseOf(group, group.requester, { createdAt: formatTimestamp(now() - 72 * 3600) }),
    ],
    [
      'from too far ahead',
      'not-yet-valid',
      () => releaseOf(group, group.requester, { createdAt: formatTimestamp(now() + 330) }),
    ],
    ['signed by somebody else', 'not-allowed', () => releaseOf(group, group.people[0]!)],
    [
      'with a name that is a path',
      'bad-request',
      () =>
        releaseOf(group, group.requester, {
          artifacts: [{ name: '../x', size: 1, sha256: '00'.repeat(32), sha512: '00'.repeat(64) }],
        }),
    ],
    [
      'for genesis by no member',
      'not-allowed',
      () => documentRequest(group, group.requester, 'genesis', genesisOf(group.epoch)),
    ],
  ];

  describe('is refused and changes nothing', () => {
    let world: CoordinatorWorld;
    beforeAll(async () => (world = await knowing()));
    afterAll(() => world[Symbol.asyncDispose]());

    test.each(refused)('%s: %s', async (_what, code, envelope) => {
      const requester = world.requester(group);
      expect(await refusalOf(requester.submit(envelope()))).toBe(code);
      expect(await requester.rounds(group.epoch.groupKey)).toEqual([]);
    });
  });

  test('with a broken signature is refused', async () => {
    await using world = await knowing();
    const envelope = releaseOf(group, group.requester);
    const other = releaseOf(group, group.requester, { release: '2.0.0' });
    const forged = { ...envelope, payload: other.payload };
    expect(await refusalOf(world.requester(group).submit(forged))).toBe('bad-signature');
  });

  test('past the pending ones that one asker or group may have is refused, and fits again when one is over (T33)', async () => {
    await using world = await knowing(group, { limits: { maxPendingPerAsker: 2 } });
    const requester = world.requester(group);
    const submit = (release: string) => requester.submit(releaseOf(group, group.requester, { release }));
    const { digest } = await submit('1.0.1');
    await submit('1.0.2');
    expect(await refusalOf(submit('1.0.3'))).toBe('too-many');
    await requester.cancel(digest, cancelOf(digest, group.requester));
    expect((await submit('1.0.3')).joined).toBe(false);
  });

  test('is refused when the member that asks is needed for the quorum (T31)', async () => {
    const small = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' }, { member: 'admin-1' });
    await using world = await knowing(small);
    expect(await refusalOf(world.requester(small).submit(releaseOf(small, small.requester)))).toBe('not-allowed');
  });

  test('by a requester who is also a member is signed without that member (T31)', async () => {
    const own = await dealtGroup(
      { tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' },
      { member: 'admin-1' },
    );
    await using world = await knowing(own);
    const members = await world.members(own, approve);
    const { digest } = await world.requester(own).submit(releaseOf(own, own.requester));
    expect((await members[0]!.closedFrame(digest)).signers).toEqual([2, 3]);
  });

  test('that is pending already is joined, whenever it was made', async () => {
    await using world = await knowing();
    const requester = world.requester(group);
    const first = await requester.submit(releaseOf(group, group.requester));
    const again = await requester.submit(releaseOf(group, group.requester, { createdAt: formatTimestamp(now() - 60) }));
    expect(again).toEqual({ ...first, joined: true });
    const both = await Promise.all(
      ['2.0.0', '2.0.0'].map((release) => requester.submit(releaseOf(group, group.requester, { release }))),
    );
    expect(both[0]!.digest).toBe(both[1]!.digest);
    expect(await requester.rounds(group.epoch.groupKey)).toHaveLength(2);
  });

  test('that is signed already returns its result while the delegation is valid, and opens anew afterwards', async () => {
    let ahead = 0;
    await using world = await knowing(group, { nowMs: () => Date.now() + ahead });
    const [build] = await world.members(group, approve);
    const requester = world.requester(group);
    const first = await requester.submit(releaseOf(group, group.requester, { channel: 'development' }));
    await build!.closedFrame(first.digest);
    const later = { channel: 'development', createdAt: formatTimestamp(now() - 1) };
    expect(await requester.submit(releaseOf(group, group.requester, later))).toMatchObject({
      digest: first.digest,
      joined: true,
    });
    ahead = 91 * 24 * 3600 * 1000;
    await requester.login();
    const createdAt = formatTimestamp(now() + ahead / 1000);
    const anew = await requester.submit(releaseOf(group, group.requester, { channel: 'development', createdAt }));
    expect(anew.joined).toBe(false);
    expect(anew.digest).not.toBe(first.digest);
  });

  test('whose round was refused joins it, to learn that; and opens anew when it is asked for again', async () => {
    await using world = await knowing();
    const decisions = ['refuse', 'approve'] as const;
    let turn = 0;
    const members = await world.members(group, { decide: () => decisions[turn]! });
    const requester = world.requester(group);
    const createdAt = formatTimestamp(now() - 10);
    const first = await requester.submit(releaseOf(group, group.requester, { createdAt }));
    expect((await members[0]!.closedFrame(first.digest)).outcome).toBe('refused');
    turn = 1;
    const asked = await requester.submit(releaseOf(group, group.requester));
    expect(asked).toEqual({ digest: first.digest, joined: true, missing: [] });
    expect((await requester.round(first.digest)).outcome).toBe('refused');
    const second = await requester.submit(releaseOf(group, group.requester), true);
    expect(second.joined).toBe(false);
    expect((await members[0]!.closedFrame(second.digest)).outcome).toBe('signed');
    expect(await refusalOf(requester.cancel(second.digest, cancelOf(second.digest, group.requester)))).toBe('conflict');
  });

  test('can be cancelled by its asker alone; the very same request is not taken again', async () => {
    await using world = await knowing();
    const [member] = await world.members(group);
    const requester = world.requester(group);
    const envelope = releaseOf(group, group.requester);
    const { digest } = await requester.submit(envelope);
    const { client } = member!;
    expect(await refusalOf(client.cancel(digest, cancelOf(digest, group.people[0]!)))).toBe('not-allowed');
    expect(await refusalOf(client.cancel(digest, cancelOf(digest, group.requester)))).toBe('not-allowed');
    expect(await refusalOf(requester.cancel(digest, cancelOf('00'.repeat(32), group.requester)))).toBe('bad-request');
    expect((await requester.cancel(digest, cancelOf(digest, group.requester))).outcome).toBe('cancelled');
    expect((await requester.cancel(digest, cancelOf(digest, group.requester))).outcome).toBe('cancelled');
    expect((await member!.closedFrame(digest)).outcome).toBe('cancelled');
    expect(await requester.submit(envelope)).toEqual({ digest, joined: true, missing: [] });
    expect(await refusalOf(requester.submit(envelope, true))).toBe('conflict');
  });
});

describe('documents', () => {
  const bytes = requestersBytes(group, 2, [group.requester]);

  test('are uploaded by hash, and members are asked only when all of them are there', async () => {
    await using world = await knowing();
    const [first, second] = await world.members(group, approve);
    const asker = first!.client;
    const { digest, missing } = await asker.submit(documentRequest(group, first!.person, 'requesters', bytes));
    expect(missing).toEqual([sha256Hex(bytes)]);
    expect(first!.frames.filter(({ type }) => type === 'request')).toEqual([]);
    expect(await refusalOf(second!.client.document(digest, missing[0]!))).toBe('not-found');
    expect((await asker.putDocument(digest, bytes)).missing).toEqual([]);
    await first!.next('documents', (frame) => frame.requesters !== null && first!.documents?.requesters?.version === 2);
    expect(await second!.client.document(digest, missing[0]!)).toEqual(Buffer.from(bytes));
    const { requesters } = openGroup(
      await second!.client.group(group.epoch.groupKey),
      group.epoch.channel('production').point.bytes,
    );
    expect(requesters.version).toBe(2);
  });

  test('that the request does not name, or by somebody else, or with other bytes are refused', async () => {
    await using world = await knowing();
    const [first, second] = await world.members(group);
    const { digest } = await first!.client.submit(documentRequest(group, first!.person, 'requesters', bytes));
    const other = requestersBytes(group, 3, []);
    expect(await refusalOf(first!.client.putDocument(digest, other))).toBe('not-found');
    expect(await refusalOf(second!.client.putDocument(digest, bytes))).toBe('not-allowed');
    const path = `${world.base}/v1/rounds/${digest}/documents/${sha256Hex(bytes)}`;
    const { token } = await first!.client.login();
    const put = async (body: Uint8Array, type = 'application/octet-stream') => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': type };
      const answer = await fetch(path, { method: 'PUT', headers, body: Buffer.from(body) });
      return ((await answer.json()) as { code: string }).code;
    };
    expect(await put(other)).toBe('bad-document');
    expect(await put(new Uint8Array(2 * 1024 * 1024))).toBe('bad-document');
    expect(await put(new Uint8Array(maxDocumentBytes + 1))).toBe('too-large');
    expect(await put(bytes, 'application/json')).toBe('bad-body');
    expect(await put(bytes, 'text/plain')).toBe('bad-body');
  });

  test('that no quorum may sign end their round at once', async () => {
    await using world = await knowing();
    const [first] = await world.members(group);
    const stale = requestersBytes(group, 1, []);
    const { digest } = await first!.client.submit(documentRequest(group, first!.person, 'requesters', stale));
    expect(await refusalOf(first!.client.putDocument(digest, stale))).toBe('stale-version');
    const garbage = Buffer.from('{}');
    const other = await first!.client.submit(documentRequest(group, first!.person, 'requesters', garbage));
    expect(await refusalOf(first!.client.putDocument(other.digest, garbage))).toBe('bad-requesters');
    expect((await lastOf(first!.client.watchRound(digest))).outcome).toBe('cancelled');
    expect((await lastOf(first!.client.watchRound(other.digest))).outcome).toBe('cancelled');
    expect(first!.frames.filter(({ type }) => type === 'request')).toEqual([]);
  });

  test('of the ceremony are signed one after the other, shown to all, and may be signed by their asker', async () => {
    const young = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
    await using world = await CoordinatorWorld.create(young);
    await world.start();
    const bare = { ...young.body, genesis: null, requesters: null, delegations: [] };
    const asker = world.member(young, 1, approve);
    await asker.client.putGroup(young.epoch.charter.hash, bare);
    const other = world.member(young, 2, approve);
    for (const member of [asker, other]) await member.connect();
    const createdAt = formatTimestamp(now());
    const documents = [
      ['genesis', genesisOf(young.epoch)],
      ['requesters', emptyRequesters(young.epoch.charter).bytes],
      [
        'delegation',
        delegationOf(
          young.epoch,
          'development',
          openRequest(releaseOf(young, asker.person, { createdAt })).createdAtUnixSeconds,
        ),
      ],
    ] as const;
    for (const [kind, document] of documents) {
      const { digest } = await asker.client.submit(documentRequest(young, asker.person, kind, document, { createdAt }));
      await asker.client.putDocument(digest, document);
      expect((await asker.closedFrame(digest)).signers).toEqual([1, 2]);
    }
    await other.next(
      'documents',
      ({ genesis, requesters, delegations }) => genesis !== null && requesters !== null && delegations.length === 1,
    );
    const opened = openGroup(
      await asker.client.group(young.epoch.groupKey),
      young.epoch.channel('production').point.bytes,
    );
    expect(opened.requesters.bytes).toEqual(emptyRequesters(young.epoch.charter).bytes);
    expect(opened.delegations.map(({ channel }) => channel)).toEqual(['development']);
  });

  test('that withdraw the rights of a requester end what that requester had pending (T33)', async () => {
    await using world = await knowing();
    const stolen = world.requester(group);
    const members = await world.members(group, {
      decide: ({ payload }) => (payload.kind === 'requesters' ? 'approve' : 'ask'),
    });
    const { digest } = await stolen.submit(releaseOf(group, group.requester));
    const without = requestersBytes(group, 2, [person('erin')]);
    const change = await members[0]!.client.submit(documentRequest(group, members[0]!.person, 'requesters', without));
    await members[0]!.client.putDocument(change.digest, without);
    expect((await members[1]!.closedFrame(digest)).outcome).toBe('cancelled');
    expect(await refusalOf(stolen.round(digest))).toBe('not-a-requester');
  });
});
