#!/usr/bin/env node
/** `frostmark`: gives the program its world and exits with its code. */
import { runProgram } from './program.ts';

// Whoever reads our output may stop reading (`frostmark rounds | head`): that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  folder: process.cwd(),
  nowUnixSeconds: () => Math.floor(Date.now() / 1000),
});
