/** Records on their way into a log: whether they may come there, and what they change in its indexes, which follows from the records alone. */
import { blobsOf, type LogRecord } from '../protocol/record/leaf.ts';
import type { Changes } from '../protocol/record/head.ts';
import { submissionId } from '../protocol/request/request.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { BlobName, IndexChanges, JournalEntry, RoundEntry } from './database.ts';
import type { RecordOf, StoreRecord } from './records.ts';
import { storedRequest } from './round-body.ts';

/** What the indexes say before the records come. */
export interface IndexState {
  round(digest: string): Promise<RoundEntry | undefined>;
  journal(member: string, incarnation: string): Promise<JournalEntry | undefined>;
  /** Who needs a blob; `undefined` among them is for good. */
  namesOf(sha256: string): Promise<readonly (string | undefined)[]>;
}

/** A record with its leaf, as it is stored. */
export interface Leaf {
  readonly record: StoreRecord;
  readonly leaf: LogRecord;
}

/** Collects what a number of records, one after another, changes. */
export class Draft {
  readonly #state: IndexState;
  readonly #rounds = new Map<string, RoundEntry>();
  readonly #journals = new Map<string, JournalEntry>();
  readonly #names = new Map<string, Set<string | undefined>>();
  readonly #opened: RoundEntry[] = [];
  readonly #closed: string[] = [];
  readonly #moves: Changes['journals'][number][] = [];
  readonly #named: BlobName[] = [];
  readonly #unnamed: BlobName[] = [];
  readonly #charters: string[] = [];
  readonly #ofRounds: { readonly digest: string; readonly index: number }[] = [];
  readonly #ofGroup: number[] = [];

  constructor(state: IndexState) {
    this.#state = state;
  }

  /**
   * Which of some records come into the log: all, but for the end of a round that is over, for the first one counts, and a document that came after it.
   * Throws `ProtocolError('conflict')` for a round that is there, and `bad-record` for one that belongs to none.
   */
  async judge(records: readonly Leaf[]): Promise<Leaf[]> {
    const states = new Map<string, 'pending' | 'over'>();
    const taken: Leaf[] = [];
    for (const one of records) {
      const { record } = one;
      if ('digest' in record) {
        const state = states.get(record.digest) ?? stateOf(await this.round(record.digest));
        if (record.type === 'round' && state !== undefined)
          throw new ProtocolError('conflict', 'this very request is here already; ask again, with a new time');
        if (record.type !== 'round' && state === undefined)
          throw new ProtocolError('bad-record', `the round ${record.digest} of a "${record.type}" record is not here`);
        if (state === 'over' && (record.type === 'closed' || record.type === 'round-document')) continue;
        states.set(record.digest, record.type === 'closed' ? 'over' : (state ?? 'pending'));
      }
      taken.push(one);
    }
    return taken;
  }

  /** Takes in a record that comes next, with its number. */
  async add({ record, leaf }: Leaf, index: number): Promise<void> {
    if ('digest' in record) this.#ofRounds.push({ digest: record.digest, index });
    for (const { sha256 } of blobsOf(leaf))
      await this.#name({ sha256, by: record.type === 'round-document' ? record.digest : undefined });
    switch (record.type) {
      case 'charter':
        this.#charters.push(record.charter);
        this.#ofGroup.push(index);
        break;
      case 'born':
      case 'moved':
      case 'arrived':
      case 'ceremony':
      case 'group':
      case 'group-document':
        this.#ofGroup.push(index);
        break;
      case 'journal':
        await this.#addJournal(record, index);
        break;
      case 'round':
        this.#addRound(record, index);
        break;
      case 'round-document':
        await this.#addDocument(record);
        break;
      case 'closed':
        await this.#close(record);
        break;
      case 'decision':
      case 'evidence':
        break;
    }
  }

  /** A round as it is with all records so far. */
  async round(digest: string): Promise<RoundEntry | undefined> {
    return this.#rounds.get(digest) ?? (await this.#state.round(digest));
  }

  #addRound({ digest, charter, request }: RecordOf<'round'>, index: number): void {
    const { asker, payload, createdAtUnixSeconds: createdAt, ...rest } = storedRequest(request);
    const { channel, kind, groupKey } = payload;
    const submission = submissionId({ asker, payload, createdAtUnixSeconds: createdAt, ...rest });
    const of = { digest, index, charter, submission, asker, channel, kind, groupKey, createdAt };
    const entry: RoundEntry = { ...of, documents: [], outcome: 'pending' };
    this.#rounds.set(digest, entry);
    this.#opened.push(entry);
  }

  async #addDocument({ digest, document }: RecordOf<'round-document'>): Promise<void> {
    const round = await this.round(digest);
    if (round === undefined) return;
    this.#rounds.set(digest, { ...round, documents: [...round.documents, document.sha256] });
  }

  /** What was signed stays whole, for certificates of stock tools are made of it; other documents are dropped (T43). */
  async #close({ digest, outcome }: RecordOf<'closed'>): Promise<void> {
    const round = await this.round(digest);
    if (round === undefined) return;
    this.#rounds.set(digest, { ...round, outcome });
    this.#closed.push(digest);
    if (outcome === 'signed') return;
    for (const sha256 of round.documents) await this.#unname({ sha256, by: digest });
  }

  async #addJournal({ member, journal }: RecordOf<'journal'>, index: number): Promise<void> {
    const key = `${member} ${journal.incarnation}`;
    const before = this.#journals.get(key) ?? (await this.#state.journal(member, journal.incarnation));
    const after = { member, journal, index };
    this.#journals.set(key, after);
    this.#moves.push({ before, after });
  }

  async #name(name: BlobName): Promise<void> {
    (await this.#namesOf(name.sha256)).add(name.by);
    this.#named.push(name);
  }

  async #unname(name: BlobName): Promise<void> {
    (await this.#namesOf(name.sha256)).delete(name.by);
    this.#unnamed.push(name);
  }

  async #namesOf(sha256: string): Promise<Set<string | undefined>> {
    const known = this.#names.get(sha256) ?? new Set(await this.#state.namesOf(sha256));
    this.#names.set(sha256, known);
    return known;
  }

  /** What the head has to follow. */
  get changes(): Changes {
    return { opened: this.#opened.map(({ digest }) => digest), closed: this.#closed, journals: this.#moves };
  }

  /** SHA-256 of blobs that no record needs from here on, hex. */
  get dropped(): string[] {
    return [...new Set(this.#unnamed.map(({ sha256 }) => sha256))].filter((one) => this.#names.get(one)?.size === 0);
  }

  /** What is written into the indexes. */
  get indexChanges(): IndexChanges {
    const isNamed = ({ sha256, by }: BlobName): boolean => this.#names.get(sha256)?.has(by) === true;
    return {
      charters: this.#charters,
      rounds: [...this.#rounds.values()],
      submitted: this.#opened,
      ofRounds: this.#ofRounds,
      ofGroup: this.#ofGroup,
      journals: [...this.#journals.values()],
      named: this.#named.filter(isNamed),
      unnamed: this.#unnamed.filter((name) => !isNamed(name)),
    };
  }
}

function stateOf(round: RoundEntry | undefined): 'pending' | 'over' | undefined {
  if (round === undefined) return undefined;
  return round.outcome === 'pending' ? 'pending' : 'over';
}
