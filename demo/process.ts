/** A real process, started for the demo: its lines as they come, signals, and its exit. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How long anything in the demo may take before it counts as broken. */
const patienceMs = 90_000;

/** How a process ended, with all that it wrote. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One process under way. */
export class Started {
  readonly command: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly exit: Promise<Finished>;

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.command = `frostmark ${args.slice(1).join(' ')}`;
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const texts = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      createInterface({ input: child[stream] }).on('line', (line) => {
        texts[stream] += `${line}\n`;
        this.#lines.push(line);
        for (const look of this.#waiting) look();
      });
    }
    this.exit = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve({ code, ...texts });
      });
    });
  }

  /** The first line, past or to come, of which `find` makes something. Rejects when it throws, or the process or our patience ends before. */
  async find<T>(what: string, find: (line: string) => T | undefined): Promise<T> {
    let seen = 0;
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        try {
          for (; seen < this.#lines.length; seen += 1) {
            const made = find(this.#lines[seen] ?? '');
            if (made === undefined) continue;
            this.#waiting.delete(look);
            resolve(made);
            return;
          }
        } catch (error) {
          this.#waiting.delete(look);
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      this.#waiting.add(look);
      look();
    });
    const ended = this.exit.then(({ code, stderr }) => {
      // The last lines and the exit may come together: what was found counts.
      throw new Error(`${this.command} ended (${code ?? 'by a signal'}) before ${what}:\n${stderr}`);
    });
    return await withPatience(`${this.command}: ${what}`, Promise.race([found, ended]));
  }

  /** Throws if it never started. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.command} did not start`);
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM; also to one that was stopped. */
  end(): void {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
  }
}

async function withPatience<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`gave up waiting for ${what}`));
    }, patienceMs);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a process to end, and demands an exit code. */
export async function demand(started: Started, expected: number): Promise<Finished> {
  const finished = await withPatience(`the end of ${started.command}`, started.exit);
  if (finished.code !== expected) {
    throw new Error(
      `${started.command} ended with ${finished.code ?? 'a signal'} instead of ${expected}:\n${finished.stderr}`,
    );
  }
  return finished;
}
