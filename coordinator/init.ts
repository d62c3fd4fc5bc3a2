/** The coordinator's home: its identity, its empty store, and the charters that its operator admits. */
import { readdir } from 'node:fs/promises';
import { HomeError } from '../home/errors.ts';
import { ensurePrivateFolder, readFileBounded, useOwnerOnlyUmask, writeFileAtomic } from '../home/files.ts';
import { initHome, openHome, type Home } from '../home/home.ts';
import { createIdentity, loadIdentity, type Identity } from '../home/identity.ts';
import { acquireLock } from '../home/lock.ts';
import { decodeCharter, type Charter } from '../protocol/files/charter.ts';
import { keyId } from '../protocol/wire/envelope.ts';
import { maxCharterBytes } from '../protocol/limits.ts';
import { charterFile } from './groups.ts';
import type { StorePaths } from './database.ts';
import { createStore, exists } from './store.ts';

/**
 * Makes the home, the identity and an empty store, as far as they are missing; answers the fingerprint (identity key, base64url).
 * Throws `HomeError` or `CoordinatorError`.
 */
export async function initCoordinator(path?: string): Promise<string> {
  useOwnerOnlyUmask();
  const home = await initHome('coordinator', path);
  const lock = await acquireLock(home);
  try {
    await ensurePrivateFolder(chartersFolder(home));
    const identity = await ensureIdentity(home);
    if (!(await hasStore(home))) await createStore(storePaths(home), await admittedCharters(home));
    return keyId(identity.publicKey);
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function ensureIdentity(home: Home): Promise<Identity> {
  try {
    return await createIdentity(home);
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
    return loadIdentity(home);
  }
}

/**
 * Lets the members of a charter in: copies the file into the home by its hash. A running coordinator reads it when the first of them comes.
 * A repeat changes nothing. Throws `ProtocolError` with file and line, or `HomeError`.
 */
export async function admitCharter(homePath: string | undefined, path: string): Promise<Charter> {
  useOwnerOnlyUmask();
  const home = await openHome('coordinator', homePath);
  const bytes = await readFileBounded(path, maxCharterBytes);
  const charter = decodeCharter(bytes, path);
  await ensurePrivateFolder(chartersFolder(home));
  await writeFileAtomic(charterFile(chartersFolder(home), charter.hash), bytes);
  return charter;
}

/** A store of the old form is one, too: it is taken over when the coordinator starts. */
async function hasStore(home: Home): Promise<boolean> {
  return (await exists(storePaths(home).database)) || exists(oldStorePaths(home).database);
}

/** Hashes of the charters that were admitted so far: members may bring their groups back. */
async function admittedCharters(home: Home): Promise<string[]> {
  const names = await readdir(chartersFolder(home));
  return names.flatMap((name) => /^([0-9a-f]{64})\.yaml$/.exec(name)?.[1] ?? []).sort();
}

/** `<SHA-256>.yaml` for every admitted charter. */
export function chartersFolder(home: Home): string {
  return home.file('charters');
}

/** Where the home keeps its store and the anchor beside it. */
export function storePaths(home: Home): StorePaths {
  return { database: home.file('record'), anchor: home.file('record-anchor') };
}

/** Where an earlier frostmark kept them. */
export function oldStorePaths(home: Home): StorePaths {
  return { database: home.file('store'), anchor: home.file('store-head') };
}
