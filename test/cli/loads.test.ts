/** What a share holder and an installer run of other people's code: never the coordinator's server or its database. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const dist = join(import.meta.dirname, '..', '..', 'dist');
const programs = join(import.meta.dirname, 'programs');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'frostmark-loads-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Packages of which anything was loaded, and what of `dist/` was, when this program had run to its end. */
function loadedBy(program: string, args: readonly string[]): { packages: Set<string>; own: Set<string> } {
  const record = join(folder, 'loads');
  rmSync(record, { force: true });
  const preload = pathToFileURL(join(programs, 'note-loads.js')).href;
  const { stderr } = spawnSync(process.execPath, ['--import', preload, program, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, FROSTMARK_TEST_LOADS: record },
  });
  expect(stderr).not.toMatch(/Cannot find|SyntaxError/);
  const loaded = readFileSync(record, 'utf8').split('\n');
  const matches = (pattern: RegExp) => new Set(loaded.flatMap((line) => pattern.exec(line)?.[1] ?? []));
  return { packages: matches(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//), own: matches(/\/dist\/(.*\.m?js)$/) };
}

/** Every module below these folders of `dist/`, as paths within it. */
function modulesOf(...folders: readonly string[]): string[] {
  return folders.flatMap((name) =>
    readdirSync(join(dist, name), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js'))
      .map((file) => `${name}/${file}`),
  );
}

function loadedWith(modules: readonly string[]): { packages: Set<string>; own: Set<string> } {
  const loaded = loadedBy(
    join(programs, 'load-all.js'),
    modules.map((module) => join(dist, module)),
  );
  for (const module of modules) expect(loaded.own).toContain(module);
  return loaded;
}

const servers = ['fastify', 'level', 'abstract-level', 'classic-level', 'avvio', 'find-my-way'];

describe('what is loaded', () => {
  it('by the coordinator is its server and its database: the record sees them', () => {
    const { packages } = loadedWith(['coordinator/main.js']);
    for (const name of servers) expect(packages).toContain(name);
  });

  it('by everything that a participant can ever run is neither, nor anything of the coordinator', () => {
    // The age child is a program: importing it would run it.
    const shared = modulesOf('verifier', 'protocol', 'home', 'client').filter(
      (module) => !['verifier/main.js', 'home/age-child.js'].includes(module),
    );
    const { packages, own } = loadedWith([
      ...shared,
      ...modulesOf('participant', 'cli/commands/participant'),
      'cli/program.js',
    ]);
    expect(servers.filter((name) => packages.has(name))).toEqual([]);
    expect([...own].filter((module) => /^(coordinator|requester)\//.test(module))).toEqual([]);
    expect([...packages].toSorted()).toEqual([
      '@noble/curves',
      '@noble/hashes',
      'commander',
      'fast-string-truncated-width',
      'fast-string-width',
      'libsodium-sumo',
      'ws',
      'yaml',
    ]);
  });

  it('by the process that opens a share is age and nothing that talks to a network', () => {
    const { packages, own } = loadedBy(join(dist, 'home', 'age-child.js'), []);
    expect(own).toContain('home/age-child.js');
    expect([...packages].toSorted()).toEqual([
      '@noble/ciphers',
      '@noble/curves',
      '@noble/hashes',
      '@noble/post-quantum',
      '@scure/base',
      'age-encryption',
    ]);
  });

  it('by the verifier is nobody else’s code at all', () => {
    const library = loadedWith(modulesOf('verifier').filter((module) => module !== 'verifier/main.js'));
    expect([...library.own].filter((module) => !module.startsWith('verifier/'))).toEqual([]);
    const program = loadedBy(join(dist, 'verifier', 'main.js'), ['/nonexistent', '--key', '/nonexistent']);
    expect(program.own).toContain('verifier/verify-file.js');
    const oneFile = loadedBy(join(dist, 'frostmark-verify.mjs'), ['/nonexistent', '--key', '/nonexistent']);
    expect([...oneFile.own]).toEqual(['frostmark-verify.mjs']);
    for (const { packages } of [library, program, oneFile]) expect([...packages]).toEqual([]);
  });
});
