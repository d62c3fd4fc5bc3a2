/** gpg's arguments as gpg reads them: clusters of letters, joined and separate values, abbreviated names (GnuPG, common/argparse.c). */

/** What one argument says. */
export type GpgArgument =
  /** `text` is what was written, without a value. */
  | { readonly kind: 'option'; readonly name: string; readonly value: string | undefined; readonly text: string }
  /** An option that has no meaning for the signatures that are made here, and none that would need a refusal. */
  | { readonly kind: 'unknown'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

/** Commands that sign a file. An abbreviation of one is taken for it, whatever else it could mean to gpg. */
const dataCommands = ['sign', 'clear-sign', 'clearsign', 'detach-sign'] as const;
/** Commands that sign somebody's key. */
const keyCommands = ['sign-key', 'lsign-key', 'quick-sign-key', 'quick-lsign-key', 'tsign-key', 'quick-tsign-key'];
const signingCommands: readonly string[] = [...dataCommands, ...keyCommands];
/** What `--edit-key KEY …` is told to sign a key. */
const editCommand = /^(?:l|t|nr)*sign$/i;

/** Whether the option of this name, written in full, is a command that signs. */
export function isSigningCommand(name: string): boolean {
  return signingCommands.includes(name);
}

/** Whether the option of this name, written in full, puts the signature below the text (RFC 9580, Section 7). */
export function isClearSigning(name: string): boolean {
  return name === 'clear-sign' || name === 'clearsign';
}

/** Options with a value that say something about the signature. */
const meant = ['local-user', 'sign-with', 'default-key', 'output', 'status-fd'] as const;

/** Options with a value that say nothing about it: how gpg talks, asks and finds its keys, and a hash that is SHA-512 here whatever is asked for. */
const idleWithValue = [
  'agent-program',
  'attribute-fd',
  'auto-key-locate',
  'bzip2-compress-level',
  'cert-digest-algo',
  'charset',
  'cipher-algo',
  'command-fd',
  'compliance',
  'compress-algo',
  'compress-level',
  'debug-level',
  'digest-algo',
  'dirmngr-program',
  'display',
  'display-charset',
  'gpg-agent-info',
  'homedir',
  'input-size-hint',
  'keyid-format',
  'keyring',
  'keyserver',
  'keyserver-options',
  'lc-ctype',
  'lc-messages',
  'limit-card-insert-tries',
  'list-options',
  'log-file',
  'logger-fd',
  'passphrase',
  'passphrase-fd',
  'passphrase-file',
  'passphrase-repeat',
  'personal-cipher-preferences',
  'personal-compress-preferences',
  'personal-digest-preferences',
  'photo-viewer',
  'pinentry-mode',
  'primary-keyring',
  'request-origin',
  'secret-keyring',
  'temp-directory',
  'trust-model',
  'trustdb-name',
  'ttyname',
  'ttytype',
  'verify-options',
  'weak-digest',
  'xauthority',
];

const idle = [
  'allow-secret-key-import',
  'always-trust',
  'ask-cert-level',
  'batch',
  'disable-dirmngr',
  'enable-progress-filter',
  'exit-on-status-write-error',
  'expert',
  'fixed-list-mode',
  'gnupg',
  'interactive',
  'lock-multiple',
  'lock-never',
  'lock-once',
  'no-allow-freeform-uid',
  'no-ask-sig-expire',
  'no-auto-check-trustdb',
  'no-auto-key-locate',
  'no-auto-key-retrieve',
  'no-autostart',
  'no-batch',
  'no-comments',
  'no-default-keyring',
  'no-emit-version',
  'no-encrypt-to',
  'no-expert',
  'no-force-v3-sigs',
  'no-greeting',
  'no-groups',
  'no-include-key-block',
  'no-literal',
  'no-mdc-warning',
  'no-options',
  'no-permission-warning',
  'no-random-seed-file',
  'no-require-secmem',
  'no-secmem-warning',
  'no-show-photos',
  'no-sig-cache',
  'no-sk-comments',
  'no-symkey-cache',
  'no-textmode',
  'no-tty',
  'no-use-agent',
  'no-utf8-strings',
  'no-verbose',
  'no-version',
  'openpgp',
  'quiet',
  'require-secmem',
  'rfc4880',
  'use-agent',
  'utf8-strings',
  'verbose',
  'with-colons',
  'yes',
];

const withValue: readonly string[] = [...meant, ...idleWithValue];
const names = [...signingCommands, 'armor', 'armour', 'no-armor', 'no-armour', 'textmode', ...idle, ...withValue];

/** One letter for a name. */
const letters: Readonly<Record<string, string>> = {
  a: 'armor',
  b: 'detach-sign',
  i: 'interactive',
  o: 'output',
  q: 'quiet',
  s: 'sign',
  t: 'textmode',
  u: 'local-user',
  v: 'verbose',
  z: 'compress-level',
};
/** Letters with a value that are none of those above; what follows one in its cluster is its value. */
const otherLettersWithValue = 'rRfFN';

/** Every argument in order, for a call that signs; values are taken as gpg takes them, and after `--` everything is a file. */
export function readGpgArguments(args: readonly string[]): GpgArgument[] {
  const found: GpgArgument[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') return [...found, ...rest.map((path): GpgArgument => ({ kind: 'file', path }))];
    if (arg.startsWith('--')) found.push(readLong(arg, rest));
    else if (arg.startsWith('-') && arg !== '-') found.push(...readCluster(arg, rest));
    else found.push({ kind: 'file', path: arg });
  }
  return found;
}

/** Whether the document of a call that signs is on standard input, as far as these arguments are understood. */
export function readsInput(args: readonly string[]): boolean {
  return readGpgArguments(args).every((one) => one.kind !== 'file' || one.path === '-');
}

/** `--name`, `--name=value` or `--name value`. */
function readLong(arg: string, rest: string[]): GpgArgument {
  const [text = '', joined] = splitOnce(arg);
  const name = nameOf(text.slice(2));
  if (name === undefined) return { kind: 'unknown', text };
  if (!withValue.includes(name)) return { kind: 'option', name, value: undefined, text };
  return { kind: 'option', name, value: joined ?? rest.shift(), text };
}

/** A cluster of letters, of which the first one with a value takes what follows it, or else the next argument. */
function readCluster(arg: string, rest: string[]): GpgArgument[] {
  const found: GpgArgument[] = [];
  for (let at = 1; at < arg.length; at += 1) {
    const text = `-${arg.charAt(at)}`;
    const name = letters[arg.charAt(at)];
    if (name === undefined) return [...found, { kind: 'unknown', text }];
    if (!withValue.includes(name)) found.push({ kind: 'option', name, value: undefined, text });
    else return [...found, { kind: 'option', name, value: arg.slice(at + 1) || rest.shift(), text }];
  }
  return found;
}

/** The only name that the text is, or begins. */
function nameOf(text: string): string | undefined {
  if (names.includes(text)) return text;
  const begun = new Set(names.filter((name) => name.startsWith(text)).map(spelled));
  return begun.size === 1 ? [...begun][0] : undefined;
}

/** Two names of one option are one. */
function spelled(name: string): string {
  if (name === 'clearsign') return 'clear-sign';
  return name.replace(/armour$/, 'armor');
}

function splitOnce(arg: string): string[] {
  const at = arg.indexOf('=');
  return at < 0 ? [arg] : [arg.slice(0, at), arg.slice(at + 1)];
}

/**
 * What in these arguments may ask for a signature, as it is written but for values; `undefined` if nothing does. This is the laxest reading:
 * nothing is believed to be a value or a file because of what stands before it, and every beginning of a command counts for the command, for
 * whatever version of gpg gets the rest.
 */
export function signingArgument(args: readonly string[]): string | undefined {
  for (const arg of args) {
    const found = arg.startsWith('--') ? signingName(arg) : signingLetter(arg);
    if (found !== undefined) return found;
  }
  const edits = args.some((arg) => /^--(?:ed|key-)/.test(arg));
  return edits ? args.find((arg) => editCommand.test(arg)) : undefined;
}

function signingName(arg: string): string | undefined {
  const [text = ''] = splitOnce(arg);
  return text !== '--' && signingCommands.some((name) => name.startsWith(text.slice(2))) ? text : undefined;
}

function signingLetter(arg: string): string | undefined {
  if (!arg.startsWith('-')) return undefined;
  for (const letter of arg.slice(1)) {
    if (letter === 's' || letter === 'b') return `-${letter}`;
    if (otherLettersWithValue.includes(letter) || withValue.includes(letters[letter] ?? '')) return undefined;
  }
  return undefined;
}

/** Whether a line of a configuration file makes gpg sign: there a command is a name in full, without dashes. */
export function isSigningLine(line: string): boolean {
  const [word = ''] = line.trim().split(/\s/);
  return isSigningCommand(word.replace(/^-+/, ''));
}
