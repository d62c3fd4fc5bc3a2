import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { CoordinatorClient, type RoundsWanted } from '../../client/client.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { Epoch } from '../../protocol/ceremony/epoch.ts';
import { commitmentMessage } from '../../protocol/signing/attempt.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { keyId, sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { badCommitmentEvidence, encodeEvidence } from '../../protocol/evidence.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import type { RoundBody } from '../../protocol/wire/frames.ts';
import type { Connection } from '../../requester/connection.ts';
import { askForDelegation, askForRelease, type Submission } from '../../requester/request.ts';
import { RoundReader, type RoundView } from '../../requester/round-view.ts';
import { findRound, listRounds, type FoundRounds } from '../../requester/rounds.ts';

import { submit } from '../../requester/submit.ts';
import { waitForRound, type WaitOptions } from '../../requester/watch.ts';
import { countVerifications } from '../harness/counting.ts';
import { writeCharter } from '../harness/people.ts';
import { startLyingCoordinator, type LyingCoordinator } from './lying-coordinator.ts';
import { decide, hex, knownWorld, quorumSign, roundBody, type KnownWorld } from './support.ts';

const nowUnixSeconds = Math.floor(Date.now() / 1000);
const clock = (): number => Math.floor(Date.now() / 1000);

let world: KnownWorld;
beforeAll(async () => {
  world = await knownWorld({
    tiers: ['admin', 'admin', 'build'],
    production: '{ admin: 2, build: 1 }',
    development: '{ any: 1 }',
  });
});

let coordinator: LyingCoordinator;
let connection: Connection;
beforeEach(async () => {
  coordinator = await startLyingCoordinator();
  const client = new CoordinatorClient({
    url: parseCoordinatorUrl(coordinator.url),
    identity: world.dave,
    role: 'requester',
    groupKey: world.group.epoch.groupKey,
  });
  connection = {
    client,
    identity: world.dave,
    coordinator: world.dave.publicKey,
    group: world.group,
    refresh: () => Promise.resolve(world.group),
    [Symbol.dispose]: () => client.close(),
  };
});
afterEach(async () => {
  connection[Symbol.dispose]();
  await coordinator[Symbol.asyncDispose]();
});

function ask(release = '1.0.0', createdAt = nowUnixSeconds, of: KnownWorld = world): Submission {
  const files = [{ path: '/tmp/a', name: 'app.tgz', size: 3, sha256: 'aa'.repeat(32), sha512: 'bb'.repeat(64) }];
  const wish = {
    channel: 'production',
    formats: ['native'],
    artifacts: files,
    product: 'app',
    release,
    source: null,
    note: undefined,
  };
  return askForRelease(of.group, wish, of.dave, createdAt);
}

function wait({ request }: Submission, options: Partial<WaitOptions> = {}): Promise<RoundView> {
  const digest = coordinator.answers.rounds[0]?.digest ?? request.digest;
  return waitForRound(connection, digest, request, { nowUnixSeconds: clock, ...options });
}

function signedBody(submission: Submission): RoundBody {
  const {
    formats: [prepared],
  } = prepareRequest({
    epoch: world.group.epoch,
    request: submission.request,
    documents: [],
  });
  return roundBody(submission.request, {
    outcome: 'signed',
    signatures: [hex(quorumSign(world.live, 'production', prepared!.message))],
    signers: [1, 2, 3],
  });
}

describe('submitting', () => {
  it('uploads exactly the documents that are missing', async () => {
    const submission = askForDelegation(
      world.group,
      { channel: 'development', number: 1, note: undefined },
      world.live.people[0]!,
      nowUnixSeconds,
    );
    const sha256 = sha256Hex(submission.documents[0]!);
    coordinator.answers.submitted = { digest: submission.request.digest, joined: false, missing: [sha256] };
    expect(await submit(connection, submission)).toEqual({ digest: submission.request.digest, joined: false });
    const uploads = coordinator.calls.filter(({ call }) => call.startsWith('PUT'));
    expect(uploads.map(({ call }) => call)).toEqual([
      `PUT /v1/rounds/${submission.request.digest}/documents/${sha256}`,
    ]);
    expect(uploads[0]?.body).toEqual(submission.documents[0]);
  });

  it('uploads nothing that is there already', async () => {
    const submission = askForDelegation(
      world.group,
      { channel: 'development', number: 1, note: undefined },
      world.live.people[0]!,
      nowUnixSeconds,
    );
    coordinator.answers.submitted = { digest: submission.request.digest, joined: true, missing: [] };
    expect((await submit(connection, submission)).joined).toBe(true);
    expect(coordinator.calls.some(({ call }) => call.startsWith('PUT'))).toBe(false);
  });
});

describe('waiting', () => {
  it('ends with the round when it is signed, and tells of every change before', async () => {
    const submission = ask();
    const approval = decide(world, submission.request, 1, 'approve');
    coordinator.answers.rounds = [
      roundBody(submission.request),
      roundBody(submission.request, { decisions: [approval] }),
      signedBody(submission),
    ];
    const approvals: number[] = [];
    const view = await wait(submission, { onView: ({ sharings }) => approvals.push(sharings[0]!.approvals) });
    expect(view.outcome).toBe('signed');
    expect(approvals).toEqual([0, 1, 0]);
  });

  it('joins the round of the same submission made earlier', async () => {
    const earlier = ask('1.0.0', nowUnixSeconds - 600);
    coordinator.answers.rounds = [signedBody(earlier)];
    expect((await wait(ask())).request.digest).toBe(earlier.request.digest);
  });

  it('does not join a round that asks for something else (T34)', async () => {
    coordinator.answers.rounds = [signedBody(ask('9.9.9'))];
    await expect(wait(ask())).rejects.toMatchObject({
      code: 'bad-result',
      message: expect.stringContaining('something else') as string,
    });
  });

  it('does not take a stream that turns to another round (T34)', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request), signedBody(ask('9.9.9'))];
    await expect(wait(submission)).rejects.toMatchObject({ code: 'bad-result' });
  });

  it('ends at the deadline, the round still pending', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request)];
    await expect(wait(submission, { untilUnixSeconds: clock() + 1 })).rejects.toMatchObject({ code: 'pending' });
  });

  it('ends when the person has seen enough', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request)];
    const enough = new AbortController();
    const waiting = wait(submission, { signal: enough.signal, onView: () => enough.abort() });
    await expect(waiting).rejects.toMatchObject({ code: 'pending' });
  });

  it('ends by our own clock when the request expired and the coordinator says nothing', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request)];
    await expect(wait(submission, { nowUnixSeconds: () => nowUnixSeconds + 73 * 3600 })).rejects.toMatchObject({
      code: 'expired',
    });
  });

  it('ends as refused when members refused, though the coordinator calls it pending (T34)', async () => {
    const submission = ask();
    const refusal = decide(world, submission.request, 3, 'refuse', { reason: 'no' });
    coordinator.answers.rounds = [
      roundBody(submission.request),
      roundBody(submission.request, { decisions: [refusal] }),
    ];
    await expect(wait(submission)).rejects.toMatchObject({ code: 'refused' });
  });

  it('does not believe a refusal by nobody (T34)', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request, { outcome: 'refused' })];
    await expect(wait(submission)).rejects.toMatchObject({ code: 'unproved' });
  });

  it('does not believe faults whose evidence is rubbish (T34)', async () => {
    const submission = ask();
    const rubbish = randomBytes(100);
    coordinator.answers.evidence.set(sha256Hex(rubbish), rubbish);
    coordinator.answers.rounds = [
      roundBody(submission.request, {
        outcome: 'faulted',
        evidence: [sha256Hex(rubbish)],
        out: [{ member: 3, reason: 'fault' }],
      }),
    ];
    await expect(wait(submission)).rejects.toMatchObject({ code: 'unproved' });
  });

  it('believes faults that the evidence proves', async () => {
    const submission = ask();
    const evidence = misbehaviour(submission);
    coordinator.answers.evidence.set(sha256Hex(evidence), evidence);
    coordinator.answers.rounds = [
      roundBody(submission.request, { outcome: 'faulted', evidence: [sha256Hex(evidence)] }),
    ];
    await expect(wait(submission)).rejects.toMatchObject({
      code: 'faulted',
      message: expect.stringContaining('build-3 misbehaved') as string,
    });
  });

  it('does not believe the evidence of another round (T34)', async () => {
    const evidence = misbehaviour(ask('0.9.0'));
    const submission = ask();
    coordinator.answers.evidence.set(sha256Hex(evidence), evidence);
    coordinator.answers.rounds = [
      roundBody(submission.request, { outcome: 'faulted', evidence: [sha256Hex(evidence)] }),
    ];
    await expect(wait(submission)).rejects.toMatchObject({ code: 'unproved' });
  });

  it('goes on through a broken connection', async () => {
    const submission = ask();
    coordinator.answers.rounds = [roundBody(submission.request)];
    let broken = 0;
    const view = await wait(submission, {
      onView: ({ outcome }) => {
        if (outcome !== 'pending' || broken > 0) return;
        broken = 1;
        coordinator.answers.rounds = [signedBody(submission)];
        coordinator.breakStreams();
      },
      onRetry: () => broken++,
    });
    expect([view.outcome, broken]).toEqual(['signed', 2]);
  });
});

describe('what a client verifies of a round', () => {
  it.each([
    { threshold: 2, members: 3 },
    { threshold: 14, members: 20 },
  ])('is each decision once, at $threshold of $members, however often it is shown (T34)', async (size) => {
    const tiers = Array.from({ length: size.members }, () => 'admin');
    const { charter, people } = writeCharter({ tiers, production: `{ any: ${size.threshold} }` });
    const { certificate } = world.group.epoch;
    const channels = new Map([['production', world.group.epoch.channel('production')]]);
    // Decisions need a charter and people, and no ceremony of twenty.
    const group = { ...world.group, epoch: new Epoch(charter, certificate, channels) };
    const of = { ...world, group, live: { ...world.live, people } };
    const submission = ask('1.0.0', nowUnixSeconds, of);
    const approvals = Array.from({ length: size.threshold }, (_, index) =>
      decide(of, submission.request, index + 1, 'approve'),
    );
    const states = approvals.map((_, index) =>
      roundBody(submission.request, { decisions: approvals.slice(0, index + 1) }),
    );
    coordinator.answers.rounds = [roundBody(submission.request), ...states, { ...states.at(-1)!, outcome: 'signed' }];
    let last: RoundView | undefined;
    const verified = await countVerifications(async () => {
      last = await waitForRound({ ...connection, group }, submission.request.digest, submission.request, {
        nowUnixSeconds: clock,
      });
    });
    expect(last?.sharings[0]?.approvals).toBe(size.threshold);
    // The challenge of the login is the one besides.
    expect(verified).toBe(size.threshold + 1);
    expect(coordinator.calls.map(({ call }) => call.split(' ')[0])).toEqual(['POST', 'POST', 'GET']);
  });

  it('is an envelope again when a byte of it is another: nothing is believed for what it resembles (T34)', () => {
    const submission = ask();
    const approval = decide(world, submission.request, 1, 'approve');
    const refusal = decide(world, submission.request, 1, 'refuse', { serial: 2 });
    const forged = { ...approval, payload: refusal.payload };
    const keyid = keyId(world.live.people[1]!.publicKey);
    const renamed: Envelope = { ...approval, signatures: [{ ...approval.signatures[0], keyid }] };
    const reader = new RoundReader(world.group, submission.request);
    const seen = [[approval], [forged], [approval, forged], [renamed]].map((decisions) => {
      const { sharings, unverified } = reader.open(roundBody(submission.request, { decisions }));
      return [sharings[0]!.approvals, unverified];
    });
    expect(seen).toEqual([
      [1, 0],
      [0, 1],
      [1, 1],
      [0, 1],
    ]);
    reader.open(roundBody(submission.request, { decisions: [approval] }));
    const other = ask('2.0.0');
    expect(reader.open(roundBody(other.request, { decisions: [approval] })).unverified).toBe(1);
  });
});

describe('finding a round', () => {
  beforeEach(() => {
    coordinator.answers.rounds = [ask('1.0.0'), ask('2.0.0')].map(({ request }) => roundBody(request));
  });

  it('takes 8 or more of the first digits of its id', async () => {
    const id = coordinator.answers.rounds[1]!.digest;
    expect((await findRound(connection, id.slice(0, 8))).request.digest).toBe(id);
  });

  it('takes the whole id', async () => {
    const id = coordinator.answers.rounds[0]!.digest;
    expect((await findRound(connection, id)).request.digest).toBe(id);
  });

  it('does not take another round for the one that was named (T34)', async () => {
    await expect(findRound(connection, coordinator.answers.rounds[1]!.digest)).rejects.toMatchObject({
      code: 'bad-result',
    });
  });

  it('says when no round begins like this', async () => {
    await expect(findRound(connection, '00000000')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('says when several do', async () => {
    const [first] = coordinator.answers.rounds;
    coordinator.answers.rounds = [first!, first!];
    await expect(findRound(connection, first!.digest.slice(0, 10))).rejects.toMatchObject({ code: 'ambiguous' });
  });

  it('says when the coordinator knows no such round', async () => {
    coordinator.answers.rounds = [];
    await expect(findRound(connection, 'ab'.repeat(32))).rejects.toMatchObject({ code: 'not-found' });
  });

  it.each(['', 'abc', 'abcdefg', 'XBCDEF01', '../../../', 'ab'.repeat(33)])('refuses the id %j', async (id) => {
    await expect(findRound(connection, id)).rejects.toMatchObject({ code: 'bad-field' });
  });

  it('lists what can be opened and leaves out what cannot (T34)', async () => {
    const [first] = coordinator.answers.rounds;
    coordinator.answers.rounds.push({ ...first!, digest: '00'.repeat(32) });
    expect((await listRounds(connection)).views).toHaveLength(2);
  });

  describe('of a coordinator that has pages', () => {
    const bodies = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0'];
    let all: RoundBody[];
    let asked: RoundsWanted[];
    let paged: Connection;
    beforeEach(() => {
      all = bodies.map((release) => roundBody(ask(release).request));
      asked = [];
      const client = {
        rounds: (_group: string, wanted: RoundsWanted) => {
          asked.push(wanted);
          const at = all.findIndex(({ digest }) => digest === wanted.after) + 1;
          return Promise.resolve(all.slice(at, at + 2));
        },
      } as unknown as Connection['client'];
      paged = { ...connection, client };
    });
    const digests = ({ views }: FoundRounds): string[] => views.map(({ request }) => request.digest);
    const ids = (...indexes: number[]): string[] => indexes.map((index) => all[index]!.digest);

    it('are fetched page after page, until an empty one', async () => {
      const found = await listRounds(paged);
      expect([digests(found), found.isAll, found.looked]).toEqual([ids(0, 1, 2, 3, 4), true, 5]);
      expect(asked.map(({ after }) => after)).toEqual([undefined, ...ids(1, 3, 4)]);
    });

    it('are no more than are asked for, and go on before the last one', async () => {
      const found = await listRounds(paged, {}, 3);
      expect([digests(found), found.isAll]).toEqual([ids(0, 1, 2), false]);
      const rest = await listRounds(paged, { before: all[2]!.digest }, 3);
      expect([digests(rest), rest.isAll]).toEqual([ids(3, 4), true]);
    });

    it('are asked for by what the coordinator can tell, and judged by all of it here', async () => {
      const filter = {
        outcomes: ['pending'],
        asker: 'dave',
        channel: 'production',
        product: 'no',
        since: 0,
        until: 1,
      } as const;
      expect((await listRounds(paged, filter)).views).toEqual([]);
      expect(asked[0]).toEqual({
        outcome: 'pending',
        asker: keyId(world.dave.publicKey),
        channel: 'production',
        since: '1970-01-01T00:00:00Z',
        until: '1970-01-01T00:00:01Z',
        after: undefined,
      });
    });
  });

  it('of one that has none, are found before a round, too', async () => {
    const [first, second] = coordinator.answers.rounds;
    const { views } = await listRounds(connection, { before: first!.digest });
    expect(views.map(({ request }) => request.digest)).toEqual([second!.digest]);
  });
});

/** Evidence that build-3 signed a nonce commitment that is no valid point. */
function misbehaviour({ request }: Submission): Uint8Array {
  const { epoch } = world.group;
  const commitment = sealMessage(
    commitmentMessage,
    {
      epoch: epoch.hash,
      channelKey: epoch.channel('production').key,
      requestDigest: request.digest,
      stage: 1,
      slot: `${'00'.repeat(16)}-1`,
      messages: ['00'.repeat(32)],
      commitments: [{ hiding: 'ff'.repeat(32), binding: 'ff'.repeat(32) }],
    },
    world.live.people[2]!,
  );
  return encodeEvidence(badCommitmentEvidence(epoch.charter, commitment)).bytes;
}
