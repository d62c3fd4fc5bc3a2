/** All rounds: who may open one, which one a submission joins, and what is known of those that are over. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { currentDelegation } from '../protocol/group-documents/envelopes.ts';
import { openDecision } from '../protocol/signing/decision.ts';
import { channelOf, production, type Charter } from '../protocol/files/charter.ts';
import { openCardsInTurns } from '../protocol/files/requesters.ts';
import { openMessage } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { formatOf, prepareRequest } from '../protocol/formats/index.ts';
import type { Group } from '../protocol/frost/group.ts';
import type { CoordinatorFrame, RoundBody } from '../protocol/wire/frames.ts';
import { cancelMessage, openRequest, submissionId, type Request } from '../protocol/request/request.ts';
import { refOf } from '../protocol/record/leaf.ts';
import { askerOf, askerOrUndefined, assertFresh, assertOfEpoch, assertSignable } from '../protocol/request/rights.ts';
import { Archive, noRound, type Filed } from './archive.ts';
import type { Passing, RoundEntry, RoundsAsked } from './database.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { standingOf, type Groups } from './groups.ts';
import { isLive, type KnownGroup } from './lineage.ts';
import type { Ledger } from './ledger.ts';
import { maxListedBytes, roundOverheadBytes, type Limits } from './limits.ts';
import type { Log } from './log.ts';
import { Round, type Audience } from './round.ts';
import { closedFrame } from './round-body.ts';
import { everyRound, type RoundQuery } from './round-query.ts';
import type { RoundRecord, StoreRecord } from './records.ts';
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
  readonly audienceOf: (charter: Charter) => Audience;
  /** Another document under a group's key is held now. */
  readonly onDocument: (group: KnownGroup) => void;
}

/** One document on its way in. */
export interface Upload {
  readonly digest: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** What is kept of a round while it is pending. */
interface Pending {
  readonly group: KnownGroup;
  /** Request digest, hex. */
  readonly digest: string;
  /** Identity key of whoever asked, base64url. */
  readonly asker: string;
  readonly submission: string;
  /** Of request and documents. */
  readonly bytes: number;
  /** Resolves when its request is stored. */
  readonly stored: Promise<unknown>;
  readonly round: Round;
}

/** A round that is over, as the indexes know it. */
type Over = RoundEntry & { readonly log: GroupLog };

/** The rounds of all groups, by digest: opens and joins them, and finds the one that a frame or call is about. */
export class Rounds {
  readonly #options: RoundsOptions;
  /** By digest, in the order of submission. */
  readonly #pending = new Map<string, Pending>();
  readonly #bySubmission = new Map<string, Pending>();
  readonly #archive = new Archive();

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
    { request: envelope, again }: { readonly request: unknown; readonly again?: boolean },
  ): Promise<{ readonly digest: string; readonly joined: boolean; readonly missing: string[] }> {
    const request = openRequest(envelope);
    if (request.asker !== asker)
      throw new ProtocolError('not-allowed', 'the request is signed by somebody else than who sends it');
    this.#assertForGroup(request, group);
    askerOf(request, standingOf(group));
    const over = await this.#overOf(request, group);
    const pending = this.#bySubmission.get(submissionId(request)) ?? this.#pending.get(request.digest);
    if (pending === undefined && over !== undefined && this.#isJoinable(over, request, group, again === true))
      return { digest: over.digest, joined: true, missing: [] };
    const entry = pending ?? this.#openRound(request, group);
    await entry.stored;
    if (pending === undefined) await this.#begin(entry);
    return { digest: entry.digest, joined: pending !== undefined, missing: entry.round.documents.missing };
  }

  /** What is over already: the newest round of the same submission, or else of this very request. */
  async #overOf(request: Request, { epoch }: KnownGroup): Promise<RoundEntry | undefined> {
    const log = this.#options.store.logOf(epoch.charter.hash);
    return (await log?.roundOfSubmission(submissionId(request))) ?? (await log?.round(request.digest));
  }

  /** Whether a round that is over answers the same submission: signed and still good, or, unless it is asked for again, ended in another way. */
  #isJoinable(over: RoundEntry, request: Request, group: KnownGroup, again: boolean): boolean {
    if (over.outcome === 'signed' ? this.#isStillGood(over, group) : !again) return true;
    if (over.digest !== request.digest) return false;
    throw new ProtocolError('conflict', 'this very request is over; ask again, with a new time');
  }

  #isStillGood({ channel }: RoundEntry, { documents }: KnownGroup): boolean {
    const nowUnixSeconds = this.#nowUnixSeconds();
    return channel === production || currentDelegation(documents.delegations, channel, nowUnixSeconds) !== undefined;
  }

  #assertForGroup(request: Request, group: KnownGroup): void {
    const { groups } = this.#options;
    const { epoch } = group;
    const { channel, formats, kind } = request.payload;
    assertOfEpoch(request.payload, epoch, 'the request');
    const { live, candidates } = groups.lineageOf(epoch.charter.hash);
    if (group !== live && !candidates.includes(group))
      throw new ProtocolError(
        'wrong-epoch',
        `the request is of epoch ${epoch.hash}, which is over: the group lives in ${live?.epoch.hash ?? 'none'}; fetch the group again`,
      );
    if (!isLive(group) && kind !== 'genesis')
      throw new ProtocolError(
        'not-allowed',
        'the key is not live before its genesis is signed, and only that can be asked for',
      );
    if (!isLive(group)) groups.assertMayLive(group, this.#nowUnixSeconds());
    channelOf(epoch.charter, channel);
    formats.forEach((name) => formatOf(name, kind));
  }

  #openRound(request: Request, group: KnownGroup): Pending {
    assertFresh(request, group.epoch.charter, this.#nowUnixSeconds());
    this.assertRoom(request.asker, group, bytesOf(request));
    assertSignable(request, standingOf(group));
    // What is not well-formed never comes to the store (T43); documents are read when they come.
    if (request.payload.documents.length === 0) prepareRequest({ epoch: group.epoch, request, documents: [] });
    const { digest, envelope } = request;
    this.#options.ledger.charge(request.asker, envelope.payload.length + roundOverheadBytes);
    const record: RoundRecord = { type: 'round', digest, charter: group.epoch.charter.hash, request: envelope };
    const stored = this.#append(group, [record], []);
    const entry = this.#enter(request, group, stored);
    // Every caller awaits it; what was not stored is not pending.
    stored.catch(() => this.#forget(entry));
    this.#options.log('info', 'round-opened', { group: group.epoch.charter.group, round: digest });
    return entry;
  }

  /** Whether this asker may have one more pending round, of so many bytes. Throws `ProtocolError('too-many')`. */
  assertRoom(asker: string, group: KnownGroup, bytes: number): void {
    const ofGroup = [...this.#pending.values()].filter((entry) => entry.group === group);
    const ofAsker = ofGroup.filter((entry) => entry.asker === asker);
    const { maxPendingPerAsker, maxPendingPerGroup, maxPendingBytesPerAsker, maxPendingBytesPerGroup } =
      this.#options.limits;
    const sum = (entries: readonly Pending[]): number => entries.reduce((total, entry) => total + entry.bytes, bytes);
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
  async assertAsker(asker: string, charterHash: string, digest: string): Promise<void> {
    if ((await this.#known(charterHash, digest)).asker !== asker)
      throw new ProtocolError('not-allowed', 'only who asked may upload its documents or cancel');
  }

  /** Whether this identity may bring a document of that name and size. Throws `CoordinatorError` or `ProtocolError`. */
  async assertUpload(
    asker: string,
    charterHash: string,
    file: Omit<Upload, 'bytes'> & { readonly size: number },
  ): Promise<void> {
    await this.assertAsker(asker, charterHash, file.digest);
    const { round } = this.#pendingOf(charterHash, file.digest) ?? overRefusal();
    round.documents.assertNamed(file.sha256, file.size);
  }

  #enter(request: Request, group: KnownGroup, stored: Promise<unknown>): Pending {
    const submission = submissionId(request);
    const { digest, asker } = request;
    const round = this.#makeRound(request, group);
    const entry: Pending = { group, digest, asker, submission, bytes: bytesOf(request), stored, round };
    this.#pending.set(digest, entry);
    this.#bySubmission.set(submission, entry);
    return entry;
  }

  #forget(entry: Pending): void {
    if (this.#pending.get(entry.digest) === entry) this.#pending.delete(entry.digest);
    if (this.#bySubmission.get(entry.submission) === entry) this.#bySubmission.delete(entry.submission);
  }

  #makeRound(request: Request, group: KnownGroup): Round {
    const { groups, audienceOf, arithmetic, limits, nowMs, log } = this.#options;
    return new Round({
      request,
      group,
      groups,
      append: (records, blobs) => this.#append(group, records, blobs),
      audience: audienceOf(group.epoch.charter),
      arithmetic,
      stallAfterMs: limits.stallAfterMs,
      checkAfterMs: limits.checkAfterMs,
      decisionsWaitMs: limits.decisionsWaitMs,
      nowMs,
      log,
      onEnd: (round) => this.#end(round),
      onDocument: (of) => this.#documentAdded(of),
    });
  }

  async #append({ epoch }: KnownGroup, records: readonly StoreRecord[], blobs: readonly Uint8Array[]): Promise<void> {
    const { store } = this.#options;
    await (store.logOf(epoch.charter.hash) ?? (await store.of(epoch.charter))).append(records, blobs);
  }

  /** A document that no quorum may sign ends its round at once: the request can never have another one. */
  #begin(entry: Pending): Promise<void> {
    return this.#orEnd(entry, () => entry.round.begin());
  }

  async #orEnd(entry: Pending, judge: () => void): Promise<void> {
    try {
      judge();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      await entry.round.cancel();
      throw error;
    }
  }

  #end(round: Round): void {
    const entry = this.#pending.get(round.digest);
    if (entry === undefined) return;
    this.#archive.remember(round.digest, round.body());
    this.#forget(entry);
  }

  #documentAdded(group: KnownGroup): void {
    this.#options.onDocument(group);
    this.judgeAskers(group);
  }

  /** Ends the rounds of those who may no longer ask for them (T33). */
  judgeAskers(group: KnownGroup): void {
    this.endOthers(group);
    for (const { round } of [...this.#pending.values()].filter((entry) => entry.group === group)) {
      if (askerOrUndefined(round.request, standingOf(group)) === undefined) void round.cancel();
    }
  }

  /**
   * Once a key lives, nothing is signed under the candidates beside it, and nothing more under the epoch that it came after; nor is a succession whose
   * number a signed one used up.
   */
  endOthers({ epoch }: KnownGroup): void {
    const lineage = this.#options.groups.lineageOf(epoch.charter.hash);
    const { live, candidates } = lineage;
    if (live === undefined) return;
    for (const { group, round } of this.#pendingBy(epoch.charter.hash)) {
      const isOver = group !== live && !candidates.includes(group);
      if (isOver && isLive(group)) void round.supersede();
      else if (isOver || this.#isUsedUp(round, group)) void round.cancel();
    }
  }

  #isUsedUp({ documents, request }: Round, group: KnownGroup): boolean {
    const { groups } = this.#options;
    const [document] = documents.all ?? [];
    try {
      if (request.payload.kind === 'genesis') groups.assertMayLive(group, this.#nowUnixSeconds());
      if (request.payload.kind === 'succession' && document !== undefined)
        groups.assertNextSuccession(group, document, this.#nowUnixSeconds());
      return false;
    } catch (error) {
      if (error instanceof ProtocolError) return true;
      throw error;
    }
  }

  /** Takes in one document of a pending round; only its asker may give it. Stored before it answers. */
  async putDocument(asker: string, group: KnownGroup, upload: Upload): Promise<string[]> {
    const { digest, sha256, bytes } = upload;
    await this.assertAsker(asker, group.epoch.charter.hash, digest);
    const entry = this.#pendingOf(group.epoch.charter.hash, digest) ?? overRefusal();
    const { round } = entry;
    if (round.documents.check(sha256, bytes)) {
      if (round.request.payload.kind === 'requesters')
        await openCardsInTurns(bytes, this.#options.arithmetic, nextTurn);
      await this.#orEnd(entry, () => round.assertSignableWith(sha256, bytes));
      this.#options.ledger.charge(asker, bytes.length);
      await this.#append(entry.group, [{ type: 'round-document', digest, document: refOf(bytes) }], [bytes]);
      round.documents.add(sha256, bytes);
      if (!round.isOpen && round.documents.all !== undefined) await this.#begin(entry);
    }
    return round.documents.missing;
  }

  /** Bytes of one document. Throws `CoordinatorError` (`not-found`, `archived`). */
  async document(charterHash: string, digest: string, sha256: string): Promise<Uint8Array> {
    const pending = this.#pendingOf(charterHash, digest);
    if (pending !== undefined) return pending.round.documents.get(sha256);
    const over = await this.#overAt(charterHash, digest);
    if (over.outcome !== 'signed')
      throw new CoordinatorError('not-found', 'the round ended without a signature, and its documents were dropped');
    if (!over.documents.includes(sha256))
      throw new CoordinatorError('not-found', `this round has no document ${sha256}`);
    return over.log.blob(sha256);
  }

  /** Bytes of one evidence file. Throws `CoordinatorError` (`not-found`, `archived`). */
  async evidence(charterHash: string, digest: string, sha256: string): Promise<Uint8Array> {
    return this.#archive.evidence(await this.#filed(await this.#overAt(charterHash, digest)), sha256);
  }

  /**
   * Ends a pending round for the operator, by its id or the part of it that no other pending round begins with; answers its whole id.
   * Throws `CoordinatorError('not-found')` or `ProtocolError('conflict')`.
   */
  async cancelByOperator(id: string): Promise<string> {
    const matching = [...this.#pending.values()].filter(({ digest }) => digest.startsWith(id));
    const [entry] = matching;
    if (entry === undefined) throw new CoordinatorError('not-found', `no pending round begins with ${id.slice(0, 64)}`);
    if (matching.length > 1)
      throw new ProtocolError('conflict', `${matching.length} pending rounds begin with ${id}; give more digits`);
    await entry.round.cancel();
    if (entry.round.outcome === 'signed') throw new ProtocolError('conflict', 'it is signed already');
    const { group, digest } = entry;
    this.#options.log('info', 'round-cancelled', { group: group.epoch.charter.group, round: digest });
    return digest;
  }

  /** Ends a pending round for its asker. Throws `ProtocolError`. */
  async cancel(asker: string, charterHash: string, digest: string, envelope: unknown): Promise<RoundBody> {
    const known = await this.#known(charterHash, digest);
    const { payload } = openMessage(cancelMessage, envelope, (key) => key === asker);
    if (payload.requestDigest !== digest || payload.groupKey !== known.groupKey)
      throw new ProtocolError('bad-request', 'the cancellation is of another request');
    if (known.asker !== asker) throw new ProtocolError('not-allowed', 'only who asked may cancel');
    await this.#pendingOf(charterHash, digest)?.round.cancel();
    const body = await this.body(charterHash, digest);
    if (body.outcome === 'signed') throw new ProtocolError('conflict', 'it is signed already');
    return body;
  }

  /** A pending round for a frame about it; the frame that says how it ended if it is over. Throws `CoordinatorError('not-found')`. */
  async find(charterHash: string, digest: string): Promise<Round | CoordinatorFrame> {
    const pending = this.#pendingOf(charterHash, digest);
    if (pending?.round.isOpen === true) return pending.round;
    const over = await this.#overAt(charterHash, digest);
    const closed = await over.log.endOf(over);
    if (closed === undefined) throw noRound(digest);
    return closedFrame(closed);
  }

  /** A pending round, without a wait. */
  pendingRound(charterHash: string, digest: string): Round | undefined {
    return this.#pendingOf(charterHash, digest)?.round;
  }

  /** Pending rounds of one charter that members are asked about, oldest first. */
  openOf(charterHash: string): Round[] {
    return this.#pendingBy(charterHash).flatMap(({ round }) => (round.isOpen ? [round] : []));
  }

  /** Bytes of requests and documents of all pending rounds of one charter. */
  pendingBytes(charterHash: string): number {
    return this.#pendingBy(charterHash).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** How a round is now. Throws `CoordinatorError('not-found')`. */
  async body(charterHash: string, digest: string): Promise<RoundBody> {
    const pending = this.#pendingOf(charterHash, digest);
    if (pending !== undefined) return pending.round.body();
    return this.#archive.body(await this.#filed(await this.#overAt(charterHash, digest)));
  }

  /**
   * A page of rounds, newest first: as many as are asked for and fit one answer, and at least one if there is one. `onPassed` is told how many rounds
   * were read in vain, whatever comes of it. Throws `CoordinatorError` (`too-broad`, `not-found`).
   */
  async list(
    group: KnownGroup,
    { filter, limit, after }: RoundQuery = everyRound,
    onPassed: (count: number) => void = () => undefined,
  ): Promise<RoundBody[]> {
    const { charter, groupKey } = group.epoch;
    const before = after === undefined ? undefined : (await this.#overAt(charter.hash, after)).index;
    const passing: Passing = { most: this.#options.limits.maxPassedRounds, count: 0 };
    try {
      return await this.#page(charter, { ...filter, groupKey, before }, limit, passing);
    } finally {
      onPassed(passing.count);
    }
  }

  async #page(charter: Charter, asked: RoundsAsked, limit: number, passing: Passing): Promise<RoundBody[]> {
    const bodies: RoundBody[] = [];
    let bytes = 0;
    const log = this.#options.store.logOf(charter.hash);
    for await (const { digest } of log?.rounds(asked, passing) ?? []) {
      const body = await this.body(charter.hash, digest);
      bytes += JSON.stringify(body).length;
      if (bytes > maxListedBytes && bodies.length > 0) break;
      bodies.push(body);
      if (bodies.length >= limit) break;
    }
    return bodies;
  }

  #pendingBy(charterHash: string): Pending[] {
    const isOfGroup = this.#isOfGroup(charterHash);
    return [...this.#pending.values()].filter(({ group }) => isOfGroup(group));
  }

  #pendingOf(charterHash: string, digest: string): Pending | undefined {
    const entry = this.#pending.get(digest);
    return entry !== undefined && this.#isOfGroup(charterHash)(entry.group) ? entry : undefined;
  }

  /** Whether it is of the same group, of whichever epoch. */
  #isOfGroup(charterHash: string): (group: KnownGroup) => boolean {
    const { groups } = this.#options;
    const root = groups.rootOf(charterHash);
    return ({ epoch }) => groups.rootOf(epoch.charter.hash) === root;
  }

  /** What the index of a charter's own log knows of a round: outsiders and members of other groups learn nothing, not even that there is one (T25). */
  async #overAt(charterHash: string, digest: string): Promise<Over> {
    const log = this.#options.store.logOf(charterHash);
    const round = await log?.round(digest);
    if (log === undefined || round === undefined) throw noRound(digest);
    return { ...round, log };
  }

  async #known(charterHash: string, digest: string): Promise<{ readonly asker: string; readonly groupKey: string }> {
    const pending = this.#pendingOf(charterHash, digest);
    if (pending === undefined) return this.#overAt(charterHash, digest);
    return { asker: pending.asker, groupKey: pending.group.epoch.groupKey };
  }

  async #filed({ digest, charter, log }: Over): Promise<Filed> {
    return { digest, log, charter: await this.#options.groups.charter(charter) };
  }

  /** Takes back a pending round as the store has it: its decisions hold, its attempts are void. */
  async restore(log: GroupLog, { digest, charter }: RoundEntry): Promise<void> {
    const [first, ...others] = await log.recordsOf(digest);
    if (first?.type !== 'round')
      throw new CoordinatorError('store-damaged', `the request of round ${digest} is not there`);
    const request = openRequest(first.request);
    const group = this.#options.groups.ofEpoch(charter, request.payload.epoch);
    // Of a charter that is admitted no more.
    if (group === undefined) return;
    const entry = this.#enter(request, group, Promise.resolve());
    for (const record of others) {
      if (record.type === 'round-document')
        entry.round.documents.add(record.document.sha256, await log.blob(record.document.sha256));
      else entry.round.restore(record, (decision) => openDecision(decision, group.epoch.charter));
    }
    try {
      await this.#begin(entry);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error; // cancelled by #begin
    }
  }

  /** Stops all timers and waits for what is being stored. */
  async stop(): Promise<void> {
    const rounds = [...this.#pending.values()].map(({ round }) => round);
    for (const round of rounds) round.stop();
    await Promise.all(rounds.map((round) => round.settled()));
  }

  #nowUnixSeconds(): number {
    return Math.floor(this.#options.nowMs() / 1000);
  }
}

/** What a member that reconnects is sent of it, and fetches. */
function bytesOf({ envelope, payload }: Request): number {
  return payload.documents.reduce((sum, { size }) => sum + size, envelope.payload.length);
}

function overRefusal(): never {
  throw new ProtocolError('conflict', 'the round is over');
}
