/** Standard output that takes nothing, such as a full disk: that is told in one line, and is no success. */

interface Stream {
  on(event: 'error', listener: (error: Error & { readonly code?: string }) => void): unknown;
  write(text: string): unknown;
}

/** `process`, as far as it is needed here. */
export interface Ending {
  readonly stdout: Stream;
  readonly stderr: Stream;
  exitCode?: number | string | null | undefined;
}

/**
 * From now on a result that cannot be written makes the program exit with 1, and is said on standard error. Whoever reads the output may stop
 * reading (`| head`): that is no failure of ours. Answers how to end: with this exit code, or with 1 in place of 0.
 */
export function watchOutput(program: Ending): (exitCode: number) => number {
  let unwritten: string | undefined;
  program.stdout.on('error', ({ code, message }) => {
    if (code === 'EPIPE' || unwritten !== undefined) return;
    unwritten = code ?? message;
    // Also for what is found only after the last line of the program.
    program.exitCode = 1;
    program.stderr.write(`error: the result could not be written to standard output (${unwritten})\n`);
  });
  // There is nobody left to tell: a terminal that was closed, a log that is full.
  program.stderr.on('error', () => undefined);
  return (exitCode) => (exitCode === 0 && unwritten !== undefined ? 1 : exitCode);
}
