import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import packageJson from '../../package.json' with { type: 'json' };
import { encodeBase64Url } from '../../verifier/base64.ts';
import { runVerify } from '../../verifier/command.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import type { Revocation } from '../../verifier/status.ts';
import {
  artifact,
  atUnixSeconds,
  development,
  developmentBundle,
  from,
  group,
  productionBundle,
  sha256,
  signedStatus,
  statement,
  statusFile,
  stranger,
  until,
} from './fixtures.ts';

const hostileName = 'app\u202ezg.rat\u200b';

let folder: string;
let path: string;
let key: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-command-'));
  path = join(folder, 'app.tar.gz');
  key = join(folder, 'GROUP.pub');
  await writeFile(key, `${formatGroupKey({ name: 'acme', key: group.publicKey })}\n`);
  await writeFile(path, artifact);
  await writeFile(`${path}.frostmark`, productionBundle());
  await writeFile(join(folder, 'development'), developmentBundle());
  const lost: Revocation = {
    channel: 'development',
    key: encodeBase64Url(development.publicKey),
    at: statement().createdAt,
    reason: 'stolen \u200b[2J',
  };
  await writeFile(join(folder, 'GROUP.status'), statusFile(signedStatus({ number: 2, revoked: [lost] })));
  await writeFile(join(folder, 'forked'), statusFile(signedStatus(), signedStatus({ revoked: [lost] })));
  await writeFile(join(folder, 'foreign'), statusFile(signedStatus({ groupKey: stranger.publicKey }, stranger)));
  await writeFile(
    join(folder, 'hostile'),
    productionBundle({ subjects: [{ name: hostileName, sha256: sha256(artifact) }], product: '\u2067evil' }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

async function run(...argv: string[]) {
  const written = { stdout: '', stderr: '' };
  const exitCode = await runVerify(argv, {
    program: 'frostmark verify',
    stdout: (text) => void (written.stdout += text),
    stderr: (text) => void (written.stderr += text),
    nowUnixSeconds: () => atUnixSeconds,
  });
  return { exitCode, ...written };
}

describe('frostmark verify', () => {
  it('says on stdout what was verified, and nothing else', async () => {
    expect(await run(path, '--key', key)).toEqual({
      exitCode: 0,
      stdout: `VERIFIED ${path}
  group      acme
  channel    production
  product    app
  release    1.4.2
  source     https://example.org/app.git refs/tags/v1.4.2
  commit     0123456789abcdef0123456789abcdef01234567
  requested  2026-11-22T08:00:00Z
  sha256     ${sha256(artifact)}
`,
      stderr: '',
    });
  });

  it('says as JSON what was hashed and what was signed (T39)', async () => {
    const { exitCode, stdout, stderr } = await run(
      path,
      '--key',
      key,
      '--json',
      '--channel',
      'development',
      '--bundle',
      join(folder, 'development'),
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { source, requestDigest, createdAt, subjects } = statement();
    expect(JSON.parse(stdout)).toEqual({
      verified: true,
      file: { path, name: 'app.tar.gz', size: artifact.length, sha256: sha256(artifact) },
      bundle: join(folder, 'development'),
      group: { name: 'acme', key: encodeBase64Url(group.publicKey) },
      channel: 'development',
      product: 'app',
      release: '1.4.2',
      requestDigest,
      source,
      createdAt,
      delegation: { channelKey: encodeBase64Url(development.publicKey), from, until },
      revocation: { checked: false },
      subject: subjects[0],
      subjects,
    });
  });

  it('takes every option, and judges the delegation at --at (T21)', async () => {
    const ask = (at: string) =>
      run(path, '--key', key, '--channel=development', `--bundle=${join(folder, 'development')}`, '--at', at);
    expect((await ask(from)).exitCode).toBe(0);
    expect((await ask('2027-01-29T23:59:59Z')).exitCode).toBe(0);
    expect(await ask(until)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('(delegation-expired)') as string,
    });
    expect(await ask('2026-10-31T23:59:59Z')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('(delegation-not-yet-valid)') as string,
    });
    const all = await run(path, '--key', key, '--product', 'app', '--min-release', '1.4.0', '--any-name', '--at', from);
    expect(all.exitCode).toBe(0);
  });

  describe('with --status (T46)', () => {
    const now = statement().createdAt;
    const ask = (...argv: string[]) => run(path, '--key', key, '--status', join(folder, 'GROUP.status'), ...argv);

    it('says which status it was, and that nothing of the file was revoked', async () => {
      const { exitCode, stdout } = await ask('--min-status', '2', '--status-max-age', '7d');
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`\n  status     number 2 of ${now} revokes nothing of it\n`);
      expect(JSON.parse((await ask('--json')).stdout)).toMatchObject({
        revocation: { checked: true, number: 2, at: now, ofThisNumber: 1 },
      });
    });

    it('refuses what was revoked, and says when and why', async () => {
      const development = ['--channel', 'development', '--bundle', join(folder, 'development')];
      const asked = await ask(...development);
      expect(asked).toMatchObject({ exitCode: 3, stdout: '' });
      expect(asked.stderr).toContain(
        `the key of channel development was revoked at ${now}: stolen \\u{200b}[2J (revoked)`,
      );
      // Whoever looks for nothing is told nothing.
      expect((await run(path, '--key', key, ...development)).exitCode).toBe(0);
    });

    it('shows two different statuses of one number', async () => {
      const { stdout } = await run(path, '--key', key, '--status', join(folder, 'forked'));
      expect(stdout).toContain('; 2 different ones have this number: ask the group why\n');
    });

    it('judges age by this machine, not by --at', async () => {
      const past = await ask('--at', '2020-01-01T00:00:00Z', '--status-max-age', '1h');
      expect(past.exitCode).toBe(0);
    });
  });

  it.each([
    [
      'a status that is too old',
      3,
      'stale-status',
      () => [path, '--key', key, '--status', join(folder, 'GROUP.status'), '--min-status', '3'],
    ],
    ['a status of another group', 3, 'bad-status', () => [path, '--key', key, '--status', join(folder, 'foreign')]],
    ['a bundle for a status', 3, 'bad-status', () => [path, '--key', key, '--status', `${path}.frostmark`]],
    ['no status file', 1, 'missing-file', () => [path, '--key', key, '--status', join(folder, 'none')]],
    ['a least status without a status', 2, 'usage', () => [path, '--key', key, '--min-status', '1']],
    ['an age without a status', 2, 'usage', () => [path, '--key', key, '--status-max-age', '7d']],
    ['an age without a unit', 2, 'usage', () => [path, '--key', key, '--status', key, '--status-max-age', '7']],
    ['a least status that is no number', 2, 'usage', () => [path, '--key', key, '--status', key, '--min-status', '0']],
    ['another channel', 3, 'wrong-channel', () => [path, '--key', key, '--channel', 'development']],
    [
      'a development build as production (T21)',
      3,
      'wrong-channel',
      () => [path, '--key', key, '--bundle', join(folder, 'development')],
    ],
    ['another product', 3, 'wrong-product', () => [path, '--key', key, '--product', 'other']],
    ['an old release', 3, 'old-release', () => [path, '--key', key, '--min-release', '1.5.0']],
    ['another file', 3, 'wrong-digest', () => [key, '--key', key, '--bundle', `${path}.frostmark`]],
    ['another name', 3, 'wrong-name', () => [path, '--key', key, '--bundle', join(folder, 'hostile')]],
    ['no bundle', 1, 'missing-file', () => [key, '--key', key]],
    ['no file', 1, 'missing-file', () => [join(folder, 'none'), '--key', key]],
    ['no key file', 1, 'missing-file', () => [path, '--key', join(folder, 'none')]],
    ['a file that is no key', 2, 'bad-key', () => [path, '--key', path]],
    ['a key that is no key', 2, 'bad-key', () => [path, '--key', 'frostmark-group:acme:AAAA']],
    ['no argument', 2, 'usage', () => []],
    ['an empty file name', 2, 'usage', () => ['', '--key', key]],
    ['two files', 2, 'usage', () => [path, path, '--key', key]],
    ['no --key', 2, 'usage', () => [path]],
    ['--key without a value', 2, 'usage', () => [path, '--key']],
    ['an option that does not exist', 2, 'usage', () => [path, '--key', key, '--force']],
    ['a value for a switch', 2, 'usage', () => [path, '--key', key, '--any-name=yes']],
    ['a malformed channel', 2, 'usage', () => [path, '--key', key, '--channel', 'Production']],
    ['a malformed time', 2, 'usage', () => [path, '--key', key, '--at', 'yesterday']],
    ['a malformed least release', 2, 'usage', () => [path, '--key', key, '--min-release', 'new']],
  ] as const)('refuses %s with exit code %i and what to do', async (_, exitCode, code, argv) => {
    const asked = await run(...argv());
    expect(asked).toMatchObject({ exitCode, stdout: '' });
    expect(asked.stderr).toMatch(new RegExp(`^(NOT CHECKED|WRONG USAGE|NOT VALID) .*\\(${code}\\)\n  [A-Zf].*\\.\n$`));
    const json = await run(...argv(), '--json');
    // Options end with a value that is missing, so the switch may itself be taken for that value.
    if (argv().at(-1) === '--key') return;
    expect(JSON.parse(json.stdout)).toMatchObject({ verified: false, code, exitCode });
  });

  it('shows hostile names and texts escaped, on success and on failure (T36)', async () => {
    const hostile = ['--key', key, '--bundle', join(folder, 'hostile')];
    const outputs = [
      await run(path, ...hostile, '--any-name'),
      await run(path, ...hostile, '--any-name', '--json'),
      await run(path, ...hostile),
      await run(path, ...hostile, '--json'),
      await run(path, ...hostile, '--product', '\u001b[2J'),
      await run('\u202e', '--key', key),
      await run(path, '--key', key, '--\u202e'),
    ];
    expect(outputs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 3, 3, 3, 1, 2]);
    for (const { stdout, stderr } of outputs) expect(stdout + stderr).toMatch(/^[ -~\n]*$/);
    expect(outputs[0]?.stdout).toContain('signed as  app\\u{202e}zg.rat\\u{200b}');
  });

  it("teaches with --help, and names its version, which is the package's", async () => {
    const help = await run('--help');
    expect(help.exitCode).toBe(0);
    for (const option of [
      '--key',
      '--bundle',
      '--channel',
      '--product',
      '--min-release',
      '--any-name',
      '--at',
      '--status',
      '--min-status',
      '--status-max-age',
      '--json',
    ]) {
      expect(help.stdout).toContain(option);
    }
    expect(help.stdout.split('\n').every((line) => line.length <= 100)).toBe(true);
    expect(await run('-h')).toEqual(help);
    expect((await run('--version')).stdout).toBe(`frostmark verify ${packageJson.version}\n`);
  });
});
