/**
 * One signing round, this member's side: verifies the request itself, downloads every document whole, decides, and drives the signer's machine.
 *
 * One queue: events run one after the other, so that nothing comes between taking nonces and burning their attempt.
 */
import { randomBytes } from 'node:crypto';
import {
  
  type DeclineCode,
  answerMessage,
  commitmentMessage,
  shareMessage,
} from '../protocol/signing/attempt.ts';
import { bytesToHex, hexToBytes } from '../protocol/wire/bytes.ts';
import { channelOf, type Member } from '../protocol/files/charter.ts';
import { assertDecisionOn, decisionMessage, isNewerDecision, type Decision } from '../protocol/signing/decision.ts';
import { sealMessage, type Envelope, type Identity, type MessageType } from '../protocol/wire/envelope.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { manifestChanges } from '../protocol/documents/manifest.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { finishRequest, prepareRequest, type PreparedRequest } from '../protocol/formats/index.ts';
import { FrostError } from '../protocol/frost/errors.ts';
import {
  areSignatures,
  startSigner,
  stepSigner,
  type SignerContext,
  type SignerEffect,
  type SignerEvent,
  type SignerState,
} from '../protocol/signing/signer.ts';
import type { CoordinatorFrame, MemberFrame, Outcome } from '../protocol/wire/frames.ts';
import type { Request } from '../protocol/request/request.ts';
import {
  askerOf,
  askerOrUndefined,
  assertFresh,
  assertNewerRequesters,
  expiresAtUnixSeconds,
  isFoundingDocument,
  keptOut,
  type GroupStanding,
} from '../protocol/request/rights.ts';
import { firstSubject } from '../protocol/signing/stage.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { decodeDelegation } from '../verifier/delegation.ts';
import type { DecisionView, QuorumView, RequestState, RequestSummary, RequestView } from './request-view.ts';
import type { Documents } from './group-documents.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import { maxWaitingEvents } from './limits.ts';
import type { Log } from './log.ts';
import type { Judge } from './policy.ts';
import type { Records } from './records.ts';
import type { TakenNonces, Vault } from './vault.ts';

/** What every round of one member shares. */
export interface RoundHost {
  readonly epoch: Epoch;
  readonly self: Member;
  readonly identity: Identity;
  readonly vault: Vault;
  readonly records: Records;
  readonly documents: Documents;
  /** All bytes of a document of this request. Throws for what passes (a lost connection) and for what does not. */
  fetchDocument(requestDigest: string, sha256: string): Promise<Uint8Array>;
  /** Does nothing while there is no connection: what matters is said again on the next. */
  send(frame: MemberFrame): void;
  isConnected(): boolean;
  readonly judge: Judge;
  now(): number;
  /** Something broke without which nothing may be signed, such as the journal. */
  fatal(error: unknown): void;
  /** The manifest that this member saw signed last on the channel. */
  lastManifest(channel: string): Promise<Uint8Array | undefined>;
  manifestSigned(channel: string, manifest: Uint8Array): Promise<void>;
  /** A document under the group's key came out of a round, verified. */
  documentSigned(request: Request, envelope: Envelope): Promise<void>;
  readonly log: Log;
}

/** What is known once every byte is here. */
interface Ready {
  readonly prepared: PreparedRequest;
  /** All bytes of each. */
  readonly documents: readonly Uint8Array[];
  /** How a manifest differs from the last one; `null` without either. */
  readonly changes: readonly string[] | null;
  readonly context: SignerContext;
}

interface Obstacle {
  readonly code: DeclineCode;
  readonly reason: string;
}

export class Round {
  readonly request: Request;
  readonly #host: RoundHost;
  /** Names this round in this run of the daemon, so that its slots are nobody else's and an earlier run's are seen to be. */
  readonly #run = bytesToHex(randomBytes(16));
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #ready: Ready | undefined;
  #signer: SignerState | undefined;
  /** Why the documents cannot be used, or are not here. */
  #unready: string | undefined;
  /** The documents are here and no good: no second try mends that. */
  #unusable = false;
  readonly #decisions = new Map<number, Decision>();
  #verdict: string | null = null;
  #judging = false;
  readonly #end = new AbortController();
  #running = false;
  #outcome: Outcome = 'pending';
  #over = false;

  constructor(host: RoundHost, request: Request) {
    this.#host = host;
    this.request = request;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Unix seconds. */
  get expiresAt(): number {
    return expiresAtUnixSeconds(this.request, channelOf(this.#host.epoch.charter, this.request.payload.channel));
  }

  /** Downloads and prepares, speaks up if there is a connection, and lets the policy decide. Also tries again what failed before. */
  begin(): void {
    this.#post(async () => {
      await this.#prepare();
      if (this.#host.isConnected()) await this.#feed({ kind: 'connected' });
      this.#consider();
    });
  }

  connected(): void {
    if (this.#ready === undefined) {
      this.begin();
      return;
    }
    this.#post(() => this.#feed({ kind: 'connected' }));
  }

  disconnected(): void {
    this.#post(() => this.#feed({ kind: 'disconnected' }));
  }

  /** The newest documents changed: what was blocked may be allowed now, and the other way round. */
  reconsider(): void {
    this.#post(() => {
      this.#consider();
      return Promise.resolve();
    });
  }

  /** A decision of any member, opened by the caller. A repeat or an older one is a no-op. Throws `ProtocolError`. */
  receiveDecision(decision: Decision): void {
    const { epoch } = this.#host;
    assertDecisionOn(decision, this.request.digest, epoch);
    const { identifier } = decision.member;
    if (isNewerDecision(decision, this.#decisions.get(identifier))) this.#decisions.set(identifier, decision);
  }

  receivePackage({ stage, earlier, commitments }: Extract<CoordinatorFrame, { type: 'package' }>): void {
    if (this.#waiting >= maxWaitingEvents) {
      this.#host.log('warn', 'too-many-events', { round: this.request.digest });
      return;
    }
    this.#post(async () => {
      const keptOutMember = this.#keptOut();
      await this.#feed({
        kind: 'package',
        stage,
        earlier,
        commitments,
        // Judged anew: what was allowed when this member decided may not be any more.
        obstacle: this.#obstacle()?.code,
        keptOut: keptOutMember?.identifier,
      });
    });
  }

  /** The coordinator says that the round is over. `signed` counts only with signatures that verify over this member's own bytes (T12, T34). */
  receiveClosed(outcome: Outcome, signatures: readonly string[]): void {
    if (outcome === 'pending') return;
    this.#post(async () => {
      if (this.#over) return;
      if (outcome === 'signed' && !this.#isSigned(signatures)) {
        this.#host.log('warn', 'closed-without-signature', { round: this.request.digest });
        return;
      }
      await this.#close(outcome);
      if (outcome === 'signed') await this.#takeDocuments(signatures);
    });
  }

  /** Ends the round when its time is over, and tries again what passing trouble kept from being prepared. */
  sweep(nowUnixSeconds: number): void {
    if (this.#over) return;
    if (nowUnixSeconds >= this.expiresAt) this.#post(() => this.#close('expired'));
    else if (this.#ready === undefined && !this.#unusable) this.begin();
  }

  /** A person's decision. Resolves when it is stored. Throws `ParticipantError('not-allowed')` or `ProtocolError('not-allowed')`. */
  decide(decision: 'approve' | 'refuse', reason: string | null): Promise<void> {
    return this.#ask(async () => {
      this.#assertMayDecide(decision);
      await this.#feed({ kind: 'decide', decision, reason, nowUnixSeconds: this.#host.now() });
    });
  }

  /** Resolves when all that was received before has been handled. */
  settled(): Promise<void> {
    return this.#ask(() => Promise.resolve());
  }

  #assertMayDecide(decision: 'approve' | 'refuse'): void {
    if (this.#over) throw new ParticipantError('not-allowed', `the round is over: ${this.#outcome}`);
    if (this.#ready === undefined)
      throw new ParticipantError(
        'not-allowed',
        this.#unready ?? 'its documents are not here yet; try again in a moment',
      );
    if (decision === 'refuse') return;
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) throw new ParticipantError('not-allowed', obstacle.reason);
    if (this.#keptOut()?.identifier === this.#host.self.identifier)
      throw new ParticipantError('not-allowed', 'you asked for this yourself: others must approve it');
  }

  /** Runs after everything before it. What breaks in it is handled by `#failed`, and never stops the queue. */
  #post(task: () => Promise<void>): void {
    this.#waiting += 1;
    this.#queue = this.#queue
      .then(task)
      .catch((error: unknown) => {
        this.#failed(error);
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** The same for a caller who wants to know how it went. */
  #ask(task: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#post(async () => {
        try {
          await task();
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          throw error;
        }
      });
    });
  }

  /** Refusals concern one event. Anything else means that disk or arithmetic cannot be relied on: nothing more is signed. */
  #failed(error: unknown): void {
    const passing =
      error instanceof ProtocolError || (error instanceof ParticipantError && error.code === 'not-allowed');
    if (passing || (error instanceof FrostError && error.code === 'arena-full'))
      this.#host.log('warn', 'round-event-refused', {
        round: this.request.digest,
        code: codeOf(error),
        message: messageOf(error),
      });
    else this.#host.fatal(error);
  }

  async #prepare(): Promise<void> {
    if (this.#ready !== undefined || this.#unusable || this.#over) return;
    const { request } = this;
    const { epoch } = this.#host;
    try {
      const documents: Uint8Array[] = [];
      for (const { sha256 } of request.payload.documents)
        documents.push(await this.#host.fetchDocument(request.digest, sha256));
      const prepared = prepareRequest({ epoch, request, documents });
      const changes = await this.#changes(documents);
      this.#ready = { prepared, documents, changes, context: this.#contextOf(prepared) };
      this.#unready = undefined;
      this.#signer = startSigner(this.#host.records.roundOf(request.digest));
    } catch (error) {
      this.#unusable = error instanceof ProtocolError;
      this.#unready = `it cannot be prepared: ${messageOf(error)}`;
      this.#host.log('warn', 'request-not-prepared', {
        round: request.digest,
        code: codeOf(error),
        message: messageOf(error),
      });
    }
  }

  /** By a manifest in this release, against the one that was signed last on its channel. */
  async #changes([document]: readonly Uint8Array[]): Promise<string[] | null> {
    const { kind, channel, documents } = this.request.payload;
    if (kind !== 'release' || documents[0]?.kind !== 'manifest' || document === undefined) return null;
    const last = await this.#host.lastManifest(channel);
    return last === undefined ? null : manifestChanges(last, document);
  }

  #contextOf(prepared: PreparedRequest): SignerContext {
    const { epoch, self, vault } = this.#host;
    const { channel } = this.request.payload;
    const subject = firstSubject(epoch, this.request, prepared);
    return { group: vault.group, epoch, self, channel, subject, prepared, run: this.#run };
  }

  get #standing(): GroupStanding {
    const { epoch, documents } = this.#host;
    return { epoch, requesters: documents.requesters, delegations: documents.delegations };
  }

  #keptOut(): Member | undefined {
    return keptOut(this.request, this.#standing);
  }

  /** Why the request may not be signed just now. */
  #obstacle(): Obstacle | undefined {
    const { epoch } = this.#host;
    try {
      assertFresh(this.request, epoch.charter, this.#host.now());
    } catch (error) {
      if (error instanceof ProtocolError) return { code: 'expired', reason: error.message };
      throw error;
    }
    try {
      askerOf(this.request, this.#standing);
      const { kind } = this.request.payload;
      const [document] = this.#ready?.documents ?? [];
      if (kind === 'requesters' && document !== undefined)
        assertNewerRequesters(document, epoch, this.#host.documents.requestersVersion);
      return undefined;
    } catch (error) {
      if (error instanceof ProtocolError) return { code: 'not-allowed', reason: error.message };
      throw error;
    }
  }

  /** Lets the ceremony's own documents pass, and asks the policy about everything else, once. Never waits: a program may take an hour. */
  #consider(): void {
    const { ready, signer } = { ready: this.#ready, signer: this.#signer };
    if (ready === undefined || signer?.said !== undefined || signer === undefined || this.#judging || this.#over)
      return;
    const asker = askerOrUndefined(this.request, this.#standing);
    if (asker === undefined || this.#obstacle() !== undefined) return;
    if (this.#isOwnCeremonyDocument(ready)) {
      this.#verdict = 'the ceremony: approved, it is exactly what follows from certificate, charter and requesters';
      this.#decideUnlessDecided('approve', null);
      return;
    }
    if (this.#keptOut()?.identifier === this.#host.self.identifier) {
      this.#verdict = 'you asked for this yourself: others must approve it';
      return;
    }
    this.#judging = true;
    const { digest, payload } = this.request;
    void this.#host
      .judge(
        { digest, requester: asker.name, payload },
        () => {
          this.#running = true;
        },
        this.#end.signal,
      )
      .then(({ action, reason, rule }) => {
        this.#verdict = rule;
        if (action !== 'ask') this.#decideUnlessDecided(action, reason);
      })
      .catch((error: unknown) => {
        this.#failed(error);
      })
      .finally(() => {
        this.#judging = false;
        this.#running = false;
      });
  }

  /** Only while the ceremony's documents are missing here: afterwards a delegation is a renewal, which the policy or a person decides. */
  #isOwnCeremonyDocument({ documents: [document] }: Ready): boolean {
    if (!isFoundingDocument(this.request, this.#standing)) return false;
    const { missing } = this.#host.documents;
    const { kind } = this.request.payload;
    if (kind !== 'delegation') return missing.includes(kind);
    return document !== undefined && missing.includes(`delegation ${decodeDelegation(document).channel}`);
  }

  #decideUnlessDecided(decision: 'approve' | 'refuse', reason: string | null): void {
    this.#post(async () => {
      if (this.#over || this.#signer?.said !== undefined) return;
      this.#assertMayDecide(decision);
      await this.#feed({ kind: 'decide', decision, reason, nowUnixSeconds: this.#host.now() });
    });
  }

  #isSigned(signatures: readonly string[]): boolean {
    return this.#ready !== undefined && areSignatures(this.#ready.context, signatures);
  }

  async #close(outcome: Outcome): Promise<void> {
    await this.#feed({ kind: 'closed' });
    this.#over = true;
    this.#outcome = outcome;
    this.#end.abort();
    this.#host.log('info', 'round-over', { round: this.request.digest, outcome });
  }

  /** A signed document is the member's own, whether or not the coordinator ever sends it (T34). */
  async #takeDocuments(signatures: readonly string[]): Promise<void> {
    const { kind, channel, documents } = this.request.payload;
    if (this.#ready === undefined) return;
    const [document] = this.#ready.documents;
    if (kind === 'release' && documents[0]?.kind === 'manifest' && document !== undefined)
      await this.#host.manifestSigned(channel, document);
    if (!['genesis', 'requesters', 'delegation'].includes(kind)) return;
    for (const { bytes } of finishRequest(this.#ready.prepared, signatures.map(hexToBytes)))
      await this.#host.documentSigned(this.request, JSON.parse(new TextDecoder().decode(bytes)) as Envelope);
  }

  /** One event through the machine, and every answer that its effects bring back. */
  async #feed(event: SignerEvent): Promise<void> {
    const events = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      if (this.#ready === undefined || this.#signer === undefined) return;
      const step = stepSigner(this.#ready.context, this.#signer, next);
      this.#signer = step.state;
      // No await until the first effect: a package's nonces are out of reach before anything else can run.
      events.push(...(await this.#perform(step.effects, this.#ready.context)));
    }
  }

  async #perform(effects: readonly SignerEffect[], context: SignerContext): Promise<SignerEvent[]> {
    const { vault, records } = this.#host;
    const send = (frame: MemberFrame): void => {
      this.#host.send(frame);
    };
    const answers: SignerEvent[] = [];
    const expiresAt = this.expiresAt;
    let taken: TakenNonces | undefined;
    let recorded = false;
    try {
      for (const effect of effects) {
        switch (effect.kind) {
          case 'make-nonces':
            answers.push({
              kind: 'nonces-made',
              stage: effect.stage,
              slot: effect.slot,
              commitments: vault.makeNonces(effect.slot, context.channel, effect.pairs),
            });
            break;
          case 'take':
            taken = vault.take(effect.slot);
            break;
          case 'record-decision':
            await records.append({ type: 'decision', decision: effect.decision, expiresAt });
            this.#logDecision(effect.decision.decision);
            recorded = true;
            break;
          case 'burn':
            // On the medium before the share exists: after a crash this attempt is answered with `lost`, never signed again.
            await records.append({
              type: 'burn',
              requestDigest: this.request.digest,
              attempt: effect.attempt,
              slot: effect.slot,
              expiresAt,
            });
            break;
          case 'sign':
            answers.push({
              kind: 'signed',
              stage: effect.stage,
              attempt: effect.attempt,
              shares: this.#sign(taken, effect.sessions),
            });
            break;
          case 'store-share':
            await records.append({ type: 'share', share: effect.share, expiresAt });
            recorded = true;
            break;
          case 'send-decision':
            send({ type: 'decision', decision: this.#seal(decisionMessage, effect.decision) });
            break;
          case 'send-commitment':
            send({ type: 'commitment', commitment: this.#seal(commitmentMessage, effect.commitment) });
            break;
          case 'send-share':
            send({ type: 'share', share: this.#seal(shareMessage, effect.share) });
            break;
          case 'send-answer':
            this.#logAnswer(effect.answer.answer, effect.answer.code);
            send({ type: 'answer', answer: this.#seal(answerMessage, effect.answer) });
            break;
          case 'wipe':
            vault.wipe(effect.slot);
            break;
        }
      }
    } finally {
      // Taken and not used up: a refused package, or an error in between. They are never used again.
      if (taken !== undefined) vault.discard(taken);
    }
    if (recorded) send({ type: 'journal', journal: records.head });
    return answers;
  }

  #sign(taken: TakenNonces | undefined, sessions: Parameters<Vault['sign']>[1]): ReturnType<Vault['sign']> {
    if (taken === undefined) throw new ParticipantError('nonces-gone', 'there are no nonces to sign with');
    return this.#host.vault.sign(taken, sessions);
  }

  #seal<P>(type: MessageType<P>, payload: P): Envelope {
    return sealMessage(type, payload, this.#host.identity);
  }

  #logDecision(decision: string): void {
    this.#host.log('info', 'decided', { round: this.request.digest, decision, policy: this.#verdict ?? 'by hand' });
  }

  #logAnswer(answer: string, code: string | null): void {
    this.#host.log('warn', 'no-share', { round: this.request.digest, answer, code: code ?? undefined });
  }

  summary(): RequestSummary {
    const { payload, digest } = this.request;
    return {
      id: digest,
      kind: payload.kind,
      channel: payload.channel,
      asker: askerOrUndefined(this.request, this.#standing)?.name ?? this.request.asker,
      product: payload.product,
      release: payload.release,
      artifacts: payload.artifacts.length,
      createdAt: payload.createdAt,
      expiresAt: formatTimestamp(this.expiresAt),
      state: this.#state(),
      outcome: this.#outcome,
    };
  }

  view(): RequestView {
    const { payload } = this.request;
    const { epoch } = this.#host;
    return {
      ...this.summary(),
      group: epoch.charter.group,
      groupKey: epoch.groupKey,
      askerKey: this.request.asker,
      askerMember: askerOrUndefined(this.request, this.#standing)?.member?.name ?? null,
      formats: payload.formats,
      files: payload.artifacts,
      documents: payload.documents,
      contents: this.#ready?.prepared.contents ?? [],
      changes: this.#ready?.changes ?? null,
      source: payload.source,
      note: payload.note,
      signs: (this.#ready?.prepared.formats ?? []).flatMap(({ format, state }) => format.shows?.(state) ?? []),
      quorum: this.#quorum(),
      decisions: this.#decisionViews(),
      policy: this.#verdict,
      obstacle: this.#over ? null : (this.#unready ?? this.#obstacle()?.reason ?? null),
    };
  }

  #state(): RequestState {
    if (this.#over) return 'over';
    if (this.#ready === undefined) return this.#unready === undefined ? 'fetching' : 'blocked';
    if (this.#obstacle() !== undefined) return 'blocked';
    const decision = this.#signer?.decision ?? 'none';
    if (decision === 'approve') return 'approved';
    if (decision === 'refuse') return 'refused';
    return this.#running ? 'running' : 'waiting';
  }

  /** Own decision included, whether or not the coordinator has echoed it. */
  #decisionOf(identifier: number): DecisionView['decision'] | undefined {
    const own = identifier === Number(this.#host.self.identifier) ? this.#signer?.said?.decision : undefined;
    return own ?? this.#decisions.get(identifier)?.payload.decision;
  }

  #decisionViews(): DecisionView[] {
    const { self, epoch } = this.#host;
    return epoch.charter.members.flatMap((member) => {
      const said = member === self || member.identifier === self.identifier ? this.#signer?.said : undefined;
      const payload = said ?? this.#decisions.get(member.identifier)?.payload;
      if (payload === undefined) return [];
      const { decision, reason, decidedAt } = payload;
      return [{ member: member.name, tier: member.tier, decision, reason, decidedAt }];
    });
  }

  #quorum(): QuorumView[] {
    const { epoch } = this.#host;
    const out = this.#keptOut()?.identifier;
    const nameOf = (identifier: number): string => epoch.charter.members[identifier - 1]?.name ?? '?';
    return epoch.channel(this.request.payload.channel).sharings.map(({ tier, threshold, members }) => {
      const able = members.filter((identifier) => identifier !== out);
      const decided = (decision: string) => able.filter((identifier) => this.#decisionOf(identifier) === decision);
      const open = able.filter((identifier) => !['approve', 'refuse'].includes(this.#decisionOf(identifier) ?? ''));
      return {
        tier: tier ?? 'any',
        needed: threshold,
        approved: decided('approve').map(nameOf),
        open: open.map(nameOf),
      };
    });
  }
}
