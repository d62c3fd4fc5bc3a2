/** All signing rounds of one member: which request is looked at, which frame belongs to which round, and how many there may be. */
import { printableJson } from '../verifier/printable.ts';
import { matchId } from '../protocol/request/id.ts';
import { minIdDigits } from '../protocol/limits.ts';
import { openDecision } from '../protocol/signing/decision.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { openRequest, type Request } from '../protocol/request/request.ts';
import type { CoordinatorFrame } from '../protocol/wire/frames.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { RequestSummary, RequestView } from './request-view.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import {
  maxClosedRounds,
  maxPendingDocumentBytes,
  maxPendingDocumentBytesOfAsker,
  maxPendingRounds,
  maxPendingRoundsOfAsker,
} from './limits.ts';
import { Round, type RoundHost } from './round.ts';

/** The frames of the coordinator that belong to one round. */
export type RoundFrame = Extract<CoordinatorFrame, { type: 'request' | 'decision' | 'package' | 'closed' }>;

/** The signing rounds of one member. Frames of different rounds never wait for each other. */
export class Rounds {
  readonly #host: RoundHost;
  /** In order of arrival. */
  readonly #rounds = new Map<string, Round>();
  /** Rounds that the coordinator spoke of since the last connect. */
  readonly #heard = new Set<string>();

  constructor(host: RoundHost) {
    this.#host = host;
  }

  /** One frame of the coordinator. What is wrong with it is logged, and changes nothing. Never throws. */
  receive(frame: RoundFrame): void {
    try {
      this.#handle(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError) && !(error instanceof ParticipantError)) throw error;
      this.#host.log('warn', 'frame-refused', { frame: frame.type, code: codeOf(error), message: messageOf(error) });
    }
  }

  #handle(frame: RoundFrame): void {
    switch (frame.type) {
      case 'request': {
        this.#roundFor(openRequest(frame.request));
        for (const decision of frame.decisions) this.#receiveDecision(decision);
        return;
      }
      case 'decision':
        this.#receiveDecision(frame.decision);
        return;
      case 'package':
        this.#heard.add(frame.requestDigest);
        this.#known(frame.requestDigest).receivePackage(frame);
        return;
      case 'closed':
        this.#heard.add(frame.requestDigest);
        this.#rounds.get(frame.requestDigest)?.receiveClosed(frame.outcome, frame.signatures);
        this.#prune();
    }
  }

  /** A decision names its request inside its signature: only the round it names takes it. */
  #receiveDecision(envelope: Envelope): void {
    try {
      const decision = openDecision(envelope, this.#host.epoch.charter);
      this.#rounds.get(decision.payload.requestDigest)?.receiveDecision(decision);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#host.log('warn', 'decision-refused', { code: error.code, message: error.message });
    }
  }

  #known(digest: string): Round {
    const round = this.#rounds.get(digest);
    if (round !== undefined) return round;
    throw new ProtocolError('not-found', `there is no request ${digest} here`);
  }

  /** Opens a round for a request that is for this group, this epoch and a quorum this member is in. Throws `ProtocolError`. */
  #roundFor(request: Request): void {
    this.#heard.add(request.digest);
    if (this.#rounds.has(request.digest)) return;
    const { epoch, self, log } = this.#host;
    const { groupKey, epoch: epochHash, channel } = request.payload;
    if (groupKey !== epoch.groupKey) throw new ProtocolError('wrong-group', 'the request is for another group');
    if (epochHash !== epoch.hash) throw new ProtocolError('wrong-epoch', 'the request is for another key epoch');
    if (epoch.sharingOf(channel, self.identifier) === undefined)
      throw new ProtocolError('not-a-member', `${self.name} holds no share of ${channel}`);
    this.#assertRoom(request);
    const round = new Round(this.#host, request);
    this.#rounds.set(request.digest, round);
    log('info', 'request', { round: request.digest, kind: request.payload.kind, channel });
    round.begin();
  }

  #assertRoom(request: Request): void {
    const pending = this.#pending();
    const ofAsker = pending.filter((round) => round.request.asker === request.asker);
    if (pending.length >= maxPendingRounds || ofAsker.length >= maxPendingRoundsOfAsker)
      throw new ProtocolError('too-many', 'too many requests are pending already');
    const bytes = (rounds: readonly Round[]): number =>
      documentBytes(request) + rounds.reduce((sum, round) => sum + documentBytes(round.request), 0);
    if (bytes(pending) > maxPendingDocumentBytes || bytes(ofAsker) > maxPendingDocumentBytesOfAsker)
      throw new ProtocolError('too-many', 'the documents of pending requests are too large already');
  }

  #pending(): Round[] {
    return [...this.#rounds.values()].filter((round) => !round.isOver);
  }

  /** Forgets the oldest of those that are over, past the number that is still shown. */
  #prune(): void {
    const over = [...this.#rounds.values()].filter((round) => round.isOver);
    for (const { request } of over.slice(0, Math.max(0, over.length - maxClosedRounds)))
      this.#rounds.delete(request.digest);
  }

  connected(): void {
    this.#heard.clear();
    for (const round of this.#pending()) round.connected();
  }

  disconnected(): void {
    for (const round of this.#pending()) round.disconnected();
  }

  /** The newest documents changed. */
  reconsider(): void {
    for (const round of this.#pending()) round.reconsider();
  }

  /** Pending here, and not mentioned since the connect although everything pending was sent: they ended while nobody listened. */
  unheard(): Round[] {
    return this.#pending().filter((round) => !this.#heard.has(round.request.digest));
  }

  /** Decided on by this member, with an end that it does not know, but unknown to this run: digests. */
  forgotten(): string[] {
    const open = this.#host.records.openRounds(this.#host.nowUnixSeconds());
    return open.filter((digest) => !this.#rounds.has(digest));
  }

  /** Ends what has expired, and tries again what could not be prepared. */
  sweep(nowUnixSeconds: number): void {
    for (const round of this.#pending()) round.sweep(nowUnixSeconds);
    this.#prune();
    this.#host.records.forgetDead(nowUnixSeconds).catch((error: unknown) => {
      this.#host.fatal(error);
    });
  }

  /** Newest last. */
  list(all: boolean): RequestSummary[] {
    const rounds = all ? [...this.#rounds.values()] : this.#pending();
    return rounds.map((round) => round.summary());
  }

  /** By a request digest or the beginning of one. Throws `ParticipantError('unknown-request')`. */
  find(id: string): Round {
    const match = matchId([...this.#rounds.keys()], id);
    const round = match.kind === 'one' ? this.#rounds.get(match.digest) : undefined;
    if (round !== undefined) return round;
    if (match.kind === 'many')
      throw new ParticipantError('unknown-request', `${match.count} requests begin with ${id}; give more of it`);
    if (match.kind === 'malformed')
      throw new ParticipantError(
        'unknown-request',
        `${printableJson(id.slice(0, 80))} is no id of a request: it has 64 hexadecimal digits, of which ${minIdDigits} will do`,
      );
    throw new ParticipantError(
      'unknown-request',
      `there is no request ${id}; frostmark participant requests lists them`,
    );
  }

  show(id: string): RequestView {
    return this.find(id).view();
  }

  /** A person's decision; resolves when it is stored. Throws `ParticipantError`, `ProtocolError('not-allowed')`. */
  async decide(id: string, decision: 'approve' | 'refuse', reason: string | null): Promise<RequestView> {
    const round = this.find(id);
    await round.decide(decision, reason);
    return round.view();
  }

  /** Resolves when everything received so far has been handled. */
  async settled(): Promise<void> {
    await Promise.all([...this.#rounds.values()].map((round) => round.settled()));
  }
}

/** Bytes of the documents that a request brings, as its asker signed them. */
function documentBytes({ payload }: Request): number {
  return payload.documents.reduce((sum, { size }) => sum + size, 0);
}
