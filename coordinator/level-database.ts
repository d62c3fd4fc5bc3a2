/**
 * The logs of all groups in an embedded database (PROTOCOL.md, section 13.4). Keys: `version`; `walk`; `c<charter>` leads to a log; and of each log, after
 * `l<id>`: `h` its head, `e<index>` a leaf, `n<level><index>` a hash, `t<level><index>` a full tile, `b<SHA-256>` a blob, `x<SHA-256>` one that was
 * archived, and below `i` the indexes, which follow from the leaves. Numbers are 12 hex digits, levels 2.
 */
import { utf8ToBytes } from '../protocol/wire/bytes.ts';
import { maxTreeSize } from '../protocol/record/limits.ts';
import { encodeTile } from '../protocol/record/tile.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import type {
  Batch,
  BlobName,
  Database,
  DirectoryLine,
  IndexChanges,
  JournalEntry,
  Passing,
  RoundEntry,
  RoundsAsked,
  WalkPlace,
} from './database.ts';
import { CoordinatorError } from './errors.ts';
import { isAskedFor } from './round-query.ts';
import type { KeyValues, Write } from './level.ts';
import { maxBatchBytes, roundTimeSlackSeconds } from './limits.ts';

/** What the database is of, for a frostmark that is older or newer. */
interface Version {
  readonly version: number;
  /** The oldest form that a program has to know to read it. */
  readonly minReader: number;
  /** Charters that were admitted before it was begun: hashes. */
  readonly lost: readonly string[];
}

const versionKey = 'version';
const walkKey = 'walk';
const thisVersion = 2;
/** Keys are digits and letters: everything with a prefix comes before it. */
const last = '~';
const nothing = new Uint8Array();

/** Makes a database out of an empty folder. */
export async function beginLevelDatabase(keys: KeyValues, lost: readonly string[]): Promise<void> {
  const version: Version = { version: thisVersion, minReader: thisVersion, lost };
  await keys.write([[versionKey, encode(version)]], { sync: true });
}

/** Opens it. Throws `CoordinatorError`: `store-newer` for a form that this program does not know, `store-damaged` for none. */
export async function openLevelDatabase(keys: KeyValues): Promise<Database> {
  const bytes = await keys.get(versionKey);
  if (bytes === undefined) throw new CoordinatorError('store-damaged', 'it does not say which form it is of');
  const { minReader, version, lost } = decode(bytes) as Version;
  if (minReader > thisVersion)
    throw new CoordinatorError(
      'store-newer',
      `the store is of form ${version}, and this frostmark knows ${thisVersion}; run the newer frostmark that wrote it (nothing was changed)`,
    );
  return new LevelDatabase(keys, lost);
}

class LevelDatabase implements Database {
  readonly #keys: KeyValues;
  readonly #lost: readonly string[];

  constructor(keys: KeyValues, lost: readonly string[]) {
    this.#keys = keys;
    this.#lost = lost;
  }

  async directory(): Promise<DirectoryLine[]> {
    const lines: DirectoryLine[] = [];
    for await (const [key, value] of this.#below('c')) lines.push({ charter: key.slice(1), log: textOf(value) });
    return lines;
  }

  lost(): Promise<readonly string[]> {
    return Promise.resolve(this.#lost);
  }

  async append(log: string, batch: Batch): Promise<void> {
    const at = `l${log}`;
    const writes: Write[] = [
      // What comes again is not archived any more.
      ...[...batch.blobs].flatMap(([sha256, bytes]): Write[] => [
        [`${at}b${sha256}`, bytes],
        [`${at}x${sha256}`, undefined],
      ]),
      ...batch.leaves.flatMap(({ bytes, hash }, count): Write[] => [
        [`${at}e${number(batch.size + count)}`, bytes],
        [`${at}n00${number(batch.size + count)}`, hash],
      ]),
      ...batch.tiles.map(({ level, index, hashes }): Write => [tileKey(at, level, index), encodeTile(hashes)]),
      ...batch.nodes.map(({ level, index, hash }): Write => [`${at}n${digits(level / 8)}${number(index)}`, hash]),
      ...indexWrites(log, batch),
      ...batch.dropped.map((sha256): Write => [`${at}b${sha256}`, undefined]),
      [`${at}h`, batch.head],
    ];
    // On the medium before anyone is told: what was acknowledged is never lost.
    await this.#keys.write(writes, { sync: true });
  }

  head(log: string): Promise<Uint8Array | undefined> {
    return this.#keys.get(`l${log}h`);
  }

  leaf(log: string, index: number): Promise<Uint8Array | undefined> {
    return this.#keys.get(`l${log}e${number(index)}`);
  }

  leaves(log: string, first: number, count: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#keys.getMany(Array.from({ length: count }, (_, at) => `l${log}e${number(first + at)}`));
  }

  tile(log: string, level: number, index: number): Promise<Uint8Array | undefined> {
    return this.#keys.get(tileKey(`l${log}`, level, index));
  }

  hashes(log: string, level: number, first: number, count: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#keys.getMany(
      Array.from({ length: count }, (_, at) => `l${log}n${digits(level)}${number(first + at)}`),
    );
  }

  blob(log: string, sha256: string): Promise<Uint8Array | undefined> {
    return this.#keys.get(`l${log}b${sha256}`);
  }

  isArchived(log: string, sha256: string): Promise<boolean> {
    return this.#has(`l${log}x${sha256}`);
  }

  async archive(log: string, sha256: readonly string[]): Promise<void> {
    const writes = sha256.flatMap((hash): Write[] => [
      [`l${log}x${hash}`, nothing],
      [`l${log}b${hash}`, undefined],
    ]);
    await this.#keys.write(writes, { sync: true });
  }

  pending(log: string): Promise<string[]> {
    return this.#namesBelow(`l${log}ip`);
  }

  journals(log: string): Promise<JournalEntry[]> {
    return this.#journalsBelow(`l${log}ij`);
  }

  journalsOf(log: string, member: string): Promise<JournalEntry[]> {
    return this.#journalsBelow(`l${log}ij${member}.`);
  }

  async #journalsBelow(prefix: string): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for await (const [, value] of this.#below(prefix)) entries.push(decode(value) as JournalEntry);
    return entries.sort((a, b) => a.index - b.index);
  }

  journal(log: string, member: string, incarnation: string): Promise<JournalEntry | undefined> {
    return this.#get<JournalEntry>(`l${log}ij${member}.${incarnation}`);
  }

  async ofGroup(log: string): Promise<number[]> {
    return (await this.#namesBelow(`l${log}ig`)).map(fromNumber);
  }

  isOfGroup(log: string, index: number): Promise<boolean> {
    return this.#has(`l${log}ig${number(index)}`);
  }

  round(log: string, digest: string): Promise<RoundEntry | undefined> {
    return this.#get<RoundEntry>(`l${log}ir${digest}`);
  }

  async ofSubmission(log: string, submission: string): Promise<string | undefined> {
    const value = await this.#keys.get(`l${log}is${submission}`);
    return value === undefined ? undefined : textOf(value);
  }

  async ofRound(log: string, digest: string): Promise<number[]> {
    return (await this.#namesBelow(`l${log}im${digest}`)).map(fromNumber);
  }

  isOfRound(log: string, digest: string, index: number): Promise<boolean> {
    return this.#has(`l${log}im${digest}${number(index)}`);
  }

  /**
   * The narrowest index that the question allows, from the last round that can be meant to the first, and each entry judged by what else is asked.
   * Throws `CoordinatorError('too-broad')` once so many do not match that others would wait for it.
   */
  async *rounds(log: string, asked: RoundsAsked, passing: Passing): AsyncIterable<RoundEntry> {
    const { groupKey, since } = asked;
    const from = `l${log}${indexFor(asked)}`;
    const to = `${from}${number(await this.#lastMeant(log, asked, passing))}`;
    for await (const [, digest] of this.#keys.entries({ from, to, reverse: true })) {
      const entry = await this.round(log, textOf(digest));
      if (entry === undefined) throw new CoordinatorError('store-damaged', indexLost(textOf(digest)));
      if (since !== undefined && entry.createdAt + roundTimeSlackSeconds < since) return;
      if ((groupKey === undefined || entry.groupKey === groupKey) && isAskedFor(asked, entry)) yield entry;
      else pass(passing);
    }
  }

  /** The number of a record at and after which no round can be meant: found by halves, for rounds are opened in the order of time, nearly. */
  async #lastMeant(log: string, { before = maxTreeSize, until }: RoundsAsked, passing: Passing): Promise<number> {
    let [low, high] = [0, before];
    while (until !== undefined && high - low > 1) {
      pass(passing);
      const middle = Math.floor((low + high) / 2);
      const entry = await this.#newestBefore(log, middle);
      if (entry === undefined || entry.createdAt < until + roundTimeSlackSeconds) low = middle;
      else high = middle;
    }
    return high;
  }

  async #newestBefore(log: string, index: number): Promise<RoundEntry | undefined> {
    const from = `l${log}io`;
    for await (const [, digest] of this.#keys.entries({ from, to: `${from}${number(index)}`, reverse: true }))
      return this.round(log, textOf(digest));
    return undefined;
  }

  async signedOf(log: string, kind: RequestKind): Promise<string[]> {
    const digests: string[] = [];
    for await (const [, value] of this.#below(`l${log}ik${kind}.`)) digests.push(textOf(value));
    return digests;
  }

  async *namesOf(log: string, sha256: string): AsyncIterable<string | undefined> {
    const prefix = `l${log}iw${sha256}.`;
    for await (const [key] of this.#below(prefix))
      yield key.length === prefix.length ? undefined : key.slice(prefix.length);
  }

  isRebuilding(log: string): Promise<boolean> {
    return this.#has(`l${log}i!`);
  }

  async rebuild(log: string, changes: AsyncIterable<IndexChanges>): Promise<void> {
    await this.#keys.write([[`l${log}i!`, nothing]], { sync: true });
    let writes: Write[] = [];
    const flush = async (): Promise<void> => {
      await this.#keys.write(writes.splice(0), { sync: false });
    };
    for await (const [key] of this.#below(`l${log}i`)) {
      if (key !== `l${log}i!`) writes.push([key, undefined]);
      if (writes.length >= maxWritesAtOnce) await flush();
    }
    await flush();
    let bytes = 0;
    for await (const change of changes) {
      const added = indexWrites(log, change);
      bytes += added.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0);
      writes = [...writes, ...added];
      if (bytes < maxBatchBytes / 8) continue;
      bytes = 0;
      await flush();
    }
    // The last batch is synced, and with it all before it.
    await this.#keys.write([...writes, [`l${log}i!`, undefined]], { sync: true });
  }

  async *dumpIndexes(log: string): AsyncIterable<string> {
    const at = `l${log}i`;
    for await (const [key, value] of this.#below(at)) yield `${key.slice(at.length)} ${textOf(value)}`;
  }

  async walkPlace(): Promise<WalkPlace | undefined> {
    const bytes = await this.#keys.get(walkKey);
    return bytes === undefined ? undefined : (decode(bytes) as WalkPlace);
  }

  noteWalkPlace(place: WalkPlace): Promise<void> {
    return this.#keys.write([[walkKey, encode(place)]], { sync: false });
  }

  close(): Promise<void> {
    return this.#keys.close();
  }

  #below(prefix: string): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#keys.entries({ from: prefix, to: `${prefix}${last}` });
  }

  async #namesBelow(prefix: string): Promise<string[]> {
    const names: string[] = [];
    for await (const [key] of this.#below(prefix)) names.push(key.slice(prefix.length));
    return names;
  }

  async #has(key: string): Promise<boolean> {
    return (await this.#keys.get(key)) !== undefined;
  }

  async #get<T>(key: string): Promise<T | undefined> {
    const bytes = await this.#keys.get(key);
    return bytes === undefined ? undefined : (decode(bytes) as T);
  }
}

function pass(passing: Passing): void {
  passing.count += 1;
  if (passing.count > passing.most)
    throw new CoordinatorError(
      'too-broad',
      `${passing.most} rounds were passed over that are not what is asked for; ask for a shorter time (since, until), or for fewer things at once`,
    );
}

/** Most people ask for little, most channels for much. */
function indexFor({ asker, outcome, channel }: RoundsAsked): string {
  if (asker !== undefined) return `ia${asker}.`;
  if (outcome !== undefined) return `iu${outcome}.`;
  return channel === undefined ? 'io' : `ic${channel}.`;
}

/** Keys that are written or deleted in one batch while indexes are made anew. */
const maxWritesAtOnce = 4096;

function indexWrites(log: string, changes: IndexChanges): Write[] {
  const at = `l${log}i`;
  return [
    ...changes.charters.map((charter): Write => [`c${charter}`, utf8ToBytes(log)]),
    ...changes.rounds.flatMap((entry) => roundWrites(at, entry)),
    ...changes.submitted.map(({ submission, digest }): Write => [`${at}s${submission}`, utf8ToBytes(digest)]),
    ...changes.ofRounds.map(({ digest, index }): Write => [`${at}m${digest}${number(index)}`, nothing]),
    ...changes.ofGroup.map((index): Write => [`${at}g${number(index)}`, nothing]),
    ...changes.journals.map((entry): Write => [`${at}j${entry.member}.${entry.journal.incarnation}`, encode(entry)]),
    ...changes.forgotten.map(({ member, incarnation }): Write => [`${at}j${member}.${incarnation}`, undefined]),
    ...changes.named.map((name): Write => [nameKey(at, name), nothing]),
    ...changes.unnamed.map((name): Write => [nameKey(at, name), undefined]),
  ];
}

function roundWrites(at: string, entry: RoundEntry): Write[] {
  const { digest, index, asker, channel, outcome, kind } = entry;
  const isOver = outcome !== 'pending';
  const name = utf8ToBytes(digest);
  return [
    [`${at}r${digest}`, encode(entry)],
    [`${at}p${digest}`, isOver ? undefined : nothing],
    [`${at}o${number(index)}`, name],
    [`${at}a${asker}.${number(index)}`, name],
    [`${at}c${channel}.${number(index)}`, name],
    ...(isOver ? [[`${at}upending.${number(index)}`, undefined] as const] : []),
    [`${at}u${outcome}.${number(index)}`, name],
    ...(outcome === 'signed' ? [[`${at}k${kind}.${number(index)}`, name] as const] : []),
  ];
}

function nameKey(at: string, { sha256, by }: BlobName): string {
  return `${at}w${sha256}.${by ?? ''}`;
}

function tileKey(at: string, level: number, index: number): string {
  return `${at}t${digits(level)}${number(index)}`;
}

function number(value: number): string {
  return value.toString(16).padStart(12, '0');
}

function fromNumber(text: string): number {
  return Number.parseInt(text, 16);
}

function digits(level: number): string {
  return level.toString(16).padStart(2, '0');
}

function indexLost(digest: string): string {
  return `an index names the round ${digest} and does not have it; run: frostmark coordinator check --rebuild`;
}

function encode(value: object): Uint8Array {
  return utf8ToBytes(JSON.stringify(value));
}

function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch (cause) {
    throw new CoordinatorError(
      'store-damaged',
      'an index is not what was written; run: frostmark coordinator check --rebuild',
      { cause },
    );
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
