/**
 * Another passphrase for a home: only its key files are written anew, never a share.
 *
 *     keys-new      the key files under the new passphrase, `{ name: base64 }`: once it is there, the change has happened
 *
 * It is whole or absent, and whoever opens the home next puts its files in place, so that no crash leaves a home with two passphrases.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { startAgeChild, whole, type AgeChild, type AgeChildOptions } from './age-process.ts';
import { disk as realDisk, type Disk } from './disk.ts';
import { HomeError, systemCode } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { maxKeyFileBytes, maxRekeyBytes } from './limits.ts';
import { operation } from './pipe.ts';
import { isPassphraseFile, keyFileName, readShareFile, shareFileName, waitingFileName } from './share-key.ts';
import { makeKeys } from './spare-keys.ts';

const changeName = 'keys-new';

/** Which home, and where both passphrases come from. */
export interface PassphraseChange extends Omit<AgeChildOptions, 'purpose'> {
  /** The home, whose lock the caller holds. */
  readonly folder: string;
  /** The disk to write to; tests put a failing one here. */
  readonly disk?: Disk;
}

/**
 * Puts every key file of the home under the new passphrase, and resolves with their number when that is on the medium. Anything that fails
 * before leaves the old one. Throws what `startAgeChild` and `writeFileAtomic` do, and `HomeError`: `wrong-passphrase`, `damaged`.
 */
export async function changePassphrase({ folder, disk = realDisk, ...options }: PassphraseChange): Promise<number> {
  const child = await startAgeChild({ ...options, purpose: 'change' });
  try {
    // Share files of an earlier version are themselves under the passphrase: first they get keys.
    for (const name of await namesIn(folder, shareFileName)) await readShareFile(child, join(folder, name));
    const changed: Record<string, string> = {};
    for (const name of await namesIn(folder, keyFileName))
      changed[name] = encodeBase64(await rewrap(child, await readKey(join(folder, name)), join(folder, name)));
    const isKnownRight = Object.keys(changed).length > 0;
    changed[waitingFileName] = encodeBase64(await rewrapWaiting(child, join(folder, waitingFileName), isKnownRight));
    await applyPassphraseChange(folder, changed, disk);
    return Object.keys(changed).length;
  } finally {
    await child.end();
  }
}

async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort();
}

function readKey(path: string): Promise<Uint8Array> {
  return readFileBounded(path, maxKeyFileBytes, { ownerOnly: true });
}

/** `path` is for messages. */
function rewrap(child: AgeChild, key: Uint8Array, path: string): Promise<Uint8Array> {
  return child.request({ path, kind: operation.rewrap, ...whole(key) });
}

/** Keys that wait open nothing yet: those that are no good are made anew, unless they are all that tells whether the old passphrase is right. */
async function rewrapWaiting(child: AgeChild, path: string, isKnownRight: boolean): Promise<Uint8Array> {
  try {
    return await rewrap(child, await readKey(path), path);
  } catch (error) {
    const isNoGood = error instanceof HomeError && ['missing', 'damaged', 'too-large'].includes(error.code);
    const isOthers = isKnownRight && error instanceof HomeError && error.code === 'wrong-passphrase';
    if (!isNoGood && !isOthers) throw error;
    return rewrap(child, (await makeKeys(child, path)).file, path);
  }
}

/** Writes key files under the new passphrase, in base64 by their names: all or none. Throws `HomeError`, which says which passphrase holds. */
export async function applyPassphraseChange(
  folder: string,
  changed: Readonly<Record<string, string>>,
  disk: Disk,
): Promise<void> {
  const bytes = encodeCanonicalJson(changed);
  if (bytes.length > maxRekeyBytes)
    throw new HomeError('too-large', `${folder} holds the keys of more shares than can be changed at once`);
  await declareChange(folder, bytes, disk);
  await finishPassphraseChange(folder, disk);
}

/** Past this the new passphrase holds. */
async function declareChange(folder: string, bytes: Uint8Array, disk: Disk): Promise<void> {
  const path = join(folder, changeName);
  try {
    await writeFileAtomic(path, bytes, { disk });
  } catch (error) {
    throw existsSync(path) ? unfinished(folder, error) : error;
  }
}

/** Puts in place what an interrupted change left; without one it does nothing. The caller holds the home's lock. Throws `HomeError`. */
export async function finishPassphraseChange(folder: string, disk: Disk = realDisk): Promise<void> {
  const path = join(folder, changeName);
  const changed = await readChange(path);
  if (changed === undefined) return;
  try {
    for (const [name, key] of changed) await writeFileAtomic(join(folder, name), key, { disk });
    await disk.unlink(path);
    await disk.syncFolder(dirname(path));
  } catch (error) {
    throw unfinished(folder, error);
  }
}

/** Past the point of no return "nothing was changed" would be untrue. */
function unfinished(folder: string, cause: unknown): HomeError {
  const reason = systemCode(cause instanceof HomeError ? cause.cause : cause) ?? 'unknown error';
  return new HomeError(
    'write-failed',
    `the passphrase of ${folder} is changed: the new one holds, but the key files are not all written yet (${reason}). ` +
      'Keep both passphrases, look at the disk, then run frostmark participant serve or frostmark participant backup: whatever opens the home next finishes the change',
    { path: join(folder, changeName), cause },
  );
}

async function readChange(path: string): Promise<[name: string, key: Uint8Array][] | undefined> {
  try {
    const bytes = await readFileBounded(path, maxRekeyBytes, { ownerOnly: true });
    const value = decodeCanonicalJson(bytes, { maxBytes: maxRekeyBytes, maxDepth: 1 });
    return Object.entries(value as Record<string, unknown>).map(([name, key]) => {
      if (!isPassphraseFile(name) || typeof key !== 'string') throw new Error(`it names ${name}`);
      return [name, decodeBase64(key)];
    });
  } catch (error) {
    if (error instanceof HomeError && error.code === 'missing') return undefined;
    if (error instanceof HomeError) throw error;
    throw new HomeError('damaged', `${path} is not what was written; restore this member from its backup`, {
      path,
      cause: error,
    });
  }
}
