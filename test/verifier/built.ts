/** The one-file verifier, built in a folder of its own from a copy of its sources. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Builds inside this folder, which it makes, and returns the path of the file. */
export function buildVerifierIn(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const part of ['verifier', 'packaging', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  execFileSync(process.execPath, ['packaging/build.mjs'], { cwd: folder, stdio: 'pipe' });
  return join(folder, 'dist', 'frostmark-verify.mjs');
}
