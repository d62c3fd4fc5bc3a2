/** Honest signers under a coordinator that replays, swaps, drops, reorders and invents. No lie may yield a share it should not, or two shares of one nonce pair. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attemptId,
  openCommitment,
  type CommitmentPayload,
  commitmentMessage,
  type SignedCommitment,
  type DeclineCode,
} from '../../protocol/signing/attempt.ts';
import { bytesToHex, hexToBytes } from '../../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import {
  groupOrder,
  invertScalar,
  littleEndianInteger,
  reduceScalar,
  type Scalar,
} from '../../protocol/frost/scalar.ts';
import { prepareAttempt, type Attempt } from '../../protocol/frost/sign.ts';
import { toIdentifier } from '../../protocol/frost/sharing.ts';
import { sessionInput } from '../../protocol/signing/stage.ts';
import {
  liveGroup,
  releaseRequest,
  RoundNetwork,
  type LiveGroup,
  type SimulatedSigner,
} from '../harness/round-network.ts';
import { seededRandom } from '../harness/random.ts';

let flat: LiveGroup;
beforeAll(async () => {
  flat = await liveGroup({
    tiers: ['build', 'admin', 'admin', 'hardware'],
    production: '{ any: 2 }',
    development: '{ hardware: 1 }',
  });
}, 60_000);

/** Four approving signers whose messages only the test reads. */
function signers(change = {}): RoundNetwork {
  const network = new RoundNetwork(flat, releaseRequest(flat, 'production', change), seededRandom(1));
  for (const signer of network.signers) network.connect(signer);
  for (const { identifier } of network.signers) network.decide(identifier, 'approve');
  return network;
}

/** The newest commitment that a signer sent. */
function commitmentOf(signer: SimulatedSigner): Envelope {
  return signer.outbox.findLast((message) => message.kind === 'commitment' && 'envelope' in message)![
    'envelope' as never
  ];
}

function lastAnswer(signer: SimulatedSigner): { kind: string; code: DeclineCode | null | undefined } {
  const message = signer.outbox.findLast(({ kind }) => kind === 'answer' || kind === 'share');
  if (message === undefined || !('envelope' in message)) return { kind: 'none', code: undefined };
  const payload = JSON.parse(Buffer.from(message.envelope.payload, 'base64').toString()) as {
    answer?: string;
    code?: DeclineCode | null;
  };
  return { kind: payload.answer ?? 'share', code: payload.code };
}

function send(
  network: RoundNetwork,
  to: number,
  commitments: readonly Envelope[],
): { kind: string; code: DeclineCode | null | undefined } {
  network.hear(network.signer(to), { kind: 'package', stage: 1, earlier: [], commitments });
  return lastAnswer(network.signer(to));
}

function resealed(network: RoundNetwork, identifier: number, change: Partial<CommitmentPayload>): Envelope {
  const { payload } = openCommitment(commitmentOf(network.signer(identifier)), flat.epoch.charter);
  return sealMessage(commitmentMessage, { ...payload, ...change }, network.signer(identifier).person);
}

describe('a signer under a hostile coordinator', () => {
  it('gives a share for an honest package, and the stored one for its repeat (T1)', () => {
    const network = signers();
    const commitments = [commitmentOf(network.signer(1)), commitmentOf(network.signer(2))];
    expect(send(network, 1, commitments).kind).toBe('share');
    expect(send(network, 1, commitments).kind).toBe('share');
    expect(network.shares).toHaveLength(2);
    expect(network.shares[0]!.payload).toEqual(network.shares[1]!.payload);
  });

  it('gives no second share for the same commitment in another signer set (T1)', () => {
    const network = signers();
    const own = commitmentOf(network.signer(1));
    expect(send(network, 1, [own, commitmentOf(network.signer(2))]).kind).toBe('share');
    expect(send(network, 1, [own, commitmentOf(network.signer(3))])).toEqual({
      kind: 'declined',
      code: 'commitment-used',
    });
    expect(network.shares).toHaveLength(1);
  });

  it('gives the stored share again after a restart, and lost for what it never answered (T1)', () => {
    const network = signers();
    const answered = [commitmentOf(network.signer(1)), commitmentOf(network.signer(2))];
    expect(send(network, 1, answered).kind).toBe('share');
    const unanswered = [commitmentOf(network.signer(1)), commitmentOf(network.signer(3))];
    network.restart(network.signer(1));
    expect(send(network, 1, answered).kind).toBe('share');
    expect(send(network, 1, unanswered)).toEqual({ kind: 'lost', code: null });
    expect(new Set(network.shares.map(({ payload }) => JSON.stringify(payload))).size).toBe(1);
  });

  it('gives nothing for a package whose own entry is missing, changed or of nobody (T4)', () => {
    const network = signers();
    const other = commitmentOf(network.signer(2));
    expect(send(network, 1, [other, commitmentOf(network.signer(3))]).kind).toBe('none');
    const { payload } = openCommitment(commitmentOf(network.signer(1)), flat.epoch.charter);
    const zero = [{ hiding: '00'.repeat(32), binding: '00'.repeat(32) }];
    const changed = resealed(network, 1, { commitments: zero });
    expect(send(network, 1, [changed, other])).toEqual({ kind: 'declined', code: 'own-commitment-changed' });
    expect(payload.commitments).not.toEqual(zero);
    expect(network.shares).toEqual([]);
  });

  it.each<[string, Partial<CommitmentPayload>]>([
    ['another request', { requestDigest: '11'.repeat(32) }],
    ['another certificate', { epoch: '22'.repeat(32) }],
    ['another channel key', { channelKey: 'A'.repeat(43) }],
    ['another message', { messages: ['33'.repeat(32)] }],
    ['no messages', { messages: null }],
    ['stage 2', { stage: 2 }],
    [
      'more pairs',
      {
        commitments: [1, 2].map(() => ({ hiding: '44'.repeat(32), binding: '44'.repeat(32) })),
        messages: ['33'.repeat(32), '33'.repeat(32)],
      },
    ],
  ])('gives no share to a package with a co-signer that committed for %s (T5)', (_name, change) => {
    const network = signers();
    const package_ = [commitmentOf(network.signer(1)), resealed(network, 2, change)];
    expect(send(network, 1, package_)).toEqual({ kind: 'declined', code: 'bad-package' });
    expect(send(network, 1, package_).kind).toBe('declined');
    expect(network.shares).toEqual([]);
  });

  it('never mixes two rounds: a commitment of one is worthless in the other (T5)', () => {
    const [one, two] = [signers(), signers({ release: '1.0.1' })];
    expect(send(one, 1, [commitmentOf(one.signer(1)), commitmentOf(two.signer(2))])).toEqual({
      kind: 'declined',
      code: 'bad-package',
    });
    expect(send(two, 1, [commitmentOf(one.signer(1)), commitmentOf(one.signer(2))]).kind).not.toBe('share');
    expect([...one.shares, ...two.shares]).toEqual([]);
  });

  it.each<[string, (c: Envelope[]) => Envelope[], DeclineCode]>([
    ['one signer too few', ([a]) => [a!], 'not-qualified'],
    ['one signer too many', ([a, b, c]) => [a!, b!, c!], 'not-qualified'],
    ['a signer twice', ([a]) => [a!, a!], 'not-qualified'],
    ['another order', ([a, b]) => [b!, a!], 'not-qualified'],
    ['two commitments of one signer', ([a, b]) => [a!, b!, b!], 'not-qualified'],
  ])('gives no share to a package with %s (T6)', (_name, arrange, code) => {
    const network = signers();
    const commitments = [1, 2, 3].map((identifier) => commitmentOf(network.signer(identifier)));
    expect(send(network, 1, arrange(commitments))).toEqual({ kind: 'declined', code });
    expect(network.shares).toEqual([]);
  });

  it('gives no share to a package with a commitment that its sender did not sign (T6, T7)', () => {
    const network = signers();
    const { payload } = openCommitment(commitmentOf(network.signer(2)), flat.epoch.charter);
    const forged = sealMessage(commitmentMessage, payload, flat.requester);
    const bySomeoneElse = {
      ...commitmentOf(network.signer(2)),
      signatures: commitmentOf(network.signer(3)).signatures,
    } as Envelope;
    for (const commitment of [forged, bySomeoneElse]) {
      expect(send(network, 1, [commitmentOf(network.signer(1)), commitment]).kind).toBe('none');
    }
    expect(network.shares).toEqual([]);
  });

  it.each([
    ['the identity', '01'.padEnd(64, '0')],
    ['a point of small order', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ['no point', '02'.padEnd(64, '0')],
    ['a non-canonical encoding', 'ee'.padEnd(62, 'f') + '7f'],
  ])('gives no share to a package in which a co-signer committed to %s (T8)', (_name, point) => {
    for (const pair of [
      (good: string) => ({ hiding: point, binding: good }),
      (good: string) => ({ hiding: good, binding: point }),
    ]) {
      const network = signers();
      const { payload } = openCommitment(commitmentOf(network.signer(2)), flat.epoch.charter);
      const bad = resealed(network, 2, { commitments: [pair(payload.commitments[0]!.hiding)] });
      expect(send(network, 1, [commitmentOf(network.signer(1)), bad])).toEqual({
        kind: 'declined',
        code: 'bad-package',
      });
      expect(network.shares).toEqual([]);
    }
  });

  it('gives no share when the asker is in the set, has no rights left, or the request has expired (T31)', () => {
    for (const [obstacle, keptOut, code] of [
      [undefined, 2, 'asker-in-set'],
      ['expired', undefined, 'expired'],
      ['not-allowed', undefined, 'not-allowed'],
    ] as const) {
      const network = signers();
      const commitments = [commitmentOf(network.signer(1)), commitmentOf(network.signer(2))];
      const kept = keptOut === undefined ? undefined : toIdentifier(keptOut);
      network.feed(network.signer(1), { kind: 'package', stage: 1, earlier: [], commitments, obstacle, keptOut: kept });
      expect(lastAnswer(network.signer(1))).toEqual({ kind: 'declined', code });
      expect(network.shares).toEqual([]);
    }
  });

  it('gives no share after its approval was withdrawn, and none before it approved', () => {
    const network = signers();
    const commitments = [commitmentOf(network.signer(1)), commitmentOf(network.signer(2))];
    network.decide(1, 'withdraw');
    expect(send(network, 1, commitments).kind).toBe('declined');
    expect(network.shares).toEqual([]);
  });

  it('never lets two shares of one nonce pair out, whatever is replayed in whatever order, across restarts (T1)', () => {
    const equations: Equation[] = [];
    for (let seed = 1; seed <= 4; seed += 1) {
      const random = seededRandom(seed);
      const network = signers({ note: `seed ${seed}` });
      const packages: Envelope[][] = [];
      const known: Envelope[][] = network.signers.map(() => []);
      for (let turn = 0; turn < 60; turn += 1) {
        network.signers.forEach((signer, index) => {
          const newest = commitmentOf(signer);
          if (!known[index]!.includes(newest)) known[index]!.push(newest);
        });
        if (random.oneIn(12)) network.restart(random.pick(network.signers));
        const [a, b] = random.shuffle([0, 1, 2, 3]).slice(0, 2).sort();
        const replayed =
          packages.length > 0 && random.oneIn(2)
            ? random.pick(packages)
            : [random.pick(known[a!]!), random.pick(known[b!]!)];
        packages.push(replayed);
        for (const signer of network.signers)
          network.hear(signer, { kind: 'package', stage: 1, earlier: [], commitments: replayed });
      }
      expect(network.shares.length).toBeGreaterThan(10);
      equations.push(...equationsOf(network, packages));
    }
    expect(solveForShare(equations)).toEqual([]);
  });

  it('would notice a nonce pair used three times: the solver finds the share', () => {
    const network = signers();
    const share = 123456789n;
    const [d, e] = [111n, 222n];
    const triple = [
      [3n, 5n],
      [7n, 11n],
      [13n, 17n],
    ].map(([rho, k]): Equation => ({ signer: 1, rho: rho!, k: k!, z: reduceScalar(d + rho! * e + k! * share) }));
    const publicShare = network.context.arithmetic.multiplyBase(share).bytes;
    expect(solve(triple[0]!, triple[1]!, triple[2]!)).toBe(share);
    expect(bytesToHex(network.context.arithmetic.multiplyBase(solve(triple[0]!, triple[1]!, triple[2]!)!).bytes)).toBe(
      bytesToHex(publicShare),
    );
  });
});

/** z = d + ρ·e + k·s, with k = λ·c: what one share tells about its maker's secrets. */
interface Equation {
  readonly signer: number;
  readonly rho: Scalar;
  readonly k: Scalar;
  readonly z: Scalar;
}

function equationsOf(network: RoundNetwork, packages: readonly Envelope[][]): Equation[] {
  const byAttempt = new Map<string, { session: Attempt; commitments: SignedCommitment[] }>();
  for (const envelopes of packages) {
    const commitments = envelopes.map((envelope) => openCommitment(envelope, flat.epoch.charter));
    const id = attemptId(network.context.subject, commitments);
    if (byAttempt.has(id)) continue;
    const input = sessionInput(network.context.channel, network.context.prepared.messages[0]!, commitments, 0);
    byAttempt.set(id, { session: prepareAttempt(network.context.arithmetic, input), commitments });
  }
  const distinct = new Map(
    network.shares.map((share) => [`${share.from} ${share.payload.attempt} ${share.payload.shares.join()}`, share]),
  );
  return [...distinct.values()].map(({ from, payload }) => {
    const { session } = byAttempt.get(payload.attempt)!;
    return {
      signer: from,
      rho: session.bindingFactorOf(from),
      k: reduceScalar(session.coefficientOf(from) * session.challenge),
      z: littleEndianInteger(hexToBytes(payload.shares[0]!)),
    };
  });
}

/** Every share that three equations of one signer give away if they used one nonce pair, checked against its public share. */
function solveForShare(equations: readonly Equation[]): Scalar[] {
  const found: Scalar[] = [];
  for (const signer of [1, 2, 3, 4]) {
    const own = equations.filter((equation) => equation.signer === signer);
    const publicShare = bytesToHex(flat.epoch.channel('production').publicShares.get(toIdentifier(signer))!.bytes);
    for (let a = 0; a < own.length; a += 1) {
      for (let b = a + 1; b < Math.min(own.length, a + 12); b += 1) {
        for (let c = b + 1; c < Math.min(own.length, a + 12); c += 1) {
          const share = solve(own[a]!, own[b]!, own[c]!);
          if (share !== undefined && bytesToHex(flat.sodium.multiplyBase(share).bytes) === publicShare)
            found.push(share);
        }
      }
    }
  }
  return found;
}

/** Cramer's rule modulo L for (d, e, s). */
function solve(a: Equation, b: Equation, c: Equation): Scalar | undefined {
  const determinant = (m: [bigint, bigint][]): bigint => {
    const [[x1, y1], [x2, y2], [x3, y3]] = m as [[bigint, bigint], [bigint, bigint], [bigint, bigint]];
    return reduceScalar(x2 * y3 - x3 * y2 - (x1 * y3 - x3 * y1) + (x1 * y2 - x2 * y1));
  };
  const whole = determinant([a, b, c].map(({ rho, k }) => [rho, k]));
  if (whole === 0n) return undefined;
  const forShare = determinant([a, b, c].map(({ rho, z }) => [rho, z]));
  return (forShare * invertScalar(whole)) % groupOrder;
}
