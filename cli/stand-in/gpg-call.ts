/** How git and rpm call gpg to sign (git, gpg-interface.c; rpm, the macro `__gpg_sign_cmd`): told from every other call by the arguments alone. */

export type GpgCall =
  /** A tag or commit on standard input; armored to standard output, status lines to standard error. */
  | { readonly for: 'git'; readonly key: string }
  /** A package's header; the binary packet goes into the file `out`. */
  | { readonly for: 'rpm'; readonly key: string | undefined; readonly out: string; readonly file: string }
  /** Wants a signature in a way that we do not know. */
  | { readonly for: 'other' }
  /** Signs nothing. */
  | undefined;

/** What rpm's macro says besides: how gpg talks, and a hash that is SHA-512 here whatever is asked for. */
const rpmFlags: readonly RegExp[] = [
  /^--no-verbose$/,
  /^--no-armor$/,
  /^--no-secmem-warning$/,
  /^--batch$/,
  /^--digest-algo=\w+$/,
];

export function readGpgCall(args: readonly string[]): GpgCall {
  return asGit(args) ?? asRpm(args) ?? (args.some(signs) ? { for: 'other' } : undefined);
}

/** `--status-fd=2 -bsau KEY` */
function asGit([status, letters, key, ...more]: readonly string[]): GpgCall {
  if (status !== '--status-fd=2' || letters !== '-bsau' || key === undefined || more.length > 0) return undefined;
  return { for: 'git', key };
}

/** `--no-verbose --no-armor --no-secmem-warning -u NAME -sbo OUT -- -` */
function asRpm(args: readonly string[]): GpgCall {
  const rest = args.filter((arg) => !rpmFlags.some((flag) => flag.test(arg)));
  const key = rest[0] === '-u' ? rest[1] : undefined;
  const [letters, out, ...file] = key === undefined ? rest : rest.slice(2);
  const [path = '-', ...more] = file[0] === '--' ? file.slice(1) : file;
  const isBinary = args.includes('--no-armor');
  if (!isBinary || letters !== '-sbo' || out === undefined || more.length > 0) return undefined;
  return { for: 'rpm', key, out, file: path };
}

/** `-s`, `-b` or both among short options; behind one that takes a value there are no more. */
const shortSigning = /^-[^-uorRNz]*[sb]/;

function signs(arg: string): boolean {
  return /^--(?:sign|detach-?sign|clear-?sign)$/.test(arg) || (/^-[A-Za-z]+$/.test(arg) && shortSigning.test(arg));
}
