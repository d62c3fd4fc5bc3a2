/**
 * Another passphrase for a home: only its key files are written anew, never a share.
 *
 *     keys-new      the key files under the new passphrase, `{ name: base64 }`: once it is there, the change has happened
 *
 * It is whole or absent, and whoever opens the home next puts its files in place, so that no crash leaves a home with two passphrases.
 */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { startAgeChild, type AgeChild, type AgeChildOptions } from './age-process.ts';
import { disk as realDisk, type Disk } from './disk.ts';
import { HomeError, writeFailure } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { maxKeyFileBytes, maxRekeyBytes } from './limits.ts';
import { operation } from './pipe.ts';
import { passphraseFileName, readShareFile, shareFileName } from './share-key.ts';

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
    for (const name of await namesIn(folder, passphraseFileName))
      changed[name] = encodeBase64(await rewrap(child, join(folder, name)));
    const bytes = encodeCanonicalJson(changed);
    if (bytes.length > maxRekeyBytes)
      throw new HomeError('too-large', `${folder} holds the keys of more shares than can be changed at once`);
    // From this line on the new passphrase holds.
    await writeFileAtomic(join(folder, changeName), bytes, { disk });
    await finishPassphraseChange(folder, disk);
    return Object.keys(changed).length;
  } finally {
    await child.end();
  }
}

async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort();
}

async function rewrap(child: AgeChild, path: string): Promise<Uint8Array> {
  const key = await readFileBounded(path, maxKeyFileBytes, { ownerOnly: true });
  return child.request(path, operation.rewrap, key.length, (write) => write(key));
}

/** Puts in place what an interrupted change left; without one it does nothing. The caller holds the home's lock. Throws `HomeError`. */
export async function finishPassphraseChange(folder: string, disk: Disk = realDisk): Promise<void> {
  const path = join(folder, changeName);
  const changed = await readChange(path);
  if (changed === undefined) return;
  for (const [name, key] of changed) await writeFileAtomic(join(folder, name), key, { disk });
  try {
    await disk.unlink(path);
    await disk.syncFolder(dirname(path));
  } catch (error) {
    throw writeFailure(error, path);
  }
}

async function readChange(path: string): Promise<[name: string, key: Uint8Array][] | undefined> {
  try {
    const bytes = await readFileBounded(path, maxRekeyBytes, { ownerOnly: true });
    const value = decodeCanonicalJson(bytes, { maxBytes: maxRekeyBytes, maxDepth: 1 });
    return Object.entries(value as Record<string, unknown>).map(([name, key]) => {
      if (!passphraseFileName.test(name) || typeof key !== 'string') throw new Error(`it names ${name}`);
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
