/** The stock tool behind a front end: run with the very same arguments, input and outputs, for whatever the quorum does not sign. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { CommandError } from '../errors.ts';
import { maxDescriptor } from '../limits.ts';

/** A tool in whose place we are called. */
export interface StockTool {
  /** As it is found in `PATH`. */
  readonly name: string;
  /** The variable that says where else it is. */
  readonly variable: string;
}

/** The tools by the names of our commands. */
export const stockTools = {
  gpg: { name: 'gpg', variable: 'FROSTMARK_GPG' },
  'ssh-keygen': { name: 'ssh-keygen', variable: 'FROSTMARK_SSH_KEYGEN' },
} as const satisfies Readonly<Record<string, StockTool>>;

/** Set for the tool, and so for ourselves if what was found is us. */
const guard = 'FROSTMARK_HANDED_ON';

/** Its exit code, or 128 and the number of the signal that ended it. Throws `CommandError('usage')` when there is no such tool. */
export async function handOn(
  { name, variable }: StockTool,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const hint = `Install ${name}, or set ${variable} to where it is.`;
  if (environment[guard] === name)
    throw new CommandError('usage', `the ${name} that was found is frostmark's own front end`, hint);
  const found = environment[variable];
  const child = spawn(found === undefined || found === '' ? name : found, args, {
    stdio: descriptorsOf(args),
    env: { ...environment, [guard]: name },
  });
  return await new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new CommandError('usage', `${name} cannot be run: ${cause.message}`, hint));
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** Ours are its own; beyond the first three Node passes on only what is listed. */
function descriptorsOf(args: readonly string[]): ('ignore' | 'inherit')[] {
  const text = args.join(' ');
  const named = [...text.matchAll(/--[a-z-]+-fd[= ](\d{1,2})(?= |$)/g)].map(([, digits]) => Number(digits));
  const last = Math.max(2, ...named.filter((descriptor) => descriptor <= maxDescriptor));
  return Array.from({ length: last + 1 }, (_, descriptor) =>
    descriptor <= 2 || named.includes(descriptor) ? 'inherit' : 'ignore',
  );
}
