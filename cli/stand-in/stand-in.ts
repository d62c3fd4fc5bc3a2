/** Where we stand for a stock tool: calls that sign are the quorum's, all others are handed on. */
import { constants, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { AnyCommand, World } from '../command.ts';
import { judgeGpgCall } from './gpg-call.ts';
import type { TextStream } from '../output.ts';
import { readSshKeygenCall } from './ssh-keygen-call.ts';

type Front = 'gpg' | 'ssh-keygen';

/** Runs in the place of the tool, with its arguments, and returns its exit code. Throws nothing. */
export async function runFront(name: Front, args: readonly string[], world: World): Promise<number> {
  if (isSigning(name, args, world)) {
    const { runInPlace } = await import('../program.ts');
    return await runInPlace(await commandOf(name), args, world, terminalOf(world));
  }
  const { handOn, stockTools } = await import('./real-tool.ts');
  try {
    return await handOn(stockTools[name], args, world.environment);
  } catch (error) {
    const { tellError } = await import('../program.ts');
    return await tellError(error, world);
  }
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
