/** Records on their way into a log: whether they may come there, and what they change in its indexes, which follows from the records alone. */
import { blobsOf, type LogRecord } from '../protocol/record/leaf.ts';
import type { Changes } from '../protocol/record/head.ts';
import { submissionId } from '../protocol/request/request.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { BlobName, IndexChanges, JournalEntry, RoundEntry } from './database.ts';
import { maxIncarnations } from './limits.ts';
import type { RecordOf, StoreRecord } from './records.ts';
import { storedRequest } from './round-body.ts';

/** What the indexes say before the records come. */
export interface IndexState {
  round(digest: string): Promise<RoundEntry | undefined>;
  journal(member: string, incarnation: string): Promise<JournalEntry | undefined>;
  /** Of one member, in the order of their records. */
  journalsOf(member: string): Promise<readonly JournalEntry[]>;
  /** Who needs a blob; `undefined` among them is for good. */
  namesOf(sha256: string): AsyncIterable<string | undefined>;
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
  /** By member, then by incarnation: as they are now, `undefined` for one that is forgotten. */
  readonly #journals = new Map<string, Map<string, JournalEntry | undefined>>();
  /** By SHA-256 of a blob: who needs it from here on, and who does not any more. */
  readonly #names = new Map<string, Map<string | undefined, boolean>>();
  readonly #opened: RoundEntry[] = [];
  readonly #closed: string[] = [];
  readonly #moves: Changes['journals'][number][] = [];
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
      this.#name({ sha256, by: record.type === 'round-document' ? record.digest : undefined }, true);
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
        await this.#close(record, index);
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
  async #close({ digest, outcome }: RecordOf<'closed'>, end: number): Promise<void> {
    const round = await this.round(digest);
    if (round === undefined) return;
    this.#rounds.set(digest, { ...round, outcome, end });
    this.#closed.push(digest);
    if (outcome === 'signed') return;
    for (const sha256 of round.documents) this.#name({ sha256, by: digest }, false);
  }

  async #addJournal({ member, journal }: RecordOf<'journal'>, index: number): Promise<void> {
    const { incarnation } = journal;
    const known = this.#journals.get(member) ?? new Map<string, JournalEntry | undefined>();
    this.#journals.set(member, known);
    const before = known.has(incarnation) ? known.get(incarnation) : await this.#state.journal(member, incarnation);
    if (before === undefined) await this.#makeRoom(member, known);
    const after = { member, journal, index };
    known.set(incarnation, after);
    this.#moves.push({ before, after });
  }

  /** A start reads all that are remembered: the oldest goes when one more begins (T43). */
  async #makeRoom(member: string, known: Map<string, JournalEntry | undefined>): Promise<void> {
    const stored = (await this.#state.journalsOf(member)).filter(({ journal }) => !known.has(journal.incarnation));
    const all = [...stored, ...[...known.values()].flatMap((entry) => entry ?? [])];
    const tooMany = all.sort((a, b) => a.index - b.index).slice(0, Math.max(0, all.length + 1 - maxIncarnations));
    for (const before of tooMany) {
      known.set(before.journal.incarnation, undefined);
      this.#moves.push({ before, after: undefined });
    }
  }

  #name({ sha256, by }: BlobName, isNeeded: boolean): void {
    const names = this.#names.get(sha256) ?? new Map<string | undefined, boolean>();
    this.#names.set(sha256, names.set(by, isNeeded));
  }

  /** What the head has to follow. */
  get changes(): Changes {
    return {
      opened: this.#opened.map(({ digest }) => digest),
      closed: this.#closed,
      journals: this.#moves,
      ofGroup: this.#ofGroup,
    };
  }

  /** SHA-256 of blobs that no record needs from here on, hex. Of those who need one, it reads one more than were dropped here. */
  async dropped(): Promise<string[]> {
    const dropped: string[] = [];
    for (const [sha256, names] of this.#names) {
      const wasNeeded = [...names.values()].includes(false);
      if (wasNeeded && !(await this.#isNeeded(sha256, names))) dropped.push(sha256);
    }
    return dropped;
  }

  async #isNeeded(sha256: string, names: ReadonlyMap<string | undefined, boolean>): Promise<boolean> {
    if ([...names.values()].includes(true)) return true;
    for await (const by of this.#state.namesOf(sha256)) if (!names.has(by)) return true;
    return false;
  }

  /** What is written into the indexes. */
  get indexChanges(): IndexChanges {
    const journals = [...this.#journals].flatMap(([member, known]) =>
      [...known].map(([incarnation, entry]) => ({ member, incarnation, entry })),
    );
    return {
      charters: this.#charters,
      rounds: [...this.#rounds.values()],
      submitted: this.#opened,
      ofRounds: this.#ofRounds,
      ofGroup: this.#ofGroup,
      journals: journals.flatMap(({ entry }) => entry ?? []),
      forgotten: journals.filter(({ entry }) => entry === undefined),
      named: this.#namesThatAre(true),
      unnamed: this.#namesThatAre(false),
    };
  }

  #namesThatAre(needed: boolean): BlobName[] {
    return [...this.#names].flatMap(([sha256, names]) =>
      [...names].filter(([, isNeeded]) => isNeeded === needed).map(([by]) => ({ sha256, by })),
    );
  }
}

function stateOf(round: RoundEntry | undefined): 'pending' | 'over' | undefined {
  if (round === undefined) return undefined;
  return round.outcome === 'pending' ? 'pending' : 'over';
}
