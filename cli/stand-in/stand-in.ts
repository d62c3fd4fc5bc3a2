/** Where we stand for a stock tool: calls that sign are the quorum's, all others are handed on. */
import { constants, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { AnyCommand, World } from '../command.ts';
import { judgeGpgCall } from './gpg-call.ts';
import { readsInput } from './gpg-arguments.ts';
import { drain } from './input.ts';
import type { TextStream } from '../output.ts';
import { readSshKeygenCall } from './ssh-keygen-call.ts';

type Front = 'gpg' | 'ssh-keygen';

/** Runs in the place of the tool, with its arguments, and returns its exit code. Throws nothing. */
export async function runFront(name: Front, args: readonly string[], world: World): Promise<number> {
  if (isSigning(name, args, world)) return await runDrained(name, args, world);
  const { handOn, stockTools } = await import('./real-tool.ts');
  try {
    return await handOn(stockTools[name], args, world.environment);
  } catch (error) {
    const { tellError } = await import('../program.ts');
    return await tellError(error, world);
  }
}

/**
 * What refuses reads its input to the end: whoever writes it, such as rpmsign with a header of megabytes, would die of a broken pipe and never
 * show why. Only where the input is the document, for another one may never end.
 */
async function runDrained(name: Front, args: readonly string[], world: World): Promise<number> {
  const { runInPlace } = await import('../program.ts');
  const input = { isRead: false };
  const stdin = (): AsyncIterable<Uint8Array> => {
    input.isRead = true;
    return world.stdin();
  };
  const code = await runInPlace(await commandOf(name), args, { ...world, stdin }, terminalOf(world));
  if (code !== 0 && !input.isRead && name === 'gpg' && readsInput(args) && !isatty(0)) await drain(world.stdin());
  return code;
}

function isSigning(name: Front, args: readonly string[], { environment }: World): boolean {
  return (name === 'gpg' ? judgeGpgCall(args, environment) : readSshKeygenCall(args)) !== undefined;
}

async function commandOf(name: Front): Promise<AnyCommand> {
  return name === 'gpg'
    ? (await import('../commands/gpg.ts')).command
    : (await import('../commands/ssh-keygen.ts')).command;
}

/**
 * Git keeps what we say to itself, and a quorum may take hours: talk goes to the terminal where there is one, or to what `GPG_TTY` names as it
 * does for gpg (a log file will do).
 */
function terminalOf({ stderr, environment }: World): TextStream | undefined {
  if (stderr.isTTY === true) return undefined;
  const named = environment['GPG_TTY'] ?? '';
  try {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY;
    const descriptor = openSync(named === '' ? '/dev/tty' : named, flags);
    return { isTTY: isatty(descriptor), write: (text) => writeSync(descriptor, text) };
  } catch {
    return undefined;
  }
}
