/** One round at work: feeds the pure machine one event at a time and performs its effects in order; what must be stored is stored before anyone sees it. */
import { encodeBase64 } from '../verifier/base64.ts';
import { approvalsOf } from '../protocol/group-documents/document.ts';
import { assertDecisionOn, type Decision } from '../protocol/signing/decision.ts';
import { firstSubject } from '../protocol/signing/stage.ts';
import { badCommitmentEvidence, encodeEvidence, wrongShareEvidence, type Evidence } from '../protocol/evidence.ts';
import {
  type AttemptSubject,
  type SignedAnswer,
  type SignedCommitment,
  type SignedShare,
} from '../protocol/signing/attempt.ts';
import { longestTimerMs, maxFrameBytes } from '../protocol/limits.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import { channelOf, memberByIdentifier, type Channel } from '../protocol/files/charter.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { finishRequest, prepareRequest, type PreparedRequest } from '../protocol/formats/index.ts';
import type { Group } from '../protocol/frost/group.ts';
import type { Identifier } from '../protocol/frost/sharing.ts';
import {
  isCommitmentOf,
  startRound,
  readyMembers,
  stepRound,
  type Fault,
  type RoundAttempt,
  type RoundContext,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
} from '../protocol/signing/round.ts';
import type { CoordinatorFrame, DocumentBody, Outcome, RoundBody } from '../protocol/wire/frames.ts';
import { refOf } from '../protocol/record/leaf.ts';
import type { Request } from '../protocol/request/request.ts';
import { assertNewerRequesters, expiresAtUnixSeconds, keptOut } from '../protocol/request/rights.ts';
import { Uploads } from './uploads.ts';
import type { ClosedRecord, StoreRecord } from './records.ts';
import { CoordinatorError, isFatal } from './errors.ts';
import { isGroupDocument, standingOf, type Added, type Groups } from './groups.ts';
import type { KnownGroup } from './lineage.ts';
import { envelopeOverheadBytes, maxDecisionsPerMember, maxQueuedEvents, maxShownAttempts } from './limits.ts';
import type { Log } from './log.ts';
import { closedFrame, packageFrame, roundBodyOf, shownAttempt, type PackageFrame } from './round-body.ts';

/** Where a round's frames go. */
export interface Audience {
  /** Sends to a member that is connected, else does nothing. */
  send(to: Identifier, frame: CoordinatorFrame): void;
  /** Sends after what waits already, made when its turn comes; true when all of it has left, false if the member is gone. */
  sendPaced(to: Identifier, make: () => readonly CoordinatorFrame[]): Promise<boolean>;
  isConnected(identifier: Identifier): boolean;
  /** Identifiers, ascending. */
  connected(): number[];
}

/** A request and the world of its round. */
export interface RoundOptions {
  readonly request: Request;
  readonly group: KnownGroup;
  readonly groups: Groups;
  /** Resolves when all of it is on the medium. */
  readonly append: (records: readonly StoreRecord[], blobs: readonly Uint8Array[]) => Promise<void>;
  readonly audience: Audience;
  readonly arithmetic: Group;
  readonly stallAfterMs: number;
  readonly checkAfterMs: number;
  readonly decisionsWaitMs: number;
  readonly nowMs: () => number;
  readonly log: Log;
  /** The round is over and stored. */
  readonly onEnd: (round: Round) => void;
  /** A document of the group came out of it. */
  readonly onDocument: (group: KnownGroup) => void;
}

/** What is asked of a round once its documents are all there. */
interface Open {
  readonly prepared: PreparedRequest;
  readonly subject: AttemptSubject;
  state: RoundState;
  /** As it is shown: nothing in it follows from a decision that is not stored yet. */
  shown: RoundState;
}

/** Stored with the next batch, and soon in any case. */
type StoreDecision = Extract<RoundEffect, { kind: 'store-decision' }>;

/** The driver of one pending round: its queue, timers and listeners around the machine of `protocol/signing/round.ts`. */
export class Round {
  readonly request: Request;
  readonly group: KnownGroup;
  readonly channel: Channel;
  readonly documents: Uploads;
  readonly #options: RoundOptions;
  readonly #decisions = new Map<number, Decision>();
  /** The last approval of each, whatever it said since: a result is made before the decisions of its batch are shown. */
  readonly #approvals = new Map<number, Decision>();
  readonly #decisionsStored = new Map<number, number>();
  readonly #evidence: { readonly sha256: string }[] = [];
  readonly #packages = new Map<string, PackageFrame>();
  readonly #listeners = new Set<() => void>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #expiry: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #prepared: PreparedRequest | undefined;
  #open: Open | undefined;
  #queue: RoundEvent[] = [];
  /** Decisions that are not stored yet, and what their storing waits for. */
  #waiting: StoreDecision[] = [];
  #isDue = false;
  #due: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #closed: ClosedRecord | undefined;
  #version = 0;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.request = options.request;
    this.group = options.group;
    this.channel = channelOf(options.group.epoch.charter, options.request.payload.channel);
    this.documents = new Uploads(options.request);
  }

  get digest(): string {
    return this.request.digest;
  }

  get outcome(): Outcome {
    return this.#closed?.outcome ?? 'pending';
  }

  /** Counts the changes that `body` shows. */
  get version(): number {
    return this.#version;
  }

  /** Identifiers of the channel's quorum. */
  get holders(): Identifier[] {
    return this.channel.sharings.flatMap((sharing) => sharing.members);
  }

  /** Whether members are asked already. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Takes back one stored record about this round. */
  restore(record: StoreRecord, open: (envelope: Envelope) => Decision): void {
    if (record.type === 'evidence') this.#evidence.push({ sha256: record.evidence.sha256 });
    if (record.type !== 'decision') return;
    const decision = open(record.decision);
    this.#noteDecision(decision);
    this.#noteApproval(decision);
    this.#countDecision(decision.member.identifier);
  }

  /**
   * Begins once its request is stored, and asks the members as soon as its documents are all there.
   * Throws `ProtocolError` for documents that this request cannot have.
   */
  begin(): void {
    const documents = this.documents.all;
    this.#armExpiry();
    if (documents === undefined) return;
    const prepared = this.#prepared ?? this.#prepare(documents);
    this.#assertNewer(documents);
    const subject = firstSubject(this.group.epoch, this.request, prepared);
    const state = this.#startState(prepared, subject);
    this.#open = { prepared, subject, state, shown: state };
    for (const identifier of this.holders)
      if (this.#options.audience.isConnected(identifier)) void this.greet(identifier);
  }

  /**
   * Reads the documents by their grammar as soon as they would all be here, with this one: nothing that no quorum may sign is stored (T43).
   * Throws `ProtocolError`.
   */
  assertSignableWith(sha256: string, bytes: Uint8Array): void {
    const documents = this.documents.allWith(sha256, bytes);
    if (documents === undefined || this.isOpen) return;
    this.#prepared = this.#prepare(documents);
    this.#assertNewer(documents);
  }

  #prepare(documents: readonly Uint8Array[]): PreparedRequest {
    return prepareRequest({ epoch: this.group.epoch, request: this.request, documents });
  }

  /** A requesters document that is not newer would only be thrown away when it is signed; so would a succession of a number that is used up. */
  #assertNewer([document]: readonly Uint8Array[]): void {
    const { kind } = this.request.payload;
    if (kind === 'succession' && document !== undefined)
      this.#options.groups.assertNextSuccession(this.group, document, Math.floor(this.#options.nowMs() / 1000));
    if (kind !== 'requesters' || document === undefined) return;
    assertNewerRequesters(document, this.group.epoch, this.group.documents.requesters?.version ?? 0);
  }

  #startState(prepared: PreparedRequest, subject: AttemptSubject): RoundState {
    const context = this.#contextOf(prepared, subject);
    let state = startRound(context);
    for (const decision of this.#decisions.values())
      state = stepRound(context, state, { kind: 'decision', decision }).state;
    return state;
  }

  /** Made anew for every step: who is kept out follows from the documents of the moment, as every signer judges it. */
  #contextOf(prepared: PreparedRequest, subject: AttemptSubject): RoundContext {
    return {
      arithmetic: this.#options.arithmetic,
      channel: this.group.epoch.channel(this.channel.name),
      subject,
      prepared,
      keptOut: keptOut(this.request, standingOf(this.group))?.identifier,
    };
  }

  /**
   * A member is here: it gets the request and the decisions after whatever waits for it, and then the package that it owes an answer to.
   * Resolves when they have left.
   */
  async greet(member: Identifier): Promise<void> {
    const isSent = await this.#options.audience.sendPaced(member, () => this.#greeting());
    if (isSent) this.#enqueueOwn({ kind: 'connected', member });
    await this.#idle();
  }

  /** Nothing once the round is over. Decisions that would make the frame too large for the member's own bound go one by one. */
  #greeting(): CoordinatorFrame[] {
    if (this.#closed !== undefined) return [];
    const { envelope } = this.request;
    const decisions = [...this.#decisions.values()].map((decision) => decision.envelope);
    const bytes = [envelope, ...decisions].reduce(
      (sum, { payload }) => sum + payload.length + envelopeOverheadBytes,
      0,
    );
    const isSmall = bytes <= maxFrameBytes(this.group.epoch.charter.members.length);
    if (isSmall) return [{ type: 'request', request: envelope, decisions }];
    return [
      { type: 'request', request: envelope, decisions: [] },
      ...decisions.map((decision) => ({ type: 'decision', decision }) as const),
    ];
  }

  disconnected(member: Identifier): void {
    this.#enqueueOwn({ kind: 'disconnected', member });
    this.touch();
  }

  /** Throws `ProtocolError` (`wrong-group`, `wrong-epoch`, `too-many`). */
  decide(decision: Decision): void {
    assertDecisionOn(decision, this.digest, this.group.epoch);
    if ((this.#decisionsStored.get(decision.member.identifier) ?? 0) >= maxDecisionsPerMember)
      throw new ProtocolError('too-many', `${decision.member.name} decided too often; no more is taken`);
    this.#enqueue({ kind: 'decision', decision });
  }

  /** Throws `ProtocolError('bad-commitment')` for one that is not for exactly this request. */
  commit(commitment: SignedCommitment): void {
    const open = this.#open;
    const context = open === undefined ? undefined : this.#contextOf(open.prepared, open.subject);
    if (context === undefined || !isCommitmentOf(context, commitment.payload))
      throw new ProtocolError('bad-commitment', 'the commitment is not for the messages of this request');
    this.#enqueue({ kind: 'commitment', commitment });
  }

  share(share: SignedShare): void {
    this.#enqueue({ kind: 'share', share });
  }

  answer(answer: SignedAnswer): void {
    this.#enqueue({ kind: 'answer', answer });
  }

  /** Ends the round; a repeat is a no-op. Resolves once that is stored. */
  async cancel(): Promise<void> {
    this.#enqueueOwn({ kind: 'cancelled' });
    await this.settled();
  }

  /** Ends the round because the group lives in a later epoch; a repeat is a no-op. Resolves once that is stored. */
  async supersede(): Promise<void> {
    this.#enqueueOwn({ kind: 'superseded' });
    await this.settled();
  }

  /** Ends the round with what members brought, stored by `store`; one that is over already stays as it is. */
  async conclude(closed: ClosedRecord, store: () => Promise<unknown>): Promise<void> {
    await this.settled();
    if (this.#closed !== undefined) return;
    this.#running = this.#conclude(closed, store);
    await this.#running;
  }

  async #conclude(closed: ClosedRecord, store: () => Promise<unknown>): Promise<void> {
    try {
      await store();
      this.#closed ??= closed;
      this.touch();
      this.#end();
    } finally {
      this.#running = undefined;
    }
  }

  /** Resolves when no event waits, and everything is stored. */
  async settled(): Promise<void> {
    await this.#idle();
    if (this.#waiting.length === 0) return;
    this.#storeNow();
    await this.settled();
  }

  async #idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Stops timers and streams; what is stored stays. */
  stop(): void {
    clearTimeout(this.#expiry);
    clearTimeout(this.#check);
    clearTimeout(this.#due);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Calls `changed` after every change that `body` shows, until the result is called. */
  subscribe(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** Who is connected, or anything else that `body` shows, is another. */
  touch(): void {
    this.#version += 1;
    for (const changed of this.#listeners) changed();
  }

  body(): RoundBody {
    const state = this.#open?.shown;
    const members = [...(state?.members ?? [])];
    return {
      ...roundBodyOf({
        request: this.request,
        decisions: this.#decisions.values(),
        evidence: this.#evidence,
        closed: this.#closed,
      }),
      connected: this.#options.audience.connected(),
      ready: this.#ready(),
      out: members.flatMap(([member, { out }]) => (out === undefined ? [] : [{ member, reason: out }])),
      attempts: [...(state?.attempts.values() ?? [])].slice(-maxShownAttempts).map(shownAttempt),
    };
  }

  #ready(): Identifier[] {
    if (this.#open === undefined) return [];
    const { prepared, subject, shown } = this.#open;
    return readyMembers(this.#contextOf(prepared, subject), shown);
  }

  /** The frame that tells a member that the round is over; `undefined` while it is not. */
  closedFrame(): CoordinatorFrame | undefined {
    return this.#closed === undefined ? undefined : closedFrame(this.#closed);
  }

  #enqueue(event: RoundEvent): void {
    if (this.#closed !== undefined) return;
    if (this.#queue.length >= maxQueuedEvents)
      throw new CoordinatorError('too-many', 'this round has more to do than it can hold; try again');
    this.#queue.push(event);
    this.#running ??= this.#run();
  }

  /** The one owner of the round's state. Never rejects. */
  async #run(): Promise<void> {
    try {
      await Promise.resolve(); // what comes in one turn is one batch
      while (this.#queue.length > 0 || this.#isDue) await this.#perform(this.#step(this.#queue.splice(0)));
    } catch (error) {
      // A store that failed stops the coordinator; anything else is our own fault and must not take other rounds along.
      if (!isFatal(error)) this.#options.log('error', 'round-failed', { round: this.digest, failure: String(error) });
    } finally {
      this.#running = undefined;
    }
  }

  #step(events: readonly RoundEvent[]): RoundEffect[] {
    const effects: RoundEffect[] = [];
    for (const event of events) {
      if (this.#open !== undefined) {
        const { prepared, subject, state } = this.#open;
        const step = stepRound(this.#contextOf(prepared, subject), state, event);
        this.#open.state = step.state;
        effects.push(...step.effects);
      } else if (event.kind === 'expired' || event.kind === 'cancelled' || event.kind === 'superseded') {
        effects.push({ kind: 'ended', outcome: event.kind });
      }
    }
    return effects;
  }

  /**
   * A package leaves at once: it tells nobody what was decided. Of all else, everything that must outlive a crash comes first, in one batch; then
   * everything that others see, in order. Decisions alone wait for the next batch: a result is never stored without those that it came of.
   */
  async #perform(effects: readonly RoundEffect[]): Promise<void> {
    const [atOnce, decisions, others] = sorted(effects);
    atOnce.forEach((effect) => this.#show(effect));
    for (const { decision } of decisions) {
      this.#countDecision(decision.member.identifier);
      this.#noteApproval(decision);
    }
    this.#waiting.push(...decisions);
    if (others.length === 0 && !this.#isDue && this.#waiting.length > 0) this.#storeSoon();
    else await this.#store([...this.#takeWaiting(), ...others]);
    if (this.#closed !== undefined) this.#end();
  }

  async #store(effects: readonly RoundEffect[]): Promise<void> {
    const stored = effects.map((effect) => this.#recordsOf(effect));
    const records = stored.flatMap((one) => one.records);
    if (records.length > 0)
      await this.#options.append(
        records,
        stored.flatMap((one) => one.blobs),
      );
    stored.forEach((one) => one.apply());
    effects.forEach((effect) => this.#show(effect));
    const isChanged = effects.length > 0 || this.#open?.shown !== this.#open?.state;
    if (this.#open !== undefined) this.#open.shown = this.#open.state;
    if (isChanged) this.touch();
  }

  #takeWaiting(): StoreDecision[] {
    this.#isDue = false;
    clearTimeout(this.#due);
    this.#due = undefined;
    return this.#waiting.splice(0);
  }

  #storeSoon(): void {
    this.#due ??= setTimeout(() => {
      this.#storeNow();
    }, this.#options.decisionsWaitMs);
  }

  #storeNow(): void {
    this.#isDue = true;
    this.#running ??= this.#run();
  }

  #recordsOf(effect: RoundEffect): {
    records: readonly StoreRecord[];
    blobs: readonly Uint8Array[];
    apply: () => void;
  } {
    switch (effect.kind) {
      case 'store-decision': {
        const { decision } = effect;
        return {
          records: [{ type: 'decision', digest: this.digest, decision: decision.envelope }],
          blobs: [],
          apply: () => this.#noteDecision(decision),
        };
      }
      case 'fault': {
        const { bytes } = encodeEvidence(this.#evidenceOf(effect.fault));
        const evidence = refOf(bytes);
        const record = { type: 'evidence', digest: this.digest, member: effect.fault.member, evidence } as const;
        return { records: [record], blobs: [bytes], apply: () => void this.#evidence.push(evidence) };
      }
      case 'signed':
        return this.#resultOf(effect.signatures, effect.signers);
      case 'ended': {
        const { outcome } = effect;
        const closed: ClosedRecord = { type: 'closed', digest: this.digest, outcome, signatures: [], signers: [] };
        return { records: [closed], blobs: [], apply: () => (this.#closed ??= closed) };
      }
      case 'send-package':
      case 'watch':
      case 'check-soon':
        return { records: [], blobs: [], apply: () => undefined };
    }
  }

  /** The machine verified the signatures by the release verifier's rule; a document of the group goes into the same batch. */
  #resultOf(signatures: readonly Uint8Array[], signers: readonly Identifier[]): Stored {
    const closed: ClosedRecord = {
      type: 'closed',
      digest: this.digest,
      outcome: 'signed',
      signatures: signatures.map(bytesToHex),
      signers,
    };
    const document = this.#documentOf(signatures);
    return {
      records: [closed, ...(document?.records ?? [])],
      blobs: document?.blobs ?? [],
      apply: () => {
        // The first complete result stands for ever.
        this.#closed ??= closed;
        if (document?.apply() === true) this.#options.onDocument(this.group);
      },
    };
  }

  #documentOf(signatures: readonly Uint8Array[]): Added | undefined {
    const { kind } = this.request.payload;
    if (kind === 'succession') return this.#options.groups.decided(this.group, this.#bodyOf(signatures));
    if (this.#open === undefined || !isGroupDocument(kind)) return undefined;
    const [file] = finishRequest(this.#open.prepared, signatures);
    if (file === undefined) return undefined;
    return this.#options.groups.added(this.group, kind, JSON.parse(Buffer.from(file.bytes).toString()) as Envelope);
  }

  /** With every approval that there was: one that was taken back after its share was given is still what the signature rests on. */
  #bodyOf(signatures: readonly Uint8Array[]): DocumentBody {
    return {
      request: this.request.envelope,
      documents: (this.documents.all ?? []).map(encodeBase64),
      decisions: approvalsOf(this.#approvals.values()).map(({ envelope }) => envelope),
      signatures: signatures.map(bytesToHex),
    };
  }

  #evidenceOf(fault: Fault): Evidence {
    const { epoch } = this.group;
    switch (fault.kind) {
      case 'wrong-share': {
        const commitments = fault.commitments.map(({ envelope }) => envelope);
        return wrongShareEvidence({
          epoch,
          request: this.request.envelope,
          documents: this.documents.all ?? [],
          earlier: fault.earlier,
          commitments,
          share: fault.share.envelope,
        });
      }
      case 'bad-commitment':
        return badCommitmentEvidence(epoch.charter, fault.commitment.envelope);
    }
  }

  #show(effect: RoundEffect): void {
    switch (effect.kind) {
      case 'store-decision':
        this.#tellAll({ type: 'decision', decision: effect.decision.envelope });
        break;
      case 'send-package':
        this.#options.audience.send(effect.to, this.#packageFrame(effect.attempt));
        break;
      case 'watch':
        this.#watch(effect.attempt);
        break;
      case 'check-soon':
        this.#checkSoon();
        break;
      case 'fault':
        this.#logFault(effect.fault);
        break;
      case 'signed':
      case 'ended':
        break; // told by #end, once for the round
    }
  }

  /** One frame for all its signers. */
  #packageFrame(attempt: RoundAttempt): PackageFrame {
    const frame = this.#packages.get(attempt.id) ?? packageFrame(this.digest, attempt);
    this.#packages.set(attempt.id, frame);
    return frame;
  }

  #tellAll(frame: CoordinatorFrame): void {
    for (const holder of this.holders) this.#options.audience.send(holder, frame);
  }

  #watch(attempt: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#enqueueOwn({ kind: 'stalled', attempt });
    }, this.#options.stallAfterMs);
    this.#timers.add(timer);
  }

  /** From the first share that nobody verified: who waits for a slow signer is not kept waiting for the name of a wrong one. */
  #checkSoon(): void {
    this.#check ??= setTimeout(() => {
      this.#check = undefined;
      this.#enqueueOwn({ kind: 'check' });
    }, this.#options.checkAfterMs);
  }

  #logFault({ kind, member }: Fault): void {
    const name = memberByIdentifier(this.group.epoch.charter, member)?.name;
    this.#options.log('warn', 'fault', { ...this.#place(), member: name, code: kind });
  }

  #place(): { readonly group: string; readonly round: string } {
    return { group: this.group.epoch.charter.group, round: this.digest };
  }

  /** What came while the end was being stored is of no use any more. */
  #end(): void {
    this.stop();
    this.#queue = [];
    const frame = this.closedFrame();
    if (frame !== undefined) this.#tellAll(frame);
    this.#options.log('info', 'round-over', { ...this.#place(), outcome: this.outcome });
    this.#options.onEnd(this);
  }

  /** A timer waits no longer than it can: a request may live for 30 days. */
  #armExpiry(): void {
    clearTimeout(this.#expiry);
    if (this.#closed !== undefined) return;
    const leftMs = expiresAtUnixSeconds(this.request, this.channel) * 1000 - this.#options.nowMs();
    this.#expiry =
      leftMs > 0
        ? setTimeout(() => this.#armExpiry(), Math.min(leftMs, longestTimerMs))
        : setTimeout(() => this.#enqueueOwn({ kind: 'expired' }), 0);
  }

  /** An event of our own must not be lost to a full queue. */
  #enqueueOwn(event: RoundEvent): void {
    if (this.#closed !== undefined) return;
    this.#queue.push(event);
    this.#running ??= this.#run();
  }

  #noteDecision(decision: Decision): void {
    this.#decisions.set(decision.member.identifier, decision);
  }

  #noteApproval(decision: Decision): void {
    if (decision.payload.decision === 'approve') this.#approvals.set(decision.member.identifier, decision);
  }

  #countDecision(identifier: number): void {
    this.#decisionsStored.set(identifier, (this.#decisionsStored.get(identifier) ?? 0) + 1);
  }
}

/** What leaves before anything is stored, what may wait to be, and what may not. */
function sorted(effects: readonly RoundEffect[]): [RoundEffect[], StoreDecision[], RoundEffect[]] {
  const of = (...kinds: readonly RoundEffect['kind'][]): RoundEffect[] =>
    effects.filter(({ kind }) => kinds.includes(kind));
  const decisions = effects.flatMap((effect) => (effect.kind === 'store-decision' ? [effect] : []));
  return [of('send-package', 'watch', 'check-soon'), decisions, of('fault', 'signed', 'ended')];
}

/** What an effect leaves on disk, and what is done once it is there. */
interface Stored {
  readonly records: readonly StoreRecord[];
  readonly blobs: readonly Uint8Array[];
  readonly apply: () => void;
}
