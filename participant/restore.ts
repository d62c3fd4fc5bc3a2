/**
 * `frostmark participant restore`: a member out of its backup. Its journal begins anew, which everybody is told at the next login, and what it
 * may have forgotten it does not decide (`restored.ts`).
 */
import { randomBytes } from 'node:crypto';
import type { Disk } from '../home/disk.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded, useOwnerOnlyUmask, writeFileOnce } from '../home/files.ts';
import { initHome, type Home } from '../home/home.ts';
import { publicKeyOfPem } from '../home/identity.ts';
import { openKeystore, type KeystoreOptions } from '../home/keystore.ts';
import { maxBackupBytes } from '../home/limits.ts';
import { acquireLock } from '../home/lock.ts';
import { decodeCertificate } from '../protocol/ceremony/certificate.ts';
import { decodeCharter, memberByKey } from '../protocol/files/charter.ts';
import { maxCertificateBytes } from '../protocol/limits.ts';
import { bytesToHex, equalBytes } from '../protocol/wire/bytes.ts';
import { keyId } from '../protocol/wire/envelope.ts';
import { present } from '../protocol/wire/present.ts';
import { badBackup, decodeBackup, type Backup } from './backup-file.ts';
import { ParticipantError } from './errors.ts';
import { inspectJournal, JournalError, writeJournal } from './journal.ts';
import { unixSeconds } from './member-home.ts';
import type { MemberRecord } from './records.ts';
import { othersNeeded } from './restored.ts';

/** What a restore is made with. */
export interface RestoreOptions extends Omit<KeystoreOptions, 'purpose'> {
  /** Folder of the home that is to be; `~/.frostmark/participant` by default. */
  readonly home?: string | undefined;
  /** The backup. */
  readonly file: string;
  /** The disk to write to; tests put a failing one here. */
  readonly disk?: Disk;
}

/** What came back. */
export interface Restored {
  readonly home: string;
  readonly member: string;
  readonly group: string;
  /** When the backup was made, a timestamp. */
  readonly createdAt: string;
  /** Unix seconds. */
  readonly restoredAt: number;
  /** Other members whom it waits for. */
  readonly othersNeeded: number;
}

/**
 * Writes the files of the backup, and the journal last: an interrupted restore can simply run again, and a home without its journal does not
 * serve. Nothing is replaced. Throws `ParticipantError` (`bad-backup`, `other-backup`, `has-journal`) and `HomeError` (`exists`,
 * `wrong-passphrase`, `damaged`, …) with nothing changed.
 */
export async function restoreMember({ home: path, file, disk, ...options }: RestoreOptions): Promise<Restored> {
  useOwnerOnlyUmask();
  const sealed = await readFileBounded(file, maxBackupBytes);
  await using keystore = await openKeystore({ ...options, purpose: 'existing' });
  const backup = decodeBackup(await keystore.unseal(file, sealed), file);
  const needed = assertWhole(backup, file);
  const home = await initHome('participant', path);
  const restoredAt = unixSeconds();
  await restoreInto(home, backup, { restoredAt, ...(disk === undefined ? {} : { disk }) });
  const { member, group, createdAt } = backup;
  return { home: home.path, member, group, createdAt, restoredAt, othersNeeded: needed };
}

/** The files, then the journal. Throws as `restoreMember` does. */
export async function restoreInto(
  home: Home,
  backup: Backup,
  { restoredAt, disk }: { readonly restoredAt: number; readonly disk?: Disk },
): Promise<void> {
  const lock = await acquireLock(home);
  try {
    await writeRestored(home, backup, disk === undefined ? { restoredAt } : { restoredAt, disk });
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** The same for whoever holds the home's lock. */
export async function writeRestored(
  home: Home,
  backup: Backup,
  { restoredAt, disk }: { readonly restoredAt: number; readonly disk?: Disk },
): Promise<void> {
  await assertNothingLost(home, backup);
  const writing = disk === undefined ? {} : { disk };
  for (const name of await missingFiles(home, backup))
    await writeFileOnce(home.file(name), fileOf(backup, name), writing);
  // Last: from this line on there is a member again.
  await writeJournal(home.file('journal'), restoredRecords(backup, restoredAt), disk);
}

function restoredRecords(backup: Backup, at: number): MemberRecord[] {
  const { name, epoch, records } = backup;
  const { ceremony } = decodeCertificate(fileOf(backup, `certificate-${epoch}.json`));
  const isGiven = records.some((record) => record.type === 'ceremony-given');
  return [
    { type: 'incarnation', incarnation: bytesToHex(randomBytes(16)) },
    { type: 'restored', backup: name, at },
    ...records,
    // Its key lives, and a share under it may have been given since: from here on this member is bound to it in any case (T35).
    ...(isGiven ? [] : [{ type: 'ceremony-given', ceremony } as const]),
  ];
}

/** Its parts belong together; whether the share is the certificate's, a start checks. Answers how many others the member will wait for. */
function assertWhole(backup: Backup, path: string): number {
  try {
    const charter = decodeCharter(fileOf(backup, 'charter.yaml'), 'charter.yaml');
    const key = keyId(publicKeyOfPem(fileOf(backup, 'identity.pem'), 'identity.pem'));
    const { transcriptHash } = decodeCertificate(fileOf(backup, `certificate-${backup.epoch}.json`));
    const agreed = backup.records.findLast((record) => record.type === 'agreed');
    const isWhole =
      memberByKey(charter, key)?.name === backup.member &&
      charter.group === backup.group &&
      transcriptHash === backup.epoch &&
      agreed?.charter === charter.hash;
    if (isWhole) return othersNeeded(charter);
  } catch (cause) {
    throw badBackup(path, 'a file in it is damaged', cause);
  }
  throw badBackup(path, 'its parts do not belong together');
}

/** Throws unless the home is empty, or is what an interrupted restore of this very backup left. */
async function assertNothingLost(home: Home, backup: Backup): Promise<void> {
  await assertSame(home, backup, 'identity.pem', 'of another member');
  await assertSame(home, backup, 'charter.yaml', 'of another group');
  const found = await journalOf(home);
  if (found === undefined) return;
  throw new ParticipantError(
    'has-journal',
    `${home.path} has a journal ${found(backup)}; nothing was changed. To restore the member all the same, move the whole folder away first`,
  );
}

async function assertSame(home: Home, backup: Backup, name: string, kind: string): Promise<void> {
  const there = await readIfThere(home, name);
  if (there === undefined || equalBytes(there, fileOf(backup, name))) return;
  throw new ParticipantError(
    'other-backup',
    `the backup is ${kind} (${backup.member} of ${backup.group}) than the home ${home.path}; nothing was changed`,
  );
}

/** What the journal of a home means for a backup, in words; `undefined` without one. */
async function journalOf(home: Home): Promise<((backup: Backup) => string) | undefined> {
  try {
    const found = await inspectJournal(home.file('journal'));
    if (found === undefined) return undefined;
    const [first] = found.records as readonly (MemberRecord | undefined)[];
    const incarnation = first?.type === 'incarnation' ? first.incarnation : undefined;
    return ({ journal }) => {
      if (incarnation !== journal.incarnation) return 'of another life than the backup, and may be newer: start it';
      return found.length >= journal.length
        ? `of ${found.length} records, and the backup is of ${journal.length}: it is as new or newer, start it`
        : `of ${found.length} records, and the backup is of ${journal.length}: it is an older copy`;
    };
  } catch (error) {
    if (error instanceof JournalError && error.code === 'damaged') return () => 'that is damaged';
    throw error;
  }
}

/** What of the backup is not in the home. Throws `HomeError('exists')` for a file that differs. */
async function missingFiles(home: Home, backup: Backup): Promise<string[]> {
  const missing: string[] = [];
  for (const [name, file] of backup.files) {
    const there = await readIfThere(home, name);
    if (there === undefined) missing.push(name);
    else if (!equalBytes(there, file))
      throw new HomeError(
        'exists',
        `${home.file(name)} is not what the backup has, and may be newer; nothing was changed. Move the whole folder away first`,
        { path: home.file(name) },
      );
  }
  return missing;
}

async function readIfThere(home: Home, name: string): Promise<Uint8Array | undefined> {
  try {
    return await readFileBounded(home.file(name), maxCertificateBytes);
  } catch (error) {
    if (error instanceof HomeError && error.code === 'missing') return undefined;
    throw error;
  }
}

function fileOf({ files }: Backup, name: string): Uint8Array {
  return present(files.get(name), name);
}
