/** The stock tools that judge our files. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const missing = new Set<string>();

/** Whether the tool is installed. Where it must be, under CI, a missing one is an error; elsewhere its tests are skipped, and that is said once. */
export function hasTool(name: string): boolean {
  const found = spawnSync('sh', ['-c', `command -v "$1"`, 'sh', name]).status === 0;
  if (found) return true;
  if (process.env['CI'] === 'true') throw new Error(`${name} is not installed: .ci/run installs it`);
  if (!missing.has(name)) console.warn(`\nNOT TESTED: ${name} is not installed; its tests are skipped.\n`);
  missing.add(name);
  return false;
}

export interface Ran {
  readonly status: number | null;
  /** Standard output, then standard error. */
  readonly output: string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/** Runs a tool to its end, in English, with nothing of the user's own configuration but `PATH`. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd,
    input: options.input ?? '',
    env: { PATH: process.env['PATH'], HOME: options.cwd ?? tmpdir(), LC_ALL: 'C', TZ: 'UTC', ...options.env },
    maxBuffer: 1 << 26,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr, output: stdout + stderr };
}

/** A folder of the file's own with a short path (gpg's sockets want one), gone after its tests. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fm-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A folder of its own, removed when it goes out of scope, in which tools are run. */
export class Workshop implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'fm-'));

  /** Writes a file and answers its path. */
  file(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode });
    return path;
  }

  run(command: string, args: readonly string[], input: string | Uint8Array = ''): Ran {
    return run(command, args, { cwd: this.folder, input, env: { LC_ALL: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1' } });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `apt-get update` in a root of its own that knows this one repository; armored certificates end in `.asc`. */
export function aptUpdate(root: string, repository: string, certificate: string): Ran {
  return aptUpdateOf(
    root,
    'acme.sources',
    `Types: deb\nURIs: file:${repository}\nSuites: ./\nSigned-By: ${certificate}\n`,
  );
}

/** The same with this file of sources, in the form that its name says. */
export function aptUpdateOf(root: string, name: string, sources: string): Ran {
  for (const path of [
    'etc/apt/sources.list.d',
    'etc/apt/preferences.d',
    'etc/apt/trusted.gpg.d',
    'etc/apt/apt.conf.d',
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'var/lib/dpkg',
  ])
    mkdirSync(join(root, path), { recursive: true });
  for (const path of ['var/lib/dpkg/status', 'apt.conf']) writeFileSync(join(root, path), '');
  writeFileSync(join(root, 'etc/apt/sources.list.d', name), sources);
  const options = [
    `Dir=${root}`,
    `Dir::State::status=${root}/var/lib/dpkg/status`,
    'APT::Architecture=amd64',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ];
  return run('apt-get', [...options.flatMap((option) => ['-o', option]), 'update'], {
    env: { APT_CONFIG: join(root, 'apt.conf') },
  });
}
