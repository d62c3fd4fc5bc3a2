/** What can go wrong with a role's folder on disk. */

/**
 * - `missing`: a file or folder that must be there is not.
 * - `exists`: a file that must not be replaced is there already.
 * - `locked`: another process works in this home.
 * - `no-lock`: the lock could not be asked for (no `flock` tool, or a file system without locks).
 * - `unreadable`: the operating system refused to read, or it is not a file or folder of the right kind.
 * - `too-large`: a file is longer than its bound.
 * - `damaged`: a file is there and is not what was written.
 * - `not-private`: others than the owner can reach a file or folder that holds a secret.
 * - `wrong-role`: a home of another role, or of another version.
 * - `bad-config`: a setting is unknown, doubled or of the wrong type.
 * - `bad-passphrase`: a passphrase that cannot be used: empty, of several lines, not UTF-8, or typed differently twice.
 * - `wrong-passphrase`: the passphrase does not open the file.
 * - `no-key`: no key waits for a new share.
 * - `still-held`: a share was to be erased whose key another file holds, or may hold.
 * - `no-terminal`: a passphrase must be asked for and there is no terminal.
 * - `cancelled`: the person at the terminal gave up.
 * - `age-failed`: the process that makes and opens age files broke.
 * - `disk-full`: nothing was changed, the old file is still in place.
 * - `write-failed`: the same, unless the message says that only the disk's confirmation is missing.
 */
export type HomeErrorCode =
  | 'missing'
  | 'exists'
  | 'locked'
  | 'no-lock'
  | 'unreadable'
  | 'too-large'
  | 'damaged'
  | 'not-private'
  | 'wrong-role'
  | 'bad-config'
  | 'bad-passphrase'
  | 'wrong-passphrase'
  | 'no-key'
  | 'still-held'
  | 'no-terminal'
  | 'cancelled'
  | 'age-failed'
  | 'disk-full'
  | 'write-failed';

/** A refusal by `home/`: what was found, at which path, and what to do. Never holds a secret. */
export class HomeError extends Error {
  readonly code: HomeErrorCode;
  readonly path?: string;

  constructor(
    code: HomeErrorCode,
    message: string,
    options: { readonly path?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'HomeError';
    this.code = code;
    if (options.path !== undefined) this.path = options.path;
  }
}

/** The `code` of an error of the operating system (`ENOENT`, `ENOSPC`, ...); `undefined` for any other value. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a failed read of `path` into a `HomeError`; a `HomeError` stays what it is. */
export function readFailure(error: unknown, path: string): HomeError {
  if (error instanceof HomeError) return error;
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new HomeError('missing', `${path} is not there`, { path, cause: error });
  return new HomeError(
    'unreadable',
    `${path} could not be read (${code ?? 'unknown error'}); check its owner and mode`,
    {
      path,
      cause: error,
    },
  );
}

/** Turns a failed write of `path` into a `HomeError`; a `HomeError` stays what it is. */
export function writeFailure(error: unknown, path: string): HomeError {
  if (error instanceof HomeError) return error;
  const code = systemCode(error);
  if (code === 'EEXIST') {
    return new HomeError('exists', `${path} exists already and is not replaced; move it away first`, {
      path,
      cause: error,
    });
  }
  if (code === 'ENOENT') {
    return new HomeError('missing', `the folder of ${path} is not there; make it first`, { path, cause: error });
  }
  if (code === 'ENAMETOOLONG')
    return new HomeError(
      'write-failed',
      `${path} cannot be written: its name is too long for this disk; nothing was changed`,
      { path, cause: error },
    );
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
    return new HomeError(
      'write-failed',
      `${path} cannot be written: you may not write into its folder (${code}); nothing was changed`,
      { path, cause: error },
    );
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HomeError(
      'disk-full',
      `no space left to write ${path}; nothing was changed, free some space and try again`,
      {
        path,
        cause: error,
      },
    );
  }
  return new HomeError(
    'write-failed',
    `${path} could not be written (${code ?? 'unknown error'}); nothing was changed`,
    {
      path,
      cause: error,
    },
  );
}
