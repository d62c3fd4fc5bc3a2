/** All rounds: who may open one, which one a submission joins, and what is known of those that are over. */
import { currentDelegation } from '../protocol/group-documents.ts';
import { openDecision } from '../protocol/signing/decision.ts';
import { channelOf, production } from '../protocol/files/charter.ts';
import { openMessage, type Envelope } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { formatOf, prepareRequest } from '../protocol/formats/index.ts';
import type { Group } from '../protocol/frost/group.ts';
import type { CoordinatorFrame, IssuedBody, Outcome, RoundBody } from '../protocol/wire/frames.ts';
import {
  cancelMessage,
  isCertificateKind,
  openRequest,
  submissionId,
  type Request,
} from '../protocol/request/request.ts';
import { askerOf, askerOrUndefined, assertFresh, assertOfEpoch, assertSignable } from '../protocol/request/rights.ts';
import { Archive, noRound, type Filed } from './archive.ts';
import { CoordinatorError } from './errors.ts';
import { isLive, standingOf, type Groups, type KnownGroup } from './groups.ts';
import type { Ledger } from './ledger.ts';
import { maxListedBytes, roundOverheadBytes, type Limits } from './limits.ts';
import type { Log } from './log.ts';
import { Round, type Audience } from './round.ts';
import { closedFrame, storedRequest } from './round-body.ts';
import { everyRound, isAskedFor, type RoundQuery } from './round-query.ts';
import type { RoundRecord, StoreRecord } from './chain.ts';
import type { Store } from './store.ts';

/** The world of all rounds. */
export interface RoundsOptions {
  readonly store: Store;
  readonly groups: Groups;
  readonly ledger: Ledger;
  readonly arithmetic: Group;
  readonly limits: Limits;
  readonly nowMs: () => number;
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

/** What is kept of every round, pending or over. */
interface Entry extends Filed {
  readonly group: KnownGroup;
  /** Identity key of whoever asked, base64url. */
  readonly asker: string;
  readonly submission: string;
  readonly channel: string;
  /** Unix seconds, as the request says. */
  readonly createdAt: number;
  readonly sequences: number[];
  /** Of request and documents. */
  readonly bytes: number;
  /** Resolves when its request is stored. */
  readonly stored: Promise<unknown>;
  /** While it is pending. */
  round: Round | undefined;
  outcome: Outcome;
}

/** What makes an entry, with the request itself. */
type Entering = Pick<Entry, 'group' | 'sequences' | 'stored' | 'outcome'> & { readonly request: Request };

/** The rounds of all groups, by digest: opens and joins them, and finds the one that a frame or call is about. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #entries = new Map<string, Entry>();
  /** The newest round of each submission. */
  readonly #bySubmission = new Map<string, Entry>();
  /** By charter hash, in the order of submission. */
  readonly #byCharter = new Map<string, Entry[]>();
  readonly #pending = new Set<Entry>();
  readonly #archive: Archive;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#archive = new Archive(options.store);
  }

  /**
   * Opens a round for a signed request, or joins the one that is there for the same submission; stored before it answers.
   * Throws `ProtocolError` for whatever makes the request one that this group cannot sign.
   */
  async submit(
    asker: string,
    group: KnownGroup,
    { request: envelope, again }: { readonly request: unknown; readonly again?: boolean },
  ): Promise<{ readonly digest: string; readonly joined: boolean; readonly missing: string[] }> {
    const request = openRequest(envelope);
    if (request.asker !== asker)
      throw new ProtocolError('not-allowed', 'the request is signed by somebody else than who sends it');
    assertForGroup(request, group);
    askerOf(request, standingOf(group));
    const joined = this.#joinable(request, group, again === true);
    const entry = joined ?? this.#openRound(request, group);
    await entry.stored;
    if (joined === undefined) this.#begin(entry);
    return {
      digest: entry.digest,
      joined: joined !== undefined,
      missing: entry.round?.documents.missing ?? [],
    };
  }

  /** The round that the same submission has already: pending, signed and still good, or, unless it is asked for again, ended in another way. */
  #joinable(request: Request, group: KnownGroup, again: boolean): Entry | undefined {
    const entry = this.#bySubmission.get(submissionId(request)) ?? this.#entries.get(request.digest);
    if (entry?.outcome === 'signed' ? this.#isStillGood(entry, group) : entry?.outcome === 'pending' || !again)
      return entry;
    if (!this.#entries.has(request.digest)) return undefined;
    throw new ProtocolError('conflict', 'this very request is over; ask again, with a new time');
  }

  #isStillGood({ channel }: Entry, { documents }: KnownGroup): boolean {
    const nowUnixSeconds = this.#nowUnixSeconds();
    return channel === production || currentDelegation(documents.delegations, channel, nowUnixSeconds) !== undefined;
  }

  #openRound(request: Request, group: KnownGroup): Entry {
    assertFresh(request, group.epoch.charter, this.#nowUnixSeconds());
    this.assertRoom(request.asker, group, bytesOf(request));
    assertSignable(request, standingOf(group));
    // What is not well-formed never comes to the store (T43); documents are read when they come.
    if (request.payload.documents.length === 0) prepareRequest({ epoch: group.epoch, request, documents: [] });
    const { digest, envelope } = request;
    this.#options.ledger.charge(request.asker, envelope.payload.length + roundOverheadBytes);
    const record: RoundRecord = { type: 'round', digest, charter: group.epoch.charter.hash, request: envelope };
    const sequences: number[] = [];
    const stored = this.#append(sequences, [record], []);
    stored.catch(() => undefined); // every caller awaits it; a failed store stops the coordinator
    const entry = this.#enter({ request, group, sequences, stored, outcome: 'pending' });
    this.#options.log('info', 'round-opened', { group: group.epoch.charter.group, round: digest });
    return entry;
  }

  /** Whether this asker may have one more pending round, of so many bytes. Throws `ProtocolError('too-many')`. */
  assertRoom(asker: string, group: KnownGroup, bytes: number): void {
    const ofGroup = [...this.#pending].filter((entry) => entry.group === group);
    const ofAsker = ofGroup.filter((entry) => entry.asker === asker);
    const { maxPendingPerAsker, maxPendingPerGroup, maxPendingBytesPerAsker, maxPendingBytesPerGroup } =
      this.#options.limits;
    const sum = (entries: readonly Entry[]): number => entries.reduce((total, entry) => total + entry.bytes, bytes);
    if (ofAsker.length >= maxPendingPerAsker || sum(ofAsker) > maxPendingBytesPerAsker)
      throw new ProtocolError(
        'too-many',
        `${ofAsker.length} of your requests are pending already, of ${sum(ofAsker)} bytes with this one; wait, or cancel some`,
      );
    if (ofGroup.length >= maxPendingPerGroup || sum(ofGroup) > maxPendingBytesPerGroup)
      throw new ProtocolError(
        'too-many',
        `${ofGroup.length} requests of ${group.epoch.charter.group} are pending already, of ${sum(ofGroup)} bytes with this one; wait`,
      );
  }

  /** Whether this identity asked for a round. Throws `CoordinatorError('not-found')` or `ProtocolError('not-allowed')`. */
  assertAsker(asker: string, charterHash: string, digest: string): void {
    if (this.#entryOf(charterHash, digest).asker !== asker)
      throw new ProtocolError('not-allowed', 'only who asked may upload its documents or cancel');
  }

  /** Whether this identity may bring a document of that name and size. Throws `CoordinatorError` or `ProtocolError`. */
  assertUpload(asker: string, charterHash: string, file: Omit<Upload, 'bytes'> & { readonly size: number }): void {
    this.assertAsker(asker, charterHash, file.digest);
    const { round } = this.#entryOf(charterHash, file.digest);
    if (round === undefined) throw new ProtocolError('conflict', 'the round is over');
    round.documents.assertNamed(file.sha256, file.size);
  }

  #enter({ request, ...of }: Entering): Entry {
    const { group, outcome } = of;
    const round = outcome === 'pending' ? this.#makeRound(request, group, of.sequences) : undefined;
    const submission = submissionId(request);
    const { digest, asker } = request;
    const { channel, kind } = request.payload;
    const { charter } = group.epoch;
    const bytes = bytesOf(request);
    const createdAt = request.createdAtUnixSeconds;
    const entry: Entry = { ...of, digest, asker, charter, submission, channel, createdAt, kind, bytes, round };
    this.#entries.set(digest, entry);
    this.#bySubmission.set(submission, entry);
    this.#byCharter.set(charter.hash, this.#byCharter.get(charter.hash) ?? []);
    this.#byCharter.get(charter.hash)?.push(entry);
    if (outcome === 'pending') this.#pending.add(entry);
    return entry;
  }

  #makeRound(request: Request, group: KnownGroup, sequences: number[]): Round {
    const { groups, audienceOf, arithmetic, limits, nowMs, log } = this.#options;
    return new Round({
      request,
      group,
      groups,
      append: (records, blobs) => this.#append(sequences, records, blobs),
      audience: audienceOf(group.epoch.charter.hash),
      arithmetic,
      stallAfterMs: limits.stallAfterMs,
      nowMs,
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
    this.#orEnd(entry, () => entry.round?.begin());
  }

  #orEnd(entry: Entry, judge: () => void): void {
    try {
      judge();
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
    this.#archive.remember(round.digest, round.body());
  }

  #documentAdded(group: KnownGroup): void {
    this.#options.onDocument(group);
    this.judgeAskers(group);
  }

  /** Ends the rounds of those who may no longer ask for them (T33). */
  judgeAskers(group: KnownGroup): void {
    const { charter } = group.epoch;
    const isOther = (of: KnownGroup): boolean => of !== group && of.epoch.charter.hash === charter.hash;
    // Once a key lives, nothing is signed under the candidates beside it.
    if (isLive(group)) for (const entry of [...this.#pending]) if (isOther(entry.group)) void entry.round?.cancel();
    for (const { round } of [...this.#pending].filter((entry) => entry.group === group)) {
      if (round !== undefined && askerOrUndefined(round.request, standingOf(group)) === undefined) void round.cancel();
    }
  }

  /** Takes in one document of a pending round; only its asker may give it. Stored before it answers. */
  async putDocument(asker: string, group: KnownGroup, upload: Upload): Promise<string[]> {
    const { digest, sha256, bytes } = upload;
    const entry = this.#entryOf(group.epoch.charter.hash, digest);
    const { round } = entry;
    if (entry.asker !== asker) throw new ProtocolError('not-allowed', 'only who asked may upload its documents');
    if (round === undefined) throw new ProtocolError('conflict', 'the round is over');
    if (round.documents.check(sha256, bytes)) {
      this.#orEnd(entry, () => round.assertSignableWith(sha256, bytes));
      this.#options.ledger.charge(asker, bytes.length);
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
    if (entry.outcome !== 'signed')
      throw new CoordinatorError('not-found', 'the round ended without a signature, and its documents were dropped');
    return this.#archive.file(entry, 'round-document', sha256);
  }

  /** Bytes of one evidence file. Throws `CoordinatorError('not-found')`. */
  evidence(charterHash: string, digest: string, sha256: string): Promise<Uint8Array> {
    return this.#archive.file(this.#entryOf(charterHash, digest), 'evidence', sha256);
  }

  /**
   * Ends a pending round for the operator, by its id or the part of it that no other pending round begins with; answers its whole id.
   * Throws `CoordinatorError('not-found')` or `ProtocolError('conflict')`.
   */
  async cancelByOperator(id: string): Promise<string> {
    const matching = [...this.#pending].filter(({ digest }) => digest.startsWith(id));
    const [entry] = matching;
    if (entry === undefined) throw new CoordinatorError('not-found', `no pending round begins with ${id.slice(0, 64)}`);
    if (matching.length > 1)
      throw new ProtocolError('conflict', `${matching.length} pending rounds begin with ${id}; give more digits`);
    await entry.round?.cancel();
    if (entry.outcome === 'signed') throw new ProtocolError('conflict', 'it is signed already');
    this.#options.log('info', 'round-cancelled', { group: entry.charter.group, round: entry.digest });
    return entry.digest;
  }

  /** Ends a pending round for its asker. Throws `ProtocolError`. */
  async cancel(asker: string, charterHash: string, digest: string, envelope: unknown): Promise<RoundBody> {
    const entry = this.#entryOf(charterHash, digest);
    const { payload } = openMessage(cancelMessage, envelope, (key) => key === asker);
    if (payload.requestDigest !== digest || payload.groupKey !== entry.group.epoch.groupKey)
      throw new ProtocolError('bad-request', 'the cancellation is of another request');
    if (entry.asker !== asker) throw new ProtocolError('not-allowed', 'only who asked may cancel');
    await entry.round?.cancel();
    if (entry.outcome === 'signed') throw new ProtocolError('conflict', 'it is signed already');
    return this.body(charterHash, digest);
  }

  /** A pending round for a frame about it; the frame that says how it ended if it is over. Throws `CoordinatorError('not-found')`. */
  async find(charterHash: string, digest: string): Promise<Round | CoordinatorFrame> {
    const entry = this.#entryOf(charterHash, digest);
    if (entry.round?.isOpen === true) return entry.round;
    const closed = await this.#archive.closed(entry);
    if (closed === undefined) throw noRound(digest);
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

  /** Bytes of requests and documents of all pending rounds of one charter. */
  pendingBytes(charterHash: string): number {
    return [...this.#pending]
      .filter(({ charter }) => charter.hash === charterHash)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** How a round stands. Throws `CoordinatorError('not-found')`. */
  async body(charterHash: string, digest: string): Promise<RoundBody> {
    const entry = this.#entryOf(charterHash, digest);
    return this.#bodyOf(entry);
  }

  /** A page of rounds, newest first: as many as are asked for and fit one answer, and at least one if there is one. */
  async list(group: KnownGroup, { filter, limit, after }: RoundQuery = everyRound): Promise<RoundBody[]> {
    const entries = (this.#byCharter.get(group.epoch.charter.hash) ?? []).toReversed();
    const from = after === undefined ? 0 : entries.indexOf(this.#entryOf(group.epoch.charter.hash, after)) + 1;
    const asked = entries.slice(from).filter((entry) => entry.group === group && isAskedFor(filter, entry));
    const bodies: RoundBody[] = [];
    let bytes = 0;
    for (const entry of asked.slice(0, limit)) {
      const body = await this.#bodyOf(entry);
      bytes += JSON.stringify(body).length;
      if (bytes > maxListedBytes && bodies.length > 0) break;
      bodies.push(body);
    }
    return bodies;
  }

  /** Signed certificates of a group, oldest first, with what one needs to verify them. */
  issued(charterHash: string): Promise<IssuedBody> {
    const entries = this.#byCharter.get(charterHash) ?? [];
    return this.#archive.issued(entries.filter(({ kind, outcome }) => outcome === 'signed' && isCertificateKind(kind)));
  }

  async #bodyOf(entry: Entry): Promise<RoundBody> {
    return entry.round?.body() ?? (await this.#archive.body(entry));
  }

  /** Outsiders and members of other groups learn nothing, not even that there is such a round (T25). */
  #entryOf(charterHash: string, digest: string): Entry {
    const entry = this.#entries.get(digest);
    if (entry?.group.epoch.charter.hash !== charterHash) throw noRound(digest);
    return entry;
  }

  /** Takes back one round as the store has it. Pending ones go on: their decisions stand, their attempts are void. */
  async restore(group: KnownGroup, envelope: Envelope, sequences: number[], outcome: Outcome): Promise<void> {
    const request = outcome === 'pending' ? openRequest(envelope) : storedRequest(envelope);
    const entry = this.#enter({ request, group, sequences, stored: Promise.resolve(), outcome });
    const { round } = entry;
    if (round === undefined) return;
    for (const record of await this.#archive.records(entry)) {
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
    return Math.floor(this.#options.nowMs() / 1000);
  }
}

/** What a member that reconnects is sent of it, and fetches. */
function bytesOf({ envelope, payload }: Request): number {
  return payload.documents.reduce((sum, { size }) => sum + size, envelope.payload.length);
}

function assertForGroup(request: Request, group: KnownGroup): void {
  const { epoch } = group;
  const { channel, formats, kind } = request.payload;
  assertOfEpoch(request.payload, epoch, 'the request');
  if (!isLive(group) && kind !== 'genesis')
    throw new ProtocolError(
      'not-allowed',
      'the key is not live before its genesis is signed, and only that can be asked for',
    );
  channelOf(epoch.charter, channel);
  formats.forEach((name) => formatOf(name, kind));
}
