/** Signing rounds in one process: the real machines and real shares, between them a network whose order and faults are chosen by a seed. */
import { randomBytes } from 'node:crypto';
import {
  answerMessage,
  commitmentMessage,
  openAnswer,
  openCommitment,
  openShare,
  shareMessage,
  type AttemptSubject,
  type SharePayload,
} from '../../protocol/signing/attempt.ts';
import { type Stage } from '../../protocol/wire/schema.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import { decisionMessage, openDecision, type DecisionPayload } from '../../protocol/signing/decision.ts';
import { sealMessage, type Envelope, type MessageType } from '../../protocol/wire/envelope.ts';
import type { Epoch } from '../../protocol/ceremony/epoch.ts';
import {
  encodeEvidence,
  judgeEvidence,
  wrongShareEvidence,
  badCommitmentEvidence,
  type Verdict,
} from '../../protocol/evidence.ts';
import { prepareRequest, type PreparedRequest } from '../../protocol/formats/index.ts';
import type { SealingGroup, Secret } from '../../protocol/frost/group.ts';
import type { Identifier } from '../../protocol/frost/sharing.ts';
import { commit, signShare, type Nonces } from '../../protocol/frost/sign.ts';
import {
  startRound,
  stepRound,
  type RoundContext,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
} from '../../protocol/signing/round.ts';
import {
  startSigner,
  stepSigner,
  type BurnedAttempt,
  type SignerContext,
  type SignerEffect,
  type SignerEvent,
  type SignerState,
} from '../../protocol/signing/signer.ts';
import {
  numberingOf,
  openRequest,
  requestMessage,
  type Request,
  type RequestPayload,
} from '../../protocol/request/request.ts';
import { CeremonyNetwork, sharedSodium } from './ceremony-network.ts';
import { person, writeCharter, type CharterPlan, type Person } from './people.ts';
import { seededRandom, type Random } from './random.ts';

/** A group with a live key: what one honest ceremony leaves behind. */
export interface LiveGroup {
  readonly epoch: Epoch;
  readonly people: readonly Person[];
  /** By channel, then identifier. */
  readonly shares: ReadonlyMap<string, ReadonlyMap<number, Secret>>;
  readonly requester: Person;
  readonly sodium: SealingGroup;
}

export async function liveGroup(plan: CharterPlan): Promise<LiveGroup> {
  const { people, charter } = writeCharter(plan);
  const sodium = await sharedSodium();
  const network = new CeremonyNetwork(charter, people, sodium, seededRandom(1));
  network.run();
  return liveGroupOf(network, people);
}

/** What a ceremony that is over left behind. */
export function liveGroupOf(network: CeremonyNetwork, people: readonly Person[]): LiveGroup {
  const { charter, sodium } = network;
  const epoch = network.epoch();
  const shares = new Map(charter.channels.map(({ name }) => [name, new Map<number, Secret>()]));
  for (const member of network.members) {
    for (const [channel, share] of member.shares.get(epoch.certificate.ceremony)!)
      shares.get(channel)!.set(member.member.identifier, share);
  }
  return { epoch, people, shares, requester: person('dev'), sodium };
}

/** A release of one artifact, as a requester would ask for it. */
export function releaseRequest(group: LiveGroup, channel: string, change: Partial<RequestPayload> = {}): Request {
  const payload: RequestPayload = {
    groupKey: group.epoch.groupKey,
    epoch: group.epoch.hash,
    kind: 'release',
    channel,
    formats: ['native'],
    artifacts: [
      {
        name: 'tool-1.0.0.tgz',
        size: 5,
        sha256: sha256Hex(new TextEncoder().encode('hello')),
        sha512: '00'.repeat(64),
      },
    ],
    documents: [],
    product: 'tool',
    release: '1.0.0',
    source: null,
    ...(numberingOf(change.kind ?? 'release') === 'request' ? { number: 1 } : {}),
    note: null,
    createdAt: '2026-11-22T08:00:00Z',
    ...change,
  };
  return openRequest(sealMessage(requestMessage, payload, group.requester));
}

type ToCoordinator =
  | { readonly kind: 'decision' | 'commitment' | 'share' | 'answer'; readonly envelope: Envelope }
  | { readonly kind: 'connected' | 'disconnected' };
type ToMember =
  | {
      readonly kind: 'package';
      readonly stage: Stage;
      readonly earlier: readonly string[];
      readonly commitments: readonly Envelope[];
    }
  | { readonly kind: 'closed' };

export interface SimulatedSigner {
  readonly person: Person;
  readonly identifier: Identifier;
  context: SignerContext;
  state: SignerState;
  readonly nonces: Map<string, Nonces[]>;
  readonly taken: Map<string, Nonces[]>;
  /** What a journal keeps. */
  readonly disk: { said: DecisionPayload | undefined; attempts: Map<string, BurnedAttempt> };
  readonly inbox: ToMember[];
  readonly outbox: ToCoordinator[];
  down: boolean;
  restarts: number;
}

export interface RoundFaults {
  /** Changes or drops (`undefined`) a payload before its sender signs it: the sender is the liar. */
  readonly lie?: (
    kind: ToCoordinator['kind'],
    payload: Record<string, unknown>,
    from: SimulatedSigner,
  ) => Record<string, unknown> | undefined;
  readonly tick?: (network: RoundNetwork) => void;
  /** Between `burn` and `sign`, the worst moment for a crash. */
  readonly afterBurn?: (signer: SimulatedSigner) => boolean;
  readonly doubled?: boolean;
  /** Loses one message in this many; the connection breaks with it, as TCP would. */
  readonly lossOneIn?: number;
}

export class RoundNetwork {
  readonly group: LiveGroup;
  readonly request: Request;
  readonly documents: readonly Uint8Array[];
  readonly prepared: PreparedRequest;
  readonly context: RoundContext;
  readonly signers: SimulatedSigner[];
  readonly random: Random;
  readonly faults: RoundFaults;
  round: RoundState;
  readonly watched: string[] = [];
  /** Whether the machine asked for its shares to be checked soon. */
  checkWanted = false;
  /** The timers that fired so far, in order. */
  readonly fired: ('check' | 'stalled')[] = [];
  readonly verdicts: Verdict[] = [];
  readonly ended: string[] = [];
  signatures: readonly Uint8Array[] | undefined;
  signedBy: readonly Identifier[] = [];
  /** Every share message any honest daemon let out, for those who look for a nonce used twice. */
  readonly shares: { readonly from: Identifier; readonly payload: SharePayload }[] = [];
  losses = 0;

  constructor(
    group: LiveGroup,
    request: Request,
    random: Random,
    faults: RoundFaults = {},
    keptOut?: Identifier,
    documents: readonly Uint8Array[] = [],
  ) {
    this.documents = documents;
    this.group = group;
    this.request = request;
    this.random = random;
    this.faults = faults;
    this.prepared = prepareRequest({ epoch: group.epoch, request, documents });
    const channel = group.epoch.channel(request.payload.channel);
    const subject: AttemptSubject = {
      epoch: group.epoch.hash,
      channelKey: channel.key,
      requestDigest: request.digest,
      stage: 1,
      messages: this.prepared.messages.map((message) => sha256Hex(message)),
    };
    this.context = { arithmetic: group.sodium, channel, subject, prepared: this.prepared, keptOut };
    this.round = startRound(this.context);
    this.signers = [...this.round.members.keys()].map((identifier) => this.makeSigner(identifier, subject));
  }

  private makeSigner(identifier: Identifier, subject: AttemptSubject): SimulatedSigner {
    const self = this.group.epoch.charter.members[identifier - 1]!;
    const context: SignerContext = {
      arithmetic: this.group.sodium,
      epoch: this.group.epoch,
      self,
      channel: this.request.payload.channel,
      subject,
      prepared: this.prepared,
      run: bytesToHex(randomBytes(16)),
    };
    return {
      person: this.group.people[identifier - 1]!,
      identifier,
      context,
      state: startSigner({ said: undefined, attempts: new Map() }),
      nonces: new Map(),
      taken: new Map(),
      disk: { said: undefined, attempts: new Map() },
      inbox: [],
      outbox: [],
      down: false,
      restarts: 0,
    };
  }

  signer(identifier: number): SimulatedSigner {
    return this.signers.find((signer) => Number(signer.identifier) === identifier)!;
  }

  connect(signer: SimulatedSigner): void {
    signer.outbox.push({ kind: 'connected' });
    this.feed(signer, { kind: 'connected' });
  }

  decide(identifier: number, decision: DecisionPayload['decision'], reason: string | null = null): void {
    this.feed(this.signer(identifier), { kind: 'decide', decision, reason, nowUnixSeconds: 1_795_000_000 });
  }

  /** The connection breaks: what was on its way is gone, both sides notice, and it is made anew. */
  reconnect(signer: SimulatedSigner): void {
    signer.inbox.length = 0;
    signer.outbox.length = 0;
    this.tell(signer, { kind: 'disconnected' });
    this.feed(signer, { kind: 'disconnected' });
    this.connect(signer);
  }

  /** Memory is lost, the journal stays. */
  restart(signer: SimulatedSigner): void {
    signer.restarts += 1;
    signer.nonces.clear();
    signer.taken.clear();
    signer.context = { ...signer.context, run: bytesToHex(randomBytes(16)) };
    signer.state = startSigner({ said: signer.disk.said, attempts: new Map(signer.disk.attempts) });
    this.reconnect(signer);
  }

  /** The coordinator is killed and started again: open attempts are void, decisions are not. */
  restartCoordinator(): void {
    const decisions = this.signers.flatMap(({ disk, person: who }) =>
      disk.said === undefined ? [] : [sealMessage(decisionMessage, disk.said, who)],
    );
    this.round = startRound(this.context);
    for (const envelope of decisions)
      this.feedRound({ kind: 'decision', decision: openDecision(envelope, this.group.epoch.charter) });
    for (const signer of this.signers) if (!signer.down) this.reconnect(signer);
  }

  /** Lets messages travel until none is left; attempts stall only when nothing else can happen. */
  settle(maxDeliveries = 5000): void {
    for (let count = 0; count < maxDeliveries; count += 1) {
      this.faults.tick?.(this);
      const links = this.signers.flatMap((signer) => [
        ...(signer.outbox.length > 0 ? [{ signer, up: true }] : []),
        ...(signer.inbox.length > 0 && !signer.down ? [{ signer, up: false }] : []),
      ]);
      if (this.checkWanted && (links.length === 0 || this.random.oneIn(8))) {
        this.checkWanted = false;
        this.fired.push('check');
        this.feedRound({ kind: 'check' });
        continue;
      }
      if (links.length === 0) {
        const stalled = this.watched.shift();
        if (stalled === undefined) return;
        this.fired.push('stalled');
        this.feedRound({ kind: 'stalled', attempt: stalled });
        continue;
      }
      this.deliver(this.random.pick(links));
    }
    throw new Error(`the network did not settle (seed ${this.random.seed})`);
  }

  private deliver({ signer, up }: { readonly signer: SimulatedSigner; readonly up: boolean }): void {
    if (this.faults.lossOneIn !== undefined && this.random.oneIn(this.faults.lossOneIn)) {
      this.losses += 1;
      this.reconnect(signer);
      return;
    }
    if (up) {
      const message = signer.outbox.shift()!;
      this.tell(signer, message);
      if (this.faults.doubled === true && message.kind !== 'disconnected' && this.random.oneIn(2))
        this.tell(signer, message);
    } else {
      const message = signer.inbox.shift()!;
      this.hear(signer, message);
      if (this.faults.doubled === true && this.random.oneIn(2)) this.hear(signer, message);
    }
  }

  hear(signer: SimulatedSigner, message: ToMember): void {
    if (message.kind === 'closed') this.feed(signer, { kind: 'closed' });
    else
      this.feed(signer, {
        kind: 'package',
        stage: message.stage,
        earlier: message.earlier,
        commitments: message.commitments,
        obstacle: undefined,
        keptOut: this.context.keptOut,
      });
  }

  private tell(signer: SimulatedSigner, message: ToCoordinator): void {
    const { charter } = this.group.epoch;
    switch (message.kind) {
      case 'connected':
      case 'disconnected': {
        this.feedRound({ kind: message.kind, member: signer.identifier });
        return;
      }
      case 'decision': {
        this.feedRound({ kind: 'decision', decision: openDecision(message.envelope, charter) });
        return;
      }
      case 'commitment': {
        this.feedRound({ kind: 'commitment', commitment: openCommitment(message.envelope, charter) });
        return;
      }
      case 'share': {
        this.feedRound({ kind: 'share', share: openShare(message.envelope, charter) });
        return;
      }
      case 'answer': {
        this.feedRound({ kind: 'answer', answer: openAnswer(message.envelope, charter) });
        return;
      }
    }
  }

  feedRound(event: RoundEvent): void {
    const step = stepRound(this.context, this.round, event);
    this.round = step.state;
    for (const effect of step.effects) this.performRound(effect);
  }

  private performRound(effect: RoundEffect): void {
    switch (effect.kind) {
      case 'store-decision':
        return;
      case 'send-package':
        this.signer(effect.to).inbox.push({
          kind: 'package',
          stage: effect.attempt.stage,
          earlier: effect.attempt.earlier.map(bytesToHex),
          commitments: effect.attempt.commitments.map(({ envelope }) => envelope),
        });
        return;
      case 'watch':
        this.watched.push(effect.attempt);
        return;
      case 'check-soon':
        this.checkWanted = true;
        return;
      case 'fault': {
        const { fault } = effect;
        const evidence =
          fault.kind === 'wrong-share'
            ? wrongShareEvidence({
                epoch: this.group.epoch,
                request: this.request.envelope,
                documents: this.documents,
                earlier: fault.earlier,
                commitments: fault.commitments.map(({ envelope }) => envelope),
                share: fault.share.envelope,
              })
            : badCommitmentEvidence(this.group.epoch.charter, fault.commitment.envelope);
        this.verdicts.push(judgeEvidence(this.group.sodium, encodeEvidence(evidence).bytes));
        return;
      }
      case 'signed':
        this.signatures = effect.signatures;
        this.signedBy = effect.signers;
        for (const signer of this.signers) signer.inbox.push({ kind: 'closed' });
        return;
      case 'ended':
        this.ended.push(effect.outcome);
        return;
    }
  }

  feed(signer: SimulatedSigner, event: SignerEvent): void {
    const queue: SignerEvent[] = [event];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = stepSigner(signer.context, signer.state, next);
      signer.state = step.state;
      for (const effect of step.effects) {
        if (effect.kind === 'sign' && this.faults.afterBurn?.(signer) === true) {
          this.restart(signer);
          return;
        }
        const answer = this.perform(signer, effect);
        if (answer !== undefined) queue.push(answer);
      }
    }
  }

  private perform(signer: SimulatedSigner, effect: SignerEffect): SignerEvent | undefined {
    const { sodium, shares } = this.group;
    const share = shares.get(this.request.payload.channel)!.get(signer.identifier)!;
    switch (effect.kind) {
      case 'make-nonces': {
        const made = effect.wanted.map(({ stage, slot, pairs: count }) => {
          const pairs = Array.from({ length: count }, () => commit(sodium, share));
          signer.nonces.set(slot, pairs);
          const commitments = pairs.map(({ commitments: { hiding, binding } }) => ({
            hiding: bytesToHex(hiding),
            binding: bytesToHex(binding),
          }));
          return { stage, slot, commitments };
        });
        return { kind: 'nonces-made', made };
      }
      case 'take': {
        const pairs = signer.nonces.get(effect.slot);
        signer.nonces.delete(effect.slot);
        if (pairs === undefined) throw new Error('nonces were taken twice');
        signer.taken.set(effect.slot, pairs);
        return undefined;
      }
      case 'burn':
        signer.disk.attempts.set(effect.attempt, { stage: effect.stage, shares: undefined });
        return undefined;
      case 'sign': {
        const pairs = signer.taken.get(effect.slot)!;
        signer.taken.delete(effect.slot);
        const scalars = effect.sessions.map((session, index) =>
          signShare(sodium, session, signer.identifier, pairs[index]!, share),
        );
        return { kind: 'signed', stage: effect.stage, attempt: effect.attempt, shares: scalars };
      }
      case 'store-share':
        signer.disk.attempts.set(effect.share.attempt, { stage: effect.share.stage, shares: effect.share });
        return undefined;
      case 'record-decision':
        signer.disk.said = effect.decision;
        return undefined;
      case 'send-decision': {
        this.send(signer, 'decision', decisionMessage, effect.decision);
        return;
      }
      case 'send-commitment': {
        this.send(signer, 'commitment', commitmentMessage, effect.commitment);
        return;
      }
      case 'send-share':
        this.shares.push({ from: signer.identifier, payload: effect.share });
        {
          this.send(signer, 'share', shareMessage, effect.share);
          return;
        }
      case 'send-answer': {
        this.send(signer, 'answer', answerMessage, effect.answer);
        return;
      }
      case 'wipe':
        for (const pair of [...(signer.nonces.get(effect.slot) ?? []), ...(signer.taken.get(effect.slot) ?? [])]) {
          sodium.wipe(pair.hiding);
          sodium.wipe(pair.binding);
        }
        signer.nonces.delete(effect.slot);
        signer.taken.delete(effect.slot);
        return undefined;
    }
  }

  private send<P extends object>(
    signer: SimulatedSigner,
    kind: ToCoordinator['kind'],
    type: MessageType<P>,
    payload: P,
  ): void {
    if (!signer.state.connected) return;
    const lie = this.faults.lie;
    const said = lie === undefined ? payload : lie(kind, payload as Record<string, unknown>, signer);
    if (said === undefined || kind === 'connected' || kind === 'disconnected') return;
    signer.outbox.push({ kind, envelope: sealMessage<unknown>(type, said, signer.person) });
  }

  /** Attempts opened so far. */
  get attempts(): number {
    return this.round.attempts.size;
  }
}
