/** Numbered documents of the group, one member's side: what it approves, what it never helps to sign beside it, and what it saw revoked (T46). */
import { describe, expect, it } from 'vitest';
import type { Judge } from '../../participant/judge.ts';
import { openRequest, requestMessage, type Request, type RequestPayload } from '../../protocol/request/request.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import type { DocumentBody } from '../../protocol/wire/frames.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { documentBodyOf } from '../harness/group-document.ts';
import { OpenpgpTestGroup } from '../harness/openpgp-group.ts';
import { certificateRequest } from '../harness/signed-release.ts';
import {
  commitmentOf,
  hookedJournal,
  makeParticipant,
  makeWorld,
  now,
  openedFrames,
  packageFrame,
  requestFrame,
  runCeremony,
  type ParticipantOptions,
  type TestParticipant,
  type World,
} from './members.ts';

const created = now - 30;
const day = 86_400;
const expiry = 72 * 3600;
const plan = {
  tiers: ['a', 'a', 'a'],
  production: '{ any: 2 }',
  development: '{ a: 1 }',
  openpgp: `{ userId: "Acme <release@acme.example>", created: ${formatTimestamp(now - 200 * day)} }`,
};
const approves: Judge = () => Promise.resolve({ action: 'approve', reason: null, rule: 'approves everything' });

/** Asks for the SSH certificate of development with this number, until so many days from now. */
function sshRequest(
  world: World,
  number: number | undefined,
  days = 30,
  change: Partial<RequestPayload> = {},
): Request {
  const until = formatTimestamp(now + days * day);
  const rest = { createdAt: formatTimestamp(created), ...change };
  if (number !== undefined) return certificateRequest(world.live, 'development', until, { number, ...rest });
  const { payload } = certificateRequest(world.live, 'development', until, rest);
  const unnumbered = Object.fromEntries(Object.entries(payload).filter(([name]) => name !== 'number'));
  return openRequest(sealMessage(requestMessage, unnumbered as RequestPayload, world.live.requester));
}

async function take(member: TestParticipant, request: Request): Promise<TestParticipant['rounds']> {
  await member.receive(requestFrame(request));
  await member.rounds.settled();
  return member.rounds;
}

async function member(options: ParticipantOptions = {}): Promise<{ world: World; member: TestParticipant }> {
  const world = await makeWorld(plan);
  return { world, member: await makeParticipant(world, 1, options) };
}

async function expectBlocked(member: TestParticipant, request: Request, words: string): Promise<void> {
  const rounds = await take(member, request);
  expect(rounds.show(request.digest)).toMatchObject({
    state: 'blocked',
    obstacle: expect.stringContaining(words) as string,
  });
  await expect(rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
    code: 'not-allowed',
    message: expect.stringContaining(words) as string,
  });
}

describe('a member', () => {
  it('approves the next number, and no other', async () => {
    const { world, member: one } = await member();
    await expectBlocked(one, sshRequest(world, 2), 'SSH certificate 2 of development would come after number 0');
    await expectBlocked(one, sshRequest(world, undefined), 'does not say which SSH certificate of development');
    const first = sshRequest(world, 1);
    const rounds = await take(one, first);
    await rounds.decide(first.digest, 'approve', null);
    expect(openedFrames(world, one).decisions).toMatchObject([{ decision: 'approve', requestDigest: first.digest }]);
  });

  it('has the number in its journal before its approval exists', async () => {
    const seen: { type: string; sent: number }[] = [];
    const holder: { one?: TestParticipant } = {};
    const { world, member: one } = await member({
      judge: approves,
      journal: (real) =>
        hookedJournal(real, async ({ type }, next) => {
          await next();
          seen.push({ type, sent: holder.one?.frames('decision').length ?? 0 });
        }),
    });
    holder.one = one;
    await take(one, sshRequest(world, 1));
    await one.rounds.settled();
    expect(seen.filter(({ type }) => type !== 'ceremony-given')).toEqual([
      { type: 'document-approved', sent: 0 },
      { type: 'decision', sent: 0 },
    ]);
    expect(one.frames('decision')).toHaveLength(1);
  });

  it('counts every document of a count through restarts, and each channel and kind by itself', async () => {
    const { world, member: one } = await member();
    await one.documents.issued.adopt([documentBodyOf(world.live, sshRequest(world, 1))]);
    await one.documents.issued.adopt([documentBodyOf(world.live, sshRequest(world, 2))]);
    await one.restart();
    await expectBlocked(one, sshRequest(world, 2, 20), 'SSH certificate 2 of development is signed already: the next');
    const rounds = await take(one, sshRequest(world, 3));
    expect(rounds.show(sshRequest(world, 3).digest).state).toBe('waiting');
  });
});

describe('two open rounds of one number', () => {
  it('end with one approval: the second is declined with words until the first is refused', async () => {
    const { world, member: one } = await member();
    const [first, second] = [sshRequest(world, 1, 30), sshRequest(world, 1, 20)];
    await (await take(one, first)).decide(first.digest, 'approve', null);
    await expectBlocked(
      one,
      second,
      `approved another SSH certificate 1 of development (request ${first.digest.slice(0, 12)})`,
    );
    await one.restart();
    await take(one, first);
    await expectBlocked(one, second, 'refuse that one first, or wait until');
    await one.rounds.decide(first.digest, 'refuse', null);
    await one.rounds.decide(second.digest, 'approve', null);
    // The first comes to life no more, whatever is shown.
    await one.restart();
    await take(one, second);
    await expectBlocked(one, first, 'approved another SSH certificate 1 of development');
  });

  it('are judged at once, when a policy approves both at the same moment', async () => {
    const { world, member: one } = await member({ judge: approves });
    const [first, second] = [sshRequest(world, 1, 30), sshRequest(world, 1, 20)];
    one.rounds.receive(requestFrame(first));
    one.rounds.receive(requestFrame(second));
    for (let turn = 0; turn < 3; turn += 1) await one.rounds.settled();
    expect(openedFrames(world, one).decisions).toMatchObject([{ decision: 'approve' }]);
  });

  it('end with one signature share: after it the number is taken until nobody can finish that round any more', async () => {
    let clock = now;
    const { world, member: one } = await member({ now: () => clock });
    const first = sshRequest(world, 1, 30);
    await (await take(one, first)).decide(first.digest, 'approve', null);
    await one.receive(packageFrame(first, [one.lastCommitment(), commitmentOf(world, first, 2)]));
    expect(openedFrames(world, one).shares).toHaveLength(1);
    await expect(one.rounds.decide(first.digest, 'refuse', null)).rejects.toThrow('was already given');
    await one.receive({
      type: 'closed',
      requestDigest: first.digest,
      outcome: 'cancelled',
      signatures: [],
      signers: [],
    });
    await expectBlocked(one, sshRequest(world, 1, 20), 'which may still be signed');
    await one.restart();
    clock = created + expiry + 299;
    const late = sshRequest(world, 1, 20, { createdAt: formatTimestamp(clock) });
    await expectBlocked(one, late, 'which may still be signed');
    clock += 1;
    await one.rounds.decide(late.digest, 'approve', null);
  });

  it('give no share for the first, whose round the coordinator said was over', async () => {
    const { world, member: one } = await member();
    const [first, second] = [sshRequest(world, 1, 30), sshRequest(world, 1, 20)];
    await (await take(one, first)).decide(first.digest, 'approve', null);
    await one.receive({
      type: 'closed',
      requestDigest: first.digest,
      outcome: 'cancelled',
      signatures: [],
      signers: [],
    });
    await (await take(one, second)).decide(second.digest, 'approve', null);
    await one.restart();
    await take(one, second);
    await take(one, first);
    await one.receive(packageFrame(first, [one.lastCommitment(), commitmentOf(world, first, 2)]));
    expect(openedFrames(world, one).shares).toEqual([]);
  });
});

describe('a restored member', () => {
  const restored = { at: now - 3600, isCaughtUp: true };

  it('approves no number that it may have approved otherwise before, for as long as that could be signed', async () => {
    let clock = now;
    const { world, member: one } = await member({ restored, now: () => clock });
    await expectBlocked(one, sshRequest(world, 1), 'restored from a backup and may have approved another document');
    clock = restored.at + expiry + 299;
    const late = sshRequest(world, 1, 20, { createdAt: formatTimestamp(clock) });
    await expectBlocked(one, late, 'restored from a backup');
    clock += 1;
    await one.rounds.decide(late.digest, 'approve', null);
  });

  it('approves a revocation at once: it only takes something back', async () => {
    const { world, member: one } = await member({ restored });
    const { request } = revocation(world);
    await (await take(one, request)).decide(request.digest, 'approve', null);
    expect(openedFrames(world, one).decisions).toMatchObject([{ decision: 'approve' }]);
  });
});

function revocation({ live }: World, number = 1): { readonly request: Request; readonly body: DocumentBody } {
  const request = new OpenpgpTestGroup(live, 0).request('production', undefined, undefined, {
    kind: 'openpgp-revocation',
    formats: ['openpgp-revocation'],
    number,
    createdAt: formatTimestamp(created),
    certify: { channel: 'development', until: null },
  });
  return { request, body: documentBodyOf(live, request) };
}

describe('what a member saw revoked', () => {
  it('it never certifies again, also after a restart, and says who revoked it, when and by what', async () => {
    const { world, member: one } = await member();
    const { body, request } = revocation(world);
    await one.documents.issued.adopt([body]);
    await one.restart();
    const of = new OpenpgpTestGroup(world.live, 0);
    const back = of.request('development', undefined, undefined, {
      kind: 'openpgp-back-signature',
      formats: ['openpgp-back-signature'],
      createdAt: formatTimestamp(created),
    });
    const words = `the OpenPGP subkey of development was revoked for good: dev asked for it on ${formatTimestamp(created)}, and the group signed it (OpenPGP revocation 1 of development, request ${request.digest.slice(0, 12)})`;
    await expectBlocked(one, back, words);
    // SSH knows nothing of OpenPGP's revocations, and goes on.
    const rounds = await take(one, sshRequest(world, 1));
    expect(rounds.list(false).map(({ kind, state }) => [kind, state])).toEqual([
      ['openpgp-back-signature', 'blocked'],
      ['ssh-certificate', 'waiting'],
    ]);
  });

  it('it gives no share for either, if it approved before it saw the revocation', async () => {
    const { world, member: one } = await member();
    const back = new OpenpgpTestGroup(world.live, 0).request('development', undefined, undefined, {
      kind: 'openpgp-back-signature',
      formats: ['openpgp-back-signature'],
      createdAt: formatTimestamp(created),
    });
    await (await take(one, back)).decide(back.digest, 'approve', null);
    await one.documents.issued.adopt([revocation(world).body]);
    await one.receive(packageFrame(back, [one.lastCommitment()]));
    expect(openedFrames(world, one)).toMatchObject({
      shares: [],
      answers: [{ answer: 'declined', code: 'not-allowed' }],
    });
  });
});

describe('what a member keeps', () => {
  it('comes out of the round itself, with the word of those who approved', async () => {
    const { world, member: one } = await member({ judge: approves });
    const request = sshRequest(world, 1);
    const body = documentBodyOf(world.live, request);
    await one.receive(requestFrame(request, body.decisions.slice(1)));
    await one.rounds.settled();
    const { signatures } = body;
    await one.receive({
      type: 'closed',
      requestDigest: request.digest,
      outcome: 'signed',
      signatures,
      signers: [1, 2],
    });
    await one.rounds.settled();
    expect(one.documents.issued.all).toMatchObject([{ kind: 'ssh-certificate', scope: 'development', number: 1 }]);
    await one.restart();
    expect(one.documents.issued.all.map(({ approvedBy }) => approvedBy.map(({ name }) => name))).toEqual([
      ['a-1', 'a-2'],
    ]);
  });

  it('is only what is under the key of its group, approved by a quorum by name: nothing else changes anything', async () => {
    const { world, member: one } = await member();
    const other = await runCeremony(plan);
    const good = documentBodyOf(world.live, sshRequest(world, 1));
    // Of an OpenPGP revocation the group signs nothing that the number is in: a quorum's word on the request is what holds it.
    const revoked = revocation(world);
    const renumbered = { ...revoked.body, request: revocation(world, 9).request.envelope };
    const refused: readonly (readonly [DocumentBody, string])[] = [
      [documentBodyOf(other.live, sshRequest(other, 1)), 'wrong-group'],
      [{ ...good, signatures: ['00'.repeat(64)] }, 'bad-signature'],
      [{ ...good, decisions: good.decisions.slice(1) }, 'not-allowed'],
      [renumbered, 'bad-decision'],
      [{ ...renumbered, decisions: [] }, 'not-allowed'],
      [{ ...good, documents: ['!'] }, 'bad-document'],
    ];
    for (const [body, code] of refused)
      await expect(one.documents.issued.adopt([body])).rejects.toMatchObject({ code });
    expect(one.documents.issued.all).toEqual([]);
    expect(await one.documents.issued.adopt([good, good])).toHaveLength(1);
  });
});
