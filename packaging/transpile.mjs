/**
 * Makes dist/: every source file as JavaScript of its own, from scratch. Types are checked by `npm run check`, not here: who installs
 * should not wait for it. typebox alone is put into one file: its 683 modules would cost every command a third of a second.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { folders } from './import-table.mjs';

const root = join(import.meta.dirname, '..');

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

const licence = await readFile(join(root, 'node_modules', 'typebox', 'license'), 'utf8');
await build({
  absWorkingDir: root,
  stdin: {
    contents: "export { default } from 'typebox'; export { Compile } from 'typebox/compile';",
    resolveDir: root,
  },
  outfile: 'dist/protocol/wire/typebox.js',
  bundle: true,
  // Paths are in the comments: the same bytes wherever node_modules is.
  preserveSymlinks: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  banner: { js: `/*!\n${licence.trim()}\n*/` },
  logLevel: 'warning',
});
const schema = join(root, 'dist', 'protocol', 'wire', 'schema.js');
await writeFile(
  schema,
  (await readFile(schema, 'utf8')).replaceAll(/from "typebox(\/compile)?"/g, 'from "./typebox.js"'),
);
