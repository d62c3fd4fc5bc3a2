/** The linter holds the import table of ARCHITECTURE.md: one offence of each kind is planted and caught, and the same line is fine where it belongs. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ESLint } from 'eslint';
import { beforeAll, describe, expect, it } from 'vitest';
import { folders, owners } from '../../packaging/import-table.mjs';

const root = join(import.meta.dirname, '../..');
/** What needs no types: the rules that hold the house. */
const houseRules = [
  'house/walls',
  'no-restricted-globals',
  'no-restricted-properties',
  'no-restricted-syntax',
  'no-console',
];
let eslint: ESLint;

beforeAll(() => {
  eslint = new ESLint({
    cwd: root,
    overrideConfig: { languageOptions: { parserOptions: { project: null } } },
    ruleFilter: ({ ruleId }) => houseRules.includes(ruleId),
  });
});

/** What the house says of `code` as the file `path`. */
async function offences(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(root, path) });
  const fatal = result!.messages.find((message) => message.fatal === true);
  if (fatal !== undefined) throw new Error(`${path}: ${fatal.message} in ${code}`);
  return result!.messages.map(({ ruleId }) => String(ruleId)).filter((ruleId) => houseRules.includes(ruleId));
}

const isFile = (what: string): boolean => what.endsWith('.ts');

/** The file `start`, or every file of that folder. */
async function sourcesBelow(start: string): Promise<string[]> {
  const names = start.endsWith('/') ? await readdir(join(root, start), { recursive: true }) : [''];
  const files = names.filter((name) => name === '' || isFile(name));
  return Promise.all(files.map((name) => readFile(join(root, start, name), 'utf8')));
}

/** Of each kind: where it is an offence, where it is at home, and the line. */
const walls: readonly (readonly [what: string, offender: string, home: string, code: string])[] = [
  [
    'a pure room that imports a role',
    'protocol/wire/new.ts',
    'cli/commands/new.ts',
    "import { a } from '../../home/files.ts';",
  ],
  [
    'the verifier that imports anything',
    'verifier/new.ts',
    'home/new.ts',
    "import { a } from '../protocol/limits.ts';",
  ],
  ['a role that imports another', 'participant/new.ts', 'cli/new.ts', "import { a } from '../requester/submit.ts';"],
  ['a role that imports the command', 'requester/new.ts', 'demo/new.ts', "import { a } from '../cli/output.ts';"],
  [
    'the importer, which has no network',
    'importer/new.ts',
    'requester/new.ts',
    "import { a } from '../client/http.ts';",
  ],
  ['sources that import tests', 'bench/new.ts', 'test/new.ts', "import { a } from '../test/support.ts';"],
  [
    'a chapter that imports a later one',
    'protocol/wire/new.ts',
    'protocol/request/new.ts',
    "import { a } from '../files/charter.ts';",
  ],
  [
    'frost that imports the wire',
    'protocol/frost/new.ts',
    'protocol/files/new.ts',
    "import { a } from '../wire/bytes.ts';",
  ],
  [
    'a chapter that imports its neighbour',
    'protocol/ssh/new.ts',
    'protocol/formats/new.ts',
    "import { a } from '../openpgp/armor.ts';",
  ],
  [
    'a chapter that nobody has named',
    'protocol/extra/new.ts',
    'protocol/signing/new.ts',
    "import { a } from '../wire/bytes.ts';",
  ],
  [
    'a later chapter that is exported again',
    'protocol/files/new.ts',
    'protocol/signing/new.ts',
    "export { a } from '../request/request.ts';",
  ],
  [
    'everything of a later chapter',
    'protocol/files/new.ts',
    'protocol/signing/new.ts',
    "export * from '../request/request.ts';",
  ],
  [
    'a role loaded when asked for',
    'home/new.ts',
    'cli/new.ts',
    "export const a = () => import('../coordinator/main.ts');",
  ],
  ['a type of another role', 'client/new.ts', 'cli/new.ts', "export type A = import('../coordinator/main.ts').A;"],
  ['a file named at run time', 'cli/new.ts', 'test/cli/programs/new.js', 'export const a = (name) => import(name);'],
  ['the database outside its file', 'coordinator/rounds.ts', 'coordinator/level.ts', "import { Level } from 'level';"],
  [
    'the database loaded when asked for',
    'coordinator/rounds.ts',
    'coordinator/level.ts',
    "export const a = () => import('level');",
  ],
  [
    'a curve outside its group',
    'protocol/openpgp/new.ts',
    'protocol/frost/group-noble.ts',
    "import { ed25519 } from '@noble/curves/ed25519.js';",
  ],
  [
    'a curve in the verifier',
    'verifier/new.ts',
    'protocol/frost/group-noble.ts',
    "import { ed25519 } from '@noble/curves/ed25519.js';",
  ],
  [
    'hashes of our own beside node:crypto',
    'verifier/new.ts',
    'protocol/wire/new.ts',
    "import { sha256 } from '@noble/hashes/sha2.js';",
  ],
  [
    'libsodium outside its file',
    'participant/vault.ts',
    'protocol/frost/libsodium.ts',
    "import s from 'libsodium-sumo';",
  ],
  [
    'secret memory outside frost',
    'participant/vault.ts',
    'protocol/frost/new.ts',
    "import { a } from '../../protocol/frost/arena.ts';",
  ],
  [
    'sockets outside the connection',
    'participant/session.ts',
    'participant/connection.ts',
    "import { WebSocket } from 'ws';",
  ],
  ['the server outside its routes', 'coordinator/rounds.ts', 'coordinator/app.ts', "import fastify from 'fastify';"],
  ['the type of the server alone', 'participant/daemon.ts', 'coordinator/app.ts', "import type { A } from 'fastify';"],
  ['a question outside the prompt', 'cli/commands/new.ts', 'cli/prompt.ts', "import { text } from '@clack/prompts';"],
  [
    'age outside its child process',
    'home/keystore.ts',
    'home/age-child.ts',
    "import { Decrypter } from 'age-encryption';",
  ],
  ['yaml outside its file', 'protocol/files/charter.ts', 'protocol/files/yaml.ts', "import { parse } from 'yaml';"],
  [
    'schemas outside their file',
    'protocol/request/new.ts',
    'protocol/wire/schema.ts',
    "import { Compile } from 'typebox/compile';",
  ],
  [
    'the command line outside the program',
    'cli/commands/new.ts',
    'cli/program.ts',
    "import { Command } from 'commander';",
  ],
  ['a package that nobody has named', 'cli/new.ts', 'test/new.ts', "import left from 'left-pad';"],
  ['a module of Node without its prefix', 'protocol/wire/new.ts', 'test/new.ts', "import { readFileSync } from 'fs';"],
  ['the disk in a pure room', 'protocol/wire/new.ts', 'home/new.ts', "import { readFile } from 'node:fs/promises';"],
  ['the network in the verifier', 'verifier/new.ts', 'client/new.ts', "import { request } from 'node:https';"],
  ['a child process in the verifier', 'verifier/new.ts', 'home/new.ts', "import { spawn } from 'node:child_process';"],
  [
    'randomness beside a hash',
    'protocol/frost/new.ts',
    'participant/new.ts',
    "import { createHash, randomBytes } from 'node:crypto';",
  ],
  [
    'a whole module for its hash',
    'protocol/frost/new.ts',
    'participant/new.ts',
    "import * as crypto from 'node:crypto';",
  ],
  [
    'a whole module by its default',
    'protocol/frost/new.ts',
    'participant/new.ts',
    "import createHash from 'node:crypto';",
  ],
  [
    'timers of Node',
    'protocol/signing/new.ts',
    'participant/new.ts',
    "import { setTimeout } from 'node:timers/promises';",
  ],
];

/** Lines through which a clock, randomness, a timer, the network or the process would come into a pure room. */
const impurities = [
  'export const a = Date.now();',
  "export const a = Date['now']();",
  'const { now } = Date; export { now };',
  'export const a = new Date();',
  'export const a = Date();',
  'const clock = Date; export { clock };',
  'export const a = performance.now();',
  'export const a = Math.random();',
  'const dice = Math; export { dice };',
  'export const a = crypto.getRandomValues(new Uint8Array(4));',
  'export const a = globalThis.crypto;',
  'export const a = process.hrtime();',
  'export const a = process.env;',
  'setTimeout(() => undefined, 1);',
  'setInterval(() => undefined, 1);',
  'setImmediate(() => undefined);',
  'queueMicrotask(() => undefined);',
  'export const a = AbortSignal.timeout(1);',
  "export const a = fetch('a');",
  "export const a = new WebSocket('a');",
  'export const a = import.meta.dirname;',
];

describe('the import table', () => {
  it.each(walls)('refuses %s', async (_what, offender, home, code) => {
    expect(await offences(offender, code)).toEqual(['house/walls']);
    expect(await offences(home, code)).toEqual([]);
  });

  it.each(Object.entries(owners))('names as owners of %s those who use it', async (what, starts) => {
    for (const start of starts) {
      const sources = await sourcesBelow(start);
      expect(sources.some((source) => source.includes(isFile(what) ? `/${basename(what)}'` : `'${what}`))).toBe(true);
    }
  });

  it('lets a pure room take the hash of node:crypto', async () => {
    expect(await offences('protocol/frost/new.ts', "import { createHash } from 'node:crypto';")).toEqual([]);
  });
});

describe('a pure room', () => {
  it.each(impurities)('has no place for %s', async (code) => {
    expect((await offences('protocol/signing/new.ts', code)).length).toBeGreaterThan(0);
    expect((await offences('verifier/new.ts', code)).length).toBeGreaterThan(0);
    expect(await offences('participant/new.ts', code)).toEqual([]);
  });

  it('asserts in protocol/ what cannot be absent', async () => {
    const code = "export const a = (hashes: string[]) => hashes[0] ?? '';";
    for (const file of ['protocol/signing/new.ts', 'protocol/ceremony/machine.ts'])
      expect(await offences(file, code)).toEqual(['no-restricted-syntax']);
    expect(await offences('cli/new.ts', code)).toEqual([]);
  });

  it('may read a time that it was given', async () => {
    const code =
      'export const at = (s: number, text: string) => [new Date(s * 1000), Date.parse(text), Math.max(s, 1)];';
    expect(await offences('protocol/wire/new.ts', code)).toEqual([]);
  });

  it('leaves the verifier its command, which has a clock and an exit code', async () => {
    expect(await offences('verifier/main.ts', 'process.exitCode = Date.now();')).toEqual([]);
  });
});

describe('the picture in ARCHITECTURE.md', () => {
  it('has every folder of sources, and every chapter of protocol/', async () => {
    const chapters = (await readdir(join(root, 'protocol'), { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(chapters.length).toBeGreaterThan(5);
    const tables = (await readFile(join(root, 'ARCHITECTURE.md'), 'utf8')).match(/^\| (?:room|chapter) [^]*?\n\n/gm);
    expect(tables).toHaveLength(2);
    expect([...folders, ...chapters].filter((name) => !tables!.join('').includes(`\`${name}/\``))).toEqual([]);
  });
});

describe('every room', () => {
  it('says what it has to say through its log or its output', async () => {
    expect(await offences('coordinator/new.ts', "console.log('a');")).toEqual(['no-console']);
  });

  it('quotes strangers in its errors so that nothing hides (T36)', async () => {
    const thrown =
      'export const a = (text: string) => { throw new HomeError("x", `no ${JSON.stringify(text).slice(1)}`); };';
    for (const room of ['home', 'protocol/wire', 'verifier'])
      expect(await offences(`${room}/new.ts`, thrown)).toEqual(['no-restricted-syntax']);
    expect(await offences('home/new.ts', 'export const a = (x: string) => `${JSON.stringify(x)}\\n`;')).toEqual([]);
  });

  it('has no default exports and no syntax that leaves code', async () => {
    for (const code of ['export default 1;', 'export enum A { B }', 'export namespace a { export const b = 1; }'])
      expect(await offences('home/new.ts', code)).toEqual(['no-restricted-syntax']);
  });
});
