/**
 * How git, rpm and debsign call gpg to sign (git, gpg-interface.c; rpm, the macro `__gpg_sign_cmd`; devscripts, debsign; dpkg-buildpackage), told
 * from every other call by what the arguments mean.
 */
import { signingConfiguration } from './gpg-configuration.ts';
import {
  isClearSigning,
  isSigningCommand,
  readGpgArguments,
  signingArgument,
  type GpgArgument,
} from './gpg-arguments.ts';
import { maxDescriptor } from '../limits.ts';

interface Wanted {
  readonly key: string | undefined;
  /** Where gpg would write its status lines. */
  readonly statusFd: number | undefined;
}

/** From which file to which; `-` is standard input and output. */
export interface SignatureFile {
  readonly out: string;
  readonly file: string;
  /** `--yes`. */
  readonly isReplacing: boolean;
}

/** What a call of gpg wants, told apart by `for`. */
export type GpgCall =
  /** A tag or commit on standard input; armored to standard output. */
  | (Wanted & { readonly for: 'git' })
  /** A package's header; the binary packet goes into the file `out`. */
  | (Wanted & { readonly for: 'rpm' } & SignatureFile)
  /** A control file or Release with its signature below; into the file `out`, or `-` for standard output. */
  | (Wanted & { readonly for: 'clear-text' } & SignatureFile)
  /** Wants a signature that is not made here; `why` names the argument that says so. */
  | { readonly for: 'other'; readonly why: string }
  /** Signs nothing. */
  | undefined;

/** Reads what gpg would do. Nothing that may ask for a signature is ever `undefined`. */
export function readGpgCall(args: readonly string[]): GpgCall {
  const wish = signingArgument(args);
  if (wish === undefined) return undefined;
  const found = readGpgArguments(args);
  const why = whyNot(found, wish);
  return why === undefined ? asSigned(found) : { for: 'other', why };
}

/** As `readGpgCall`, with what gpg's configuration files say. */
export function judgeGpgCall(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): GpgCall {
  const call = readGpgCall(args);
  if (call !== undefined) return call;
  const told = signingConfiguration(args, environment);
  return told === undefined ? undefined : { for: 'other', why: `${told} may tell gpg to sign` };
}

/** What is in the way of one signature by one key; `undefined` if nothing is. */
function whyNot(found: readonly GpgArgument[], wish: string): string | undefined {
  const unknown = found.find((one) => one.kind === 'unknown');
  if (unknown !== undefined) return `${unknown.text} is not understood here in a call that signs`;
  const commands = optionsNamed(found, isSigningCommand);
  if (!commands.every(({ name }) => isClearSigning(name))) {
    const other = commands.find(({ name }) => name !== 'sign' && name !== 'detach-sign');
    if (other !== undefined) return `${other.text} makes another kind of signature`;
    if (!commands.some(({ name }) => name === 'detach-sign'))
      return `${wish} without -b puts a signature around the file`;
    const text = optionsNamed(found, (name) => name === 'textmode')[0];
    if (text !== undefined) return `${text.text} makes another kind of signature`;
  }
  if (optionsNamed(found, isKey).length > 1) return 'two keys are named, and a call is signed by one';
  const status = optionsNamed(found, (name) => name === 'status-fd').find(({ value }) => !isDescriptor(value));
  return status === undefined ? undefined : `${status.text} names no descriptor`;
}

/** Armored from standard input to standard output, as git wants it; a packet in a file, as rpm does; or the text and its signature, as debsign does. */
function asSigned(found: readonly GpgArgument[]): GpgCall {
  const isArmored = lastOf(found, /^(?:no-)?armou?r$/)?.name.startsWith('a') === true;
  const [file = '-', ...more] = found.flatMap((one) => (one.kind === 'file' ? [one.path] : []));
  const out = lastOf(found, /^output$/)?.value;
  const status = lastOf(found, /^status-fd$/)?.value;
  const key = optionsNamed(found, isKey)[0] ?? lastOf(found, /^default-key$/);
  const wanted: Wanted = { key: key?.value, statusFd: status === undefined ? undefined : Number(status) };
  if (more.length > 0)
    return { for: 'other', why: `exactly one file is signed at a time, and ${[file, ...more].join(' ')} are more` };
  const isReplacing = lastOf(found, /^yes$/) !== undefined;
  if (optionsNamed(found, isClearSigning).length > 0)
    return { ...wanted, for: 'clear-text', out: out ?? (file === '-' ? '-' : `${file}.asc`), file, isReplacing };
  const isToOutput = out === undefined || out === '-';
  if (isArmored && file === '-' && isToOutput) return { ...wanted, for: 'git' };
  if (!isArmored && !isToOutput) return { ...wanted, for: 'rpm', out, file, isReplacing };
  const named = file === '-' ? `--output ${out ?? '-'}` : file;
  return {
    for: 'other',
    why: isArmored ? `${named} is not standard input and output` : 'a binary signature wants --output',
  };
}

function isKey(name: string): boolean {
  return name === 'local-user' || name === 'sign-with';
}

type Option = Extract<GpgArgument, { readonly kind: 'option' }>;

function optionsNamed(found: readonly GpgArgument[], isWanted: (name: string) => boolean): Option[] {
  return found.filter((one) => one.kind === 'option').filter(({ name }) => isWanted(name));
}

function lastOf(found: readonly GpgArgument[], name: RegExp): Option | undefined {
  return optionsNamed(found, (one) => name.test(one)).at(-1);
}

function isDescriptor(value: string | undefined): boolean {
  return value !== undefined && /^\d{1,2}$/.test(value) && Number(value) <= maxDescriptor;
}
