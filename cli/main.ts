#!/usr/bin/env node
/** `frostmark`: gives the program its world and exits with its code. */
import { watchOutput } from '../verifier/unwritten.ts';
import type { World } from './command.ts';

const endWith = watchOutput(process);

const world: World = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: () => process.stdin,
  environment: process.env,
  folder: process.cwd(),
  nowUnixSeconds: () => Math.floor(Date.now() / 1000),
};

process.exitCode = endWith(await run(process.argv.slice(2)));

/** Start-up is felt: a verification does not wait for the other commands, nor a tool that we stand for. */
async function run(argv: readonly string[]): Promise<number> {
  const [first, second] = argv;
  if (first === 'verify' || (first === 'help' && second === 'verify')) {
    const { verify } = await import('./verify.ts');
    return verify(first === 'verify' ? argv.slice(1) : ['--help'], world);
  }
  if ((first === 'gpg' || first === 'ssh-keygen') && second !== '--help') {
    const { runFront } = await import('./stand-in/stand-in.ts');
    return runFront(first, argv.slice(1), world);
  }
  const { runProgram } = await import('./program.ts');
  return runProgram(argv, world);
}
