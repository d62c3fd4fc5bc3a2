/** What this member must never forget, as records of its journal, and what they come to when the journal is read again. */
import { randomBytes } from 'node:crypto';
import type { SharePayload } from '../protocol/signing/attempt.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { CeremonyPayload } from '../protocol/ceremony/messages.ts';
import type { Transcript } from '../protocol/ceremony/transcript.ts';
import type { DecisionPayload } from '../protocol/signing/decision.ts';
import type { CeremonyRecord } from '../protocol/ceremony/events.ts';
import type { BurnedAttempt, SignerMemory } from '../protocol/signing/signer.ts';
import type { JournalHead } from '../protocol/wire/frames.ts';
import { ParticipantError } from './errors.ts';
import type { Journal } from './journal.ts';

/** One record of the journal, told apart by `type`. Hashes and digests are SHA-256, hex. */
export type MemberRecord =
  | CeremonyRecord
  /** First record: names this journal's life; a restore begins another. 16 bytes, hex. */
  | { readonly type: 'incarnation'; readonly incarnation: string }
  /** The charter, requesters document and import file this home agreed to: SHA-256, hex. Without an import, `import` is absent. */
  | { readonly type: 'agreed'; readonly charter: string; readonly requesters: string; readonly import?: string }
  /** The share of this transcript is on disk; written before the transcript is signed, so that it can be said again word for word. */
  | {
      readonly type: 'ceremony-share';
      readonly ceremony: string;
      readonly transcript: Transcript;
      readonly proofs: CeremonyPayload<'transcript'>['proofs'];
    }
  /** The newest requesters version that was seen under the group's signature. */
  | { readonly type: 'requesters'; readonly version: number }
  /** `expiresAt`: Unix seconds after which the request is dead and this need not be read any more. */
  | { readonly type: 'decision'; readonly decision: DecisionPayload; readonly expiresAt: number }
  | {
      readonly type: 'burn';
      readonly requestDigest: string;
      readonly attempt: string;
      readonly slot: string;
      readonly expiresAt: number;
    }
  | { readonly type: 'share'; readonly share: SharePayload; readonly expiresAt: number };

/** A share that is stored, of a ceremony whose transcript may be signed. */
export interface StoredShare {
  readonly transcript: Transcript;
  readonly proofs: CeremonyPayload<'transcript'>['proofs'];
}

/** Everything the records say about ceremonies. */
export interface CeremonyMemory {
  readonly agreed: { readonly charter: string; readonly requesters: string; readonly import?: string } | undefined;
  readonly joined: ReadonlySet<string>;
  readonly aborted: ReadonlySet<string>;
  readonly signed: ReadonlySet<string>;
  readonly released: ReadonlySet<string>;
  readonly shares: ReadonlyMap<string, StoredShare>;
  /** The ceremony whose certificate this member holds, with the certificate's hash. */
  readonly certified: { readonly ceremony: string; readonly certificate: string } | undefined;
}

const knownTypes: readonly MemberRecord['type'][] = [
  'incarnation',
  'agreed',
  'ceremony-joined',
  'ceremony-aborted',
  'ceremony-signed',
  'ceremony-released',
  'ceremony-certified',
  'ceremony-share',
  'requesters',
  'decision',
  'burn',
  'share',
];

interface RoundMemory {
  said: DecisionPayload | undefined;
  readonly attempts: Map<string, BurnedAttempt>;
}

/** The journal with its meaning. What `append` resolved for is on the medium. */
export class Records {
  readonly #journal: Journal;
  readonly #rounds = new Map<string, RoundMemory>();
  #incarnation: string | undefined;
  #agreed: CeremonyMemory['agreed'];
  readonly #joined = new Set<string>();
  readonly #aborted = new Set<string>();
  readonly #signed = new Set<string>();
  readonly #released = new Set<string>();
  readonly #shares = new Map<string, StoredShare>();
  #certified: CeremonyMemory['certified'];
  #requestersVersion = 0;

  /**
   * Reads the journal's records; a new journal gets its first. Rounds that died before `nowUnixSeconds` are not kept.
   * Throws `ParticipantError('damaged')` for a record of no known type, and `JournalError`.
   */
  static async open(journal: Journal, nowUnixSeconds: number): Promise<Records> {
    const records = new Records(journal);
    for (const record of journal.records) records.#read(record, nowUnixSeconds);
    if (records.#incarnation === undefined) {
      if (journal.records.length > 0)
        throw new ParticipantError('damaged', 'the journal does not begin with its incarnation');
      await records.append({ type: 'incarnation', incarnation: bytesToHex(randomBytes(16)) });
    }
    return records;
  }

  private constructor(journal: Journal) {
    this.#journal = journal;
  }

  get ceremonies(): CeremonyMemory {
    return {
      agreed: this.#agreed,
      joined: this.#joined,
      aborted: this.#aborted,
      signed: this.#signed,
      released: this.#released,
      shares: this.#shares,
      certified: this.#certified,
    };
  }

  get requestersVersion(): number {
    return this.#requestersVersion;
  }

  /** The head to show at login (T3): what is on the medium now. */
  get head(): JournalHead {
    const { length, hash } = this.#journal.head;
    return { incarnation: this.#incarnation ?? '', length, head: hash };
  }

  /** What survives of a request, by its digest. */
  roundOf(requestDigest: string): SignerMemory {
    const { said, attempts } = this.#rounds.get(requestDigest) ?? { said: undefined, attempts: new Map() };
    return { said, attempts: new Map(attempts) };
  }

  /** Digests of the requests that this member has decided on. */
  decidedRounds(): string[] {
    return [...this.#rounds].flatMap(([digest, { said }]) => (said === undefined ? [] : [digest]));
  }

  /** Lets go of what nobody will ask for again. */
  forgetRound(requestDigest: string): void {
    this.#rounds.delete(requestDigest);
  }

  /** Resolves when the record is on the medium. Throws `ParticipantError('contradiction')` before anything is written, and `JournalError`. */
  async append(record: MemberRecord): Promise<void> {
    this.#assertNoContradiction(record);
    await this.#journal.append(record);
    this.#apply(record);
  }

  /** Signing a transcript and aborting it exclude each other, and who was released from a transcript never certifies it (T35). */
  #assertNoContradiction(record: MemberRecord): void {
    if (!('ceremony' in record)) return;
    const { type, ceremony } = record;
    const excluded =
      (type === 'ceremony-signed' && this.#aborted.has(ceremony)) ||
      (type === 'ceremony-aborted' && this.#signed.has(ceremony)) ||
      (type === 'ceremony-certified' && this.#released.has(ceremony)) ||
      (type === 'ceremony-joined' && this.#joined.has(ceremony)) ||
      (type === 'ceremony-signed' && !this.#shares.has(ceremony));
    if (excluded)
      throw new ParticipantError(
        'contradiction',
        `${type} is excluded by what the journal says of ceremony ${ceremony}`,
      );
  }

  /** The hash chain shows that the record is ours as we wrote it; only a newer version's would be of another type. */
  #read(value: unknown, nowUnixSeconds: number): void {
    const record = value as MemberRecord;
    if (!knownTypes.includes(record.type))
      throw new ParticipantError(
        'damaged',
        `the journal holds a record ${JSON.stringify(record.type)} of another version of frostmark`,
      );
    if ('expiresAt' in record && record.expiresAt <= nowUnixSeconds) return;
    this.#apply(record);
  }

  #apply(record: MemberRecord): void {
    switch (record.type) {
      case 'incarnation':
        this.#incarnation = record.incarnation;
        return;
      case 'agreed':
        this.#agreed = record;
        return;
      case 'ceremony-joined':
        this.#joined.add(record.ceremony);
        return;
      case 'ceremony-aborted':
        this.#aborted.add(record.ceremony);
        return;
      case 'ceremony-share':
        this.#shares.set(record.ceremony, record);
        return;
      case 'ceremony-signed':
        this.#signed.add(record.ceremony);
        return;
      case 'ceremony-released':
        this.#released.add(record.ceremony);
        return;
      case 'ceremony-certified':
        this.#certified = record;
        return;
      case 'requesters':
        this.#requestersVersion = Math.max(this.#requestersVersion, record.version);
        return;
      case 'decision':
        this.#round(record.decision.requestDigest).said = record.decision;
        return;
      case 'burn':
        this.#round(record.requestDigest).attempts.set(record.attempt, { shares: undefined });
        return;
      case 'share':
        this.#round(record.share.requestDigest).attempts.set(record.share.attempt, { shares: record.share });
        return;
    }
  }

  #round(requestDigest: string): RoundMemory {
    const known = this.#rounds.get(requestDigest);
    if (known !== undefined) return known;
    const fresh: RoundMemory = { said: undefined, attempts: new Map() };
    this.#rounds.set(requestDigest, fresh);
    return fresh;
  }
}

/** The ceremony this member signed and was not released from: it can only go on with that one. */
export function openCeremonyOf(memory: CeremonyMemory): StoredShare | undefined {
  const open = [...memory.signed].filter((ceremony) => !memory.released.has(ceremony)).at(-1);
  return open === undefined ? undefined : memory.shares.get(open);
}
