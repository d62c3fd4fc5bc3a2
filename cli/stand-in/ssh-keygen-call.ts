/** How git calls ssh-keygen to sign (git, gpg-interface.c; ssh-keygen, `-Y sign`), told from every other call by what the arguments mean. */
import type { SshNamespace } from '../../protocol/ssh/signature.ts';

/** A call of ssh-keygen; `undefined` for one that signs nothing. */
export type SshKeygenCall =
  | { readonly signs: true; readonly namespace: SshNamespace; readonly keyFile: string; readonly file: string }
  /** Wants a signature in a way that we do not know; `why` names the argument that is in the way. */
  | { readonly signs: true; readonly why: string }
  /** Signs nothing. */
  | undefined;

/** Letters that take a value in every version that signs (OpenSSH 8.0 and newer). */
const lettersWithValue = 'CDEFIMNOPRVYZabfmnrstw';
/** Say nothing about the signature: quiet, verbose, and "the key is in an agent", which git says of every key that stands in its configuration. */
const idleLetters = ['-q', '-v', '-U'];

/** Reads what ssh-keygen would do. Nothing that may ask for a signature is ever `undefined`. */
export function readSshKeygenCall(args: readonly string[]): SshKeygenCall {
  const wish = signingArgument(args);
  if (wish === undefined) return undefined;
  const { options, files } = readArguments(args);
  const valueOf = (letter: string) => options.findLast(({ text }) => text === letter)?.value;
  const operation = valueOf('-Y');
  const other = options.find(({ text, value }) => !isUnderstood(text, value));
  const [namespace, keyFile] = [valueOf('-n'), valueOf('-f')];
  const [file, ...more] = files;
  if (operation !== 'sign') return { signs: true, why: `${wish} is not understood here` };
  if (other !== undefined)
    return { signs: true, why: `${other.text} ${other.value ?? ''}`.trim() + ' is not understood here' };
  if (namespace !== 'git' && namespace !== 'file')
    return { signs: true, why: `the namespace -n ${namespace ?? '(none)'} is neither git nor file` };
  if (keyFile === undefined) return { signs: true, why: 'no -f with the public key was given' };
  if (file === undefined || file === '-')
    return { signs: true, why: 'no file was given, and standard input is not signed here' };
  if (more.length > 0)
    return { signs: true, why: `exactly one file is signed at a time, and ${files.join(' ')} are more` };
  return { signs: true, namespace, keyFile, file };
}

interface Option {
  /** A dash and a letter. */
  readonly text: string;
  readonly value: string | undefined;
}

function isUnderstood(text: string, value: string | undefined): boolean {
  if (text === '-O') return value?.toLowerCase() === 'hashalg=sha512';
  return ['-Y', '-n', '-f', ...idleLetters].includes(text);
}

/** As getopt(3) reads them: letters may be joined, and values, too; options end at the first file. */
function readArguments(args: readonly string[]): { readonly options: Option[]; readonly files: string[] } {
  const options: Option[] = [];
  const rest = [...args];
  for (let arg = rest[0]; arg !== undefined && arg.length > 1 && arg.startsWith('-'); arg = rest[0]) {
    rest.shift();
    if (arg === '--') break;
    options.push(...readCluster(arg, rest));
  }
  return { options, files: rest };
}

function readCluster(arg: string, rest: string[]): Option[] {
  const found: Option[] = [];
  for (let at = 1; at < arg.length; at += 1) {
    const text = `-${arg.charAt(at)}`;
    if (lettersWithValue.includes(arg.charAt(at)))
      return [...found, { text, value: arg.slice(at + 1) || rest.shift() }];
    found.push({ text, value: undefined });
  }
  return found;
}

/**
 * What in these arguments may ask for a signature: `-Y` with a word that begins with "sign", or `-s`, which certifies a key unless it names the
 * signature of a `-Y` or the authority of a revocation list. The laxest reading: any argument counts, wherever it stands.
 */
function signingArgument(args: readonly string[]): string | undefined {
  const found = args.flatMap((arg, index) => {
    // It has no long options, and ends at one.
    if (!arg.startsWith('-') || arg.startsWith('--')) return [];
    return readCluster(arg, []).map(({ text, value }) => ({ text, value: value ?? args[index + 1] }));
  });
  const operation = found.find(({ text, value }) => text === '-Y' && value?.startsWith('sign') === true);
  if (operation !== undefined) return `-Y ${operation.value ?? ''}`;
  const isOther = found.some(({ text }) => text === '-Y' || text === '-k');
  return !isOther && found.some(({ text }) => text === '-s') ? '-s' : undefined;
}
