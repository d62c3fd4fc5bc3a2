/**
 * One signing round, this member's side: verifies the request itself, downloads every document whole, and takes decisions, packages and endings.
 *
 * One queue: events run one after the other, so that nothing comes between taking nonces and burning their attempt.
 */
import { randomBytes } from 'node:crypto';
import { encodeBase64 } from '../verifier/base64.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { channelOf } from '../protocol/files/charter.ts';
import { manifestChanges } from '../protocol/documents/manifest.ts';
import { requesterChanges } from '../protocol/files/requester-changes.ts';
import { openCardsInTurns } from '../protocol/files/requesters.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { finishRequest, prepareRequest, type PreparedRequest } from '../protocol/formats/index.ts';
import { approvalsOf, namedDocument } from '../protocol/group-documents/document.ts';
import { keptKinds } from '../protocol/group-documents/kinds.ts';
import type { Request } from '../protocol/request/request.ts';
import { expiresAtUnixSeconds, requestersOf } from '../protocol/request/rights.ts';
import {
  assertDecisionOn,
  decisionMessage,
  isNewerDecision,
  type Decision,
  type DecisionPayload,
} from '../protocol/signing/decision.ts';
import { areSignatures, type SignerContext, type SignerEvent } from '../protocol/signing/signer.ts';
import { firstSubject } from '../protocol/signing/stage.ts';
import { bytesToHex, hexToBytes } from '../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../protocol/wire/envelope.ts';
import type { CoordinatorFrame, DocumentBody, Outcome } from '../protocol/wire/frames.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import { Judgement, type JudgementHost, type Ready } from './judgement.ts';
import { maxWaitingEvents } from './limits.ts';
import {
  summaryOf,
  viewOf,
  type RequestState,
  type RequestSummary,
  type RequestView,
  type RoundFacts,
} from './request-view.ts';
import { Signing, type SigningHost } from './signing.ts';

/** What every round of one member shares. */
export interface RoundHost extends JudgementHost, SigningHost {
  /** All bytes of a document of this request. Throws for what passes (a lost connection) and for what does not. */
  fetchDocument(requestDigest: string, sha256: string): Promise<Uint8Array>;
  isConnected(): boolean;
  /** Something broke without which nothing may be signed, such as the journal. */
  fatal(error: unknown): void;
  /** The manifest that this member saw signed last on the channel. */
  lastManifest(channel: string): Promise<Uint8Array | undefined>;
  manifestSigned(channel: string, manifest: Uint8Array): Promise<void>;
  /** A numbered document came out of a round whose signatures were verified. */
  documentIssued(body: DocumentBody): Promise<void>;
  /** A document under the group's key came out of a round, verified. */
  documentSigned(request: Request, envelope: Envelope): Promise<void>;
}

/** One round. Methods return at once, unless they say otherwise; what they start runs in their order. */
export class Round {
  readonly request: Request;
  readonly #host: RoundHost;
  /** Names this round in this run of the daemon, so that its slots are nobody else's and an earlier run's are seen to be. */
  readonly #run = bytesToHex(randomBytes(16));
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #judgement: Judgement;
  /** Both are there once every byte is here. */
  #ready: Ready | undefined;
  #signing: Signing | undefined;
  /** This member's decision when the round ended. */
  #saidLast: DecisionPayload | undefined;
  /** Why the documents cannot be used, or are not here. */
  #unready: string | undefined;
  /** The documents are here and no good: no second try mends that. */
  #unusable = false;
  readonly #decisions = new Map<number, Decision>();
  #outcome: Outcome = 'pending';
  #over = false;

  constructor(host: RoundHost, request: Request) {
    this.#host = host;
    this.request = request;
    this.#judgement = new Judgement(host, request);
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
      await this.#feed({
        kind: 'package',
        stage,
        earlier,
        commitments,
        // Judged anew: what was allowed when this member decided may not be any more.
        obstacle: this.#judgement.obstacle(this.#ready)?.code,
        keptOut: this.#judgement.keptOut?.identifier,
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
      await this.#close(outcome, signatures);
    });
  }

  /** Ends the round when its time is over, and tries again what passing trouble kept from being prepared, and what there was no room for. */
  sweep(nowUnixSeconds: number): void {
    if (this.#over) return;
    if (nowUnixSeconds >= this.expiresAt) this.#post(() => this.#close('expired'));
    else if (this.#ready === undefined && !this.#unusable) this.begin();
    else this.#post(() => this.#feed({ kind: 'replenish' }));
  }

  /** A person's decision. Resolves when it is stored. Throws `ParticipantError('not-allowed')` or `ProtocolError('not-allowed')`. */
  decide(decision: 'approve' | 'refuse', reason: string | null): Promise<void> {
    return this.#ask(async () => {
      await this.#decide(decision, reason);
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
    const { forgotten } = this.#judgement;
    if (forgotten !== undefined) throw new ParticipantError('not-allowed', forgotten);
    if (decision === 'approve') this.#judgement.assertMayApprove(this.#ready);
  }

  async #decide(decision: 'approve' | 'refuse', reason: string | null): Promise<void> {
    this.#assertMayDecide(decision);
    // On the medium before the approval exists: no other document of this number is approved from here on (T46).
    if (decision === 'approve') await this.#journalNumber();
    const { serial } = this.#signing?.state ?? {};
    await this.#feed({ kind: 'decide', decision, reason, nowUnixSeconds: this.#host.nowUnixSeconds() });
    if (this.#signing?.state.serial === serial) return;
    const policy = this.#judgement.verdict ?? 'by hand';
    this.#host.log('info', 'decided', { round: this.request.digest, decision, policy });
  }

  async #journalNumber(): Promise<void> {
    const named = this.#ready?.named;
    if (named === undefined) return;
    const { expiresAt, request } = this;
    await this.#host.records.approveDocument({ ...named, request: request.digest, expiresAt });
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
    if (error instanceof ProtocolError || (error instanceof ParticipantError && error.code === 'not-allowed'))
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
      // Of a thousand cards each is verified: whatever else is due has its turn meanwhile (T41).
      if (request.payload.kind === 'requesters')
        for (const document of documents) await openCardsInTurns(document, this.#host.vault.arithmetic, nextTurn);
      const prepared = prepareRequest({ epoch, request, documents });
      const changes = await this.#changes(documents);
      const named = namedDocument({ epoch, request, documents }, prepared);
      this.#ready = { prepared, named, documents, changes };
      this.#unready = undefined;
      const subject = { request, context: this.#contextOf(prepared), expiresAt: this.expiresAt };
      this.#signing = new Signing(this.#host, subject);
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

  /** By a manifest, against the one that was signed last on its channel; by a requesters document, against the one in force. */
  async #changes([document]: readonly Uint8Array[]): Promise<string[] | null> {
    const { kind, channel, documents } = this.request.payload;
    if (kind === 'requesters' && document !== undefined) {
      const changes = requesterChanges(this.#host.documents.requesters, requestersOf(this.#host.epoch, document));
      return changes.length === 0 ? null : changes;
    }
    if (kind !== 'release' || documents[0]?.kind !== 'manifest' || document === undefined) return null;
    const last = await this.#host.lastManifest(channel);
    return last === undefined ? null : manifestChanges(last, document);
  }

  #contextOf(prepared: PreparedRequest): SignerContext {
    const { epoch, self, vault } = this.#host;
    const { channel } = this.request.payload;
    const subject = firstSubject(epoch, this.request, prepared);
    return { arithmetic: vault.arithmetic, epoch, self, channel, subject, prepared, run: this.#run };
  }

  /** Lets ceremony or policy decide what nobody here has decided yet. Never waits: a program may take an hour. */
  #consider(): void {
    if (this.#ready === undefined || this.#signing?.state.said !== undefined || this.#over) return;
    this.#judgement
      .consider(this.#ready)
      .then((verdict) => {
        if (verdict !== undefined && verdict.action !== 'ask')
          this.#decideUnlessDecided(verdict.action, verdict.reason);
      })
      .catch((error: unknown) => {
        this.#failed(error);
      });
  }

  #decideUnlessDecided(decision: 'approve' | 'refuse', reason: string | null): void {
    this.#post(async () => {
      if (!this.#over && this.#signing?.state.said === undefined) await this.#decide(decision, reason);
    });
  }

  #isSigned(signatures: readonly string[]): boolean {
    return this.#signing !== undefined && areSignatures(this.#signing.context, signatures);
  }

  async #close(outcome: Outcome, signatures: readonly string[] = []): Promise<void> {
    const { digest } = this.request;
    await this.#feed({ kind: 'closed' });
    this.#over = true;
    this.#outcome = outcome;
    this.#judgement.end();
    this.#host.records.closeRound(digest);
    this.#host.log('info', 'round-over', { round: digest, outcome });
    try {
      if (outcome === 'signed') await this.#takeDocuments(signatures);
    } finally {
      // What is over is shown for long, and may have brought megabytes (T43).
      this.#saidLast = this.#signing?.state.said;
      this.#ready = undefined;
      this.#signing = undefined;
    }
  }

  /** A signed document is the member's own, whether or not the coordinator ever sends it (T34). */
  async #takeDocuments(signatures: readonly string[]): Promise<void> {
    const { kind, channel, documents } = this.request.payload;
    if (this.#ready === undefined) return;
    const [document] = this.#ready.documents;
    if (kind === 'release' && documents[0]?.kind === 'manifest' && document !== undefined)
      await this.#host.manifestSigned(channel, document);
    if (keptKinds.includes(kind)) await this.#host.documentIssued(this.#bodyOf(this.#ready, signatures));
    if (!['genesis', 'requesters', 'delegation'].includes(kind)) return;
    for (const { bytes } of finishRequest(this.#ready.prepared, signatures.map(hexToBytes)))
      await this.#host.documentSigned(this.request, JSON.parse(new TextDecoder().decode(bytes)) as Envelope);
  }

  /** The round as it is kept: with the word of those who approved, as far as it came here. */
  #bodyOf({ documents }: Ready, signatures: readonly string[]): DocumentBody {
    const { said } = this.#signing?.state ?? {};
    const { self, identity } = this.#host;
    const own =
      said === undefined
        ? []
        : [{ member: self, payload: said, envelope: sealMessage(decisionMessage, said, identity) }];
    const decisions = new Map([...this.#decisions, ...own.map((one) => [Number(self.identifier), one] as const)]);
    return {
      request: this.request.envelope,
      documents: documents.map(encodeBase64),
      decisions: approvalsOf(decisions.values()).map(({ envelope }) => envelope),
      signatures: [...signatures],
    };
  }

  /** Without the documents there is nothing that an event could change. */
  async #feed(event: SignerEvent): Promise<void> {
    await this.#signing?.feed(event);
  }

  summary(): RequestSummary {
    return summaryOf(this.#facts);
  }

  view(): RequestView {
    return viewOf(this.#facts);
  }

  get #facts(): RoundFacts {
    const { epoch, self } = this.#host;
    const obstacle = this.#over ? undefined : (this.#unready ?? this.#judgement.obstacle(this.#ready)?.reason);
    return {
      epoch,
      self,
      request: this.request,
      expiresAt: this.expiresAt,
      judgement: this.#judgement,
      ready: this.#ready,
      said: this.#signing?.state.said ?? this.#saidLast,
      decisions: this.#decisions,
      state: this.#state(obstacle !== undefined),
      obstacle: obstacle ?? null,
      outcome: this.#outcome,
    };
  }

  #state(isBlocked: boolean): RequestState {
    if (this.#over) return 'over';
    if (this.#ready === undefined) return this.#unready === undefined ? 'fetching' : 'blocked';
    if (isBlocked) return 'blocked';
    const decision = this.#signing?.state.decision ?? 'none';
    if (decision === 'approve') return 'approved';
    if (decision === 'refuse') return 'refused';
    return this.#judgement.isRunning ? 'running' : 'waiting';
  }
}
