/** What this member must never forget, as records of its journal, and what they come to when the journal is read again. */
import { printableJson } from '../verifier/printable.ts';
import { randomBytes } from 'node:crypto';
import type { SharePayload } from '../protocol/signing/attempt.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { DecisionPayload } from '../protocol/signing/decision.ts';
import {
  contradictionOf,
  emptyCeremonyMemory,
  isCeremonyRecord,
  remembered,
  type CeremonyMemory,
  type CeremonyRecord,
} from '../protocol/ceremony/memory.ts';
import { countOf, type NamedDocument, type Place } from '../protocol/group-documents/kinds.ts';
import { deadAt, type ApprovedDocument } from '../protocol/group-documents/numbers.ts';
import type { BurnedAttempt, SignerMemory } from '../protocol/signing/signer.ts';
import type { JournalHead } from '../protocol/wire/frames.ts';
import type { Stage } from '../protocol/wire/schema.ts';
import { ParticipantError } from './errors.ts';
import type { Journal } from './journal.ts';
import { keptAfterExpirySeconds, minCompactedBytes, minFreeJournalBytes } from './limits.ts';
import { present } from '../protocol/wire/present.ts';

/** One record of the journal, told apart by `type`. Hashes and digests are SHA-256, hex. */
export type MemberRecord =
  | CeremonyRecord
  /** First record: names this journal's life; a restore begins another. 16 bytes, hex. */
  | { readonly type: 'incarnation'; readonly incarnation: string }
  /** The charter, requesters document and import file this home agreed to: SHA-256, hex. Without an import, `import` is absent. */
  | { readonly type: 'agreed'; readonly charter: string; readonly requesters: string; readonly import?: string }
  /** The newest requesters version that was seen under the group's signature. */
  | { readonly type: 'requesters'; readonly version: number }
  /** A numbered document of the group that was seen under its signature, with a higher number than any of its count before. */
  | ({ readonly type: 'document-seen' } & NamedDocument)
  /**
   * Before a numbered document is approved: which, by which request, and until when that one lives, in Unix seconds. From here on no other document of this
   * number is approved for as long as this one may still be signed.
   */
  | ({ readonly type: 'document-approved' } & ApprovedDocument)
  /** Before a backup of this home is written: its name, 16 bytes, hex, and when, in Unix seconds. */
  | { readonly type: 'backup'; readonly backup: string; readonly at: number }
  /** Its owner says that this backup is destroyed. */
  | { readonly type: 'backup-destroyed'; readonly backup: string }
  /** Second record of a journal that a restore began: out of which backup, and when, in Unix seconds. */
  | { readonly type: 'restored'; readonly backup: string; readonly at: number }
  /** After a restore: this member took what the other members hold. */
  | { readonly type: 'caught-up' }
  /** `expiresAt`: Unix seconds after which the request is dead and this need not be read any more. */
  | { readonly type: 'decision'; readonly decision: DecisionPayload; readonly expiresAt: number }
  | {
      readonly type: 'burn';
      readonly requestDigest: string;
      readonly stage: Stage;
      readonly attempt: string;
      readonly slot: string;
      readonly expiresAt: number;
    }
  | { readonly type: 'share'; readonly share: SharePayload; readonly expiresAt: number };

/** What this home agreed to make a key under: SHA-256, hex. */
export type AgreedHashes = Pick<Extract<MemberRecord, { type: 'agreed' }>, 'charter' | 'requesters' | 'import'>;

/** Besides those of ceremonies. */
const otherTypes: readonly string[] = [
  'incarnation',
  'agreed',
  'requesters',
  'document-seen',
  'document-approved',
  'backup',
  'backup-destroyed',
  'restored',
  'caught-up',
  'decision',
  'burn',
  'share',
] satisfies readonly MemberRecord['type'][];

/** Besides those of ceremonies: what goes into a backup. */
const lastingTypes: readonly string[] = [
  'agreed',
  'requesters',
  'document-seen',
  'document-approved',
  'backup',
  'backup-destroyed',
] satisfies readonly MemberRecord['type'][];

/** A backup that was made of this home. */
export interface BackupMade {
  /** Unix seconds. */
  readonly at: number;
  /** Its owner says so. */
  readonly isDestroyed: boolean;
}

/** How this home came back out of a backup. */
export interface Restoration {
  /** Unix seconds. */
  readonly at: number;
  /** What the other members hold was taken since. */
  readonly isCaughtUp: boolean;
}

interface RoundMemory {
  said: DecisionPayload | undefined;
  /** Unix seconds at which the request dies. */
  readonly expiresAt: number;
  /** How it ended is known here. */
  isOver: boolean;
  readonly attempts: Map<string, BurnedAttempt>;
}

/** The journal with its meaning. What `append` resolved for is on the medium. */
export class Records {
  readonly #journal: Journal;
  readonly #rounds = new Map<string, RoundMemory>();
  #incarnation: string | undefined;
  #agreed: AgreedHashes | undefined;
  #ceremonies = emptyCeremonyMemory;
  /** The last ceremony record that was asked for: the next is judged when that one counts. */
  #lastOfCeremony: Promise<void> = Promise.resolve();
  #requestersVersion = 0;
  readonly #backups = new Map<string, BackupMade>();
  #restoration: Restoration | undefined;
  /** By count: the highest. */
  readonly #seenDocuments = new Map<string, NamedDocument>();
  /** By count: the last. */
  readonly #approvedDocuments = new Map<string, ApprovedDocument>();
  /** Requests whose approval is on its way to the medium. */
  readonly #approving = new Set<string>();
  readonly #lasting: MemberRecord[] = [];
  /** Bytes of the journal from which on it is worth a look whether it can be compacted. */
  #compactAt = minCompactedBytes;

  /**
   * Reads the journal's records, and compacts a journal of which most is dead; a new journal gets its first.
   * Throws `ParticipantError('damaged')` for a record of no known type, or one that those before it exclude, and `JournalError`.
   */
  static async open(journal: Journal, nowUnixSeconds: number): Promise<Records> {
    const records = new Records(journal);
    for (const record of journal.records) records.#read(record, nowUnixSeconds);
    if (records.#incarnation === undefined) {
      if (journal.records.length > 0)
        throw new ParticipantError('damaged', 'the journal does not begin with its incarnation');
      await records.append({ type: 'incarnation', incarnation: bytesToHex(randomBytes(16)) });
    }
    journal.forgetRecords();
    await records.forgetDead(nowUnixSeconds);
    return records;
  }

  private constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** `undefined` before a charter was accepted. */
  get agreed(): AgreedHashes | undefined {
    return this.#agreed;
  }

  get ceremonies(): CeremonyMemory {
    return this.#ceremonies;
  }

  get requestersVersion(): number {
    return this.#requestersVersion;
  }

  /** The newest of each count that was seen under the group's signature. */
  get seenDocuments(): ReadonlyMap<string, NamedDocument> {
    return this.#seenDocuments;
  }

  /** What was approved last of a count, if it may still be signed with a share of this member; `undefined` otherwise. */
  approvedDocument(count: Pick<Place, 'kind' | 'scope'>, nowUnixSeconds: number): ApprovedDocument | undefined {
    const approved = this.#approvedDocuments.get(countOf(count));
    if (approved === undefined || deadAt(approved) <= nowUnixSeconds) return undefined;
    return this.#approving.has(approved.request) || this.#mayStillSign(approved.request) ? approved : undefined;
  }

  /**
   * No share was given and none will be where the approval never left, was taken back, or its round is over: whatever is approved next takes its
   * place. What a former life did with an approval nobody knows.
   */
  #mayStillSign(requestDigest: string): boolean {
    const round = this.#rounds.get(requestDigest);
    if (round === undefined) return this.#restoration !== undefined;
    return round.attempts.size > 0 || (round.said?.decision === 'approve' && !round.isOver);
  }

  /** Before a document is approved. A repeat is a no-op. */
  async approveDocument(approved: ApprovedDocument): Promise<void> {
    const known = this.#approvedDocuments.get(countOf(approved));
    // At once: another round may ask before this is on the medium.
    this.#approving.add(approved.request);
    this.#approvedDocuments.set(countOf(approved), approved);
    if (known?.hash === approved.hash && known.number === approved.number && known.request === approved.request) return;
    const { kind, scope, number, hash, request, expiresAt } = approved;
    await this.append({ type: 'document-approved', kind, scope, number, hash, request, expiresAt });
  }

  /** By name, oldest first. */
  get backups(): ReadonlyMap<string, BackupMade> {
    return this.#backups;
  }

  /** `undefined` for a home that never was restored. */
  get restoration(): Restoration | undefined {
    return this.#restoration;
  }

  /**
   * What outlives this home in a backup: all but rounds, but what is true of this life of the journal alone, and but the transcripts of ceremonies
   * that were left, each of which may be of megabytes.
   */
  get lasting(): readonly MemberRecord[] {
    const { left } = this.#ceremonies;
    return this.#lasting.filter((record) => record.type !== 'ceremony-signed' || !left.has(record.ceremony));
  }

  /** The head to show at login (T3): what is on the medium now. */
  get head(): JournalHead {
    const { length, hash } = this.#journal.head;
    return { incarnation: present(this.#incarnation, 'the incarnation'), length, head: hash };
  }

  /** What survives of a request, by its digest. */
  roundOf(requestDigest: string): SignerMemory {
    const { said, attempts } = this.#rounds.get(requestDigest) ?? { said: undefined, attempts: new Map() };
    return { said, attempts: new Map(attempts) };
  }

  /** Digests of the requests that this member has decided on, that are alive, and whose end it does not know. */
  openRounds(nowUnixSeconds: number): string[] {
    const open = [...this.#rounds].filter(
      ([, { said, isOver, expiresAt }]) => said !== undefined && !isOver && expiresAt > nowUnixSeconds,
    );
    return open.map(([digest]) => digest);
  }

  /** The round of this request has ended. What was decided and burned still counts: the request might come again. */
  closeRound(requestDigest: string): void {
    const round = this.#rounds.get(requestDigest);
    if (round !== undefined) round.isOver = true;
  }

  /**
   * Lets go of requests that died a day ago and of the shares of those that are dead, in memory and, once that is most of it, in the journal
   * (T43). Throws `JournalError`.
   */
  async forgetDead(nowUnixSeconds: number): Promise<void> {
    for (const [digest, { attempts, expiresAt }] of this.#rounds) {
      if (expiresAt + keptAfterExpirySeconds <= nowUnixSeconds) this.#rounds.delete(digest);
      else if (expiresAt <= nowUnixSeconds)
        for (const [id, { stage }] of attempts) attempts.set(id, { stage, shares: undefined });
    }
    if (this.#journal.bytes < this.#compactAt) return;
    await this.#journal.compact((record) => isAlive(record as MemberRecord, nowUnixSeconds));
    this.#compactAt = Math.max(minCompactedBytes, 2 * this.#journal.bytes);
  }

  /** Throws `ParticipantError('no-room')` while the disk has too little space for what nonces may add to the journal. */
  async assertRoom(): Promise<void> {
    const free = await this.#journal.freeBytes();
    if (free >= minFreeJournalBytes) return;
    throw new ParticipantError(
      'no-room',
      `the disk of the journal has ${free} bytes free and ${minFreeJournalBytes} are needed; free some space`,
    );
  }

  /** Resolves when the record is on the medium. Throws `ParticipantError('contradiction')` before anything is written, and `JournalError`. */
  append(record: MemberRecord): Promise<void> {
    return isCeremonyRecord(record) ? this.#inTurn(() => this.#appendOfCeremony(record)) : this.#write(record);
  }

  async #write(record: MemberRecord): Promise<void> {
    await this.#journal.append(record);
    this.#apply(record);
  }

  /** One after the other: of two records that exclude each other the second is judged when the first is on the medium and counts (T35). */
  #inTurn(append: () => Promise<void>): Promise<void> {
    const done = this.#lastOfCeremony.then(append);
    this.#lastOfCeremony = done.catch(() => undefined);
    return done;
  }

  async #appendOfCeremony(record: CeremonyRecord): Promise<void> {
    const found = contradictionOf(this.#ceremonies, record);
    if (found !== undefined)
      throw new ParticipantError(
        'contradiction',
        `${record.type} is excluded for the ceremony ${record.ceremony} by what the journal says: ${found}`,
      );
    await this.#write(record);
  }

  /**
   * Before the first signature share under a ceremony's key: from then on this member never leaves it. A repeat is a no-op.
   * Throws `ParticipantError('contradiction')` when another key may live (T35).
   */
  async give(ceremony: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#ceremonies.given !== ceremony) await this.#appendOfCeremony({ type: 'ceremony-given', ceremony });
    });
  }

  /** The hash chain shows that the record is ours as we wrote it; only a newer version's would be of another type. */
  #read(value: unknown, nowUnixSeconds: number): void {
    const record = value as MemberRecord;
    if (!isCeremonyRecord(record) && !otherTypes.includes(record.type))
      throw new ParticipantError(
        'damaged',
        `the journal holds a record ${printableJson(record.type)} of another version of frostmark`,
      );
    if (isCeremonyRecord(record)) assertFollows(this.#ceremonies, record);
    if (isAlive(record, nowUnixSeconds)) this.#apply(record);
  }

  #apply(record: MemberRecord): void {
    if (isLasting(record)) this.#lasting.push(record);
    if (isCeremonyRecord(record)) {
      this.#ceremonies = remembered(this.#ceremonies, record);
      return;
    }
    switch (record.type) {
      case 'incarnation':
        this.#incarnation = record.incarnation;
        return;
      case 'agreed':
        this.#agreed = record;
        return;
      case 'requesters':
        this.#requestersVersion = Math.max(this.#requestersVersion, record.version);
        return;
      case 'document-seen':
        if (record.number > (this.#seenDocuments.get(countOf(record))?.number ?? -1))
          this.#seenDocuments.set(countOf(record), record);
        return;
      case 'document-approved':
        this.#approvedDocuments.set(countOf(record), record);
        return;
      case 'backup':
        this.#backups.set(record.backup, { at: record.at, isDestroyed: false });
        return;
      case 'backup-destroyed':
        this.#backups.set(record.backup, { at: this.#backups.get(record.backup)?.at ?? 0, isDestroyed: true });
        return;
      case 'restored':
        this.#restoration = { at: record.at, isCaughtUp: false };
        return;
      case 'caught-up':
        if (this.#restoration !== undefined) this.#restoration = { ...this.#restoration, isCaughtUp: true };
        return;
      case 'decision':
        this.#round(record.decision.requestDigest, record.expiresAt).said = record.decision;
        this.#approving.delete(record.decision.requestDigest);
        return;
      case 'burn':
        this.#round(record.requestDigest, record.expiresAt).attempts.set(record.attempt, {
          stage: record.stage,
          shares: undefined,
        });
        return;
      case 'share':
        this.#round(record.share.requestDigest, record.expiresAt).attempts.set(record.share.attempt, {
          stage: record.share.stage,
          shares: record.share,
        });
        return;
    }
  }

  #round(requestDigest: string, expiresAt: number): RoundMemory {
    const known = this.#rounds.get(requestDigest);
    if (known !== undefined) return known;
    const fresh: RoundMemory = { said: undefined, expiresAt, isOver: false, attempts: new Map() };
    this.#rounds.set(requestDigest, fresh);
    return fresh;
  }
}

/** What excludes two keys is judged before it is written: a journal that has both was put together from two, or is another version's. */
function assertFollows(memory: CeremonyMemory, record: CeremonyRecord): void {
  const found = contradictionOf(memory, record);
  if (found !== undefined)
    throw new ParticipantError(
      'damaged',
      `the journal contradicts itself: its record ${record.type} of the ceremony ${record.ceremony} is excluded by those before it (${found}); put one back that is as new and whole`,
    );
}

/** Whether a record still counts: shares until their request dies, decisions and burned attempts for a day longer, all else for ever. */
function isAlive(record: MemberRecord, nowUnixSeconds: number): boolean {
  if (isCeremonyRecord(record)) return true;
  switch (record.type) {
    case 'share':
      return record.expiresAt > nowUnixSeconds;
    case 'decision':
    case 'burn':
      return record.expiresAt + keptAfterExpirySeconds > nowUnixSeconds;
    case 'incarnation':
    case 'agreed':
    case 'requesters':
    case 'document-seen':
    case 'document-approved':
    case 'backup':
    case 'backup-destroyed':
    case 'restored':
    case 'caught-up':
      return true;
  }
}

/** Whether a record goes into a backup. */
export function isLasting({ type }: { readonly type: string }): boolean {
  return isCeremonyRecord({ type }) || lastingTypes.includes(type);
}
