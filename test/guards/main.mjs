/**
 * `npm run guards`: takes each guard of SECURITY.md's table out of a copy of the sources, and demands that its test then fails.
 * A guard that no test misses is reported, and the exit code is 1. Give rows, or words of what they hold, to run only those:
 * `npm run guards -- T1 T9 'is damaged'`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { placesOf, readSources, trackedSources, unknownNames } from './places.mjs';
import { guards } from './table.mjs';

/** @typedef {import('./places.mjs').Guard} Guard */

/** A test file takes seconds. One that a mutant keeps from ever ending has failed. */
const patienceMs = 240_000;

const root = fileURLToPath(new URL('../..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'frostmark-guards-'));
const wanted = process.argv.slice(2);
const sources = readSources(root, trackedSources(root));
/** @type {import('node:child_process').ChildProcess | undefined} */
let running;

/** @param {Guard} guard */
function isWanted({ row, what }) {
  return wanted.length === 0 || wanted.some((word) => word === row || (/\s/.test(word) && what.includes(word)));
}

/** The tracked sources, with the installed packages and the built commands beside them. */
function copySources() {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  // Package by package: vitest's cache beside them is no matter of two runs at once.
  mkdirSync(join(copy, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') || name === '.bin')
      symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name), 'dir');
  }
  useBuilt();
}

function useBuilt() {
  rmSync(join(copy, 'dist'), { recursive: true, force: true });
  symlinkSync(join(root, 'dist'), join(copy, 'dist'), 'dir');
}

/** Runs a command in a process group of its own, so that whatever it started ends with it. @param {string} program @param {readonly string[]} args */
async function run(program, args) {
  const child = spawn(program, args, { cwd: copy, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let output = '';
  let late = false;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, patienceMs);
  /** @type {number | null} */
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  endGroup(child);
  running = undefined;
  return { status, late, output: output.replaceAll(/\u001b\[[0-9;]*m/g, '') };
}

/** @param {import('node:child_process').ChildProcess} child */
function endGroup(child) {
  try {
    process.kill(-Number(child.pid), 'SIGKILL');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

/** @param {Guard} guard */
async function runTest({ test, name }) {
  const filter = name === undefined ? [] : ['-t', name];
  const { status, late, output } = await run('npx', ['vitest', 'run', test, ...filter]);
  // A mutant that eats all memory takes the whole worker with it, summary included.
  const ran = /Tests\s.*\d+ (passed|failed)/.test(output) || /Worker exited unexpectedly|out of memory/i.test(output);
  return { failed: status !== 0, late, ran, isBroken: /\bReferenceError: /.test(output) };
}

/**
 * `missed` when the test still passes without the guard; `stale` when there is no such statement or no such test any more, or when what is left does
 * not even run: that it fails then shows nothing. @param {Guard} guard
 */
async function judge(guard) {
  const [place, another] = placesOf(guard, sources);
  if (place === undefined || another !== undefined) return 'stale: the guard is not there, or there twice';
  const unknown = unknownNames(place, guard);
  if (unknown.length > 0) return `stale: does not run, nothing there is called ${unknown.join(', ')}`;
  const path = join(copy, place.file);
  writeFileSync(path, place.text.slice(0, place.start) + guard.to + place.text.slice(place.end));
  try {
    // Tests of real processes run what is built: it has to be without the guard, too.
    if (guard.built === true && (await run('node', ['packaging/transpile.mjs'])).status !== 0)
      return 'stale: does not build';
    const { failed, late, ran, isBroken } = await runTest(guard);
    if (late) return 'held (hung)';
    if (!ran) return 'stale: no such test, or it does not load';
    if (isBroken) return 'stale: does not run, a name in it is not bound there';
    return failed ? 'held' : 'missed';
  } finally {
    writeFileSync(path, place.text);
    if (guard.built === true) useBuilt();
  }
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    if (running !== undefined) endGroup(running);
    rmSync(copy, { recursive: true, force: true });
    process.exit(128 + constants.signals[signal]);
  });
}

try {
  copySources();
  let bad = 0;
  for (const guard of guards.filter(isWanted)) {
    const verdict = await judge(guard);
    if (!verdict.startsWith('held')) bad += 1;
    process.stdout.write(`${guard.row.padEnd(4)} ${verdict.padEnd(8)} ${guard.what}\n`);
  }
  process.exitCode = bad === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
