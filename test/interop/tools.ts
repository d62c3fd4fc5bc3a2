/** The real tools that judge what a quorum signed. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether the program is installed. Under CI a missing one fails the run; elsewhere it is said aloud and its tests are skipped. */
export function hasTool(name: string): boolean {
  const isThere = (process.env['PATH'] ?? '').split(':').some((folder) => isExecutable(join(folder, name)));
  if (!isThere && process.env['CI'] === 'true') throw new Error(`${name} is not installed; under CI it must be`);
  if (!isThere) console.warn(`SKIPPED: ${name} is not installed, so nothing here was shown to it`);
  return isThere;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own, removed when it goes out of scope, in which tools are run. */
export class Workshop implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'frostmark-interop-'));

  /** Writes a file and answers its path. */
  file(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode });
    return path;
  }

  run(command: string, args: readonly string[], input: string | Uint8Array = ''): Ran {
    const { status, stdout, stderr, error } = spawnSync(command, args, {
      cwd: this.folder,
      input,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: this.folder, LC_ALL: 'C.UTF-8', TZ: 'UTC', GIT_CONFIG_NOSYSTEM: '1' },
    });
    if (error !== undefined) throw error;
    return { status, stdout, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
