/** `frostmark participant backup`: one file out of which a member comes back, and the list of those that were made. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Disk } from '../home/disk.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded, writeFileOnce } from '../home/files.ts';
import { maxShareFileBytes } from '../home/limits.ts';
import { openKeystore, type Keystore, type KeystoreOptions } from '../home/keystore.ts';
import { maxCertificateBytes } from '../protocol/limits.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { alongFiles, backedUpFiles, encodeBackup } from './backup-file.ts';
import { certifiedHome, type CertifiedHome } from './certified-home.ts';
import { ParticipantError } from './errors.ts';
import { MemberHome, unixSeconds } from './member-home.ts';
import type { BackupMade } from './records.ts';
import { Vault } from './vault.ts';

/** What a backup is made with. */
export interface BackupOptions extends Omit<KeystoreOptions, 'purpose'> {
  /** Folder of the home; `~/.frostmark/participant` by default. */
  readonly home?: string | undefined;
  /** Where the backup goes; nothing may be there. */
  readonly file: string;
  /** The disk that the file is written to; tests put a failing one here. */
  readonly disk?: Disk;
}

/** A backup as the journal knows it. */
export interface ListedBackup extends BackupMade {
  /** 16 bytes, hex. */
  readonly name: string;
}

/**
 * Writes a backup under the home's own passphrase, and resolves with its name when it is on the medium. The journal knows of it first.
 * Throws `HomeError` (`exists`, `locked`, `wrong-passphrase`, …), `JournalError`, `ParticipantError` (`not-joined`, `damaged-share`, …).
 */
export async function backUp({ home: path, file, disk, ...options }: BackupOptions): Promise<ListedBackup> {
  await using home = await MemberHome.open(path, () => undefined);
  const target = resolve(file);
  if (existsSync(target))
    throw new HomeError('exists', `${target} exists already and is not replaced; give another name`, { path: target });
  const certified = await certifiedHome(home);
  if ((await home.documents()).genesis === null)
    throw new ParticipantError('not-joined', `the key of ${home.home.path} is not live yet; run join again`);
  await using keystore = await openKeystore({ ...options, purpose: 'existing' });
  await assertShareOpens(home, certified, keystore);
  return await writeBackup(home, { certified, keystore, target, ...(disk === undefined ? {} : { disk }) });
}

/** A backup of what is no good would be believed until it is needed. */
async function assertShareOpens(
  home: MemberHome,
  { agreement, certificate }: CertifiedHome,
  keystore: Keystore,
): Promise<void> {
  const vault = await Vault.open(agreement.charter, agreement.self);
  try {
    vault.load(await keystore.open(home.sharePath(certificate.transcriptHash)), certificate.transcript);
  } finally {
    vault.end();
  }
}

/** What a backup is made of, and where it goes. */
export interface BackupParts {
  readonly certified: CertifiedHome;
  readonly keystore: Keystore;
  readonly target: string;
  readonly disk?: Disk;
}

/** Names it in the journal, and writes it. Throws what `backUp` does. */
export async function writeBackup(
  home: MemberHome,
  { certified: { agreement, certificate }, keystore, target, disk }: BackupParts,
): Promise<ListedBackup> {
  const made = { name: bytesToHex(randomBytes(16)), at: unixSeconds(), isDestroyed: false };
  const files = await readFiles(home, [
    ...backedUpFiles(certificate.transcriptHash),
    ...alongFiles(agreement.charter.hash).filter((name) => existsSync(home.home.file(name))),
    ...(await home.issuedDocuments()).map(({ path }) => basename(path)),
  ]);
  // Known of before it is there: a backup that nobody knows of could be neither missed nor destroyed.
  await home.records.append({ type: 'backup', backup: made.name, at: made.at });
  const payload = encodeBackup({
    name: made.name,
    createdAt: formatTimestamp(made.at),
    member: agreement.self.name,
    group: agreement.charter.group,
    epoch: certificate.transcriptHash,
    journal: home.records.head,
    records: home.records.lasting,
    files,
  });
  await writeFileOnce(target, await keystore.seal(payload), disk === undefined ? {} : { disk });
  return made;
}

async function readFiles(home: MemberHome, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of names)
    files.set(name, await readFileBounded(home.home.file(name), Math.max(maxCertificateBytes, maxShareFileBytes)));
  return files;
}

/** Every backup that was made of this home, oldest first. Throws `HomeError`, `JournalError`, `ParticipantError`. */
export async function listBackups(path: string | undefined): Promise<ListedBackup[]> {
  await using home = await MemberHome.open(path, () => undefined);
  return [...home.records.backups].map(([name, made]) => ({ name, ...made }));
}

/** Journals its owner's word that a backup is destroyed; a repeat is a no-op. Throws `ParticipantError('unknown-backup')`. */
export async function declareDestroyed(path: string | undefined, name: string): Promise<void> {
  await using home = await MemberHome.open(path, () => undefined);
  const known = home.records.backups.get(name);
  if (known === undefined)
    throw new ParticipantError('unknown-backup', `no backup of ${home.home.path} is called ${name}`);
  if (!known.isDestroyed) await home.records.append({ type: 'backup-destroyed', backup: name });
}
