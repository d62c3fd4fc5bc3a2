/**
 * The one-file verifier under whatever runs JavaScript here: this Node, `bun`, `deno` and others in `PATH`, and programs that
 * `FROSTMARK_TEST_RUNTIMES` names (paths, separated as in `PATH`). All of them must say the same.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import { oldestNode } from '../../verifier/limits.ts';
import { buildVerifierIn } from './built.ts';
import { artifact, developmentBundle, group, productionBundle, sha256, statement } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'frostmark-runtimes-'));
const at = (name: string): string => join(folder, name);
let verifier: string;
beforeAll(() => {
  verifier = buildVerifierIn(at('source'));
  copyFileSync(verifier, at('frostmark-verify.mjs'));
  verifier = at('frostmark-verify.mjs');
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: encodeBase64Url(group.publicKey) };
  for (const [name, content] of [
    ['app.tar.gz', artifact],
    ['app.tar.gz.frostmark', productionBundle()],
    ['development', developmentBundle()],
    [
      'changed',
      Buffer.from(productionBundle())
        .toString()
        .replace(/"sig":"./, '"sig":"_'),
    ],
    ['surrogate', productionBundle({ product: 'a' }).toString().replace('"keyid":""', '"keyid":"\\ud800"')],
    ['renamed', productionBundle({ subjects: [{ name: 'Zoë 🦊', sha256: sha256(artifact) }] })],
    ['GROUP.pub', `${formatGroupKey({ name: 'acme', key: group.publicKey })}\n`],
    ['group.pem', createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' })],
  ] as const)
    writeFileSync(at(name), content);
});
afterAll(() => rmSync(folder, { recursive: true }));

const found = ['bun', 'deno', 'nodejs'].filter((name) => spawnSync(name, ['--version']).status === 0);
const named = (process.env['FROSTMARK_TEST_RUNTIMES'] ?? '').split(delimiter).filter((path) => path !== '');
const runtimes = [process.execPath, ...found, ...named];

function run(runtime: string, args: readonly string[], preload: readonly string[] = []): SpawnSyncReturns<string> {
  const before = basename(runtime) === 'deno' ? ['run', '--allow-read'] : preload;
  return spawnSync(runtime, [...before, verifier, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: folder },
  });
}

const isOld = (runtime: string): boolean => {
  const [major = 99, minor = 0] = (
    /^v(\d+)\.(\d+)/.exec(spawnSync(runtime, ['--version'], { encoding: 'utf8' }).stdout) ?? []
  )
    .slice(1)
    .map(Number);
  return major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
};

describe.each(runtimes.filter((runtime) => !isOld(runtime)))('the one-file verifier run by %s', (runtime) => {
  it.each([
    [0, 'VERIFIED app.tar.gz', ['--key', 'GROUP.pub']],
    [0, 'group      acme', ['--key', 'GROUP.pub', '--product', 'app', '--min-release', '1.4.0']],
    [0, encodeBase64Url(group.publicKey), ['--key', 'group.pem']],
    [
      0,
      'development, until',
      ['--key', 'GROUP.pub', '--channel', 'development', '--bundle', 'development', '--at', '2026-11-22T08:00:00Z'],
    ],
    [0, 'Zoë', ['--key', 'GROUP.pub', '--bundle', 'renamed', '--any-name']],
    [3, '(wrong-channel)', ['--key', 'GROUP.pub', '--bundle', 'development']],
    [3, '(wrong-name)', ['--key', 'GROUP.pub', '--bundle', 'renamed']],
    [3, '(bad-', ['--key', 'GROUP.pub', '--bundle', 'changed']],
    [3, '(bad-', ['--key', 'GROUP.pub', '--bundle', 'surrogate']],
    [3, '(old-release)', ['--key', 'GROUP.pub', '--min-release', '1.5.0']],
    [1, '(missing-file)', ['--key', 'GROUP.pub', '--bundle', 'none']],
    [1, '(unreadable)', ['--key', 'GROUP.pub', '--bundle', '.']],
    [2, '(bad-key)', ['--key', 'app.tar.gz']],
    [2, '(usage)', ['--force', '--key', 'GROUP.pub']],
    [2, '(usage)', []],
  ] as const)('ends in %i and says %s', (code, said, args) => {
    const { status, stdout, stderr } = run(runtime, ['app.tar.gz', ...args]);
    expect(stdout + stderr).toContain(said);
    expect(status).toBe(code);
  });

  it('says as JSON what was signed', () => {
    const { stdout } = run(runtime, ['app.tar.gz', '--key', 'GROUP.pub', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ verified: true, product: 'app', source: statement().source });
  });
});

describe('a runtime that is too old', () => {
  const preloaded = (script: string): string[] => ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
  const pretending = (version: string): string[] =>
    preloaded(`Object.defineProperty(process.versions, 'node', { value: '${version}' })`);

  it.each(named.filter(isOld))('is told which version is needed, by its real program: %s', (runtime) => {
    const { status, stdout, stderr } = run(runtime, ['app.tar.gz', '--key', 'GROUP.pub']);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^NOT CHECKED this is Node\.js [\d.]+, and frostmark-verify needs 18\.3 or newer \(old-runtime\)\n/,
    );
  });

  it.each(['10.24.1', '16.20.2', '18.2.0'])('is told which version is needed: Node.js %s', (version) => {
    const { status, stdout, stderr } = run(process.execPath, ['app.tar.gz', '--key', 'GROUP.pub'], pretending(version));
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(
      `this is Node.js ${version}, and frostmark-verify needs 18.3 or newer (old-runtime)\n  Run it`,
    );
    const json = run(process.execPath, ['app.tar.gz', '--key', 'GROUP.pub', '--json'], pretending(version));
    expect(JSON.parse(json.stdout)).toMatchObject({ verified: false, code: 'old-runtime', exitCode: 1 });
  });

  it.each(['18.3.0', '20.0.0', '100.0.0'])('is none of these: Node.js %s', (version) => {
    expect(run(process.execPath, ['app.tar.gz', '--key', 'GROUP.pub'], pretending(version)).status).toBe(0);
  });

  it('is not the file’s fault: what nobody foresaw is internal, names the runtime and blames no file', () => {
    const broken = preloaded('String.prototype.padEnd = undefined');
    const { status, stdout, stderr } = run(process.execPath, ['app.tar.gz', '--key', 'GROUP.pub'], broken);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^NOT CHECKED .*not a function.* \(internal\)\n {2}Nothing is known of the file\. Please report/,
    );
    expect(stderr).toContain(`Node.js ${process.versions.node}`);
    expect(stderr).not.toContain('you may read it');
  });
});
