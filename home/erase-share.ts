/**
 * A share erased for good: its key file overwritten and removed, then its share file. That means something only when no other file holds the key:
 * a key file that is a copy of another is not erased while the other is there.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Disk } from './disk.ts';
import { eraseFile, replacedName } from './erasing.ts';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import { readKeyRegister, type KeyRegister } from './key-register.ts';
import { maxRekeyBytes } from './limits.ts';
import { changeName, isPassphraseFile, keyPathOf, waitingFileName } from './share-key.ts';

/**
 * Erases the share file at `path`; nobody needs the passphrase. Throws `HomeError('still-held')`, with nothing changed, when another file holds its
 * key or may hold it, and `write-failed`: then the same again goes on.
 */
export async function eraseShare(path: string, disk?: Disk): Promise<void> {
  const [holder] = await otherHolders(path);
  if (holder !== undefined)
    throw new HomeError(
      'still-held',
      `${path} is not erased: ${holder} holds its key, too, or may; start the daemon, which knows the passphrase, and it parts them`,
      { path: holder },
    );
  // The key first: without it the other file opens nothing.
  await eraseFile(keyPathOf(path), disk);
  await eraseFile(path, disk);
}

/** Whether nothing that is left in the home opens a copy of the share file at `path`. */
export async function isErased(path: string): Promise<boolean> {
  return !existsSync(path) && !existsSync(keyPathOf(path)) && (await otherHolders(path)).length === 0;
}

/** Files of the home, besides its own key file, that hold the key of the share at `path`, or of which nobody can say that they do not. */
export async function otherHolders(path: string): Promise<string[]> {
  const folder = dirname(path);
  const register = await readKeyRegister(folder);
  const own = await ownRecipients(register, keyPathOf(path));
  const holders: string[] = [];
  for (const name of (await readdir(folder)).filter(isOfKeys).sort()) {
    const file = join(folder, name);
    if (file === keyPathOf(path)) continue;
    const bytes = await readFileBounded(file, maxRekeyBytes);
    if (!isOverwritten(bytes) && mayHold(name, register?.recipientsIn(bytes), own)) holders.push(file);
  }
  return holders;
}

/** What the share's key file holds, or held before it was overwritten; `undefined` if nobody can say. */
async function ownRecipients(
  register: KeyRegister | undefined,
  keyPath: string,
): Promise<readonly string[] | undefined> {
  const key = existsSync(keyPath) ? await readFileBounded(keyPath, maxRekeyBytes) : new Uint8Array();
  return isOverwritten(key) ? register?.recipientsOnce(basename(keyPath)) : register?.recipientsIn(key);
}

function isOverwritten(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function mayHold(name: string, held: readonly string[] | undefined, own: readonly string[] | undefined): boolean {
  if (held === undefined || held.length === 0) return true;
  if (own !== undefined && own.length > 0) return held.some((recipient) => own.includes(recipient));
  // Of a key that is gone and in no register: where each other key is that of its own share, it is nowhere.
  return name !== waitingFileName && held.length > 1;
}

/** Names of files that hold keys: also what a killed process left of them. */
function isOfKeys(name: string): boolean {
  return (
    isPassphraseFile(name) || replacedName.test(name) || name === changeName || /^\.(?:key|next|keys-new)/.test(name)
  );
}
