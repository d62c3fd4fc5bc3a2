/** What the tests of `home/` share: folders that go away, and small programs run as real processes. */
import { build } from 'esbuild';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** An empty owner-only folder that is removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Compiles one program into `folder`; `source` is relative to the repository. */
export async function compile(source: string, folder: string): Promise<string> {
  const outfile = join(folder, `${source.replaceAll(/[/.]/g, '-')}.mjs`);
  const entry = fileURLToPath(new URL(`../../${source}`, import.meta.url));
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    logLevel: 'error',
  });
  return outfile;
}

export interface Program {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  /** The next line of its stdout; `undefined` once that has ended. */
  line(): Promise<string | undefined>;
  tell(line: string): void;
  readonly exited: Promise<number | NodeJS.Signals>;
}

/** Runs a compiled program; it is killed, if need be, when the test is over. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly detached?: boolean; readonly nodeFlags?: readonly string[] } = {},
): Program {
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), program, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: options.detached ?? false,
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code ?? -1)),
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    exited,
  };
}
