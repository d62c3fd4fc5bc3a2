/** Builds and packs the package from a copy of its sources in a fresh folder: the same sources give the same tarball. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A package that was made, and where. */
export interface Packed {
  readonly path: string;
  readonly name: string;
  /** SHA-256 of the tarball, hex. */
  readonly sha256: string;
}

/** These are no sources: they are installed, made, or of the version control. */
const leftOut = new Set(['node_modules', 'dist', '.git', 'coverage', 'demo-run']);

/** Copies `sources` to `folder/source`, builds there, and packs into `folder`. Throws with what the tool said. */
export function packFresh(sources: string, folder: string): Packed {
  // npm keeps the file modes it finds: they must not depend on who builds.
  process.umask(0o022);
  const copy = join(folder, 'source');
  mkdirSync(copy, { recursive: true });
  for (const name of readdirSync(sources)) {
    if (!leftOut.has(name)) cpSync(join(sources, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(sources, 'node_modules'), join(copy, 'node_modules'), 'dir');
  tool('npm', ['run', 'build', '--silent'], copy);
  const name =
    tool('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], copy)
      .trim()
      .split('\n')
      .at(-1) ?? '';
  const path = join(folder, basename(name));
  return { path, name: basename(name), sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

function tool(program: string, args: readonly string[], cwd: string): string {
  // npm is beside node, wherever that is; a policy's programs get a clean environment.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${(stderr || stdout).trim()}`);
  return stdout;
}
