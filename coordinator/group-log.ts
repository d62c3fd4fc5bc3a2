/**
 * The log of one group: appends records in batches, and gives back nothing that was not proved against its head (RFC 6962; PROTOCOL.md, section
 * 13.5). In memory are the head, the right edge of its tree, and what is pending.
 */
import { ProtocolError } from '../protocol/errors.ts';
import { sealCheckpoint, type Checkpoint } from '../protocol/record/checkpoint.ts';
import {
  append,
  digestSetOfGroup,
  digestSetOfHeads,
  digestSetOfPending,
  emptyTip,
  encodeHead,
  type Head,
  type Tip,
} from '../protocol/record/head.ts';
import { blobsOf, decodeLeaf, encodeLeaf, type LogRecord } from '../protocol/record/leaf.ts';
import type { LogIdentity } from '../protocol/record/order.ts';
import { isSameSet } from '../protocol/record/set-digest.ts';
import { tileWidth, type FilledTile } from '../protocol/record/tile.ts';
import { assertConsistency } from '../protocol/record/proof.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import type { Identity } from '../protocol/wire/envelope.ts';
import type { Anchor } from './anchor.ts';
import {
  damaged,
  type Database,
  type IndexChanges,
  type JournalEntry,
  type Passing,
  type RoundEntry,
  type RoundsAsked,
  type StorePaths,
} from './database.ts';
import { Draft, type IndexState, type Leaf } from './draft.ts';
import { CoordinatorError } from './errors.ts';
import { anchorAfterMs, lazyWriteMs, maxBatchBytes } from './limits.ts';
import { fromLeafRecord, toLeafRecord, type ClosedRecord, type StoreRecord } from './records.ts';
import { TreeDamage, Tiles } from './tiles.ts';

/** What all logs of a store share. */
export interface LogWorld {
  readonly database: Database;
  readonly anchor: Anchor;
  readonly paths: StorePaths;
  /** Nothing can be stored any more, in any log. */
  readonly fail: (cause: unknown) => CoordinatorError;
  /** Why nothing is stored any more; `undefined` while all is well. */
  readonly refusal: () => CoordinatorError | undefined;
}

/** One call of `append`: its records come together, in one batch. */
interface Waiting {
  readonly records: readonly Leaf[];
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly bytes: number;
  readonly resolve: (first: number) => void;
  readonly reject: (error: Error) => void;
}

/** One log that is open. */
export class GroupLog {
  readonly name: LogIdentity;
  readonly #world: LogWorld;
  readonly #tiles: Tiles;
  readonly #pending: Map<string, RoundEntry>;
  #tip: Tip;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #lazy: StoreRecord[] = [];
  #lazyTimer: NodeJS.Timeout | undefined;
  #anchorTimer: NodeJS.Timeout | undefined;
  #checkpoint: Checkpoint | undefined;

  /** Only `bornLog` and `loadLog` make one. */
  constructor(world: LogWorld, name: LogIdentity, at: { readonly tip: Tip; readonly pending: readonly RoundEntry[] }) {
    this.#world = world;
    this.name = name;
    this.#tip = at.tip;
    this.#pending = new Map(at.pending.map((round) => [round.digest, round]));
    this.#tiles = new Tiles(world.database, name.log);
  }

  /** The newest head on the medium. */
  get head(): Head {
    return this.#tip.head;
  }

  /** Rounds that are not over, in the order in which they were opened. */
  get pending(): RoundEntry[] {
    return [...this.#pending.values()];
  }

  /**
   * Resolves with the number of the first when all records, and the bytes that they name, are on the medium; a crash before leaves all or none. Calls
   * that wait together are synced together, in order. Throws `CoordinatorError` (`store-failed`, `closing`) or `ProtocolError` (`conflict`,
   * `bad-record`) for records that cannot come here.
   */
  append(records: readonly StoreRecord[], blobs: readonly Uint8Array[] = []): Promise<number> {
    const refusal = this.#world.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#flushLazy();
    return this.#enqueue(records, blobs);
  }

  /** Stores a record with the next one, or soon: nobody is told that it is there. */
  appendLazily(record: StoreRecord): void {
    this.#lazy.push(record);
    this.#lazyTimer ??= setTimeout(() => this.#flushLazy(), lazyWriteMs);
  }

  #flushLazy(): void {
    clearTimeout(this.#lazyTimer);
    this.#lazyTimer = undefined;
    const records = this.#lazy.splice(0);
    if (records.length > 0) this.#enqueue(records, []).catch(() => undefined); // told by the world's `fail`
  }

  #enqueue(records: readonly StoreRecord[], files: readonly Uint8Array[]): Promise<number> {
    const blobs = new Map(files.map((bytes) => [sha256Hex(bytes), bytes]));
    const leaves = records.map((record): Leaf => {
      const { record: leaf, blob } = toLeafRecord(record);
      if (blob !== undefined) blobs.set(sha256Hex(blob), blob);
      return { record, leaf };
    });
    const bytes = [...blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records: leaves, blobs, bytes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** The one writer: takes all that waits, writes it, answers, until nothing waits. Never rejects. */
  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is appended in one turn is synced together
    while (this.#waiting.length > 0) {
      const calls = this.#nextCalls();
      try {
        const refusal = this.#world.refusal();
        if (refusal?.code === 'store-failed') throw refusal;
        await this.#write(calls);
      } catch (error) {
        // After a failed write nobody knows what the medium holds; only opening it anew tells.
        const failure = this.#world.fail(error);
        for (const { reject } of [...calls, ...this.#waiting.splice(0)]) reject(failure);
      }
    }
    this.#writing = undefined;
  }

  #nextCalls(): Waiting[] {
    let total = 0;
    const fitting = this.#waiting.findIndex(({ bytes }) => (total += bytes) > maxBatchBytes);
    return this.#waiting.splice(0, fitting === -1 ? this.#waiting.length : Math.max(fitting, 1));
  }

  async #write(calls: readonly Waiting[]): Promise<void> {
    const draft = new Draft(this.#state());
    const leaves: Uint8Array[] = [];
    const blobs = new Map<string, Uint8Array>();
    const answers: (() => void)[] = [];
    let isWeighty = false;
    for (const call of calls) {
      try {
        const records = await draft.judge(call.records);
        const encoded = records.map(({ leaf }) => encodeLeaf(leaf));
        const first = this.head.size + leaves.length;
        for (const [at, record] of records.entries()) await draft.add(record, first + at);
        leaves.push(...encoded);
        for (const { sha256 } of records.flatMap(({ leaf }) => blobsOf(leaf))) {
          const bytes = call.blobs.get(sha256);
          if (bytes !== undefined) blobs.set(sha256, bytes);
        }
        isWeighty ||= records.some(({ record }) => weighty.has(record.type));
        answers.push(() => call.resolve(first));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        call.reject(error);
      }
    }
    if (leaves.length > 0) await this.#commit({ draft, leaves, blobs, isWeighty });
    for (const answer of answers) answer();
  }

  async #commit({ draft, leaves, blobs, isWeighty }: Drafted): Promise<void> {
    const { database, anchor } = this.#world;
    const appended = append(this.#tip, leaves, draft.changes);
    const { leafHashes, tiles, nodes, head, edge } = appended;
    const dropped = await draft.dropped();
    for (const sha256 of dropped) blobs.delete(sha256);
    await database.append(this.name.log, {
      ...draft.indexChanges,
      size: this.head.size,
      leaves: leaves.map((bytes, at) => ({ bytes, hash: leafHashes[at] ?? new Uint8Array() })),
      tiles,
      nodes,
      head: encodeHead(head),
      blobs,
      dropped,
    });
    this.#tip = { head, edge };
    this.#follow(draft.indexChanges);
    if (isWeighty) await anchor.write(this.name.log, head);
    else this.#anchorTimer ??= setTimeout(() => void this.#anchorNow(), anchorAfterMs);
  }

  #follow({ rounds }: IndexChanges): void {
    for (const round of rounds) {
      if (round.outcome === 'pending') this.#pending.set(round.digest, round);
      else this.#pending.delete(round.digest);
    }
  }

  /** Follows the log by some milliseconds, so that nobody waits for it: it tells lost files, which are rare, not crashes. */
  async #anchorNow(): Promise<void> {
    clearTimeout(this.#anchorTimer);
    this.#anchorTimer = undefined;
    const { anchor, fail } = this.#world;
    const { head } = this.#tip;
    if (anchor.treeOf(this.name.log)?.size === head.size) return;
    try {
      await anchor.write(this.name.log, head);
    } catch (error) {
      fail(error);
    }
  }

  #state(): IndexState {
    const { database } = this.#world;
    const { log } = this.name;
    return {
      round: async (digest) => this.#pending.get(digest) ?? (await database.round(log, digest)),
      journal: (member, incarnation) => database.journal(log, member, incarnation),
      journalsOf: (member) => database.journalsOf(log, member),
      namesOf: (sha256) => database.namesOf(log, sha256),
    };
  }

  /** One record by its number. Throws `CoordinatorError('store-damaged')` if it is not the one that was written. */
  async record(index: number): Promise<StoreRecord> {
    const leaf = await this.#proved((tip) => this.#tiles.leaf(tip, index));
    return fromLeafRecord(decodeLeaf(leaf), (sha256) => this.blob(sha256));
  }

  /** Bytes of one leaf. */
  leaf(index: number): Promise<Uint8Array> {
    return this.#proved((tip) => this.#tiles.leaf(tip, index));
  }

  /** The first leaves of a tile of level 0, as many as it is wide. */
  leaves(index: number, width: number): Promise<Uint8Array[]> {
    return this.#proved((tip) => this.#tiles.leaves(tip, index, width));
  }

  /** The first hashes of a tile of the tree, as many as it is wide. */
  async tile(level: number, index: number): Promise<FilledTile> {
    return this.#proved((tip) => this.#tiles.tile(tip, level, index));
  }

  /** Proof that a record is among the first `size`. Throws `ProtocolError('bad-proof')` for numbers that the log does not have. */
  async inclusion(index: number, size: number): Promise<Uint8Array[]> {
    this.#assertReached(size);
    return this.#proved((tip) => this.#tiles.inclusion(tip, index, size));
  }

  /** Proof that the first `older` records are the beginning of the first `newer`. Throws `ProtocolError('bad-proof')`. */
  async consistency(older: number, newer: number): Promise<Uint8Array[]> {
    this.#assertReached(newer);
    return this.#proved((tip) => this.#tiles.consistency(tip, older, newer));
  }

  #assertReached(size: number): void {
    if (size > this.head.size)
      throw new ProtocolError('bad-proof', `the log has ${this.head.size} records, not ${size}`);
  }

  async #proved<T>(read: (tip: Tip) => Promise<T>): Promise<T> {
    try {
      return await read(this.#tip);
    } catch (error) {
      if (error instanceof TreeDamage) throw damaged(this.#world.paths, error.message, error);
      throw error;
    }
  }

  /**
   * The bytes that a record names by their SHA-256 (hex). Throws `CoordinatorError`: `archived` for what the operator took out, `store-damaged` if they are
   * gone or changed.
   */
  async blob(sha256: string): Promise<Uint8Array> {
    const { database, paths } = this.#world;
    const bytes = await database.blob(this.name.log, sha256);
    if (bytes === undefined && (await database.isArchived(this.name.log, sha256)))
      throw new CoordinatorError(
        'archived',
        `the bytes ${sha256} were archived by the coordinator's operator: ask there`,
      );
    if (bytes === undefined) throw damaged(paths, `the bytes ${sha256} are missing`);
    if (sha256Hex(bytes) !== sha256) throw damaged(paths, `the bytes ${sha256} are changed`);
    return bytes;
  }

  /** The coordinator's word on the log as it is on the medium now. */
  checkpoint(identity: Identity): Checkpoint {
    if (this.#checkpoint?.tree.size !== this.head.size)
      this.#checkpoint = sealCheckpoint(this.name, this.head, identity);
    return this.#checkpoint;
  }

  /** What is known of a round, pending or over, without reading it. */
  async round(digest: string): Promise<RoundEntry | undefined> {
    return this.#pending.get(digest) ?? (await this.#world.database.round(this.name.log, digest));
  }

  /** The newest round of a submission. */
  async roundOfSubmission(submission: string): Promise<RoundEntry | undefined> {
    const digest = await this.#world.database.ofSubmission(this.name.log, submission);
    return digest === undefined ? undefined : this.round(digest);
  }

  /**
   * Rounds, the one that was opened last first; `passing` counts those that are read in vain. Throws `CoordinatorError`: `too-broad` when it has passed
   * over as many as it may.
   */
  rounds({ before = this.head.size, ...asked }: RoundsAsked, passing: Passing): AsyncIterable<RoundEntry> {
    return this.#world.database.rounds(this.name.log, { ...asked, before }, passing);
  }

  /** Signed rounds of a kind, oldest first: digests. */
  signedOf(kind: RequestKind): Promise<readonly string[]> {
    return this.#world.database.signedOf(this.name.log, kind);
  }

  /**
   * All records of a round, in order; none if it is not here. Each is proved, and whether they are of this round, begin and end it and bring its
   * documents is compared with what the index says of it; that no decision and no evidence is left out, only a check shows.
   * Throws `CoordinatorError('store-damaged')`.
   */
  async recordsOf(digest: string): Promise<StoreRecord[]> {
    const { database, paths } = this.#world;
    for (let again = 0; again < readsOfMovingRound; again += 1) {
      const before = await database.round(this.name.log, digest);
      const indices = await database.ofRound(this.name.log, digest);
      // The database has a batch before this log is told that it has.
      if (this.#writing !== undefined && indices.some((index) => index >= this.head.size)) {
        await this.#writing;
        continue;
      }
      const records = await Promise.all(indices.map((index) => this.record(index)));
      const after = await database.round(this.name.log, digest);
      // It may have gone on while it was read.
      if (JSON.stringify(before) !== JSON.stringify(after)) continue;
      if (isWholeRound(digest, after, records)) return records;
      break;
    }
    throw damaged(paths, `an index does not have the records of the round ${digest}: ${rebuildIt}`);
  }

  /** How a round ended; `undefined` if it did not, or is not here. Reads one record. Throws `CoordinatorError('store-damaged')`. */
  async endOf({ digest, outcome, end }: RoundEntry): Promise<ClosedRecord | undefined> {
    if (end === undefined) return undefined;
    const record = await this.record(end);
    if (record.type === 'closed' && record.digest === digest && record.outcome === outcome) return record;
    throw damaged(this.#world.paths, `an index does not have the end of the round ${digest}: ${rebuildIt}`);
  }

  /** Records of the group itself: its ceremonies, keys and documents, in order. */
  async *ofGroup(): AsyncIterable<StoreRecord> {
    for (const index of await this.#world.database.ofGroup(this.name.log)) yield await this.record(index);
  }

  /** The newest journal head of each member and incarnation, in order. */
  journals(): Promise<readonly JournalEntry[]> {
    return this.#world.database.journals(this.name.log);
  }

  /** Every entry of the indexes as text, in one order. */
  dumpIndexes(): AsyncIterable<string> {
    return this.#world.database.dumpIndexes(this.name.log);
  }

  /** Which records from `first` on, so many, the indexes do not name though they are there: numbers. */
  async unindexed(first: number, records: readonly LogRecord[]): Promise<number[]> {
    const { database } = this.#world;
    const { log } = this.name;
    const missing: number[] = [];
    for (const [at, record] of records.entries()) {
      if (record.type === 'journal') continue; // compared with the head at each start
      const isThere =
        'digest' in record
          ? (await database.isOfRound(log, record.digest, first + at)) &&
            (await database.round(log, record.digest)) !== undefined
          : await database.isOfGroup(log, first + at);
      if (!isThere) missing.push(first + at);
    }
    return missing;
  }

  /** Who needs a blob: rounds by their digests, `undefined` among them for good. */
  namesOf(sha256: string): AsyncIterable<string | undefined> {
    return this.#world.database.namesOf(this.name.log, sha256);
  }

  /** Whether a record, or a round that needs it, names a blob. */
  async isNamed(sha256: string): Promise<boolean> {
    let isNamed = false;
    for await (const by of this.namesOf(sha256)) {
      isNamed = by !== '';
      break;
    }
    return isNamed;
  }

  /** Whether a record, or a round that needs it, names a blob and the operator did not take it out. */
  async isNeeded(sha256: string): Promise<boolean> {
    return (await this.isNamed(sha256)) && !(await this.#world.database.isArchived(this.name.log, sha256));
  }

  /** Takes blobs out, for good. */
  archive(sha256: readonly string[]): Promise<void> {
    return this.#world.database.archive(this.name.log, sha256);
  }

  /** Waits for what is under way, and lets the anchor follow. */
  async close(): Promise<void> {
    this.#flushLazy();
    while (this.#writing !== undefined) await this.#writing;
    if (this.#world.refusal()?.code !== 'store-failed') await this.#anchorNow();
    clearTimeout(this.#anchorTimer);
  }

  /** Compares the indexes that a start rests on with the head; `undefined` if they agree. Refuses a log that is not what its anchor knows. */
  async settle(): Promise<'rebuilt' | undefined> {
    const { database } = this.#world;
    const { log } = this.name;
    await this.#assertAnchored();
    const isWhole = !(await database.isRebuilding(log)) && (await this.#isIndexed());
    if (!isWhole) await this.rebuild();
    for (const digest of await database.pending(log)) {
      const round = await database.round(log, digest);
      if (round === undefined) throw damaged(this.#world.paths, `the indexes do not have the pending round ${digest}`);
      this.#pending.set(digest, round);
    }
    return isWhole ? undefined : 'rebuilt';
  }

  /** Whether the indexes that a start rests on are those of the head. */
  async #isIndexed(): Promise<boolean> {
    const { database } = this.#world;
    const { log } = this.name;
    return (
      isSameSet(this.head.pending, digestSetOfPending(await database.pending(log))) &&
      isSameSet(this.head.heads, digestSetOfHeads(await database.journals(log))) &&
      isSameSet(this.head.group, digestSetOfGroup(await database.ofGroup(log)))
    );
  }

  async #assertAnchored(): Promise<void> {
    const { anchor, paths } = this.#world;
    const known = anchor.treeOf(this.name.log);
    const { size, root } = this.head;
    if (known === undefined) throw damaged(paths, `${paths.anchor} does not know the log ${this.name.log}`);
    if (size < known.size) throw damaged(paths, `a log ends at record ${size}, and ${known.size} were acknowledged`);
    if (known.size === 0) return;
    try {
      const proof = await this.consistency(known.size, size);
      assertConsistency({ older: known, newer: { size, root }, proof });
    } catch (error) {
      if (error instanceof CoordinatorError) throw error;
      throw damaged(paths, `a log of ${size} records is not the one that ${paths.anchor} knows`, error);
    }
  }

  /** Makes the indexes anew from the records. Throws `CoordinatorError('store-damaged')`. */
  async rebuild(): Promise<void> {
    const { database, paths } = this.#world;
    await database.rebuild(this.name.log, this.changes());
    if (!(await this.#isIndexed())) throw damaged(paths, 'its records do not make the indexes that its head knows');
  }

  /** What each bundle of records changes in the indexes, from the first. Throws `CoordinatorError('store-damaged')`. */
  async *changes(): AsyncIterable<IndexChanges> {
    const memory = new IndexMemory();
    for (let index = 0; index * tileWidth < this.head.size; index += 1) {
      const draft = new Draft(memory);
      const width = Math.min(tileWidth, this.head.size - index * tileWidth);
      for (const [at, bytes] of (await this.leaves(index, width)).entries()) {
        const leaf = decodeLeaf(bytes);
        const record = await fromLeafRecord(leaf, (sha256) => this.blob(sha256));
        await draft.add({ record, leaf }, index * tileWidth + at);
      }
      memory.follow(draft.indexChanges);
      yield draft.indexChanges;
    }
  }
}

async function* nobody(): AsyncIterable<never> {
  yield* await Promise.resolve([]);
}

/** The state of the indexes while they are made anew: what later records can still change. */
class IndexMemory implements IndexState {
  readonly #rounds = new Map<string, RoundEntry>();
  /** By member, then by incarnation. */
  readonly #journals = new Map<string, Map<string, JournalEntry>>();

  round(digest: string): Promise<RoundEntry | undefined> {
    return Promise.resolve(this.#rounds.get(digest));
  }

  journal(member: string, incarnation: string): Promise<JournalEntry | undefined> {
    return Promise.resolve(this.#journals.get(member)?.get(incarnation));
  }

  journalsOf(member: string): Promise<JournalEntry[]> {
    return Promise.resolve([...(this.#journals.get(member)?.values() ?? [])]);
  }

  /** Nothing is dropped where indexes are made: blobs are what they are. */
  namesOf(): AsyncIterable<string | undefined> {
    return nobody();
  }

  follow({ rounds, journals, forgotten }: IndexChanges): void {
    for (const round of rounds) {
      if (round.outcome === 'pending') this.#rounds.set(round.digest, round);
      else this.#rounds.delete(round.digest);
    }
    for (const entry of journals) {
      const known = this.#journals.get(entry.member) ?? new Map<string, JournalEntry>();
      this.#journals.set(entry.member, known.set(entry.journal.incarnation, entry));
    }
    for (const { member, incarnation } of forgotten) this.#journals.get(member)?.delete(incarnation);
  }
}

/** Reads of a round that goes on meanwhile: once for each of its documents, once for its end, and some for writes under way. */
const readsOfMovingRound = 32;

const rebuildIt = 'run frostmark coordinator check --rebuild';

/** Whether records are those of one round as its entry says: its beginning, its documents, its end. */
function isWholeRound(digest: string, entry: RoundEntry | undefined, records: readonly StoreRecord[]): boolean {
  const [first] = records;
  if (entry === undefined || first === undefined) return entry === undefined && first === undefined;
  const documents = records.flatMap((record) => (record.type === 'round-document' ? [record.document.sha256] : []));
  const [end = 'pending'] = records.flatMap((record) => (record.type === 'closed' ? [record.outcome] : []));
  return (
    first.type === 'round' &&
    records.every((record) => 'digest' in record && record.digest === digest) &&
    end === entry.outcome &&
    documents.join() === entry.documents.join()
  );
}

interface Drafted {
  readonly draft: Draft;
  readonly leaves: readonly Uint8Array[];
  readonly blobs: Map<string, Uint8Array>;
  readonly isWeighty: boolean;
}

/** Records after which the anchor follows at once: what a group is rests on them. */
const weighty: ReadonlySet<StoreRecord['type']> = new Set(['born', 'charter', 'group', 'group-document', 'moved']);

/** A log that has no record yet: the first batch has to begin with its birth. */
export function bornLog(world: LogWorld, name: LogIdentity): GroupLog {
  return new GroupLog(world, name, { tip: emptyTip, pending: [] });
}
