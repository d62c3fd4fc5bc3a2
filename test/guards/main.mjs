/**
 * `npm run guards`: takes each guard of SECURITY.md's table out of a copy of the sources, and demands that its test then fails.
 * A guard that no test misses is reported, and the exit code is 1. Give rows as arguments to run only those: `npm run guards -- T1 T9`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { guards } from './table.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'frostmark-guards-'));
const wanted = process.argv.slice(2);

/** The tracked sources, with the installed packages and the built commands beside them. */
function copySources() {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
  symlinkSync(join(root, 'dist'), join(copy, 'dist'), 'dir');
}

function runTest({ test, name }) {
  const filter = name === undefined ? [] : ['-t', name];
  const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', test, ...filter], {
    cwd: copy,
    encoding: 'utf8',
  });
  const ran = /Tests\s.*\d+ (passed|failed)/.test(`${stdout}${stderr}`.replaceAll(/\u001b\[[0-9;]*m/g, ''));
  return { failed: status !== 0, ran };
}

/** `missed` when the test still passes without the guard; `stale` when there is no such line or no such test any more. */
function judge(guard) {
  const path = join(copy, guard.file);
  const source = readFileSync(path, 'utf8');
  if (source.split(guard.from).length !== 2) return 'stale: the guard is not there, or there twice';
  writeFileSync(
    path,
    source.replace(guard.from, () => guard.to),
  );
  try {
    const { failed, ran } = runTest(guard);
    if (!ran) return 'stale: no such test';
    return failed ? 'held' : 'missed';
  } finally {
    writeFileSync(path, source);
  }
}

try {
  copySources();
  let bad = 0;
  for (const guard of guards.filter(({ row }) => wanted.length === 0 || wanted.includes(row))) {
    const verdict = judge(guard);
    if (verdict !== 'held') bad += 1;
    process.stdout.write(`${guard.row.padEnd(4)} ${verdict.padEnd(8)} ${guard.what}\n`);
  }
  process.exitCode = bad === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
