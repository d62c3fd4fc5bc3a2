/**
 * What a backup holds, once age has opened it: one JSON object, canonical.
 *
 *     backup: 1       the version of this form
 *     name            16 random bytes, hex; the journal knows it by them
 *     createdAt       a timestamp
 *     member  group   names
 *     epoch           the transcript hash of its shares
 *     journal         { incarnation, length, head } that the home had when it was made
 *     records         records of the journal that outlive it, each as JSON text
 *     files           { name: base64 }, as they were in the home
 *
 * No nonces, no decisions. The share file is itself encrypted, and its key file is under the same passphrase as the backup.
 */
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { maxBackupBytes } from '../home/limits.ts';
import { maxIssued, maxJsonDepth } from '../protocol/limits.ts';
import { JournalHead } from '../protocol/wire/frames.ts';
import { assertSchema, Hash, Hex, Name, Strict, Timestamp, Type, type Static } from '../protocol/wire/schema.ts';
import { ParticipantError } from './errors.ts';
import { isLasting, type MemberRecord } from './records.ts';

const version = 1;

const schema = Strict({
  backup: Type.Literal(version),
  name: Hex(16),
  createdAt: Timestamp,
  member: Name,
  group: Name,
  epoch: Hash,
  journal: JournalHead,
  records: Type.Array(Type.String()),
  files: Type.Record(Type.String(), Type.String()),
});

/** One backup of a member's home. */
export interface Backup {
  /** 16 bytes, hex. */
  readonly name: string;
  readonly createdAt: string;
  readonly member: string;
  readonly group: string;
  /** Transcript hash, hex. */
  readonly epoch: string;
  readonly journal: JournalHead;
  readonly records: readonly MemberRecord[];
  /** By their names in the home. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * The files of a backup of this epoch, by their names in the home, in the order in which a restore writes them: the share first, since a home
 * with a share and no journal begins none.
 */
export function backedUpFiles(epoch: string): readonly string[] {
  const ofEpoch = [`share-${epoch}.age`, `key-${epoch}.age`, `certificate-${epoch}.json`, `stored-${epoch}.json`];
  const agreed = ['identity.pem', 'name', 'coordinator', 'charter.yaml', 'requesters.json'];
  return [...ofEpoch, ...agreed, 'documents.json'];
}

/** What goes along if the home has it: the line that follows from the rest, and the newest checkpoint of the group's record that the home saw. Beside them go the numbered documents of the group. */
export function alongFiles(charterHash: string): readonly string[] {
  return ['GROUP.pub', `checkpoint-${charterHash}`];
}
const alongPattern = /^(?:GROUP\.pub|checkpoint-[0-9a-f]{64}|document-[0-9a-f]{64}\.json)$/;
const maxAlong = 2 + maxIssued;

/** Throws `ParticipantError('bad-backup')` for one that would be too large to read again. */
export function encodeBackup({ records, files, ...rest }: Backup): Uint8Array {
  const bytes = encodeCanonicalJson({
    backup: version,
    ...rest,
    records: records.map((record) => JSON.stringify(record)),
    files: Object.fromEntries([...files].map(([name, file]) => [name, encodeBase64(file)])),
  });
  if (bytes.length > maxBackupBytes / 2)
    throw new ParticipantError('bad-backup', `this home is too large for a backup: ${bytes.length} bytes`);
  return bytes;
}

/** Reads what age has opened; `path` is for messages. Throws `ParticipantError('bad-backup')`. */
export function decodeBackup(bytes: Uint8Array, path: string): Backup {
  try {
    const value = decodeCanonicalJson(bytes, { maxBytes: maxBackupBytes, maxDepth: maxJsonDepth });
    assertVersion(value, path);
    assertSchema(schema, value, 'bad-document', 'the backup');
    const { records, files, ...rest } = value as Static<typeof schema>;
    return { ...rest, records: records.map(decodeRecord), files: decodeFiles(files, rest.epoch) };
  } catch (cause) {
    if (cause instanceof ParticipantError) throw cause;
    throw badBackup(
      path,
      `it opens, but is no backup of a member (${cause instanceof Error ? cause.message : ''})`,
      cause,
    );
  }
}

function assertVersion(value: unknown, path: string): void {
  const found = typeof value === 'object' && value !== null && 'backup' in value ? value.backup : undefined;
  if (typeof found === 'number' && found > version)
    throw badBackup(path, `it was made by a newer version of frostmark (form ${found}, this one reads ${version})`);
}

/** The backup is authenticated as a whole: another record is that of another version. */
function decodeRecord(text: string): MemberRecord {
  const record = JSON.parse(text) as MemberRecord;
  if (!isLasting(record)) throw new Error('it holds a record that no backup has');
  return record;
}

function decodeFiles(files: Readonly<Record<string, string>>, epoch: string): Map<string, Uint8Array> {
  const along = Object.keys(files).filter((name) => alongPattern.test(name));
  const expected = [...backedUpFiles(epoch), ...along];
  if (along.length > maxAlong || Object.keys(files).length !== expected.length)
    throw new Error('it holds other files than a backup has');
  return new Map(
    expected.map((name) => {
      const file = files[name];
      if (file === undefined) throw new Error(`it lacks ${name}`);
      return [name, decodeBase64(file)];
    }),
  );
}

/** What is wrong with a backup, and what to do. */
export function badBackup(path: string, found: string, cause?: unknown): ParticipantError {
  return new ParticipantError('bad-backup', `${path} cannot be restored: ${found}; use another backup of this member`, {
    cause,
  });
}
