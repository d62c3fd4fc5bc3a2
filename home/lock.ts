/**
 * One process per home, by a lock that the kernel holds.
 *
 * The lock is an exclusive `flock(2)` on the file `lock` in the home. Node cannot ask for one, so the `flock` tool
 * (util-linux, busybox) is started with our open file as its descriptor 3: the lock belongs to the open file, which both share, and
 * stays with us when the tool has exited. This was chosen because of what it does by itself: of two starters exactly one
 * gets it; the kernel ends it with the process, so a `kill -9` leaves nothing stale; a copied home is another file and
 * can be locked; containers that share a home exclude each other, which process ids and abstract sockets would not.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { HomeError, systemCode, writeFailure } from './errors.ts';
import { removeTemporaries } from './files.ts';
import type { Home } from './home.ts';

const lockName = 'lock';
/** `flock --nonblock` exits with this when another process holds the lock. */
const conflict = 1;

/**
 * Locks the home for this process until the result is disposed of, or the process ends in any way.
 * Then removes what a killed predecessor left unfinished.
 * Throws `HomeError` (`locked`, naming the holder's process id; `no-lock`; `write-failed`).
 */
export async function acquireLock(home: Home): Promise<AsyncDisposable> {
  const path = home.file(lockName);
  const descriptor = openLockFile(path);
  try {
    const exitCode = await flock(descriptor, path);
    if (exitCode === conflict) throw heldByAnother(home, path);
    if (exitCode !== 0)
      throw new HomeError('no-lock', `${path} could not be locked (flock ended with ${String(exitCode)})`, { path });
    writeHolder(descriptor);
    await removeTemporaries(home.path);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  let held = true;
  return {
    [Symbol.asyncDispose]: () => {
      // Once only: the number may belong to another file by now.
      if (held) release(descriptor);
      held = false;
      return Promise.resolve();
    },
  };
}

/** A bare descriptor, not a `FileHandle`: the garbage collector would close that, and the lock with it. */
function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw writeFailure(error, path);
  }
}

/** The exit code of `flock`, `null` if a signal ended it. */
function flock(descriptor: number, path: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const tool = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
    tool.once('exit', resolve);
    tool.once('error', (cause) => {
      const found =
        systemCode(cause) === 'ENOENT' ? 'there is no flock tool; install util-linux' : 'the flock tool does not start';
      reject(new HomeError('no-lock', `${path} cannot be locked: ${found}`, { path, cause }));
    });
  });
}

/** Only for the other process's message; the lock itself does not depend on it. */
function writeHolder(descriptor: number): void {
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`, 0);
}

function heldByAnother(home: Home, path: string): HomeError {
  const pid = /^[0-9]{1,10}(?=\n)/.exec(readFileSync(path, 'latin1'))?.[0];
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new HomeError(
    'locked',
    `${home.path} is in use by ${holder}; stop it first (the lock ends with it, ${path} needs no deleting)`,
    {
      path: home.path,
    },
  );
}

/** The file stays: if it were removed, a starter that has it open and one that makes it anew would both hold a lock. */
function release(descriptor: number): void {
  ftruncateSync(descriptor, 0);
  closeSync(descriptor);
}
