/** The key of a share file: an age X25519 identity under the passphrase, in a small file beside it, perhaps among others that wait or waited. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { whole, type AgeChild } from './age-process.ts';
import { readFileBounded, syncFile, writeFileAtomic } from './files.ts';
import { maxShareFileBytes } from './limits.ts';
import { decodePart, operation } from './pipe.ts';

/** `key-<hash>.age` beside `share-<transcript>.age` and `import-<charter>.age`. */
export function keyPathOf(sharePath: string): string {
  return join(dirname(sharePath), basename(sharePath).replace(/^(?:share|import)/, 'key'));
}

/** Whether an age file begins as one for an X25519 recipient. Share files of earlier versions have a scrypt recipient. */
function isForKey(file: Uint8Array): boolean {
  const start = 'age-encryption.org/v1\n-> X25519 ';
  return Buffer.from(file.subarray(0, start.length)).toString('latin1') === start;
}

/** Files with one-time keys, to which shares of an imported key are sealed. */
export const importKeyFileName = /^import-[0-9a-f]{64}\.age$/;
/** Files with shares. */
export const shareFileName = /^share-[0-9a-f]{64}\.age$/;
/** Files with keys of shares. */
export const keyFileName = /^key-[0-9a-f]{64}\.age$/;
/** The file with the keys that wait for shares. */
export const waitingFileName = 'next.age';
/** Those of earlier versions, which had one key each. */
export const formerWaitingFileName = /^next-[0-9]\.age$/;

/** Whether a share of this home has a passphrase already. */
export async function holdsKeys(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => keyFileName.test(name));
}

/** Whether a file of this name is under the passphrase, and changes with it. */
export function isPassphraseFile(name: string): boolean {
  return keyFileName.test(name) || name === waitingFileName || formerWaitingFileName.test(name);
}

/**
 * The bytes of a share file. One of an earlier version, which is itself under the passphrase, is given a key of its own first, and replaced.
 * Throws `HomeError`, and what the child does.
 */
export async function readShareFile(child: AgeChild, path: string): Promise<Uint8Array> {
  const file = await readFileBounded(path, maxShareFileBytes, { ownerOnly: true });
  // A killed predecessor may have renamed the file without syncing the folder; what is read here is acted upon.
  await syncFile(path);
  return isForKey(file) ? file : await convert(child, path, file);
}

/** The key first: until the share file is replaced the old one opens with the passphrase alone, and a key that nothing needs does no harm. */
async function convert(child: AgeChild, path: string, old: Uint8Array): Promise<Uint8Array> {
  const converted = await child.request({ path, kind: operation.convert, ...whole(old) });
  const { part: key, rest: file } = decodePart(converted);
  await writeFileAtomic(keyPathOf(path), key);
  await writeFileAtomic(path, file);
  return file;
}
