/** Makes dist/frostmark-verify.mjs, the verifier as one self-contained file, and what npm links executable; the same bytes from any folder. */
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { build } from 'esbuild';

/** Bytes: small enough that a careful person can read the file before trusting it. */
const maxVerifierBytes = 30_000;

const root = join(import.meta.dirname, '..');
const verifierFile = join(root, 'dist', 'frostmark-verify.mjs');

await bundleVerifier();
await makeExecutable(verifierFile);
for (const name of ['gpg', 'ssh-keygen']) await addLauncher(name);
for (const name of ['main', 'gpg', 'ssh-keygen']) await makeExecutable(join(root, 'dist', 'cli', `${name}.js`));

async function bundleVerifier() {
  const { version, license } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  await build({
    absWorkingDir: root,
    entryPoints: ['verifier/main.ts'],
    outfile: verifierFile,
    bundle: true,
    platform: 'node',
    // Older than what it runs on: there it says which version it needs.
    target: 'node12.20',
    format: 'esm',
    minify: true,
    charset: 'ascii',
    legalComments: 'none',
    banner: {
      js: `#!/usr/bin/env node\n// frostmark-verify ${version} (${license}): checks releases that a group signed with frostmark.`,
    },
    logLevel: 'warning',
  });
  const { size } = await stat(verifierFile);
  if (size > maxVerifierBytes)
    throw new Error(`${verifierFile} has ${size} bytes, at most ${maxVerifierBytes} are allowed`);
  process.stdout.write(`dist/frostmark-verify.mjs ${size} bytes\n`);
}

/**
 * Puts its few lines of sh before a front end, which stays a file that Node runs: what signs nothing does not wait for Node to start.
 * @param {string} name
 */
async function addLauncher(name) {
  const path = join(root, 'dist', 'cli', `${name}.js`);
  await whereBuilt(async () => {
    const program = await readFile(path, 'utf8');
    const launcher = await readFile(join(root, 'packaging', 'front', `${name}.sh`), 'utf8');
    await writeFile(
      path,
      program.replace(/^#!.*\n/, () => launcher),
    );
  });
}

/** @param {string} path */
async function makeExecutable(path) {
  await whereBuilt(() => chmod(path, 0o755));
}

/**
 * The command line is not there when only the verifier is built.
 * @param {() => Promise<void>} action
 */
async function whereBuilt(action) {
  try {
    await action();
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
  }
}
