import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { delegationPayloadType } from '../../verifier/delegation.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import { maxBundleBytes } from '../../verifier/limits.ts';
import { encodeStatement, statementPayloadType } from '../../verifier/statement.ts';
import { buildVerifierIn } from './built.ts';
import { artifact, developmentBundle, group, productionBundle, sha256, signedEnvelope, statement } from './fixtures.ts';

let folder: string;
let verifier: string;
let path: string;
const key = formatGroupKey({ name: 'acme', key: group.publicKey });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'frostmark-one-file-'));
  const built = buildVerifierIn(join(folder, 'source'));
  // Alone in a folder, as an installer would have it.
  mkdirSync(join(folder, 'alone'));
  verifier = join(folder, 'alone', 'frostmark-verify.mjs');
  copyFileSync(built, verifier);
  path = join(folder, 'app.tar.gz');
  writeFileSync(path, artifact);
  writeFileSync(`${path}.frostmark`, productionBundle());
});
afterAll(() => rmSync(folder, { recursive: true }));

// Runs before the program and tells its largest resident size when it ends.
const reportMemory =
  'data:text/javascript,process.on("exit",()=>process.stderr.write("\\nmaxrss "+process.resourceUsage().maxRSS))';

/** Runs the built file as a process of its own; `maxRssMiB` is its largest resident size. */
async function run(...argv: string[]) {
  const args = ['--import', reportMemory, verifier, ...argv];
  const options = { timeout: 60_000, env: {} };
  const { code, signal, stdout, stderr } = await promisify(execFile)(process.execPath, args, options).then(
    (ended) => ({ ...ended, code: 0, signal: null }),
    (error: unknown) => error as { code: number; signal: string | null; stdout: string; stderr: string },
  );
  const [, said = '', kib = ''] = /^([^]*)\nmaxrss (\d+)$/.exec(stderr) ?? [];
  return { code, signal, stdout, stderr: said, maxRssMiB: Number(kib) / 1024 };
}

describe('the one-file verifier', () => {
  it('has the same bytes from two folders, at most 30,000 of them, and may be executed', () => {
    const other = buildVerifierIn(join(folder, 'another', 'and deeper'));
    expect(readFileSync(other).equals(readFileSync(verifier))).toBe(true);
    expect(statSync(other).size).toBeLessThanOrEqual(30_000);
    expect(execFileSync(other, ['--version']).toString()).toMatch(/^frostmark-verify \d+\.\d+\.\d+\n$/);
  });

  it('needs nothing but Node: it imports only node modules', () => {
    const source = readFileSync(verifier, 'utf8');
    const imported = [...source.matchAll(/\bimport\s*(?:\{[^}]*\}\s*from\s*)?"([^"]+)"/g)].map(([, name]) => name);
    expect(imported.length).toBeGreaterThan(3);
    for (const name of imported) expect(name).toMatch(/^node:/);
    expect(source).not.toContain(folder);
    expect(source).not.toMatch(/\brequire\(|\bimport\(/);
  });

  it('is not built when it is too large', () => {
    const large = join(folder, 'large');
    buildVerifierIn(large);
    appendFileSync(join(large, 'verifier', 'main.ts'), `process.stdout.write('${'x'.repeat(10_000)}');\n`);
    expect(() => execFileSync(process.execPath, ['packaging/build.mjs'], { cwd: large, stdio: 'pipe' })).toThrow(
      /30000 are allowed/,
    );
  });

  it('verifies and refuses as the library does', async () => {
    expect(await run(path, '--key', key)).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('VERIFIED') as string,
    });
    expect(await run(path, '--key', key, '--channel', 'development')).toMatchObject({ code: 3, stdout: '' });
    expect(await run(path)).toMatchObject({ code: 2, stdout: '' });
    expect(await run(`${path}.none`, '--key', key)).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('a hostile bundle (T23)', () => {
  const good = Buffer.from(productionBundle()).toString();
  const payload = Buffer.from(encodeStatement(statement())).toString();
  const head = '{"mediaType":"application/vnd.frostmark.bundle.v1+json","statement":';
  const wrap = (envelope: unknown): string => `${head}${JSON.stringify(envelope)},"delegation":null}\n`;
  const signed = (text: string | Uint8Array): string =>
    wrap(signedEnvelope(statementPayloadType, Buffer.from(text), group));

  const corpus: Record<string, string | Uint8Array> = {
    nothing: '',
    'a newline': '\n',
    null: 'null\n',
    'a list': '[]\n',
    'a byte that is no UTF-8': Buffer.from([0xff, 0x0a]),
    zeros: Buffer.alloc(100_000),
    noise: Buffer.from(sha256(artifact).repeat(1000), 'hex'),
    gzip: Buffer.from('1f8b0800000000000003', 'hex'),
    'half a bundle': good.slice(0, 500),
    'two bundles': good + good,
    'a byte order mark': `\ufeff${good}`,
    spaces: good.replaceAll(',', ', '),
    CRLF: good.replace('\n', '\r\n'),
    'duplicate keys': good.replace('"delegation":null', '"delegation":null,"delegation":null'),
    __proto__: good.replace('{', '{"__proto__":{"delegation":null},'),
    '__proto__ in the envelope': good.replace('"statement":{', '"statement":{"__proto__":null,'),
    constructor: good.replace('{', '{"constructor":{"prototype":{}},'),
    'a million opening brackets': '['.repeat(1_000_000),
    'two million opening braces': '{"a":'.repeat(400_000),
    'a million balanced brackets': `${'['.repeat(500_000)}${']'.repeat(500_000)}\n`,
    'a string of 2 MiB': `"${'a'.repeat(maxBundleBytes - 3)}"\n`,
    'a million small values': `[${'0,'.repeat(999_999)}0]\n`,
    'a hundred thousand keys': `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`).join(',')}}\n`,
    'a huge number': `${'9'.repeat(1_000_000)}\n`,
    'a huge exponent': '1e999999999\n',
    'a lone surrogate': good.replace('"keyid":""', '"keyid":"\\ud800"'),
    'a payload of 1.4 MiB': wrap({ ...signedEnvelope(statementPayloadType, new Uint8Array(1_450_000), group) }),
    'a signature of no bytes': good.replace(/"sig":"[^"]*"/, '"sig":""'),
    'a thousand signatures': wrap({
      payload: '',
      payloadType: 'a',
      signatures: Array(1000).fill({ keyid: '', sig: '' }),
    }),
    'a delegation in its place': wrap(signedEnvelope(delegationPayloadType, Buffer.from(payload), group)),
    'a signed empty payload': signed(''),
    'a signed number': signed('1'),
    'signed deep JSON': signed('['.repeat(100_000)),
    'a signed __proto__': signed(payload.replace('"predicate":{', '"predicate":{"__proto__":null,')),
    'a signed duplicate': signed(payload.replace('"subject":', '"subject":[],"subject":')),
    'a hundred thousand signed subjects': signed(
      payload.replace(/"subject":\[.*?\],/, `"subject":[${'{},'.repeat(99_999)}{}],`),
    ),
    'a delegation for production': Buffer.from(developmentBundle()).toString(),
  };

  it(
    'is refused with exit code 3, one clear line and little memory, each as a process',
    { timeout: 60_000 },
    async () => {
      const usual = await run(path, '--key', key);
      expect(usual.maxRssMiB).toBeGreaterThan(20);
      const files = Object.entries(corpus).map(([kind, contents], i) => {
        const file = join(folder, `hostile-${i}`);
        writeFileSync(file, contents);
        return { kind, file };
      });
      const judge = async (): Promise<void> => {
        for (let next = files.pop(); next !== undefined; next = files.pop()) {
          const { code, signal, stdout, stderr, maxRssMiB } = await run(path, '--key', key, '--bundle', next.file);
          expect({ kind: next.kind, code, signal, stdout }).toEqual({
            kind: next.kind,
            code: 3,
            signal: null,
            stdout: '',
          });
          expect(stderr).toMatch(/^NOT VALID [ -~]{1,300} \([a-z-]+\)\n {2}[ -~]+\n$/);
          expect(maxRssMiB - usual.maxRssMiB).toBeLessThan(120);
        }
      };
      await Promise.all([judge(), judge()]);
    },
  );

  it('of 1 GiB, and one that never ends, take no memory', async () => {
    const usual = await run(path, '--key', key);
    const sparse = join(folder, 'sparse');
    writeFileSync(sparse, good);
    truncateSync(sparse, 2 ** 30);
    const huge = await run(path, '--key', key, '--bundle', sparse);
    expect(huge).toMatchObject({ code: 3, stderr: expect.stringContaining('(too-large)') as string });
    expect(Math.abs(huge.maxRssMiB - usual.maxRssMiB)).toBeLessThan(20);
    expect(await run(path, '--key', key, '--bundle', '/dev/zero')).toMatchObject({ code: 1 });
    expect(await run(path, '--key', key, '--bundle', folder)).toMatchObject({ code: 1 });
    expect(await run(path, '--key', '/dev/zero')).toMatchObject({ code: 1 });
    expect(await run(path, '--key', sparse)).toMatchObject({ code: 2 });
  });

  it('beside a file of 128 MiB: the file is hashed in the memory that a small one takes', async () => {
    const usual = await run(path, '--key', key);
    const large = join(folder, 'large.img');
    writeFileSync(large, '');
    truncateSync(large, 2 ** 27);
    const { code, stderr, maxRssMiB } = await run(large, '--key', key, '--bundle', `${path}.frostmark`);
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('(wrong-digest)') as string });
    expect(maxRssMiB - usual.maxRssMiB).toBeLessThan(30);
  });
});
