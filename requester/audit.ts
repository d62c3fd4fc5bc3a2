/**
 * The audit of a group's record: everything is fetched, proved against one checkpoint, and opened with the keys that the records themselves vouch for,
 * down from the one key that is pinned. Who asked, who decided and who signed then follows from signed messages alone.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openedOrUndefined } from '../client/checkpoints.ts';
import type { CoordinatorClient } from '../client/client.ts';
import { ClientError } from '../client/errors.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded, writeFileOnce } from '../home/files.ts';
import type { Group } from '../protocol/frost/group.ts';
import { assertTile, Audit, type AuditedRecord } from '../protocol/record/audit.ts';
import { openCheckpoint, originOf, type Checkpoint } from '../protocol/record/checkpoint.ts';
import { decodeEntries } from '../protocol/record/entries.ts';
import { blobsOf, type BlobRef, type LogRecord } from '../protocol/record/leaf.ts';
import { maxBlobBytes, maxLeafBytes, maxNoteBytes } from '../protocol/record/limits.ts';
import { Testimony, type RoundTestimony } from '../protocol/record/testimony.ts';
import { parseTilePath, tilePath, tileWidth, type FilledTile } from '../protocol/record/tile.ts';
import { appendLeaves, emptyTree, hashLeaf, rootOf } from '../protocol/record/tree.ts';
import { equalBytes, sha256Hex } from '../protocol/wire/bytes.ts';
import { encodeBase64 } from '../verifier/base64.ts';
import { RequesterError } from './errors.ts';

/** Where a record is read from. */
export interface RecordSource {
  /** The signed note. */
  checkpoint(): Promise<string>;
  /** Bytes under a path of the log: `tile/…`. */
  tile(path: string): Promise<Uint8Array>;
  /** Bytes by their SHA-256, hex; `undefined` for what it says was archived. Throws for what is not there. */
  blob(sha256: string): Promise<Uint8Array | undefined>;
}

/** What a coordinator serves of its caller's own group. Throws `ClientError`, and `RequesterError('record-gap')` for bytes that it does not have. */
export function servedRecord(
  client: Pick<CoordinatorClient, 'checkpoint' | 'recordTile' | 'recordBlob'>,
): RecordSource {
  return {
    checkpoint: () => client.checkpoint(),
    tile: (path) => client.recordTile(path),
    blob: async (sha256) => {
      try {
        return await client.recordBlob(sha256);
      } catch (error) {
        if (!(error instanceof ClientError) || error.refusal?.code !== 'not-found') throw error;
        throw new RequesterError(
          'record-gap',
          `the coordinator does not have the bytes ${sha256} that its record names, and does not say that they were archived`,
          { cause: error },
        );
      }
    },
  };
}

/** What an audit works with. */
export interface AuditOptions {
  readonly source: RecordSource;
  /** Identity key of the coordinator, 32 bytes: it signs checkpoints. */
  readonly coordinator: Uint8Array;
  /** Base64url: the one thing that is pinned. */
  readonly groupKey: string;
  readonly arithmetic: Group;
  /** The newest note that was kept of this group's log, which this one has to go on from. */
  readonly kept?: string | undefined;
  /** The source is a copy of what was served once: it may be older than the note that was kept, or of the log before. */
  readonly isCopy?: boolean | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/** What the record says, once all of it was proved. */
export interface AuditReport {
  readonly checkpoint: Checkpoint;
  /**
   * How it is next to the note that was kept: `first` without one; `goes-on` was proved; a copy is `older`, or of `other` log than the one that is
   * known now, and nothing is proved about the two.
   */
  readonly followed: Followed;
  /** How the log says that it came to be. */
  readonly from: Extract<LogRecord, { type: 'born' }>['from'];
  /** Rounds that are over, in the order of their ends. */
  readonly rounds: readonly RoundTestimony[];
  /** Rounds that had not ended. */
  readonly pending: number;
  /** Rounds of other keys of the same charter: candidates that never lived. */
  readonly ofOthers: number;
  /** Records that could not be checked whole, because bytes that they name were archived: signatures over documents, and evidence. */
  readonly unchecked: number;
}

type Followed = 'first' | 'goes-on' | 'older' | 'other';

/**
 * Audits all of a record. Throws `ProtocolError` for what does not hold, with the number of the record; `RequesterError`: `wrong-group` for the record of
 * another group, `record-older`, `record-other` or `record-split` next to the checkpoint that was kept, the last only when all is proved; and whatever
 * the source throws.
 */
export async function auditRecord(options: AuditOptions): Promise<AuditReport> {
  const { source, coordinator } = options;
  const checkpoint = openCheckpoint(await source.checkpoint(), coordinator);
  const kept = openKeptNote(options, checkpoint);
  const followed = follow(kept, checkpoint, options.isCopy === true);
  const auditor = new Auditor(options, checkpoint, followed === 'goes-on' ? kept : undefined);
  return { ...(await auditor.run()), followed };
}

/** Throws `RequesterError('record-other')` if what was kept is no note of this coordinator. */
function openKeptNote({ kept, coordinator }: AuditOptions, { note }: Checkpoint): Checkpoint | undefined {
  if (kept === undefined) return undefined;
  const opened = openedOrUndefined(kept, coordinator);
  if (opened !== undefined) return opened;
  throw new RequesterError(
    'record-other',
    'the checkpoint that was kept of this group was not signed by this coordinator: it is of another one, or its file was changed',
    { shownNote: note },
  );
}

/** What the two notes say without a proof. Throws `RequesterError` (`record-older`, `record-other`) of what is served now. */
function follow(kept: Checkpoint | undefined, checkpoint: Checkpoint, isCopy: boolean): Followed {
  if (kept === undefined) return 'first';
  const isOther = originOf(kept) !== originOf(checkpoint);
  if (!isOther && checkpoint.tree.size >= kept.tree.size) return 'goes-on';
  if (isCopy) return isOther ? 'other' : 'older';
  const [before, now] = [kept, checkpoint].map(({ tree }) => tree.size);
  const shownNote = checkpoint.note;
  if (isOther)
    throw new RequesterError(
      'record-other',
      `the coordinator began the record of this group anew (${originOf(checkpoint)}, ${now} records): what it acknowledged until then, ${before} ` +
        `records of ${originOf(kept)}, is in no log that it shows`,
      { shownNote },
    );
  throw new RequesterError(
    'record-older',
    `the coordinator showed ${before} records of this group and shows ${now} now: it lost some, or hides them`,
    { shownNote },
  );
}

class Auditor {
  readonly #options: AuditOptions;
  readonly #checkpoint: Checkpoint;
  readonly #kept: Checkpoint | undefined;
  readonly #testimony: Testimony;
  readonly #documents = new Map<string, BlobRef[]>();
  readonly #rounds: RoundTestimony[] = [];
  #from: AuditReport['from'] | undefined;
  #tree = emptyTree;
  #isSplit = false;
  #ofOthers = 0;
  #unchecked = 0;

  constructor(options: AuditOptions, checkpoint: Checkpoint, kept: Checkpoint | undefined) {
    this.#options = options;
    this.#checkpoint = checkpoint;
    this.#kept = kept;
    this.#testimony = new Testimony(options.arithmetic);
  }

  async run(): Promise<Omit<AuditReport, 'followed'>> {
    const { source, coordinator, onProgress } = this.#options;
    const checkpoint = this.#checkpoint;
    const audit = new Audit(checkpoint, coordinator);
    for (let path = audit.next; path !== undefined; path = audit.next) {
      const entries = await source.tile(path);
      const { records, tiles } = audit.add(entries);
      this.#compareKept(entries, path);
      for (const record of records) await this.#hear(record);
      for (const tile of tiles) await this.#compareTile(tile);
      onProgress?.(records.at(-1)?.index ?? 0, checkpoint.tree.size);
    }
    const tiles = audit.end();
    // Only now the records are those that it signed.
    if (this.#isSplit) throw this.#split();
    for (const tile of tiles) await this.#compareTile(tile);
    return this.#report();
  }

  #split(): RequesterError {
    const { tree, note } = this.#checkpoint;
    const [before, now] = [this.#kept?.tree ?? tree, tree].map(
      ({ size, root }) => `${size} records with root ${encodeBase64(root)}`,
    );
    return new RequesterError(
      'record-split',
      `the coordinator signed two histories of this group, one of ${before} and one of ${now}, and all of the second is proved: both notes and that ` +
        'record together prove it to everybody',
      { shownNote: note },
    );
  }

  #report(): Omit<AuditReport, 'followed'> {
    const { groupKey } = this.#options;
    if (!this.#testimony.epochs.some((epoch) => epoch.groupKey === groupKey))
      throw new RequesterError('wrong-group', 'this record is of a group with another key than the one that is pinned');
    if (this.#from === undefined) throw new RequesterError('wrong-group', 'this record has no beginning');
    return {
      checkpoint: this.#checkpoint,
      from: this.#from,
      rounds: this.#rounds,
      pending: this.#documents.size,
      ofOthers: this.#ofOthers,
      unchecked: this.#unchecked,
    };
  }

  async #compareTile(tile: FilledTile): Promise<void> {
    assertTile(tile, await this.#options.source.tile(tilePath({ kind: 'hashes', ...tile })));
  }

  /** The tree that was known has to be a beginning of this one: its root is made again on the way. */
  #compareKept(entries: Uint8Array, path: string): void {
    const kept = this.#kept;
    if (kept === undefined || this.#tree.size >= kept.tree.size) return;
    const leaves = decodeEntries(entries, parseTilePath(path).width).slice(0, kept.tree.size - this.#tree.size);
    this.#tree = appendLeaves(this.#tree, leaves.map(hashLeaf));
    this.#isSplit = this.#tree.size === kept.tree.size && !equalBytes(rootOf(this.#tree), kept.tree.root);
  }

  async #hear(audited: AuditedRecord): Promise<void> {
    const { record } = audited;
    if (record.type === 'born') this.#from = record.from;
    if (record.type === 'round') this.#documents.set(record.digest, []);
    if (record.type === 'round-document') this.#documents.get(record.digest)?.push(record.document);
    const blobs = await this.#blobsFor(record);
    const round = this.#testimony.hear(audited, (sha256) => blobs.get(sha256));
    if (record.type === 'closed') this.#documents.delete(record.digest);
    if (round === undefined) return;
    if (round.request.payload.groupKey === this.#options.groupKey) this.#rounds.push(round);
    else this.#ofOthers += 1;
  }

  /** What the record names, and at the end of a signed round its documents: those of others were dropped. */
  async #blobsFor(record: LogRecord): Promise<ReadonlyMap<string, Uint8Array>> {
    const named = record.type === 'round-document' ? [] : blobsOf(record);
    const isSigned = record.type === 'closed' && record.outcome === 'signed';
    const documents = isSigned ? (this.#documents.get(record.digest) ?? []) : [];
    const blobs = new Map<string, Uint8Array>();
    for (const { sha256 } of [...named, ...documents]) {
      const bytes = await this.#options.source.blob(sha256);
      if (bytes !== undefined) blobs.set(sha256, bytes);
    }
    if ([...named, ...documents].some(({ sha256 }) => !blobs.has(sha256))) this.#unchecked += 1;
    return blobs;
  }
}

/**
 * Where a record is saved, as it was served: `checkpoint`, `tile/…`, `blobs/<SHA-256>`, and `archived/<SHA-256>`, empty, for what the coordinator said
 * was archived; everything can be audited again from there, offline.
 */
export class RecordFolder implements RecordSource {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async checkpoint(): Promise<string> {
    return new TextDecoder().decode(await this.#read('checkpoint', maxNoteBytes));
  }

  tile(path: string): Promise<Uint8Array> {
    return this.#read(path, tileWidth * (maxLeafBytes + 2));
  }

  async blob(sha256: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#read(`blobs/${sha256}`, maxBlobBytes);
    } catch (error) {
      if (!(error instanceof HomeError) || error.code !== 'missing') throw error;
      if (await this.#isArchived(sha256)) return undefined;
      throw new RequesterError(
        'record-gap',
        `${join(this.#path, 'blobs', sha256)} is missing, and was not archived when this was saved: put it back, or save the record again (--out)`,
        { cause: error },
      );
    }
  }

  async #isArchived(sha256: string): Promise<boolean> {
    try {
      await this.#read(`archived/${sha256}`, 1);
      return true;
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') return false;
      throw error;
    }
  }

  /** The same source, each answer of which is saved here. Throws `HomeError('exists')` for another answer than the one that is there. */
  saving(source: RecordSource): RecordSource {
    return {
      checkpoint: async () => {
        const note = await source.checkpoint();
        await this.#save('checkpoint', new TextEncoder().encode(note));
        return note;
      },
      tile: (path) => this.#through(path, () => source.tile(path)),
      blob: async (sha256) => {
        const bytes = await source.blob(sha256);
        if (bytes === undefined) await this.#save(`archived/${sha256}`, new Uint8Array());
        else await this.#save(`blobs/${sha256}`, bytes);
        return bytes;
      },
    };
  }

  async #through(path: string, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const bytes = await read();
    await this.#save(path, bytes);
    return bytes;
  }

  async #save(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#path, name);
    await mkdir(dirname(path), { recursive: true });
    try {
      await writeFileOnce(path, bytes);
    } catch (error) {
      if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
      const there = await readFileBounded(path, Math.max(bytes.length, 1));
      if (sha256Hex(there) !== sha256Hex(bytes)) throw error;
    }
  }

  #read(name: string, maxBytes: number): Promise<Uint8Array> {
    return readFileBounded(join(this.#path, name), maxBytes);
  }
}
