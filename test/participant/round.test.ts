/** One member's rounds under a hostile coordinator, with its real vault and its real journal: what it signs, and what it never does. */
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { describe, expect, it } from 'vitest';
import {
  attemptId,
  commitmentMessage,
  openCommitment,
  openShare,
  type SharePayload,
  type AttemptSubject,
} from '../../protocol/signing/attempt.ts';
import { bytesToHex, hexToBytes, sha256Hex } from '../../protocol/wire/bytes.ts';
import { decisionMessage, type DecisionPayload } from '../../protocol/signing/decision.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { genesisMessage, genesisOf, delegationOf } from '../../protocol/ceremony/founding.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { decodeScalar, groupOrder, invertScalar, reduceScalar, type Scalar } from '../../protocol/frost/scalar.ts';
import { prepareAttempt, type Attempt } from '../../protocol/frost/sign.ts';
import { sessionInput } from '../../protocol/signing/stage.ts';
import {
  numberingOf,
  openRequest,
  requestMessage,
  type Request,
  type RequestPayload,
} from '../../protocol/request/request.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { delegationPayloadType } from '../../verifier/delegation.ts';
import { emptyRequesters, requestersMessage } from '../../protocol/files/requesters.ts';
import type { Journal } from '../../participant/journal.ts';
import type { RoundFrame } from '../../participant/rounds.ts';
import { publicGroup } from '../harness/ceremony-network.ts';
import { person } from '../harness/people.ts';
import { quorumSign } from '../requester/support.ts';
import {
  changedCommitment,
  commitmentOf,
  hookedJournal,
  makeParticipant,
  makeWorld,
  now,
  openedFrames,
  packageFrame,
  release,
  requestFrame,
  type ParticipantOptions,
  type TestParticipant,
  type World,
} from './members.ts';

const plan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }', development: '{ any: 2 }' };

/** An approving member 1 and the request it approved. */
async function approving(
  world: World,
  request: Request,
  options: Parameters<typeof makeParticipant>[2] = {},
): Promise<TestParticipant> {
  const participant = await makeParticipant(world, 1, options);
  await participant.receive(requestFrame(request));
  await participant.rounds.decide(request.digest, 'approve', null);
  return participant;
}

/** What the equation of a share says: z = d + ρ·e + λc·s (RFC 9591, Section 5.2). */
interface Equation {
  readonly slot: string;
  readonly z: Scalar;
  readonly rho: Scalar;
  readonly lambdaC: Scalar;
}

function equationOf(session: Attempt, slot: string, share: SharePayload, identifier: number): Equation {
  const id = session.signers.find((signer) => Number(signer) === identifier)!;
  return {
    slot,
    z: decodeScalar(hexToBytes(share.shares[0]!))!,
    rho: session.bindingFactorOf(id),
    lambdaC: reduceScalar(session.coefficientOf(id) * session.challenge),
  };
}

/** The share that three equations over one nonce pair give away; `undefined` if they are not independent. */
function solve(a: Equation, b: Equation, c: Equation): Scalar | undefined {
  const [p, q] = [reduceScalar(b.rho - a.rho), reduceScalar(b.lambdaC - a.lambdaC)];
  const [r, t] = [reduceScalar(c.rho - a.rho), reduceScalar(c.lambdaC - a.lambdaC)];
  const determinant = reduceScalar(p * t - q * r);
  if (determinant === 0n) return undefined;
  const [y, z] = [reduceScalar(b.z - a.z), reduceScalar(c.z - a.z)];
  return reduceScalar((p * z - r * y) * invertScalar(determinant));
}

function triples<T>(items: readonly T[]): [T, T, T][] {
  return items.flatMap((a, i) =>
    items.slice(i + 1).flatMap((b, j) => items.slice(i + j + 2).map((c): [T, T, T] => [a, b, c])),
  );
}

/** Remembers every package, so that the equations of the shares can be written down. */
class Recorder {
  readonly world: World;
  readonly request: Request;
  readonly packages: Envelope[][] = [];

  constructor(world: World, request: Request) {
    this.world = world;
    this.request = request;
  }

  async send(participant: TestParticipant, commitments: Envelope[]): Promise<void> {
    this.packages.push(commitments);
    await participant.receive(packageFrame(this.request, commitments));
  }

  async replayAll(participant: TestParticipant): Promise<void> {
    for (const commitments of this.packages) await participant.receive(packageFrame(this.request, commitments));
  }

  equations(shares: readonly SharePayload[]): Equation[] {
    const { epoch } = this.world.live;
    const channel = epoch.channel(this.request.payload.channel);
    const {
      formats: [prepared],
    } = prepareRequest({ epoch, request: this.request, documents: [] });
    const subject: AttemptSubject = {
      epoch: epoch.hash,
      channelKey: channel.key,
      requestDigest: this.request.digest,
      stage: 1,
      messages: [sha256Hex(prepared!.message)],
    };
    return shares.map((share) => {
      const commitments = this.packages
        .map((envelopes) => envelopes.map((envelope) => openCommitment(envelope, epoch.charter)))
        .find((opened) => attemptId(subject, opened) === share.attempt)!;
      const session = prepareAttempt(publicGroup, sessionInput(channel, prepared!.message, commitments, 0));
      const own = commitments.find(({ member }) => member.identifier === 1)!;
      return equationOf(session, own.payload.slot, share, 1);
    });
  }
}

const documentRequest = (
  world: World,
  kind: 'genesis' | 'requesters' | 'delegation',
  bytes: Uint8Array,
  change: Partial<RequestPayload> = {},
  asker = world.live.people[1]!,
): Request => {
  const payload: RequestPayload = {
    ...release(world).payload,
    kind,
    formats: [kind],
    artifacts: [],
    documents: [{ kind, size: bytes.length, sha256: sha256Hex(bytes) }],
    product: null,
    release: null,
    ...(numberingOf(kind) === 'request' ? { number: 1 } : {}),
    ...change,
  };
  return openRequest(sealMessage(requestMessage, payload, asker));
};
const served = (...documents: Uint8Array[]) => ({
  documents: new Map(documents.map((bytes) => [sha256Hex(bytes), bytes])),
});

describe('attempts of one request (T43)', () => {
  it('have an end at the signer: 4n + 64 of a stage, counted across restarts, and then it declines', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const burned: string[] = [];
    const participant = await approving(world, request, {
      journal: (journal) =>
        hookedJournal(journal, async (record, next) => {
          if (record.type === 'burn') burned.push(record.type);
          await next();
        }),
    });
    const bound = 4 * 3 + 64;
    const again = (): RoundFrame =>
      packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]);
    for (let attempt = 0; attempt < bound; attempt++) {
      if (attempt === 40) {
        await participant.restart();
        await participant.receive(requestFrame(request));
      }
      await participant.receive(again());
    }
    expect(openedFrames(world, participant).shares).toHaveLength(bound);
    expect(openedFrames(world, participant).answers).toEqual([]);
    await participant.receive(again());
    await participant.receive(again());
    const { answers, shares, commitments } = openedFrames(world, participant);
    expect(answers.map(({ code }) => code)).toEqual(['too-many', 'commitment-used']);
    expect(shares).toHaveLength(bound);
    expect(burned).toHaveLength(bound);
    // A first one, one more after every share and one after the restart: what was declined is not made anew.
    expect(commitments).toHaveLength(1 + bound + 1);
    expect(participant.fatal).toEqual([]);
  });
});

describe('a nonce pair (T1)', () => {
  it('never makes two shares: every package replayed at every step, changed, and across restarts', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await approving(world, request);
    const recorder = new Recorder(world, request);
    for (let step = 0; step < 4; step++) {
      const own = participant.lastCommitment();
      const before = participant.frames('share').length;
      await recorder.send(participant, [own, commitmentOf(world, request, 2)]);
      expect(participant.frames('share')).toHaveLength(before + 1);
      // The same commitment with other co-signers, before and after everything else is said again.
      await recorder.send(participant, [own, commitmentOf(world, request, 3)]);
      await recorder.replayAll(participant);
      await recorder.send(participant, [own, commitmentOf(world, request, 2)]);
      if (step % 2 === 1) {
        await participant.restart();
        await participant.receive(requestFrame(request));
        await recorder.replayAll(participant);
      }
    }
    const { shares, answers } = openedFrames(world, participant);
    const distinct = new Map(shares.map((share) => [JSON.stringify(share), share]));
    const equations = recorder.equations([...distinct.values()]);
    // A share for each step, each from a pair of its own, and many repeats of the very same.
    expect(equations).toHaveLength(4);
    expect(new Set(equations.map(({ slot }) => slot)).size).toBe(4);
    expect(shares.length).toBeGreaterThan(12);
    expect(answers.length).toBeGreaterThan(8);
    const key = world.live.epoch
      .channel('production')
      .publicShares.get(world.live.epoch.charter.members[0]!.identifier)!;
    const solved = triples(equations).map(([a, b, c]) => solve(a, b, c));
    expect(solved.length).toBeGreaterThan(0);
    for (const candidate of solved)
      expect(candidate === undefined ? '' : bytesToHex(publicGroup.multiplyBase(candidate).bytes)).not.toBe(
        bytesToHex(key.bytes),
      );
    expect(participant.fatal).toEqual([]);
  });

  it('would give the share away if it made three: the solver of the test above finds it', () => {
    const [d, e, s] = [11n, 22n, 33n];
    const equation = (rho: bigint, lambdaC: bigint): Equation => ({
      slot: '',
      z: reduceScalar(d + rho * e + lambdaC * s),
      rho,
      lambdaC,
    });
    expect(solve(equation(5n, 7n), equation(6n, 9n), equation(8n, groupOrder - 3n))).toBe(s);
  });

  it.each(['burn', 'share'] as const)('is lost when the daemon dies while it writes the %s record', async (type) => {
    const world = await makeWorld(plan);
    const request = release(world);
    let armed = true;
    let die: () => void = () => undefined;
    const died = new Promise<void>((resolve) => (die = resolve));
    const journal = (real: Journal): Journal =>
      hookedJournal(real, (record, next) => {
        if (!armed || record.type !== type) return next();
        // Power fails: `burn` never reaches the medium, `share` neither, and nothing after this line is heard of.
        die();
        return new Promise<void>(() => undefined);
      });
    const participant = await approving(world, request, { journal });
    const commitments = [participant.lastCommitment(), commitmentOf(world, request, 2)];
    participant.rounds.receive(packageFrame(request, commitments));
    await died;
    expect(participant.frames('share')).toHaveLength(0);
    armed = false;
    await participant.restart();
    await participant.receive(requestFrame(request));
    await participant.receive(packageFrame(request, commitments));
    const { shares, answers, commitments: said } = openedFrames(world, participant);
    expect(shares).toHaveLength(0);
    expect(answers).toMatchObject([{ answer: 'lost', code: null }]);
    // Ready again: a fresh commitment for the next attempt, and it works.
    expect(new Set(said.map(({ slot }) => slot)).size).toBeGreaterThan(1);
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    expect(openedFrames(world, participant).shares).toHaveLength(1);
  });

  /** What a member does for `request` once it approves and a package comes, on disk, in its vault and on the wire, in order. */
  async function stepsFor(world: World, request: Request, change: ParticipantOptions = {}): Promise<string[]> {
    const order: string[] = [];
    const journal = (real: Journal): Journal =>
      hookedJournal(real, async (record, next) => {
        await next();
        order.push(record.type);
      });
    const participant = await makeParticipant(world, 1, { ...change, journal });
    participant.sent.push = (...frames) => {
      order.push(...frames.map(({ type }) => `sent ${type}`));
      return Array.prototype.push.apply(participant.sent, frames);
    };
    const sign = participant.vault.sign.bind(participant.vault);
    participant.vault.sign = (...args) => {
      order.push('signed');
      return sign(...args);
    };
    await participant.receive(requestFrame(request));
    await participant.rounds.settled();
    if (participant.frames('decision').length === 0) await participant.rounds.decide(request.digest, 'approve', null);
    const other = commitmentOf(world, request, 2, {}, [...(change.documents?.values() ?? [])]);
    await participant.receive(packageFrame(request, [participant.lastCommitment(), other]));
    return order.filter((step) => step !== 'sent journal');
  }

  it('is burned on disk before its share exists, and the share is stored before it is sent', async () => {
    const world = await makeWorld(plan);
    expect(await stepsFor(world, release(world))).toEqual([
      'decision',
      'sent decision',
      'sent commitment',
      'burn',
      'signed',
      'share',
      'sent share',
      'sent commitment',
    ]);
  });

  it('binds its member to the key on disk before the first share under it exists (T35)', async () => {
    const world = await makeWorld(plan);
    const genesis = genesisOf(world.live.epoch);
    const request = documentRequest(world, 'genesis', genesis);
    const steps = await stepsFor(world, request, { ...served(genesis), isYoung: true });
    expect(steps.filter((step) => ['ceremony-given', 'burn', 'signed', 'sent share'].includes(step))).toEqual([
      'ceremony-given',
      'burn',
      'signed',
      'sent share',
    ]);
  });

  it('stops everything when the journal can no longer be written', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const journal = (real: Journal): Journal =>
      hookedJournal(real, (record, next) => (record.type === 'burn' ? Promise.reject(new Error('disk full')) : next()));
    const participant = await approving(world, request, { journal });
    const commitments = [participant.lastCommitment(), commitmentOf(world, request, 2)];
    await participant.receive(packageFrame(request, commitments)).catch(() => undefined);
    await participant.receive(packageFrame(request, commitments)).catch(() => undefined);
    expect(participant.fatal).toHaveLength(1);
    expect(participant.frames('share')).toHaveLength(0);
  });
});

describe('a package', () => {
  /** What member 1 answers to a package; a share is none of the codes. */
  async function answerTo(
    change: (
      world: World,
      request: Request,
      own: Envelope,
      participant: TestParticipant,
    ) => Envelope[] | Promise<Envelope[]>,
    bossIs?: string,
  ): Promise<string> {
    const world = await makeWorld(plan, bossIs);
    const request = release(world);
    const participant = await approving(world, request);
    await participant.receive(
      packageFrame(request, await change(world, request, participant.lastCommitment(), participant)),
    );
    const { shares, answers } = openedFrames(world, participant);
    expect(participant.fatal).toEqual([]);
    if (shares.length > 0) return 'share';
    const [answer] = answers;
    return answer === undefined ? 'nothing' : (answer.code ?? answer.answer);
  }

  it('that is right gets a share', async () => {
    expect(await answerTo((world, request, own) => [own, commitmentOf(world, request, 2)])).toBe('share');
    expect(await answerTo((world, request, own) => [own, commitmentOf(world, request, 3)])).toBe('share');
  });

  it.each<[string, string, Parameters<typeof answerTo>[0]]>([
    [
      'without an own entry (T4)',
      'nothing',
      (world, request) => [commitmentOf(world, request, 2), commitmentOf(world, request, 3)],
    ],
    [
      'with own nonces that are all zero (T4)',
      'nothing',
      (world, request, own) => {
        const zero = changedCommitment(world, own, person('relay'), (payload) => ({
          ...payload,
          commitments: [{ hiding: '00'.repeat(32), binding: '00'.repeat(32) }],
        }));
        return [
          { ...zero, signatures: [{ ...zero.signatures[0], keyid: own.signatures[0].keyid }] },
          commitmentOf(world, request, 2),
        ];
      },
    ],
    [
      'with an identity as a co-signer’s point (T8)',
      'bad-package',
      (world, request, own) => [
        own,
        commitmentOf(world, request, 2, {
          commitments: [{ hiding: `01${'00'.repeat(31)}`, binding: `01${'00'.repeat(31)}` }],
        }),
      ],
    ],
    [
      'with a point of small order (T8)',
      'bad-package',
      (world, request, own) => [
        own,
        commitmentOf(world, request, 2, { commitments: [{ hiding: '00'.repeat(32), binding: '00'.repeat(32) }] }),
      ],
    ],
    [
      'with a co-signer’s commitment to another message (T5)',
      'bad-package',
      (world, request, own) => [own, commitmentOf(world, request, 2, { messages: ['00'.repeat(32)] })],
    ],
    [
      'with a co-signer’s commitment for another request (T5)',
      'bad-package',
      (world, request, own) => [own, commitmentOf(world, request, 2, { requestDigest: '00'.repeat(32) })],
    ],
    [
      'with a co-signer’s commitment for another channel (T5)',
      'bad-package',
      (world, request, own) => [
        own,
        commitmentOf(world, request, 2, { channelKey: world.live.epoch.channel('development').key }),
      ],
    ],
    [
      'with a co-signer’s commitment under another certificate (T5)',
      'bad-package',
      (world, request, own) => [own, commitmentOf(world, request, 2, { epoch: '00'.repeat(32) })],
    ],
    [
      'with a co-signer’s commitment for stage 2 (T5)',
      'bad-package',
      (world, request, own) => [own, commitmentOf(world, request, 2, { stage: 2, messages: null })],
    ],
    ['with nobody else (T6)', 'not-qualified', (_world, _request, own) => [own]],
    [
      'with a co-signer too many (T6)',
      'not-qualified',
      (world, request, own) => [own, commitmentOf(world, request, 2), commitmentOf(world, request, 3)],
    ],
    [
      'with a co-signer twice (T6)',
      'not-qualified',
      (world, request, own) => [own, commitmentOf(world, request, 2), commitmentOf(world, request, 2)],
    ],
    ['in another order (T6)', 'not-qualified', (world, request, own) => [commitmentOf(world, request, 2), own]],
    [
      'with an entry of a stranger (T6)',
      'nothing',
      (world, request, own) => {
        const { payload } = openCommitment(commitmentOf(world, request, 2), world.live.epoch.charter);
        return [own, sealMessage(commitmentMessage, payload, person('stranger'))];
      },
    ],
    [
      'in which 2 speaks as 3 (T7)',
      'nothing',
      (world, request, own) => {
        const spoken = commitmentOf(world, request, 2);
        return [own, { ...spoken, signatures: [{ ...spoken.signatures[0], keyid: world.live.people[2]!.key }] }];
      },
    ],
    [
      'with a changed bit in a co-signer’s signature (T6)',
      'nothing',
      (world, request, own) => {
        const spoken = commitmentOf(world, request, 2);
        const payload = Buffer.from(
          Buffer.from(spoken.payload, 'base64')
            .toString()
            .replace(/"slot":"ab/, '"slot":"aa'),
        ).toString('base64');
        return [own, { ...spoken, payload }];
      },
    ],
  ])('%s gets no share: %s', async (_what, expected, change) => {
    expect(await answerTo(change)).toBe(expected);
  });

  it('that was refused has cost its nonces all the same (T1)', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await approving(world, request);
    const own = participant.lastCommitment();
    await participant.receive(packageFrame(request, [own]));
    await participant.receive(packageFrame(request, [own, commitmentOf(world, request, 2)]));
    const { shares, answers } = openedFrames(world, participant);
    expect(shares).toHaveLength(0);
    expect(answers.map(({ code }) => code)).toEqual(['not-qualified', 'commitment-used']);
  });

  it('with the member that asked in its set is refused on production (T31)', async () => {
    expect(await answerTo((world, request, own) => [own, commitmentOf(world, request, 2)], 'a-2')).toBe('asker-in-set');
    expect(await answerTo((world, request, own) => [own, commitmentOf(world, request, 3)], 'a-2')).toBe('share');
  });

  it('for a request nobody approved, or one that is unknown, gets nothing', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await makeParticipant(world, 1);
    await participant.receive(packageFrame(request, [commitmentOf(world, request, 2)]));
    expect(participant.warnings.join()).toContain('not-found');
    await participant.receive(requestFrame(request));
    await participant.receive(
      packageFrame(request, [commitmentOf(world, request, 1), commitmentOf(world, request, 2)]),
    );
    const { shares, answers } = openedFrames(world, participant);
    expect(shares).toHaveLength(0);
    expect(answers).toMatchObject([{ answer: 'lost' }]);
  });

  it('of one round does not fit another (T5)', async () => {
    const world = await makeWorld(plan);
    const [one, two] = [release(world), release(world, { release: '2.0.0' })];
    const participant = await approving(world, one);
    const ownOfOne = participant.lastCommitment();
    await participant.receive(requestFrame(two));
    await participant.rounds.decide(two.digest, 'approve', null);
    await participant.receive(packageFrame(two, [ownOfOne, commitmentOf(world, two, 2)]));
    await participant.receive(packageFrame(two, [ownOfOne, commitmentOf(world, one, 2)]));
    expect(openedFrames(world, participant).shares).toHaveLength(0);
  });

  it('after a withdrawn right or past the expiry is refused at signing, though it was approved (T5)', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    let clock = now;
    const participant = await approving(world, request, { now: () => clock });
    const { groupKey, number } = world.live.epoch;
    const nobody = encodeCanonicalJson({ version: 2, groupKey, number, requesters: [] });
    const type = requestersMessage.payloadType;
    const signature = quorumSign(world.live, 'production', preAuthEncoding(type, nobody));
    await participant.documents.adopt({
      genesis: null,
      requesters: encodeEnvelope({ payloadType: type, payload: nobody, keyid: '', signature }),
      delegations: [],
    });
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    clock = now + 73 * 3600;
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    const { shares, answers } = openedFrames(world, participant);
    expect(shares).toHaveLength(0);
    expect(answers.map(({ code }) => code)).toEqual(['not-allowed', 'expired']);
    expect(participant.rounds.show(request.digest).state).toBe('blocked');
    participant.rounds.sweep(clock);
    await participant.rounds.settled();
    expect(participant.rounds.list(true)).toMatchObject([{ state: 'over', outcome: 'expired' }]);
  });
});

describe('a request', () => {
  it.each<[string, (world: World) => Request, string]>([
    [
      'for another group',
      (world) => release(world, { groupKey: world.live.epoch.channel('development').key }),
      'wrong-group',
    ],
    ['under another certificate', (world) => release(world, { epoch: '00'.repeat(32) }), 'wrong-epoch'],
    ['on a channel that is not there', (world) => release(world, { channel: 'nightly' }), 'unknown-channel'],
  ])('%s is not looked at (T25)', async (_what, make, code) => {
    const world = await makeWorld(plan);
    const participant = await makeParticipant(world, 1);
    await participant.receive(requestFrame(make(world)));
    expect(participant.rounds.list(true)).toEqual([]);
    expect(participant.warnings.join()).toContain(code);
  });

  it('that is for a quorum this member is not in is not looked at (T25)', async () => {
    const world = await makeWorld({ tiers: ['a', 'a', 'b'], production: '{ a: 2 }' });
    const participant = await makeParticipant(world, 3);
    await participant.receive(requestFrame(release(world)));
    expect(participant.rounds.list(true)).toEqual([]);
  });

  it('with a changed byte or a foreign signature is not looked at (T5)', async () => {
    const world = await makeWorld(plan);
    const participant = await makeParticipant(world, 1);
    const { envelope } = release(world);
    const changed = Buffer.from(envelope.payload, 'base64').toString().replace('tool', 'fool');
    await participant.receive({
      type: 'request',
      request: { ...envelope, payload: Buffer.from(changed).toString('base64') },
      decisions: [],
    });
    await participant.receive({
      type: 'request',
      request: { ...envelope, signatures: [{ ...envelope.signatures[0], keyid: person('eve').key }] },
      decisions: [],
    });
    expect(participant.rounds.list(true)).toEqual([]);
  });

  it('by somebody without rights is shown, and cannot be approved', async () => {
    const world = await makeWorld(plan);
    const participant = await makeParticipant(world, 1);
    const eve = person('eve');
    const request = openRequest(sealMessage(requestMessage, release(world).payload, eve));
    await participant.receive(requestFrame(request));
    expect(participant.rounds.show(request.digest)).toMatchObject({ state: 'blocked', asker: eve.key });
    await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
      code: 'not-allowed',
    });
    expect(participant.frames('decision')).toEqual([]);
  });

  it('that is too far ahead or expired cannot be approved', async () => {
    const world = await makeWorld(plan);
    const participant = await makeParticipant(world, 1);
    for (const createdAt of ['2026-11-22T08:10:00Z', '2026-11-18T08:00:00Z']) {
      const request = release(world, { createdAt });
      await participant.receive(requestFrame(request));
      await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
        code: 'not-allowed',
      });
    }
    expect(participant.frames('decision')).toEqual([]);
  });

  it('of one’s own on production is for others to approve (T31)', async () => {
    const world = await makeWorld(plan, 'a-1');
    const participant = await makeParticipant(world, 1, {
      judge: () => Promise.resolve({ action: 'approve', reason: null, rule: 'all' }),
    });
    const request = release(world);
    await participant.receive(requestFrame(request));
    await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toThrow('others must approve');
    const view = participant.rounds.show(request.digest);
    expect(view.quorum[0]!.open).toEqual(['a-2', 'a-3']);
    expect(participant.frames('decision')).toEqual([]);
    // Off production nobody is kept out.
    const own = release(world, {}, 'development');
    await participant.receive(requestFrame(own));
    await participant.rounds.settled();
    expect(participant.frames('decision')).toHaveLength(1);
  });

  it('is decided by the policy once, and the decision outlives a restart', async () => {
    const world = await makeWorld(plan);
    let asked = 0;
    const judge = () => {
      asked += 1;
      return Promise.resolve({ action: 'refuse', reason: 'not today', rule: 'policy.yaml:3' } as const);
    };
    const participant = await makeParticipant(world, 1, { judge });
    const request = release(world);
    await participant.receive(requestFrame(request));
    await participant.rounds.settled();
    await participant.receive(requestFrame(request));
    await participant.restart();
    await participant.receive(requestFrame(request));
    expect(asked).toBe(1);
    expect(participant.rounds.show(request.digest)).toMatchObject({
      state: 'refused',
      decisions: [{ member: 'a-1', reason: 'not today' }],
    });
    const said = openedFrames(world, participant).decisions;
    expect(said.map(({ serial }) => serial)).toEqual([1, 1]);
    // A person may think again, as long as no share is out.
    await participant.rounds.decide(request.digest, 'approve', null);
    expect(openedFrames(world, participant).decisions.at(-1)).toMatchObject({ decision: 'approve', serial: 2 });
  });

  it('that was signed cannot be refused any more, and one that was refused gets no share', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await approving(world, request);
    const own = participant.lastCommitment();
    await participant.rounds.decide(request.digest, 'refuse', 'second thoughts');
    await participant.receive(packageFrame(request, [own, commitmentOf(world, request, 2)]));
    expect(openedFrames(world, participant).shares).toHaveLength(0);
    await participant.rounds.decide(request.digest, 'approve', null);
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    expect(openedFrames(world, participant).shares).toHaveLength(1);
    await expect(participant.rounds.decide(request.digest, 'refuse', 'too late')).rejects.toMatchObject({
      code: 'not-allowed',
    });
  });

  it('says decision and commitment again on every connect, and nothing while there is none', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await approving(world, request);
    const own = participant.lastCommitment();
    participant.connected = false;
    participant.rounds.disconnected();
    await participant.rounds.settled();
    const before = participant.sent.length;
    participant.connected = true;
    participant.rounds.connected();
    await participant.rounds.settled();
    expect(participant.sent.slice(before).map(({ type }) => type)).toEqual(['decision', 'commitment']);
    expect(participant.lastCommitment()).toEqual(own);
  });

  it('beyond the bound of its asker is not looked at (T33)', async () => {
    const world = await makeWorld(plan);
    const participant = await makeParticipant(world, 1);
    for (let index = 0; index < 130; index++)
      participant.rounds.receive(requestFrame(release(world, { release: `1.0.${index}` })));
    expect(participant.rounds.list(false)).toHaveLength(128);
    expect(participant.warnings.join()).toContain('too-many');
    const other = openRequest(sealMessage(requestMessage, release(world).payload, person('erin')));
    participant.rounds.receive(requestFrame(other));
    expect(participant.rounds.list(false)).toHaveLength(129);
    await participant.rounds.settled();
  });
});

describe('the coordinator’s word (T34)', () => {
  const decision = (
    world: World,
    request: Request,
    identifier: number,
    change: Partial<DecisionPayload> = {},
  ): Envelope =>
    sealMessage(
      decisionMessage,
      {
        groupKey: world.live.epoch.groupKey,
        epoch: world.live.epoch.hash,
        requestDigest: request.digest,
        decision: 'approve',
        serial: 1,
        reason: null,
        decidedAt: '2026-11-22T08:00:00Z',
        ...change,
      },
      world.live.people[identifier - 1]!,
    );

  it('about decisions counts for nothing: only what members signed is shown', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await makeParticipant(world, 1);
    const honest = decision(world, request, 2);
    const forged = {
      ...decision(world, request, 3),
      signatures: [{ keyid: world.live.people[2]!.key, sig: honest.signatures[0].sig }] as const,
    };
    const stranger = sealMessage(
      decisionMessage,
      { ...(JSON.parse(Buffer.from(honest.payload, 'base64').toString()) as DecisionPayload) },
      person('eve'),
    );
    const elsewhere = decision(world, request, 3, { epoch: '00'.repeat(32) });
    const other = decision(world, release(world, { release: '9.0.0' }), 3);
    await participant.receive(requestFrame(request, [honest, forged, stranger, elsewhere, other]));
    expect(participant.rounds.show(request.digest).decisions.map(({ member }) => member)).toEqual(['a-2']);
    await participant.receive({
      type: 'decision',
      decision: decision(world, request, 2, { decision: 'refuse', serial: 3, reason: 'no' }),
    });
    // An older one again changes nothing.
    await participant.receive({ type: 'decision', decision: decision(world, request, 2, { serial: 2 }) });
    expect(participant.rounds.show(request.digest)).toMatchObject({
      decisions: [{ member: 'a-2', decision: 'refuse', reason: 'no' }],
      quorum: [{ approved: [], open: ['a-1', 'a-3'] }],
    });
  });

  it('that a round was signed is believed with signatures over one’s own bytes only (T12)', async () => {
    const world = await makeWorld(plan);
    const request = release(world);
    const participant = await approving(world, request);
    const closed = (signatures: string[]) =>
      participant.receive({
        type: 'closed',
        requestDigest: request.digest,
        outcome: 'signed',
        signatures,
        signers: [1, 2],
      });
    const other = prepareRequest({
      epoch: world.live.epoch,
      request: release(world, { release: '9.0.0' }),
      documents: [],
    }).formats[0]!;
    for (const wrong of [[], ['00'.repeat(64)], [bytesToHex(quorumSign(world.live, 'production', other.message))]]) {
      await closed(wrong);
      expect(participant.rounds.show(request.digest)).toMatchObject({ outcome: 'pending', state: 'approved' });
    }
    const own = prepareRequest({ epoch: world.live.epoch, request, documents: [] }).formats[0]!;
    await closed([bytesToHex(quorumSign(world.live, 'production', own.message))]);
    expect(participant.rounds.show(request.digest)).toMatchObject({ outcome: 'signed', state: 'over' });
    // It stays over: no more nonces, no more shares.
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    expect(openedFrames(world, participant).shares).toHaveLength(0);
    await expect(participant.rounds.decide(request.digest, 'refuse', 'late')).rejects.toMatchObject({
      code: 'not-allowed',
    });
  });
});

describe('documents', () => {
  const approveAll = () => Promise.resolve({ action: 'approve', reason: null, rule: 'all' } as const);
  const created = Date.parse('2026-11-22T08:00:00Z') / 1000;

  it('of the ceremony are approved without a policy, exactly as they follow from the certificate', async () => {
    const world = await makeWorld(plan);
    const { epoch } = world.live;
    const requesters1 = emptyRequesters(epoch.charter).bytes;
    const documents = [genesisOf(epoch), requesters1, delegationOf(epoch, 'development', created)] as const;
    const participant = await makeParticipant(world, 1, { ...served(...documents), isYoung: true });
    for (const [index, kind] of (['genesis', 'requesters', 'delegation'] as const).entries())
      await participant.receive(requestFrame(documentRequest(world, kind, documents[index]!)));
    await participant.rounds.settled();
    const approved = () => openedFrames(world, participant).decisions.map((said) => said.decision);
    // Genesis is the first share under a key: before it nothing else is signed (T35).
    expect(approved()).toEqual(['approve']);
    await participant.documents.adopt({ genesis: world.genesis, requesters: null, delegations: [] });
    participant.rounds.reconsider();
    // It is reconsidered first, then decided.
    await participant.rounds.settled();
    await participant.rounds.settled();
    expect(approved()).toEqual(['approve', 'approve', 'approve']);
    // Its asker is a member, and still may sign: nobody could sign these otherwise.
    expect(participant.rounds.list(false)).toHaveLength(3);
  });

  it.each<[string, (world: World) => readonly ['genesis' | 'requesters' | 'delegation', Uint8Array]]>([
    [
      'genesis with one character changed',
      (world) => ['genesis', Buffer.from(Buffer.from(genesisOf(world.live.epoch)).toString().replace('acme', 'acne'))],
    ],
    [
      'a delegation that lasts longer',
      (world) => ['delegation', delegationOf(world.live.epoch, 'development', created + 86400)],
    ],
    [
      'a delegation for production',
      (world) => [
        'delegation',
        Buffer.from(
          Buffer.from(delegationOf(world.live.epoch, 'development', created))
            .toString()
            .replace('"development"', '"production"'),
        ),
      ],
    ],
    ['a document of another kind', (world) => ['delegation', genesisOf(world.live.epoch)]],
  ])('refuses to prepare %s (T10)', async (_what, make) => {
    const world = await makeWorld(plan);
    const [kind, bytes] = make(world);
    const participant = await makeParticipant(world, 1, { ...served(bytes), judge: approveAll });
    const request = documentRequest(world, kind, bytes);
    await participant.receive(requestFrame(request));
    await participant.rounds.settled();
    expect(participant.rounds.show(request.digest)).toMatchObject({ state: 'blocked', signs: [] });
    expect(participant.frames('decision')).toEqual([]);
    await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
      code: 'not-allowed',
    });
  });

  it('refuses another requesters version 1 than the ceremony’s', async () => {
    const world = await makeWorld(plan);
    const entry = { card: world.requester.card('requester'), channels: ['production'], member: null };
    const bytes = encodeCanonicalJson({ version: 1, requesters: [entry] });
    const participant = await makeParticipant(world, 1, { ...served(bytes), judge: approveAll });
    const request = documentRequest(world, 'requesters', bytes);
    await participant.receive(requestFrame(request));
    await participant.rounds.settled();
    expect(participant.rounds.show(request.digest)).toMatchObject({ state: 'blocked' });
    expect(participant.frames('decision')).toEqual([]);
    await expect(participant.rounds.decide(request.digest, 'approve', null)).rejects.toMatchObject({
      code: 'not-allowed',
    });
  });

  it('are downloaded whole: nobody decides on a digest', async () => {
    const world = await makeWorld(plan);
    const bytes = genesisOf(world.live.epoch);
    const short = { documents: new Map([[sha256Hex(bytes), bytes.slice(0, -1)]]) };
    const participant = await makeParticipant(world, 1, { ...short, judge: approveAll });
    const missing = await makeParticipant(world, 2, { judge: approveAll });
    const request = documentRequest(world, 'genesis', bytes, {}, world.live.people[2]);
    for (const member of [participant, missing]) {
      await member.receive(requestFrame(request));
      expect(member.rounds.show(request.digest).state).toBe('blocked');
      expect(member.frames('decision')).toEqual([]);
    }
    // What was not there is asked for again; what was wrong is not.
    expect(missing.warnings).toHaveLength(1);
    missing.rounds.sweep(now);
    participant.rounds.sweep(now);
    await Promise.all([missing.rounds.settled(), participant.rounds.settled()]);
    expect([missing.warnings.length, participant.warnings.length]).toEqual([2, 1]);
  });

  it('of an older version than was seen are refused, as documents and as requests', async () => {
    const world = await makeWorld(plan);
    const { groupKey, number: epochNumber } = world.live.epoch;
    const version = (number: number) =>
      encodeCanonicalJson({ version: number, groupKey, number: epochNumber, requesters: [] });
    const type = requestersMessage.payloadType;
    const signed = (bytes: Uint8Array) =>
      encodeEnvelope({
        payloadType: type,
        payload: bytes,
        keyid: '',
        signature: quorumSign(world.live, 'production', preAuthEncoding(type, bytes)),
      });
    const participant = await makeParticipant(world, 1, { ...served(version(2), version(3)), judge: approveAll });
    const adopt = (requesters: ReturnType<typeof signed>) =>
      participant.documents.adopt({ genesis: null, requesters, delegations: [] });
    expect(await adopt(signed(version(3)))).toBe(true);
    await expect(adopt(signed(version(2)))).rejects.toMatchObject({ code: 'stale-version' });
    const forged = { ...signed(version(4)), signatures: signed(version(5)).signatures };
    await expect(adopt(forged)).rejects.toMatchObject({ code: 'bad-signature' });
    expect(participant.documents.requestersVersion).toBe(3);
    for (const number of [2, 3]) {
      const request = documentRequest(world, 'requesters', version(number));
      await participant.receive(requestFrame(request));
      await participant.rounds.settled();
      expect(participant.rounds.show(request.digest).state).toBe('blocked');
    }
    expect(participant.frames('decision')).toEqual([]);
    await participant.restart();
    expect(participant.documents.requestersVersion).toBe(3);
  });

  it('are taken from the finished round, whatever the coordinator sends (T34)', async () => {
    const world = await makeWorld(plan);
    const bytes = genesisOf(world.live.epoch);
    const participant = await makeParticipant(world, 1, served(bytes));
    const request = documentRequest(world, 'genesis', bytes);
    await participant.receive(requestFrame(request));
    const signature = quorumSign(world.live, 'production', preAuthEncoding(genesisMessage.payloadType, bytes));
    await participant.receive({
      type: 'closed',
      requestDigest: request.digest,
      outcome: 'signed',
      signatures: [bytesToHex(signature)],
      signers: [1, 2],
    });
    expect(participant.documents.held.genesis).not.toBeNull();
    expect(participant.documents.missing).toEqual(['requesters', 'delegation development']);
  });

  it('that renew a delegation are for the policy or a person, and their asker is kept out', async () => {
    const world = await makeWorld(plan);
    const { epoch } = world.live;
    const [first, renewal] = [
      delegationOf(epoch, 'development', created - 86400),
      delegationOf(epoch, 'development', created),
    ];
    const participant = await makeParticipant(world, 1, served(renewal));
    const signature = quorumSign(world.live, 'production', preAuthEncoding(delegationPayloadType, first));
    await participant.documents.adopt({
      genesis: null,
      requesters: null,
      delegations: [encodeEnvelope({ payloadType: delegationPayloadType, payload: first, keyid: '', signature })],
    });
    const request = documentRequest(world, 'delegation', renewal);
    await participant.receive(requestFrame(request));
    await participant.rounds.settled();
    expect(participant.frames('decision')).toEqual([]);
    expect(participant.rounds.show(request.digest)).toMatchObject({
      state: 'waiting',
      askerMember: 'a-2',
      quorum: [{ open: ['a-1', 'a-3'] }],
    });
  });
});

describe('shares', () => {
  it('are signed by their sender and name certificate, channel, request and attempt', async () => {
    const world = await makeWorld(plan);
    const request = release(world, {}, 'development');
    const participant = await approving(world, request);
    await participant.receive(packageFrame(request, [participant.lastCommitment(), commitmentOf(world, request, 2)]));
    const [share] = participant.frames('share');
    const { member, payload } = openShare(share!.share, world.live.epoch.charter);
    expect(member.name).toBe('a-1');
    expect(payload).toMatchObject({
      epoch: world.live.epoch.hash,
      channelKey: world.live.epoch.channel('development').key,
      requestDigest: request.digest,
    });
  });
});
