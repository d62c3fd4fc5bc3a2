/**
 * `frostmark group import`: takes a key that is whole and splits it for the holders of a charter's production quorum, on a host that is offline.
 *
 * The seed goes from the key file into libsodium's arena and is wiped where it was; what leaves is the import file.
 */
import { printableJson } from '../verifier/printable.ts';
import { randomFillSync } from 'node:crypto';
import { decodeBase64Url } from '../verifier/base64.ts';
import { formatGroupKey } from '../verifier/group-key.ts';
import { readFileBounded, useOwnerOnlyUmask, writeFileOnce } from '../home/files.ts';
import { equalBytes } from '../protocol/wire/bytes.ts';
import { decodeCharter, type Charter } from '../protocol/files/charter.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import { assertKnownAnswers } from '../protocol/frost/known-answer.ts';
import type { SealingGroup, Secret } from '../protocol/frost/group.ts';
import { readImportKeys } from '../protocol/ceremony/import-key.ts';
import { openImport, splitKey } from '../protocol/ceremony/import.ts';
import { maxCharterBytes, maxImportKeysBytes } from '../protocol/limits.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { ImporterError } from './errors.ts';
import type { AskPassphrase, OpenpgpOrigin, PrivateKey } from './key.ts';
import { openKeyFile } from './key-file.ts';
import { importArenaSlots } from './limits.ts';

/** What a person looks at before the key is split. */
export interface ImportReview {
  readonly charter: Charter;
  readonly source: PrivateKey['source'];
  /** The line of GROUP.pub to be. */
  readonly groupLine: string;
  readonly openpgp: OpenpgpOrigin | undefined;
}

/** Which key, and for which charter. */
export interface KeyToImport {
  readonly keyPath: string;
  readonly charterPath: string;
  /** Fingerprint of an OpenPGP subkey; without it the primary key is taken. */
  readonly subkey?: string | undefined;
  /** Asked only if the key file is protected. */
  readonly ask: AskPassphrase;
}

/** What is imported, for whom, and whom to ask. */
export interface ImportOptions extends KeyToImport {
  /** A file with the one-time keys of all holders of production, a line each. */
  readonly keysPath: string;
  /** Must not be there yet. */
  readonly outPath: string;
  confirm(review: ImportReview): Promise<boolean>;
}

/** What was reviewed, and the name of the file that came of it. */
export interface ImportResult extends ImportReview {
  /** SHA-256 of the import file, hex. */
  readonly hash: string;
}

/** Whether the key can be split for the charter; nothing is written. Throws `ImporterError`, `ProtocolError`, `HomeError`, `FrostError`. */
export async function reviewKey(options: KeyToImport): Promise<ImportReview> {
  const charter = decodeCharter(await readFileBounded(options.charterPath, maxCharterBytes), options.charterPath);
  return await withKey(charter, options, (_arithmetic, _secret, review) => Promise.resolve(review));
}

/** Writes the import file. Throws `ImporterError`, `ProtocolError`, `HomeError`, `FrostError`. */
export async function importKey(options: ImportOptions): Promise<ImportResult> {
  useOwnerOnlyUmask();
  const charter = decodeCharter(await readFileBounded(options.charterPath, maxCharterBytes), options.charterPath);
  return await withKey(charter, options, async (arithmetic, secret, review) => {
    const file = await readFileBounded(options.keysPath, maxImportKeysBytes);
    const keys = readImportKeys(file, options.keysPath, charter);
    if (!(await options.confirm(review))) throw new ImporterError('cancelled', 'nothing was written');
    const bytes = splitKey({ arithmetic, charter, secret, keys });
    const made = openImport(arithmetic, charter, bytes);
    if (formatGroupKey({ name: charter.group, key: decodeBase64Url(made.groupKey) }) !== review.groupLine)
      throw otherKey();
    await writeFileOnce(options.outPath, bytes);
    return { ...review, hash: made.hash };
  });
}

/** Opens the key into an arena of its own, judges it, lends it to `use`, and wipes it. */
async function withKey<T>(
  charter: Charter,
  options: KeyToImport,
  use: (arithmetic: SealingGroup, secret: Secret, review: ImportReview) => Promise<T>,
): Promise<T> {
  await assertKnownAnswers();
  const arithmetic = await createSodiumGroup({
    randomBytes: (count) => randomFillSync(new Uint8Array(new ArrayBuffer(count))),
    arenaSlots: importArenaSlots,
  });
  try {
    const key = await openKeyFile({ path: options.keyPath, subkey: options.subkey, ask: options.ask });
    const secret = loadKey(arithmetic, key);
    assertSaid(key.openpgp);
    assertSameFingerprint(charter, key.openpgp);
    const groupLine = formatGroupKey({ name: charter.group, key: key.publicKey });
    return await use(arithmetic, secret, { charter, source: key.source, groupLine, openpgp: key.openpgp });
  } finally {
    arithmetic.end();
  }
}

/** Into the arena; the file's two halves must be of one key. */
function loadKey(arithmetic: SealingGroup, { seed, publicKey }: PrivateKey): Secret {
  const secret = arithmetic.loadSeed(seed);
  if (!equalBytes(arithmetic.publicPoint(secret).bytes, publicKey)) throw otherKey();
  return secret;
}

function otherKey(): ImporterError {
  return new ImporterError(
    'bad-key-file',
    'the key file is damaged: its secret half does not belong to its public half',
  );
}

/** Without self-signatures no tool takes the key's certificate, and nobody can tell what it may do. */
function assertSaid(key: OpenpgpOrigin | undefined): void {
  if (key === undefined || key.hasSelfSignature) return;
  throw new ImporterError(
    'cannot-sign',
    `the export of ${key.fingerprint} has no self-signature, which would say what the key may do; export it whole: gpg --export-secret-keys FINGERPRINT`,
  );
}

/** The creation time is a part of an OpenPGP fingerprint and the user id of its certificate, so the charter must say both. */
function assertSameFingerprint(charter: Charter, key: OpenpgpOrigin | undefined): void {
  if (key === undefined) return;
  const created = formatTimestamp(key.createdUnixSeconds);
  const [first] = key.userIds;
  if (first === undefined) throw new ImporterError('bad-key-file', 'the OpenPGP export has no user id');
  const { openpgp } = charter;
  if (openpgp !== undefined && openpgp.created === created && key.userIds.includes(openpgp.userId)) return;
  const found = openpgp === undefined ? 'says nothing of OpenPGP' : 'names another user id or creation time';
  throw new ImporterError(
    'other-openpgp',
    `the charter ${found}, so the fingerprint ${key.fingerprint} would be lost; give everybody a charter with this line at its end, and run this again: openpgp: { userId: ${printableJson(first)}, created: ${created} }`,
  );
}
