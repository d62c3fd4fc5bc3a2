/** A status, one member's side: what it approves, and what it signs no more once it has seen one (T46). */
import { describe, expect, it } from 'vitest';
import { requestPage } from '../../cli/text/request.ts';
import { draftConsent } from '../../protocol/request/endorsement.ts';
import { draftStatus, statusOf, type RevocationWish } from '../../protocol/request/status.ts';
import type { Request, RequestPayload } from '../../protocol/request/request.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { Status } from '../../verifier/status.ts';
import { documentBodyOf } from '../harness/group-document.ts';
import { releaseRequest } from '../harness/round-network.ts';
import { certificateRequest, signedFiles } from '../harness/signed-release.ts';
import {
  commitmentOf,
  makeParticipant,
  makeWorld,
  now,
  openedFrames,
  packageFrame,
  requestFrame,
  runCeremony,
  type TestParticipant,
  type World,
} from './members.ts';

const created = now - 30;
const createdAt = formatTimestamp(created);
const plan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }', development: '{ a: 1 }' };
const stolen: RevocationWish = { channel: 'development', reason: 'a laptop\u202e was stolen' };
const old: RevocationWish = { product: 'tool', below: '1.4.2', reason: null };

interface Asked {
  readonly request: Request;
  readonly document: Uint8Array;
  /** What would be signed. */
  readonly status: Status;
}

/** The status that goes on from those, as somebody asks for it. */
function statusAfter({ live }: World, held: readonly Status[], wish?: RevocationWish, date = createdAt): Asked {
  const document = draftStatus(live.epoch, held, wish)!;
  const isOfChannel = wish !== undefined && 'channel' in wish;
  const request = releaseRequest(live, 'production', {
    kind: 'status',
    formats: ['status', ...(isOfChannel ? ['ssh-revocation'] : [])],
    artifacts: [],
    documents: [{ kind: 'status', size: document.length, sha256: sha256Hex(document) }],
    product: null,
    release: null,
    createdAt: date,
  });
  return { request, document, status: statusOf(live.epoch, document, date).status };
}

/** What was uploaded to the coordinator, by SHA-256. */
const uploaded = new Map<string, Uint8Array>();

async function memberOf(world: World): Promise<TestParticipant> {
  return await makeParticipant(world, 1, { documents: uploaded });
}

async function take(
  member: TestParticipant,
  { request, document }: Pick<Asked, 'request'> & Partial<Asked>,
): Promise<TestParticipant['rounds']> {
  if (document !== undefined) uploaded.set(sha256Hex(document), document);
  await member.receive(requestFrame(request));
  await member.rounds.settled();
  return member.rounds;
}

async function saw(member: TestParticipant, world: World, { request, document }: Omit<Asked, 'status'>): Promise<void> {
  await member.documents.issued.adopt([documentBodyOf(world.live, request, document)]);
}

const release = ({ live }: World, channel: string, change: Partial<RequestPayload> = {}): Request =>
  releaseRequest(live, channel, { createdAt, ...change });

describe('a member', () => {
  it('approves the status that says all that it saw, and reads in words what ends', async () => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const first = statusAfter(world, [], old, formatTimestamp(created - 3600));
    await saw(one, world, first);
    await one.restart();
    const next = statusAfter(world, [first.status], stolen);
    const rounds = await take(one, next);
    const page = requestPage(rounds.show(next.request.digest), now);
    expect(page).toContain('status 2 ends, for good:');
    const line = page.replaceAll(/\s+/g, ' ');
    expect(line).toMatch(
      /- the key of development \(\S+\): whatever it signed, whenever, no verifier takes that has this status;/,
    );
    expect(page).toContain('because: a laptop\\u{202e} was stolen');
    expect(line).toContain('as before: every tool below 1.4.2 was revoked at');
    await rounds.decide(next.request.digest, 'approve', null);
    expect(openedFrames(world, one).decisions).toMatchObject([{ decision: 'approve' }]);
  });

  it.each<[string, string, (world: World, first: Asked) => Asked]>([
    [
      'of a number that is signed',
      'the status has number 1, and the next is 2',
      (world) => statusAfter(world, [], stolen),
    ],
    [
      'that forgets what ended',
      'leaves out what was revoked before: tool below 1.4.2',
      (world, { status }) => statusAfter(world, [{ ...status, revoked: [] }], stolen),
    ],
    [
      'that says of before what nobody signed',
      'says of before what no earlier one says: tool below 1.4.2',
      (world, { status: { revoked, ...status } }) =>
        statusAfter(world, [{ ...status, revoked: revoked.map((one) => ({ ...one, reason: 'another' })) }], stolen),
    ],
  ])('does not approve one %s, whatever its coordinator remembers', async (_, words, next) => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const first = statusAfter(world, [], old);
    await saw(one, world, first);
    const asked = next(world, first);
    const rounds = await take(one, asked);
    expect(rounds.show(asked.request.digest)).toMatchObject({
      state: 'blocked',
      obstacle: expect.stringContaining(words) as string,
    });
    await expect(rounds.decide(asked.request.digest, 'approve', null)).rejects.toMatchObject({ code: 'not-allowed' });
  });

  it('approves one of two open statuses of one number', async () => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const [first, second] = [statusAfter(world, [], old), statusAfter(world, [], stolen)];
    await (await take(one, first)).decide(first.request.digest, 'approve', null);
    const rounds = await take(one, second);
    await expect(rounds.decide(second.request.digest, 'approve', null)).rejects.toMatchObject({
      message: expect.stringContaining('approved another status 1') as string,
    });
  });
});

describe('what a status ended', () => {
  it.each<[string, RevocationWish, (world: World) => Request, boolean]>([
    ['a release on the channel', stolen, (world) => release(world, 'development'), true],
    [
      'a certificate for its key',
      stolen,
      ({ live }) => certificateRequest(live, 'development', formatTimestamp(now + 86_400), { createdAt }),
      true,
    ],
    ['a release on production', stolen, (world) => release(world, 'production'), false],
    ['an old release', old, (world) => release(world, 'production', { release: '1.4.1' }), true],
    ['a release that says no version', old, (world) => release(world, 'production', { release: null }), true],
    ['the release that is the bound', old, (world) => release(world, 'production', { release: '1.4.2' }), false],
    ['another product', old, (world) => release(world, 'production', { product: 'other', release: '1.0.0' }), false],
  ])('is signed by nobody any more: %s', async (_, wish, asked, isEnded) => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    await saw(one, world, statusAfter(world, [], wish));
    await one.restart();
    const request = asked(world);
    const rounds = await take(one, { request });
    expect(rounds.show(request.digest).state).toBe(isEnded ? 'blocked' : 'waiting');
    if (isEnded) expect(rounds.show(request.digest).obstacle).toContain(' was revoked for good: dev asked for it on ');
  });

  it('gets no share of whoever approved before it saw the status', async () => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const request = release(world, 'production', { release: '1.0.0' });
    await (await take(one, { request })).decide(request.digest, 'approve', null);
    await saw(one, world, statusAfter(world, [], old));
    await one.receive(packageFrame(request, [one.lastCommitment(), commitmentOf(world, request, 2)]));
    expect(openedFrames(world, one)).toMatchObject({
      shares: [],
      answers: [{ answer: 'declined', code: 'not-allowed' }],
    });
  });
});

describe('a member of a group that has endorsed a key', () => {
  it('endorses one key, for ever: it approves no other, and says which it was', async () => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const [next, other] = [await runCeremony(plan), await runCeremony(plan)];
    const [first, second] = [endorsementOfNext(world, next), endorsementOfNext(world, other)];
    await saw(one, world, first);
    await one.restart();
    const rounds = await take(one, second);
    const line = `frostmark-group:acme:${next.live.epoch.groupKey}`;
    expect(rounds.show(second.request.digest)).toMatchObject({
      state: 'blocked',
      obstacle: expect.stringContaining(`the group has endorsed ${line} already`) as string,
    });
    await expect(rounds.decide(second.request.digest, 'approve', null)).rejects.toMatchObject({ code: 'not-allowed' });
  });

  it('reads before it approves that this is once and for ever, and which key it is', async () => {
    const world = await makeWorld(plan);
    const one = await memberOf(world);
    const next = await runCeremony(plan);
    const asked = endorsementOfNext(world, next);
    const page = requestPage((await take(one, asked)).show(asked.request.digest), now).replaceAll(/\s+/g, ' ');
    expect(page).toContain(
      `this group says, once and for ever, that frostmark-group:acme:${next.live.epoch.groupKey} comes after`,
    );
  });
});

/** The endorsement of another group that agreed. */
function endorsementOfNext({ live }: World, next: World): Omit<Asked, 'status'> {
  const documentRequest = (of: World['live'], kind: 'consent' | 'endorsement', document: Uint8Array): Request =>
    releaseRequest(of, 'production', {
      kind,
      formats: [kind],
      artifacts: [],
      documents: [{ kind, size: document.length, sha256: sha256Hex(document) }],
      product: null,
      release: null,
      createdAt,
    });
  const group = { name: live.epoch.charter.group, key: live.epoch.channel('production').point.bytes };
  const draft = draftConsent(next.live.epoch, group);
  const document = signedFiles(next.live, documentRequest(next.live, 'consent', draft), [draft]).get('consent')!;
  return { request: documentRequest(live, 'endorsement', document), document };
}
