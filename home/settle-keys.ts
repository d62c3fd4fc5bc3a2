/**
 * Key files as they are to be: each holds the identity of its own share alone, and `next.age` holds none that a share uses or used. A daemon that
 * stores a share copies all keys that wait; whoever knows the passphrase next puts that right here. Each step can be the last one:
 * every share keeps its key at every moment, and what was not finished is done again.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '../protocol/wire/present.ts';
import { whole, type AgeChild } from './age-process.ts';
import { disk as realDisk, type Disk } from './disk.ts';
import { eraseFile, finishErasing, replacedName, replaceErasing } from './erasing.ts';
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import { encodeKeyRegister, openKeyRegister, type OpenedKeys } from './key-register.ts';
import { maxKeyFileBytes, maxShareFileBytes } from './limits.ts';
import { encodePart, operation } from './pipe.ts';
import {
  formerWaitingFileName,
  isPassphraseFile,
  keyFileName,
  keyRegisterName,
  sharePathOf,
  waitingFileName,
} from './share-key.ts';

/** A home whose passphrase the child knows. */
export interface KeysToSettle {
  readonly child: AgeChild;
  readonly folder: string;
  /** A key file that the child has opened already: where nothing is to be done, no other is opened. */
  readonly witness?: string | undefined;
  /** The disk to write to; tests put a failing one here. */
  readonly disk?: Disk;
}

/** Key files by their names. */
type KeyFiles = Map<string, OpenedKeys>;

/**
 * Puts the key files right, and resolves with the keys that wait. Throws what the child and `writeFileAtomic` do, and
 * `HomeError('wrong-passphrase')`, with nothing changed, for a home whose shares have another passphrase.
 */
export async function settleKeys(home: KeysToSettle): Promise<OpenedKeys> {
  return (await settledKeys(home)) ?? (await settle(home));
}

/** The keys that wait, if the register is about every file that is there. */
async function settledKeys({
  child,
  folder,
  witness = waitingFileName,
}: KeysToSettle): Promise<OpenedKeys | undefined> {
  const register = await openKeyRegister(child, folder, witness);
  if (register === undefined) return undefined;
  let waiting: OpenedKeys | undefined;
  for (const name of await readdir(folder)) {
    if (replacedName.test(name)) return undefined;
    if (!isPassphraseFile(name)) continue;
    const file = await readKeyFile(join(folder, name));
    if (!register.lists(name, file)) return undefined;
    if (name === waitingFileName) waiting = { file, recipients: register.recipientsIn(file) ?? [] };
  }
  return waiting;
}

async function settle({ child, folder, disk = realDisk }: KeysToSettle): Promise<OpenedKeys> {
  const opened = await openKeyFiles(child, folder);
  await finishErasing(folder, disk);
  const settled: KeyFiles = new Map();
  for (const [name, recipients] of await kept(child, folder, opened)) {
    const narrowed = await narrow(child, join(folder, name), present(opened.get(name), name), recipients);
    if (narrowed === undefined) await eraseFile(join(folder, name), disk);
    else {
      if (narrowed !== opened.get(name)) await replaceErasing(join(folder, name), narrowed.file, disk);
      settled.set(name, narrowed);
    }
  }
  // Always new ones: without a register nobody can say that no share, perhaps one that was erased, has ever been under one of the old ones.
  const waiting = await makeKeys(child, join(folder, waitingFileName));
  await replaceErasing(join(folder, waitingFileName), waiting.file, disk);
  for (const name of (await readdir(folder)).filter((name) => formerWaitingFileName.test(name)))
    await eraseFile(join(folder, name), disk);
  settled.set(waitingFileName, waiting);
  await writeFileAtomic(join(folder, keyRegisterName), await encodeKeyRegister(child, folder, settled), { disk });
  return waiting;
}

/** The key files of shares. One that is damaged holds nothing: opening its share will say so. */
async function openKeyFiles(child: AgeChild, folder: string): Promise<KeyFiles> {
  const isRight = await openIfGood(child, join(folder, waitingFileName), [
    'missing',
    'damaged',
    'wrong-passphrase',
    'too-large',
  ]);
  // No keys are made under a passphrase that does not open what is there: a home has one.
  const passedOver = isRight === undefined ? ['damaged'] : ['damaged', 'wrong-passphrase'];
  const files: KeyFiles = new Map();
  for (const name of (await readdir(folder)).filter((name) => keyFileName.test(name)).sort()) {
    const path = join(folder, name);
    files.set(name, (await openIfGood(child, path, passedOver)) ?? { file: await readKeyFile(path), recipients: [] });
  }
  return files;
}

async function openIfGood(
  child: AgeChild,
  path: string,
  passedOver: readonly string[],
): Promise<OpenedKeys | undefined> {
  try {
    return await openKeys(child, path, await readKeyFile(path));
  } catch (error) {
    if (error instanceof HomeError && passedOver.includes(error.code)) return undefined;
    throw error;
  }
}

/** Which of their recipients key files are to keep: that of their share; of one whose share is not there, those that no other share uses. */
async function kept(child: AgeChild, folder: string, files: KeyFiles): Promise<Map<string, readonly string[]>> {
  const own = new Map<string, readonly string[]>();
  for (const [name, keys] of files) {
    const opener = keys.recipients.length > 1 ? await openerOf(child, join(folder, name), keys.file) : undefined;
    if (keys.recipients.length <= 1) own.set(name, keys.recipients);
    else if (opener !== undefined) own.set(name, [opener]);
  }
  const used = new Set([...own.values()].flat());
  const entries = [...files].map(
    ([name, { recipients }]) => [name, own.get(name) ?? recipients.filter((one) => !used.has(one))] as const,
  );
  return new Map(entries);
}

async function openerOf(child: AgeChild, path: string, key: Uint8Array): Promise<string | undefined> {
  const sharePath = sharePathOf(path);
  if (sharePath === undefined) return undefined;
  const share = await readFileBounded(sharePath, maxShareFileBytes, { ownerOnly: true });
  const opener = await child.request({ path, kind: operation.openerOf, ...whole(encodePart(key), share) });
  return opener.length === 0 ? undefined : new TextDecoder().decode(opener);
}

/** The key file with these recipients alone; the same one if it has no other, `undefined` if it is to keep none of those that it has. */
async function narrow(
  child: AgeChild,
  path: string,
  keys: OpenedKeys,
  recipients: readonly string[],
): Promise<OpenedKeys | undefined> {
  if (recipients.length === keys.recipients.length) return keys;
  if (recipients.length === 0) return undefined;
  const body = whole(encodePart(keys.file), new TextEncoder().encode(recipients.join('\n')));
  return { file: await child.request({ path, kind: operation.narrow, ...body }), recipients };
}

/** The bytes of a key file. Throws `HomeError`. */
export function readKeyFile(path: string): Promise<Uint8Array> {
  return readFileBounded(path, maxKeyFileBytes, { ownerOnly: true });
}

/** What a key file holds that opens with the passphrase; `path` is for messages. Throws what the child does. */
export async function openKeys(child: AgeChild, path: string, file: Uint8Array): Promise<OpenedKeys> {
  const recipients = await child.request({ path, kind: operation.recipientsOf, ...whole(file) });
  return { file, recipients: new TextDecoder().decode(recipients).split('\n') };
}

async function makeKeys(child: AgeChild, path: string): Promise<OpenedKeys> {
  return openKeys(child, path, await child.request({ path, kind: operation.makeKeys, ...whole() }));
}
