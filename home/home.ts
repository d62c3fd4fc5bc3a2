/** A role's folder on disk: one home is one member of one group, one requester, or one coordinator. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { HomeError } from './errors.ts';
import { assertPrivateFolder, ensurePrivateFolder, readFileBounded, writeFileOnce } from './files.ts';
import { maxMarkerFileBytes } from './limits.ts';

/** The roles that have a home. */
export const roles = ['coordinator', 'participant', 'requester'] as const;
/** One of the roles that have a home. */
export type Role = (typeof roles)[number];

/** A role's folder on disk, opened: it exists, is its user's alone, and is of this role. */
export interface Home {
  readonly role: Role;
  /** Absolute. */
  readonly path: string;
  /** The absolute path of what is called `name` in this home. */
  file(name: string): string;
}

/** Says whose home a folder is, so that no role runs in another one's. */
const markerName = 'home.json';
const version = 1;

/** `~/.frostmark/<role>`. */
export function defaultHomePath(role: Role): string {
  return join(homedir(), '.frostmark', role);
}

/**
 * Makes a role's home, owner-only. A repeat is a no-op: an interrupted `init` can simply run again.
 * Throws `HomeError` (`not-private`, `wrong-role`, `disk-full`, `write-failed`).
 */
export async function initHome(role: Role, path: string = defaultHomePath(role)): Promise<Home> {
  const home = homeAt(role, path);
  await ensurePrivateFolder(home.path);
  try {
    await writeFileOnce(home.file(markerName), markerOf(role));
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
    await assertMarker(home);
  }
  return home;
}

/**
 * Opens a home that `initHome` made. Does not lock it (`acquireLock`).
 * Throws `HomeError` (`missing`, `unreadable`, `not-private`, `wrong-role`, `damaged`).
 */
export async function openHome(role: Role, path: string = defaultHomePath(role)): Promise<Home> {
  const home = homeAt(role, path);
  try {
    await assertPrivateFolder(home.path);
    await assertMarker(home);
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'missing') throw error;
    throw new HomeError('missing', `${home.path} is no ${role} home; make one with: frostmark ${role} init`, {
      path: home.path,
      cause: error,
    });
  }
  return home;
}

function homeAt(role: Role, path: string): Home {
  const absolute = resolve(path);
  return { role, path: absolute, file: (name) => join(absolute, name) };
}

function markerOf(role: Role): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ frostmark: version, role })}\n`);
}

async function assertMarker(home: Home): Promise<void> {
  const path = home.file(markerName);
  const found = new TextDecoder().decode(await readFileBounded(path, maxMarkerFileBytes));
  const owner = roles.find((role) => found === new TextDecoder().decode(markerOf(role)));
  if (owner === home.role) return;
  if (owner !== undefined) {
    throw new HomeError(
      'wrong-role',
      `${home.path} is the home of a ${owner}, not of a ${home.role}; give another --home`,
      { path: home.path },
    );
  }
  throw new HomeError(
    'damaged',
    `${path} is not what this version of frostmark writes; restore it, or use the version that made this home`,
    { path },
  );
}
