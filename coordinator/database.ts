/** What the coordinator asks of a database, in its own words: an embedded one and a server can answer alike, and nobody else knows which it is. */
import type { HashedNode } from '../protocol/record/edge.ts';
import type { JournalHead, Outcome } from '../protocol/wire/frames.ts';
import type { FilledTile } from '../protocol/record/tile.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { CoordinatorError } from './errors.ts';
import type { RoundFilter } from './round-query.ts';

/** Where a coordinator's home keeps what it must not forget. */
export interface StorePaths {
  /** Folder of the database. */
  readonly database: string;
  /** The file that says how far its logs reach at least. */
  readonly anchor: string;
}

/** A line of the directory: which log a charter's records are in. */
export interface DirectoryLine {
  /** Hash of a charter, hex: the founding one, or that of a succession. */
  readonly charter: string;
  /** Id of the log, hex. */
  readonly log: string;
}

/** What the indexes know of a round; all of it follows from the records of the log. */
export interface RoundEntry {
  /** Request digest, hex. */
  readonly digest: string;
  /** Number of the record that opened it. */
  readonly index: number;
  readonly charter: string;
  readonly submission: string;
  /** Identity key, base64url. */
  readonly asker: string;
  readonly channel: string;
  readonly kind: RequestKind;
  /** Base64url. */
  readonly groupKey: string;
  /** Unix seconds, as the request says. */
  readonly createdAt: number;
  /** SHA-256 of the documents that came, hex. */
  readonly documents: readonly string[];
  readonly outcome: Outcome;
  /** Number of the record that ended it; `undefined` while it is pending. */
  readonly end?: number | undefined;
}

/** The newest journal head of a member's incarnation. */
export interface JournalEntry {
  /** Identity key, base64url. */
  readonly member: string;
  readonly journal: JournalHead;
  /** Number of its record. */
  readonly index: number;
}

/** One life of a member's journal. */
export interface Incarnation {
  /** Identity key, base64url. */
  readonly member: string;
  /** 32 hex digits. */
  readonly incarnation: string;
}

/** Who needs a blob: a record whatever happens, or a round for as long as it is pending or signed. */
export interface BlobName {
  readonly sha256: string;
  /** Digest of the round; `undefined` for good. */
  readonly by: string | undefined;
}

/** What some records change in the indexes of their log. */
export interface IndexChanges {
  /** Charters whose records are in the log from here on. */
  readonly charters: readonly string[];
  /** As they are now. */
  readonly rounds: readonly RoundEntry[];
  /** Which round answers a submission from here on. */
  readonly submitted: readonly { readonly submission: string; readonly digest: string }[];
  /** Records of a round. */
  readonly ofRounds: readonly { readonly digest: string; readonly index: number }[];
  /** Records of the group itself: numbers. */
  readonly ofGroup: readonly number[];
  readonly journals: readonly JournalEntry[];
  /** Incarnations that are remembered no more. */
  readonly forgotten: readonly Incarnation[];
  readonly named: readonly BlobName[];
  readonly unnamed: readonly BlobName[];
}

/** All that is written when records are appended: all of it, or nothing. */
export interface Batch extends IndexChanges {
  /** Number of the first leaf. */
  readonly size: number;
  /** With the hash of each. */
  readonly leaves: readonly { readonly bytes: Uint8Array; readonly hash: Uint8Array }[];
  readonly tiles: readonly FilledTile[];
  /** Roots of those tiles. */
  readonly nodes: readonly HashedNode[];
  /** The head that results, as it is stored. */
  readonly head: Uint8Array;
  /** By SHA-256, hex. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** SHA-256 of blobs that nobody needs any more. */
  readonly dropped: readonly string[];
}

/** Rounds in the order in which they were opened, the last first. */
export interface RoundsAsked extends RoundFilter {
  readonly groupKey?: string | undefined;
  /** Only rounds that were opened before this record. */
  readonly before?: number | undefined;
}

/** How many rounds a question may pass over that are not what it asks for, and how many it did so far. */
export interface Passing {
  readonly most: number;
  count: number;
}

/** Where the slow walk over everything goes on. */
export interface WalkPlace {
  /** Id of the log, hex. */
  readonly log: string;
  /** Number of the next record. */
  readonly index: number;
}

/** A database of logs. What it gives back is believed by nobody before it is compared with a head. */
export interface Database {
  directory(): Promise<readonly DirectoryLine[]>;
  /** Charters that were admitted before this database was begun in place of one that was lost: hashes. */
  lost(): Promise<readonly string[]>;
  /** Resolves when all of it is on the medium. */
  append(log: string, batch: Batch): Promise<void>;

  head(log: string): Promise<Uint8Array | undefined>;
  leaf(log: string, index: number): Promise<Uint8Array | undefined>;
  /** Neighbouring leaves; `undefined` for one that is not there. */
  leaves(log: string, first: number, count: number): Promise<readonly (Uint8Array | undefined)[]>;
  /** Bytes of a full tile. */
  tile(log: string, level: number, index: number): Promise<Uint8Array | undefined>;
  /** Hashes at a level of tiles: of leaves, and the roots of full tiles. */
  hashes(log: string, level: number, first: number, count: number): Promise<readonly (Uint8Array | undefined)[]>;
  blob(log: string, sha256: string): Promise<Uint8Array | undefined>;
  /** Whether the operator took these bytes out. */
  isArchived(log: string, sha256: string): Promise<boolean>;
  /** Takes bytes out, and remembers that it did until they are appended again. */
  archive(log: string, sha256: readonly string[]): Promise<void>;

  pending(log: string): Promise<readonly string[]>;
  /** In the order of their records. */
  journals(log: string): Promise<readonly JournalEntry[]>;
  journal(log: string, member: string, incarnation: string): Promise<JournalEntry | undefined>;
  /** Of one member, in the order of their records. */
  journalsOf(log: string, member: string): Promise<readonly JournalEntry[]>;
  /** Numbers of the records of the group itself, ascending. */
  ofGroup(log: string): Promise<readonly number[]>;
  isOfGroup(log: string, index: number): Promise<boolean>;
  round(log: string, digest: string): Promise<RoundEntry | undefined>;
  /** Digest of the newest round of a submission. */
  ofSubmission(log: string, submission: string): Promise<string | undefined>;
  /** Numbers of a round's records, ascending. */
  ofRound(log: string, digest: string): Promise<readonly number[]>;
  isOfRound(log: string, digest: string, index: number): Promise<boolean>;
  /** Throws `CoordinatorError('too-broad')` when it has passed over as many as it may. */
  rounds(log: string, asked: RoundsAsked, passing: Passing): AsyncIterable<RoundEntry>;
  /** Signed rounds of a kind, oldest first: digests. */
  signedOf(log: string, kind: RequestKind): Promise<readonly string[]>;
  /** Who needs a blob; `undefined` among them is for good. Thousands of rounds may: whoever asks stops when it knows enough. */
  namesOf(log: string, sha256: string): AsyncIterable<string | undefined>;

  /** Whether the indexes are being made anew, and somebody stopped half-way. */
  isRebuilding(log: string): Promise<boolean>;
  /** Makes the indexes anew from all changes in their order. */
  rebuild(log: string, changes: AsyncIterable<IndexChanges>): Promise<void>;
  /** Every entry of the indexes as text, in one order: two databases of the same records have the same. */
  dumpIndexes(log: string): AsyncIterable<string>;

  /** Where the walk was when somebody noted it last; lost with what was not synced, and no harm. */
  walkPlace(): Promise<WalkPlace | undefined>;
  noteWalkPlace(place: WalkPlace): Promise<void>;
  close(): Promise<void>;
}

/** The refusal of a store that is not what was written: `found` says which part of it. */
export function damaged(paths: StorePaths, found: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError(
    'store-damaged',
    `the store ${paths.database} is damaged: ${found}; put an undamaged copy that is as new back, or move it and ${paths.anchor} ` +
      'away and run: frostmark coordinator init (members bring their groups back; pending rounds have to be asked for again)',
    { cause },
  );
}
