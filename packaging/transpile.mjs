/** Makes dist/: every source file as JavaScript of its own, from scratch. Types are checked by `npm run check`, not here: who installs should not wait for it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const folders = [
  'verifier',
  'protocol',
  'home',
  'client',
  'coordinator',
  'participant',
  'requester',
  'cli',
  'demo',
  'bench',
];

/** Relative imports end in .ts in the sources, so that tools read them without a build; here they end in .js. */
const relativeImport = /(\b(?:from|import)\s*\(?\s*["'])(\.{1,2}\/[^"']+)\.ts(["'])/g;

// What is no longer in the sources must not be packed.
await rm(join(root, 'dist'), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: folders.map((folder) => `${folder}/**/*.ts`),
  outdir: 'dist',
  outbase: '.',
  bundle: false,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  metafile: true,
  logLevel: 'warning',
});
for (const output of Object.keys(metafile.outputs)) {
  const path = join(root, output);
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll(relativeImport, '$1$2.js$3'));
}
