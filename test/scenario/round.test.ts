/** Signing rounds with everybody honest but the network, then with silent, wrong, abandoning and restarting members. */
import { createPublicKey, verify } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { decisionMessage, openDecision, type Decision, type DecisionPayload } from '../../protocol/signing/decision.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { maxLosses } from '../../protocol/limits.ts';
import {
  liveGroup,
  releaseRequest,
  RoundNetwork,
  type LiveGroup,
  type RoundFaults,
  type SimulatedSigner,
} from '../harness/round-network.ts';
import { seededRandom } from '../harness/random.ts';

let flat: LiveGroup;
let tiered: LiveGroup;
let pair: LiveGroup;

beforeAll(async () => {
  flat = await liveGroup({
    tiers: ['build', 'admin', 'admin', 'hardware', 'hardware'],
    production: '{ any: 3 }',
    development: '{ hardware: 2 }',
  });
  tiered = await liveGroup({
    tiers: ['admin', 'admin', 'admin', 'build', 'build'],
    production: '{ admin: 2, build: 1 }',
    development: '{ build: 1 }',
  });
  pair = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
}, 60_000);

function start(
  group: LiveGroup,
  seed: number,
  faults: RoundFaults = {},
  channel = 'production',
  approving?: number[],
): RoundNetwork {
  const network = new RoundNetwork(group, releaseRequest(group, channel), seededRandom(seed), faults);
  for (const signer of network.signers) network.connect(signer);
  for (const { identifier } of network.signers)
    if (approving?.includes(identifier) ?? true) network.decide(identifier, 'approve');
  return network;
}

function expectSigned(network: RoundNetwork): void {
  const key = Buffer.from(network.context.channel.key, 'base64url');
  const spki = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]),
    format: 'der',
    type: 'spki',
  });
  expect(network.round.outcome).toBe('signed');
  network.prepared.messages.forEach((message, index) =>
    expect(verify(null, message, spki, network.signatures![index]!)).toBe(true),
  );
}

/** Promise 7: at most 1 + f(R+1) + r attempts. */
function expectWithinBound(network: RoundNetwork, faulty: number, restarts: number): void {
  expect(network.attempts).toBeLessThanOrEqual(1 + faulty * (maxLosses + 1) + restarts);
}

const isSilent = (...names: number[]) => ({
  lie: (kind: string, payload: Record<string, unknown>, from: SimulatedSigner) =>
    (kind === 'share' || kind === 'answer') && names.includes(from.identifier) ? undefined : payload,
});

describe('a round over an in-memory relay', () => {
  it.each([1, 2, 3, 4])(
    'is signed in one attempt when everybody is honest, some messages doubled (seed %i)',
    (seed) => {
      for (const [group, channel] of [
        [flat, 'production'],
        [flat, 'development'],
        [tiered, 'production'],
        [tiered, 'development'],
      ] as const) {
        const network = start(group, seed, { doubled: true }, channel);
        network.settle();
        expectSigned(network);
        expectWithinBound(network, 0, 0);
      }
    },
  );

  it('stays pending with one approval too few, and ends when it comes', () => {
    const network = start(flat, 5, {}, 'production', [1, 2]);
    network.settle();
    expect(network.round.outcome).toBe('pending');
    expect(network.attempts).toBe(0);
    network.decide(4, 'approve');
    network.settle();
    expectSigned(network);
    expect(network.signedBy).toEqual([1, 2, 4]);
  });

  it('is never signed by three admins where two admins and a build server are needed', () => {
    const network = start(tiered, 6, {}, 'production', [1, 2, 3]);
    network.settle();
    expect(network.round.outcome).toBe('pending');
    expect(network.attempts).toBe(0);
  });

  it('is signed within three attempts with two silent of five, and nobody honest is left out (T9)', () => {
    for (let seed = 10; seed < 16; seed += 1) {
      const network = start(flat, seed, isSilent(1, 2));
      network.settle();
      expectSigned(network);
      expect(network.attempts).toBeLessThanOrEqual(3);
      expect([...network.round.members.values()].filter((member) => member.out !== undefined)).toEqual([]);
    }
  });

  it('is signed within three attempts with two wrong of five, who are named with evidence that an outsider can judge (T9)', () => {
    for (let seed = 20; seed < 26; seed += 1) {
      const network = start(flat, seed, {
        lie: (kind, payload, from) =>
          kind === 'share' && from.identifier <= 2 ? { ...payload, shares: ['05'.padEnd(64, '0')] } : payload,
      });
      network.settle();
      expectSigned(network);
      expect(network.attempts).toBeLessThanOrEqual(3);
      expect(network.verdicts.length).toBeGreaterThan(0);
      expect(network.verdicts.every(({ culprit }) => culprit.identifier <= 2)).toBe(true);
      for (const [identifier, member] of network.round.members)
        expect(member.out === 'fault').toBe(
          network.verdicts.some((verdict) => verdict.culprit.identifier === identifier),
        );
    }
  });

  it('names a wrong share beside a silent signer without waiting for the attempt to stall (T9)', () => {
    let firedBefore: readonly string[] | undefined;
    const network = start(
      flat,
      27,
      {
        lie: (kind, payload, from) => {
          if (kind !== 'share' || from.identifier > 2) return payload;
          return from.identifier === 1 ? { ...payload, shares: ['05'.padEnd(64, '0')] } : undefined;
        },
        tick: (net) => {
          if (net.verdicts.length > 0) firedBefore ??= [...net.fired];
        },
      },
      'production',
      [1, 2, 3],
    );
    network.settle();
    expect(network.verdicts.map(({ culprit }) => Number(culprit.identifier))).toEqual([1]);
    expect(firedBefore).toEqual(['check']);
  });

  it.each(['cancelled', 'expired', 'disconnected', 'refused'] as const)(
    'names a wrong share that nobody had checked when the round is %s (T9)',
    (end) => {
      const wrong: RoundFaults = {
        lie: (kind, payload, from) => {
          if (kind !== 'share') return payload;
          return from.identifier === 1 ? { ...payload, shares: ['05'.padEnd(64, '0')] } : undefined;
        },
        tick: (net) => {
          // Nobody comes to check it in time.
          net.checkWanted = false;
          if (net.verdicts.length > 0 || ![...net.round.attempts.values()].some(({ shares }) => shares.size > 0))
            return;
          const { identifier: member } = net.signer(2);
          if (end === 'refused')
            for (const who of [3, 4, 5]) net.feedRound({ kind: 'decision', decision: refusalBy(net, who) });
          else net.feedRound(end === 'disconnected' ? { kind: end, member } : { kind: end });
        },
      };
      const network = start(flat, 28, wrong, 'production', [1, 2, 3]);
      network.settle();
      expect(network.verdicts.map(({ culprit }) => Number(culprit.identifier))).toEqual([1]);
      expect(network.fired).not.toContain('check');
    },
  );

  it('names the sender of a commitment that is no point, and goes on without it (T4, T8)', () => {
    const points = [{ hiding: '01'.padEnd(64, '0'), binding: '02'.padEnd(64, '0') }];
    const lie: RoundFaults['lie'] = (kind, payload, from) =>
      kind === 'commitment' && from.identifier === 1 ? { ...payload, commitments: points } : payload;
    const network = start(flat, 30, { lie }, 'production', [1, 2, 3]);
    network.settle();
    network.decide(4, 'approve');
    network.settle();
    expectSigned(network);
    expect(network.verdicts.map(({ culprit }) => Number(culprit.identifier))).toEqual([1]);
  });

  it('survives lost messages, broken connections and another order of arrival', () => {
    let losses = 0;
    for (let seed = 40; seed < 60; seed += 1) {
      const network = start(flat, seed, { lossOneIn: 6, doubled: true });
      network.settle(20_000);
      expectSigned(network);
      losses += network.losses;
    }
    expect(losses).toBeGreaterThan(20);
  });

  it('leaves a member out of the round after R + 1 lost answers, without evidence, and is signed by the others', () => {
    const network = start(flat, 70, { afterBurn: (signer) => signer.identifier === 1 }, 'production', [1, 2]);
    network.settle();
    network.decide(3, 'approve');
    network.settle();
    const { out, losses } = network.round.members.get(network.signer(1).identifier)!;
    expect([out, losses]).toEqual(['losses', maxLosses + 1]);
    expect(network.verdicts).toEqual([]);
    network.decide(4, 'approve');
    network.settle();
    expectSigned(network);
    expectWithinBound(network, 1, 0);
  });

  it('goes on when a co-signer restarts between burning and sharing, and its restart is forgiven (T1, T9)', () => {
    let crashed = 0;
    const network = start(
      flat,
      71,
      { afterBurn: (signer) => signer.identifier === 2 && (crashed += 1) === 1 },
      'production',
      [1, 2, 3],
    );
    network.settle();
    expect(crashed).toBeGreaterThan(0);
    expectSigned(network);
    expect(network.signedBy).toEqual([1, 2, 3]);
    expectWithinBound(network, 0, 1);
  });

  it('goes on after the coordinator was killed at any step: attempts are void, decisions are not', () => {
    let kills = 0;
    for (let at = 0; at < 24; at += 1) {
      let deliveries = 0;
      const network = start(flat, 80 + at, {
        tick: (net) => {
          deliveries += 1;
          if (deliveries === at && net.round.outcome === 'pending') {
            kills += 1;
            net.restartCoordinator();
          }
        },
      });
      network.settle();
      expectSigned(network);
    }
    expect(kills).toBeGreaterThan(10);
  });

  it('holds the bound of promise 7 with silent, wrong and restarting members at once', () => {
    let restarts = 0;
    for (let seed = 200; seed < 230; seed += 1) {
      const random = seededRandom(seed * 31);
      let crashesLeft = 2;
      const network = start(flat, seed, {
        lie: (kind, payload, from) => {
          if (from.identifier === 1 && (kind === 'share' || kind === 'answer')) return undefined;
          return kind === 'share' && from.identifier === 2 ? { ...payload, shares: ['07'.padEnd(64, '0')] } : payload;
        },
        afterBurn: (signer) => {
          if (signer.identifier !== 4 || crashesLeft === 0 || !random.oneIn(2)) return false;
          crashesLeft -= 1;
          return true;
        },
      });
      network.settle();
      expectSigned(network);
      const happened = network.signers.reduce((sum, signer) => sum + signer.restarts, 0);
      restarts += happened;
      expectWithinBound(network, 2, happened);
      for (const honest of [3, 4, 5])
        expect(network.round.members.get(network.signer(honest).identifier)?.out).toBeUndefined();
    }
    expect(restarts).toBeGreaterThan(5);
  });

  /** A coordinator that dies as soon as anybody has burned its newest attempt, up to `maxKills` times. */
  function dying(
    group: LiveGroup,
    seed: number,
    maxKills: number,
  ): { readonly network: RoundNetwork; readonly kills: number } {
    let kills = 0;
    const network = start(group, seed, {
      tick: (net) => {
        const burned = new Set(net.signers.flatMap(({ disk }) => [...disk.attempts.keys()]));
        if (kills === maxKills || burned.size <= kills || net.round.outcome !== 'pending') return;
        kills += 1;
        net.restartCoordinator();
      },
    });
    network.settle(50_000);
    return { network, kills };
  }

  const mostBurned = ({ signers }: RoundNetwork): number => Math.max(...signers.map(({ disk }) => disk.attempts.size));

  it('costs a signer one attempt more for each restart of the coordinator, at most 64 of them (promise 7)', () => {
    for (const [group, restarts] of [
      [flat, 1],
      [flat, 7],
      [pair, 64],
    ] as const) {
      const { network, kills } = dying(group, 240 + restarts, restarts);
      expect(kills).toBe(restarts);
      expectSigned(network);
      expect(mostBurned(network)).toBeLessThanOrEqual(1 + restarts);
    }
  });

  it('makes nobody sign without end for a coordinator that never keeps what it got (T43)', () => {
    const bound = 4 * 2 + 64;
    const { network, kills } = dying(pair, 243, Infinity);
    // Every attempt burned at least one of the two.
    expect(kills).toBeGreaterThanOrEqual(bound);
    expect(mostBurned(network)).toBe(bound);
    expect(network.round.outcome).toBe('pending');
    const used = network.signers.filter(({ disk }) => disk.attempts.size === bound);
    expect(used.length).toBeGreaterThan(0);
    expect(used.flatMap(({ state }) => [...state.spent])).toContain(1);
  });

  it('ends as refused when refusals leave no qualified set, and not before', () => {
    const network = start(flat, 90, {}, 'production', []);
    network.decide(1, 'refuse', 'not built here');
    network.decide(2, 'refuse');
    network.settle();
    expect(network.round.outcome).toBe('pending');
    network.decide(3, 'refuse');
    network.settle();
    expect(network.ended).toEqual(['refused']);
  });

  it('ends as faulted when proved faults are needed, too, to leave no qualified set', () => {
    const network = start(tiered, 91, {
      lie: (kind, payload) => (kind === 'share' ? { ...payload, shares: ['09'.padEnd(64, '0')] } : payload),
    });
    network.settle();
    expect(network.ended).toEqual(['faulted']);
    expect(network.verdicts.length).toBeGreaterThan(0);
  });

  it('lets an approval be withdrawn until a share is stored, and not after', () => {
    const network = start(flat, 92, {}, 'production', [1, 2]);
    network.settle();
    network.decide(1, 'withdraw');
    network.settle();
    network.decide(3, 'approve');
    network.settle();
    expect(network.round.outcome).toBe('pending');
    network.decide(4, 'approve');
    network.settle();
    expectSigned(network);
    expect(network.signedBy).toEqual([2, 3, 4]);
    const late = start(flat, 93, isSilent(3), 'production', [1, 2, 3]);
    late.settle();
    expect(() => late.decide(1, 'withdraw')).toThrow('can no longer be withdrawn');
  });
});

/** A member that decides anew, whatever it gave before. */
function refusalBy({ group, request }: RoundNetwork, who: number): Decision {
  const { epoch, people } = group;
  const payload: DecisionPayload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    requestDigest: request.digest,
    decision: 'refuse',
    serial: 9,
    reason: null,
    decidedAt: '2026-11-22T08:01:00Z',
  };
  return openDecision(sealMessage(decisionMessage, payload, people[who - 1]!), epoch.charter);
}
