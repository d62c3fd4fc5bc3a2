/** A request with a second stage: minisign's second message is signed only after a first signature that each signer verified itself (T37). */
import { beforeAll, describe, expect, it } from 'vitest';
import { openCommitment } from '../../protocol/signing/attempt.ts';
import { type Stage } from '../../protocol/wire/schema.ts';
import { bytesToHex, utf8ToBytes } from '../../protocol/wire/bytes.ts';
import type { Envelope } from '../../protocol/wire/envelope.ts';
import { finishRequest, isSignedRequest } from '../../protocol/formats/index.ts';
import { maxLosses } from '../../protocol/limits.ts';
import { quorumSignature } from '../harness/coordinator-group.ts';
import {
  liveGroup,
  RoundNetwork,
  type LiveGroup,
  type RoundFaults,
  type SimulatedSigner,
} from '../harness/round-network.ts';
import { seededRandom } from '../harness/random.ts';
import { documentRelease } from '../harness/signed-release.ts';

let group: LiveGroup;

beforeAll(async () => {
  group = await liveGroup({
    tiers: ['build', 'admin', 'admin', 'hardware', 'hardware'],
    production: '{ any: 3 }',
    development: '{ hardware: 2 }',
  });
}, 60_000);

const notes = utf8ToBytes('Release notes of tool 1.0.0, which a person reads before approving.\nIt has two lines.\n');

function start(seed: number, faults: RoundFaults = {}, formats: readonly string[] = ['ssh', 'minisign']): RoundNetwork {
  const request = documentRelease(group, 'production', formats, { kind: 'text', bytes: notes });
  const network = new RoundNetwork(group, request, seededRandom(seed), faults, undefined, [notes]);
  for (const signer of network.signers) network.connect(signer);
  for (const { identifier } of network.signers) network.decide(identifier, 'approve');
  return network;
}

function expectSigned(network: RoundNetwork): void {
  const key = group.epoch.channel('production').point.bytes;
  expect(network.round.outcome).toBe('signed');
  expect(isSignedRequest(network.prepared, key, network.signatures!)).toBe(true);
  expect(finishRequest(network.prepared, network.signatures!).map(({ format }) => format)).toEqual(
    network.request.payload.formats,
  );
}

const stagesOf = (network: RoundNetwork): number[] => [...network.round.attempts.values()].map(({ stage }) => stage);

describe('a round with a second stage', () => {
  it.each([1, 2, 3])('takes one attempt more than a round without when everybody is honest (seed %i)', (seed) => {
    const both = start(seed, { doubled: true });
    const one = start(seed, { doubled: true }, ['ssh']);
    both.settle();
    one.settle();
    expectSigned(both);
    expectSigned(one);
    expect(stagesOf(one)).toEqual([1]);
    expect(stagesOf(both)).toEqual([1, 2]);
    expect(both.signatures).toHaveLength(3);
  });

  it('survives lost messages, broken connections and another order of arrival', () => {
    let losses = 0;
    for (let seed = 1; seed <= 6; seed += 1) {
      const network = start(seed, { lossOneIn: 12, doubled: true });
      network.settle();
      losses += network.losses;
      expectSigned(network);
    }
    expect(losses).toBeGreaterThan(0);
  });

  it('goes on when a signer of its second stage restarts: what it committed to is lost, not signed twice (T1)', () => {
    let restarts = 0;
    const network = start(4, {
      tick: (live) => {
        const open = [...live.round.attempts.values()].find(({ stage, phase }) => stage === 2 && phase === 'open');
        if (open === undefined || restarts > 0) return;
        restarts += 1;
        live.restart(live.signer(open.commitments[0]!.member.identifier));
      },
    });
    network.settle();
    expect(restarts).toBe(1);
    expectSigned(network);
    expect(network.attempts).toBeLessThanOrEqual(2 + maxLosses);
    expect(new Set(network.shares.map(({ payload }) => payload.attempt)).size).toBeGreaterThan(1);
  });

  it('begins anew after the coordinator was killed between the stages, under the same approvals', () => {
    let killed = false;
    const network = start(5, {
      tick: ({ round }) => {
        if (round.stage.subject.stage === 1 || killed) return;
        killed = true;
        network.restartCoordinator();
      },
    });
    network.settle();
    expect(killed).toBe(true);
    expectSigned(network);
  });
});

describe('a signer asked for a second message (T37)', () => {
  /** Three signers that approved; only the test reads what they send. */
  function approved(): { readonly network: RoundNetwork; readonly signer: SimulatedSigner; readonly first: string[] } {
    const network = start(9);
    const first = network.prepared.messages.map((message) => bytesToHex(quorumSignature(group, 'production', message)));
    return { network, signer: network.signer(1), first };
  }

  const commitmentsOf = (network: RoundNetwork, stage: Stage): Envelope[] =>
    [1, 2, 3].map((identifier) => {
      const found = network.signer(identifier).outbox.findLast((message) => {
        if (message.kind !== 'commitment') return false;
        return openCommitment(message.envelope, group.epoch.charter).payload.stage === stage;
      });
      if (found?.kind !== 'commitment') throw new Error(`no commitment of stage ${stage}`);
      return found.envelope;
    });

  /** What it says to a package of stage 2. */
  function answerTo(
    { network, signer }: { readonly network: RoundNetwork; readonly signer: SimulatedSigner },
    earlier: readonly string[],
    commitments = commitmentsOf(network, 2),
    stage: Stage = 2,
  ): { readonly answer: string; readonly code: string | null } {
    network.hear(signer, { kind: 'package', stage, earlier, commitments });
    const message = signer.outbox.findLast(({ kind }) => kind === 'share' || kind === 'answer');
    if (message?.kind === 'share') return { answer: 'share', code: null };
    if (message?.kind !== 'answer') return { answer: 'nothing', code: null };
    return JSON.parse(Buffer.from(message.envelope.payload, 'base64').toString()) as { answer: string; code: string };
  }

  it('signs after first signatures that verify over its own first messages', () => {
    const world = approved();
    expect(answerTo(world, world.first)).toMatchObject({ answer: 'share' });
    expect(world.network.shares[0]!.payload).toMatchObject({ stage: 2, shares: [expect.any(String)] });
  });

  it.each([
    ['without them', () => []],
    ['after some of them', ([first]: string[]) => [first!]],
    ['after more of them', (first: string[]) => [...first, first[0]!]],
    ['after them in another order', (first: string[]) => first.toReversed()],
    [
      'after a changed one',
      ([ssh, minisign]: string[]) => [ssh!, minisign!.replace(/^../, (byte) => (byte === '00' ? '01' : '00'))],
    ],
    [
      'after one over something else',
      ([ssh]: string[]) => [ssh!, bytesToHex(quorumSignature(group, 'production', notes))],
    ],
    [
      'after one by another channel’s key',
      ([ssh]: string[], network: RoundNetwork) => [
        ssh!,
        bytesToHex(quorumSignature(group, 'development', network.prepared.messages[1]!)),
      ],
    ],
    ['after 64 zero bytes', ([ssh]: string[]) => [ssh!, '00'.repeat(64)]],
  ] as const)('gives no share %s, and its nonces are gone', (_what, change) => {
    const world = approved();
    const commitments = commitmentsOf(world.network, 2);
    expect(answerTo(world, change(world.first as never, world.network), commitments)).toMatchObject({
      answer: 'declined',
      code: 'bad-package',
    });
    expect(answerTo(world, world.first, commitments)).toMatchObject({ answer: 'declined', code: 'commitment-used' });
    expect(world.network.shares).toEqual([]);
  });

  it('takes no commitment of one stage for the other', () => {
    const world = approved();
    const first = commitmentsOf(world.network, 1);
    expect(answerTo(world, world.first, first)).toMatchObject({ answer: 'declined', code: 'bad-package' });
    const second = approved();
    expect(answerTo(second, [], commitmentsOf(second.network, 2), 1)).toMatchObject({
      answer: 'declined',
      code: 'bad-package',
    });
    expect([...world.network.shares, ...second.network.shares]).toEqual([]);
  });

  it('gives no second message’s share for a request that has none', () => {
    const network = start(3, {}, ['ssh']);
    const world = { network, signer: network.signer(1) };
    const first = network.prepared.messages.map((message) => bytesToHex(quorumSignature(group, 'production', message)));
    expect(answerTo(world, first, commitmentsOf(network, 1))).toMatchObject({ answer: 'declined' });
    expect(network.shares).toEqual([]);
  });
});
