/** gpg's configuration files, read for one thing: a command that signs may stand in them, and gpg then signs whatever it is called with. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isSigningLine } from './gpg-arguments.ts';
import { maxConfigurationBytes } from '../limits.ts';

/** Where packages keep the one of the whole machine (gpg 2.2.28 and newer). */
const globalFolder = '/etc/gnupg';

/**
 * Where gpg is told to sign by a file, as `FILE:LINE`, or what of the arguments cannot be looked into; `undefined` if nowhere. Looks into the
 * folders that the arguments, `GNUPGHOME` and the user have, and into files that `--options` names. Throws nothing.
 */
export function signingConfiguration(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const home = nonEmpty(environment['GNUPGHOME']) ?? join(nonEmpty(environment['HOME']) ?? homedir(), '.gnupg');
  const folders = [globalFolder, home, ...valuesOf(args, 'homedir')];
  const named = valuesOf(args, 'options').map(signingLineOf);
  return [...named, ...folders.flatMap(configurationsIn).map(signingLineOf)].find((found) => found !== undefined);
}

/** Every value that an option of this name may have been given, joined or separate, abbreviated down to `--h` or `--o`. */
function valuesOf(args: readonly string[], name: string): string[] {
  return args.flatMap((arg, index) => {
    const [, text, joined] = /^--([a-z]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (text === undefined || !name.startsWith(text)) return [];
    return [joined ?? args[index + 1] ?? ''].filter((value) => value !== '');
  });
}

/** `gpg.conf`, and those of one version, such as `gpg.conf-2.2`. */
function configurationsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith('gpg.conf'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function signingLineOf(path: string): string | undefined {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return undefined;
    // What can be read once only would reach gpg empty.
    if (!stats.isFile() || stats.size > maxConfigurationBytes) return path;
    const line = readFileSync(path, 'latin1')
      .split(/\r?\n|\r/)
      .findIndex(isSigningLine);
    return line < 0 ? undefined : `${path}:${line + 1}`;
  } catch {
    // gpg cannot read it either.
    return undefined;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
