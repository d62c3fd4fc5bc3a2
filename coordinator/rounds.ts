/** All rounds: who may open one, which one a submission joins, and what is known of those that are over. */
import { currentDelegation } from '../protocol/group-documents.ts';
import { openDecision, type Decision } from '../protocol/signing/decision.ts';
import { channelOf, production, type Charter } from '../protocol/files/charter.ts';
import { openMessage, type Envelope } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { formatOf } from '../protocol/formats/index.ts';
import type { Group } from '../protocol/frost/group.ts';
import { maxIssued } from '../protocol/limits.ts';
import type { CoordinatorFrame, IssuedBody, Outcome, RoundBody } from '../protocol/wire/frames.ts';
import {
  cancelMessage,
  isCertificateKind,
  openRequest,
  requestDigest,
  submissionId,
  type Request,
  type RequestKind,
} from '../protocol/request/request.ts';
import { askerOf, askerOrUndefined, assertFresh, assertOfEpoch, assertSignable } from '../protocol/request/rights.ts';
import { parseTimestamp } from '../protocol/wire/time.ts';
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { CoordinatorError } from './errors.ts';
import { standingOf, type Groups, type KnownGroup } from './groups.ts';
import { maxListedBytes, maxListedRounds, maxRememberedRounds, type Limits } from './limits.ts';
import type { Log } from './log.ts';
import { bodyOf, closedFrame, Round, type Audience } from './round.ts';
import type { Store, StoreRecord } from './store.ts';

export interface RoundsOptions {
  readonly store: Store;
  readonly groups: Groups;
  readonly arithmetic: Group;
  readonly limits: Limits;
  readonly now: () => number;
  readonly log: Log;
  /** The members of one charter. */
  readonly audienceOf: (charterHash: string) => Audience;
  /** Another document under a group's key is held now. */
  readonly onDocument: (group: KnownGroup) => void;
}

/** One document on its way in. */
export interface Upload {
  readonly digest: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** The records that make up a round. */
export type RoundRecord = Extract<StoreRecord, { digest: string }>;

/** What is kept of every round, pending or over. */
interface Entry {
  readonly group: KnownGroup;
  readonly request: Pick<Request, 'digest' | 'asker'>;
  readonly submission: string;
  readonly channel: string;
  readonly kind: RequestKind;
  /** Numbers of its records in the store. */
  readonly sequences: number[];
  /** Resolves when its request is stored. */
  readonly stored: Promise<unknown>;
  /** While it is pending. */
  round: Round | undefined;
  outcome: Outcome;
}

export class Rounds {
  readonly #options: RoundsOptions;
  readonly #entries = new Map<string, Entry>();
  /** The newest round of each submission. */
  readonly #bySubmission = new Map<string, Entry>();
  /** By charter hash, in the order of submission. */
  readonly #byCharter = new Map<string, Entry[]>();
  readonly #pending = new Set<Entry>();
  /** Bodies of rounds that ended last. */
  readonly #remembered = new Map<string, RoundBody>();

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /**
   * Opens a round for a signed request, or joins the one that is there for the same submission; stored before it answers.
   * Throws `ProtocolError` for whatever makes the request one that this group cannot sign.
   */
  async submit(
    asker: string,
    group: KnownGroup,
    envelope: unknown,
  ): Promise<{ readonly digest: string; readonly joined: boolean; readonly missing: string[] }> {
    const request = openRequest(envelope);
    if (request.asker !== asker)
      throw new ProtocolError('not-allowed', 'the request is signed by somebody else than who sends it');
    assertForGroup(request, group);
    askerOf(request, standingOf(group));
    const joined = this.#joinable(request, group);
    const entry = joined ?? this.#openRound(request, group);
    await entry.stored;
    if (joined === undefined) this.#begin(entry);
    return {
      digest: entry.request.digest,
      joined: joined !== undefined,
      missing: entry.round?.documents.missing ?? [],
    };
  }

  /** The round that the same submission has already: pending, or signed and still good. */
  #joinable(request: Request, group: KnownGroup): Entry | undefined {
    const entry = this.#bySubmission.get(submissionId(request)) ?? this.#entries.get(request.digest);
    if (entry?.outcome === 'pending') return entry;
    if (entry?.outcome === 'signed' && this.#isStillGood(entry, group)) return entry;
    if (!this.#entries.has(request.digest)) return undefined;
    throw new ProtocolError('conflict', 'this very request is over; ask again, with a new time');
  }

  #isStillGood({ channel }: Entry, { documents }: KnownGroup): boolean {
    const now = this.#nowUnixSeconds();
    return channel === production || currentDelegation(documents.delegations, channel, now) !== undefined;
  }

  #openRound(request: Request, group: KnownGroup): Entry {
    assertFresh(request, group.epoch.charter, this.#nowUnixSeconds());
    this.#assertRoom(request, group);
    assertSignable(request, standingOf(group));
    const { digest, envelope } = request;
    const record: RoundRecord = { type: 'round', digest, charter: group.epoch.charter.hash, request: envelope };
    const sequences: number[] = [];
    const stored = this.#append(sequences, [record], []);
    stored.catch(() => undefined); // every caller awaits it; a failed store stops the coordinator
    const entry = this.#enter({ request, group, sequences, stored, outcome: 'pending' });
    this.#options.log('info', 'round-opened', { group: group.epoch.charter.group, round: digest });
    return entry;
  }

  #assertRoom(request: Request, group: KnownGroup): void {
    const ofGroup = [...this.#pending].filter((entry) => entry.group === group);
    const ofAsker = ofGroup.filter((entry) => entry.request.asker === request.asker);
    const { maxPendingPerAsker, maxPendingPerGroup } = this.#options.limits;
    if (ofAsker.length >= maxPendingPerAsker)
      throw new ProtocolError(
        'too-many',
        `${ofAsker.length} of your requests are pending already; wait, or cancel some`,
      );
    if (ofGroup.length >= maxPendingPerGroup)
      throw new ProtocolError(
        'too-many',
        `${ofGroup.length} requests of ${group.epoch.charter.group} are pending already`,
      );
  }

  #enter(of: Pick<Entry, 'group' | 'sequences' | 'stored' | 'outcome'> & { readonly request: Request }): Entry {
    const { request, group, outcome } = of;
    const round = outcome === 'pending' ? this.#makeRound(request, group, of.sequences) : undefined;
    const submission = submissionId(request);
    const { digest, asker } = request;
    const entry: Entry = { ...of, request: { digest, asker }, submission, ...ofPayload(request), round };
    this.#entries.set(digest, entry);
    this.#bySubmission.set(submission, entry);
    const charter = group.epoch.charter.hash;
    this.#byCharter.set(charter, this.#byCharter.get(charter) ?? []);
    this.#byCharter.get(charter)?.push(entry);
    if (outcome === 'pending') this.#pending.add(entry);
    return entry;
  }

  #makeRound(request: Request, group: KnownGroup, sequences: number[]): Round {
    const { groups, audienceOf, arithmetic, limits, now, log } = this.#options;
    return new Round({
      request,
      group,
      groups,
      append: (records, blobs) => this.#append(sequences, records, blobs),
      audience: audienceOf(group.epoch.charter.hash),
      arithmetic,
      stallAfterMs: limits.stallAfterMs,
      now,
      log,
      onEnd: (round) => this.#end(round),
      onDocument: (of) => this.#documentAdded(of),
    });
  }

  async #append(sequences: number[], records: readonly StoreRecord[], blobs: readonly Uint8Array[]): Promise<void> {
    const first = await this.#options.store.append(records, blobs);
    records.forEach((record, index) => {
      if ('digest' in record) sequences.push(first + index);
    });
  }

  /** A document that no quorum may sign ends its round at once: the request can never have another one. */
  #begin(entry: Entry): void {
    try {
      entry.round?.begin();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      void entry.round?.cancel();
      throw error;
    }
  }

  #end(round: Round): void {
    const entry = this.#entries.get(round.digest);
    if (entry === undefined) return;
    entry.outcome = round.outcome;
    entry.round = undefined;
    this.#pending.delete(entry);
    this.#remember(round.digest, round.body());
  }

  #remember(digest: string, body: RoundBody): void {
    this.#remembered.set(digest, { ...body, connected: [] });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > maxRememberedRounds && oldest !== undefined) this.#remembered.delete(oldest);
  }

  #documentAdded(group: KnownGroup): void {
    this.#options.onDocument(group);
    this.judgeAskers(group);
  }

  /** Ends the rounds of those who may no longer ask for them (T33). */
  judgeAskers(group: KnownGroup): void {
    for (const { round } of [...this.#pending].filter((entry) => entry.group === group)) {
      if (round !== undefined && askerOrUndefined(round.request, standingOf(group)) === undefined) void round.cancel();
    }
  }

  /** Takes in one document of a pending round; only its asker may give it. Stored before it answers. */
  async putDocument(asker: string, group: KnownGroup, upload: Upload): Promise<string[]> {
    const { digest, sha256, bytes } = upload;
    const entry = this.#entryOf(group.epoch.charter.hash, digest);
    const { round } = entry;
    if (entry.request.asker !== asker)
      throw new ProtocolError('not-allowed', 'only who asked may upload its documents');
    if (round === undefined) throw new ProtocolError('conflict', 'the round is over');
    if (round.documents.check(sha256, bytes)) {
      await this.#append(entry.sequences, [{ type: 'round-document', digest, sha256 }], [bytes]);
      round.documents.add(sha256, bytes);
      if (!round.isOpen && round.documents.all !== undefined) this.#begin(entry);
    }
    return round.documents.missing;
  }

  /** Bytes of one document. Throws `CoordinatorError('not-found')`. */
  async document(charterHash: string, digest: string, sha256: string): Promise<Uint8Array> {
    const entry = this.#entryOf(charterHash, digest);
    if (entry.round !== undefined) return entry.round.documents.get(sha256);
    return this.#blobOf(entry, 'round-document', sha256);
  }

  /** Bytes of one evidence file. Throws `CoordinatorError('not-found')`. */
  evidence(charterHash: string, digest: string, sha256: string): Promise<Uint8Array> {
    return this.#blobOf(this.#entryOf(charterHash, digest), 'evidence', sha256);
  }

  async #blobOf(entry: Entry, type: 'round-document' | 'evidence', sha256: string): Promise<Uint8Array> {
    const records = await this.#recordsOf(entry);
    if (!records.some((record) => record.type === type && record.sha256 === sha256))
      throw new CoordinatorError('not-found', `this round has no ${type} ${sha256}`);
    return this.#options.store.blob(sha256);
  }

  /** Ends a pending round for its asker. Throws `ProtocolError`. */
  async cancel(asker: string, charterHash: string, digest: string, envelope: unknown): Promise<RoundBody> {
    const entry = this.#entryOf(charterHash, digest);
    const { payload } = openMessage(cancelMessage, envelope, (key) => key === asker);
    if (payload.requestDigest !== digest || payload.groupKey !== entry.group.epoch.groupKey)
      throw new ProtocolError('bad-request', 'the cancellation is of another request');
    if (entry.request.asker !== asker) throw new ProtocolError('not-allowed', 'only who asked may cancel');
    await entry.round?.cancel();
    if (entry.outcome === 'signed') throw new ProtocolError('conflict', 'it is signed already');
    return this.body(charterHash, digest);
  }

  /** A pending round for a frame about it; the frame that says how it ended if it is over. Throws `CoordinatorError('not-found')`. */
  async find(charterHash: string, digest: string): Promise<Round | CoordinatorFrame> {
    const entry = this.#entryOf(charterHash, digest);
    if (entry.round?.isOpen === true) return entry.round;
    const closed = (await this.#recordsOf(entry)).find((record) => record.type === 'closed');
    if (closed === undefined) throw notFound(digest);
    return closedFrame(closed);
  }

  /** A pending round, without a wait. Throws `CoordinatorError('not-found')`. */
  pendingRound(charterHash: string, digest: string): Round | undefined {
    return this.#entryOf(charterHash, digest).round;
  }

  /** Pending rounds of one charter that members are asked about, oldest first. */
  openOf(charterHash: string): Round[] {
    return (this.#byCharter.get(charterHash) ?? []).flatMap(({ round }) => (round?.isOpen === true ? [round] : []));
  }

  /** How a round stands. Throws `CoordinatorError('not-found')`. */
  async body(charterHash: string, digest: string): Promise<RoundBody> {
    const entry = this.#entryOf(charterHash, digest);
    return this.#bodyOf(entry);
  }

  /** Newest first, as many as fit one answer. */
  async list(charterHash: string): Promise<RoundBody[]> {
    const bodies: RoundBody[] = [];
    let bytes = 0;
    for (const entry of (this.#byCharter.get(charterHash) ?? []).slice(-maxListedRounds).reverse()) {
      const body = await this.#bodyOf(entry);
      bytes += JSON.stringify(body).length;
      if (bytes > maxListedBytes) break;
      bodies.push(body);
    }
    return bodies;
  }

  /** Signed certificates of a group, oldest first, with what one needs to verify them. */
  async issued(charterHash: string): Promise<IssuedBody> {
    const entries = (this.#byCharter.get(charterHash) ?? []).filter(
      ({ kind, outcome }) => outcome === 'signed' && isCertificateKind(kind),
    );
    // The first OpenPGP certificate is the one that installers have: it never drops out.
    const first = entries.find(({ kind }) => kind === 'openpgp-certificate');
    const newest = entries.slice(1 - maxIssued).filter((entry) => entry !== first);
    const issued: IssuedBody['issued'] = [];
    for (const entry of first === undefined ? newest : [first, ...newest]) {
      const { request, signatures } = await this.#bodyOf(entry);
      const documents: string[] = [];
      for (const { sha256 } of storedRequest(request).payload.documents)
        documents.push(encodeBase64(await this.#options.store.blob(sha256)));
      issued.push({ request, documents, signatures });
    }
    return { issued };
  }

  async #bodyOf(entry: Entry): Promise<RoundBody> {
    const known = entry.round?.body() ?? this.#remembered.get(entry.request.digest);
    if (known !== undefined) return known;
    const records = await this.#recordsOf(entry);
    const body = bodyFromRecords(records, entry.group.epoch.charter);
    if (body === undefined) throw notFound(entry.request.digest);
    return body;
  }

  async #recordsOf(entry: Entry): Promise<RoundRecord[]> {
    const records = await Promise.all(entry.sequences.map((sequence) => this.#options.store.record(sequence)));
    return records.filter((record) => 'digest' in record);
  }

  /** Outsiders and members of other groups learn nothing, not even that there is such a round (T25). */
  #entryOf(charterHash: string, digest: string): Entry {
    const entry = this.#entries.get(digest);
    if (entry?.group.epoch.charter.hash !== charterHash) throw notFound(digest);
    return entry;
  }

  /** Takes back one round as the store has it. Pending ones go on: their decisions stand, their attempts are void. */
  async restore(group: KnownGroup, envelope: Envelope, sequences: number[], outcome: Outcome): Promise<void> {
    const request = outcome === 'pending' ? openRequest(envelope) : storedRequest(envelope);
    const entry = this.#enter({ request, group, sequences, stored: Promise.resolve(), outcome });
    const { round } = entry;
    if (round === undefined) return;
    for (const record of await this.#recordsOf(entry)) {
      if (record.type === 'round-document')
        round.documents.add(record.sha256, await this.#options.store.blob(record.sha256));
      else round.restore(record, (decision) => openDecision(decision, group.epoch.charter));
    }
    try {
      this.#begin(entry);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error; // cancelled by #begin
    }
  }

  /** Stops all timers and waits for what is being stored. */
  async stop(): Promise<void> {
    for (const { round } of this.#pending) round?.stop();
    await Promise.all([...this.#pending].flatMap(({ round }) => (round === undefined ? [] : [round.settled()])));
  }

  #nowUnixSeconds(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}

function ofPayload({ payload }: Request): Pick<Entry, 'channel' | 'kind'> {
  return { channel: payload.channel, kind: payload.kind };
}

function notFound(digest: string): CoordinatorError {
  return new CoordinatorError('not-found', `there is no round ${digest.slice(0, 64)} here`);
}

function assertForGroup(request: Request, { epoch }: KnownGroup): void {
  const { channel, formats, kind } = request.payload;
  assertOfEpoch(request.payload, epoch, 'the request');
  channelOf(epoch.charter, channel);
  formats.forEach((name) => formatOf(name, kind));
}

/** A request that was verified before it was stored, for a round that is over; `openRequest` would cost a signature for each at every start. */
function storedRequest(envelope: Envelope): Request {
  const bytes = decodeBase64(envelope.payload);
  const payload = JSON.parse(Buffer.from(bytes).toString()) as Request['payload'];
  const asker = envelope.signatures[0].keyid;
  return {
    digest: requestDigest(asker, bytes),
    asker,
    payload,
    createdAtUnixSeconds: parseTimestamp(payload.createdAt, 'bad-request', 'createdAt'),
    envelope,
  };
}

function bodyFromRecords(records: readonly RoundRecord[], charter: Charter): RoundBody | undefined {
  const decisions = new Map<number, Decision>();
  const evidence: { readonly sha256: string }[] = [];
  let request: Request | undefined;
  let closed: Extract<RoundRecord, { type: 'closed' }> | undefined;
  for (const record of records) {
    switch (record.type) {
      case 'round':
        request = storedRequest(record.request);
        break;
      case 'decision': {
        const decision = openDecision(record.decision, charter);
        decisions.set(decision.member.identifier, decision);
        break;
      }
      case 'evidence':
        evidence.push(record);
        break;
      case 'closed':
        closed ??= record;
        break;
      case 'round-document':
        break;
    }
  }
  return request === undefined ? undefined : bodyOf(request, decisions.values(), evidence, closed);
}
