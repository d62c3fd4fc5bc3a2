/** Ordinary errors of the operating system in ordinary words: a full disk or a missing right is no fault of the program. */
import { systemCode } from '../home/errors.ts';

/** What a failure of the system is called, and what to do about it. */
export interface SystemWords {
  readonly message: string;
  readonly hint: string;
}

const words: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: ['is not allowed to this user', 'Check its owner and mode, and which user runs this.'],
  EPERM: ['is not allowed to this user', 'Check its owner and mode, and which user runs this.'],
  EROFS: ['is on a file system that is read-only', 'Choose another place, or have it mounted for writing.'],
  ENOSPC: ['has no space left', 'Free some space, then run the same command again.'],
  EDQUOT: [
    'has no space left for this user',
    "Free some space within this user's quota, then run the same command again.",
  ],
  EFBIG: ['is larger than the system lets this user write', 'Look at ulimit -f.'],
  EIO: ['cannot be read or written: the disk reports a fault', 'Look at the disk (dmesg).'],
  ENOENT: ['is not there', 'Check the path.'],
  ENOTDIR: ['is below something that is no folder', 'Check the path.'],
  EISDIR: ['is a folder', 'Name a file.'],
  ENAMETOOLONG: ['has a name that is too long', 'Choose a shorter one.'],
  ELOOP: ['is a chain of links without an end', 'Check where the links point.'],
  EMFILE: ['cannot be opened: too many files are open', 'Raise the limit (ulimit -n), then try again.'],
  ENFILE: ['cannot be opened: too many files are open on this machine', 'Close some programs, then try again.'],
  ENOMEM: ['cannot be done: this machine has no memory left', 'Close some programs, then try again.'],
  EAGAIN: ['cannot be done now: the system has no room for it', 'Try again; if this stays, look at ulimit -u.'],
  EADDRINUSE: [
    'is in use by another program',
    'Stop that one (ss -ltnp shows which it is), or choose another address.',
  ],
  EADDRNOTAVAIL: ['is no address of this machine', 'Choose one that ip addr shows.'],
};

/** `undefined` for what is no error of the system, or none that people meet. */
export function systemWords(error: unknown): SystemWords | undefined {
  const code = systemCode(error);
  const known = code === undefined || !Object.hasOwn(words, code) ? undefined : words[code];
  if (code === undefined || known === undefined) return undefined;
  const [what, hint] = known;
  return { message: `${subjectOf(error)} ${what} (${code})`, hint };
}

/** The file, the address, or what was tried. */
function subjectOf(error: unknown): string {
  const { path, address, port, syscall } = error as Partial<Record<'path' | 'address' | 'port' | 'syscall', unknown>>;
  if (typeof path === 'string') return path;
  if (typeof address === 'string') return typeof port === 'number' ? `${address}:${port}` : address;
  return typeof syscall === 'string' ? `the system's ${syscall}` : 'what was tried';
}
