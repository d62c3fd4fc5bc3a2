/** One group endorses the next, by the real commands in two groups; stock tools judge the files that they have for it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runVerify } from '../../verifier/command.ts';
import { AskerWorld, type Ran } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { hasTool, run, type Ran as Tool } from './tools.ts';

let old: AskerWorld;
let next: AskerWorld;
let third: AskerWorld;
const worldOf = async (created: string): Promise<AskerWorld> =>
  await AskerWorld.create(
    await dealtGroup({
      tiers: ['admin', 'admin', 'admin'],
      production: '{ any: 2 }',
      development: '{ any: 1 }',
      openpgp: `{ userId: "Acme <release@acme.example>", created: ${created} }`,
    }),
  );

beforeAll(async () => {
  old = await worldOf('2026-01-01T00:00:00Z');
  next = await worldOf('2026-06-01T00:00:00Z');
  third = await worldOf('2026-07-01T00:00:00Z');
  mkdirSync(old.path('gnupg'), { mode: 0o700 });
  writeFileSync(old.path('gnupg', 'gpg.conf'), 'no-autostart\ntrust-model always\n');
});
afterAll(async () => {
  for (const world of [old, next, third]) await world[Symbol.asyncDispose]();
});

const tool = (command: string, args: readonly string[], input?: Uint8Array): Tool =>
  run(command, args, {
    cwd: old.folder,
    env: { GNUPGHOME: old.path('gnupg') },
    ...(input === undefined ? {} : { input }),
  });

const endorse = (...more: string[]): Promise<Ran> =>
  old.frostmark('group', 'endorse', next.path('GROUP.pub'), '--out', old.folder, ...more);
const consent = (of: AskerWorld, ...more: string[]): Promise<Ran> =>
  of.frostmark('group', 'consent', old.path('GROUP.pub'), '--out', of.path('GROUP.consent'), ...more);
const verifyEndorsement = async (...args: string[]): Promise<Ran> => {
  const said = { stdout: '', stderr: '' };
  const code = await runVerify([...args, '--endorsement'], {
    program: 'frostmark verify',
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    nowUnixSeconds: () => 0,
  });
  return { code, ...said };
};
const files = [
  'GROUP.endorsement',
  'next-ssh.pub',
  'next-ssh.pub.sig',
  'next-minisign.pub',
  'next-minisign.pub.minisig',
];

describe('before the new group has agreed', () => {
  it('nothing is endorsed, and the command that comes first is named', async () => {
    const ran = await endorse();
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('frostmark group consent')]);
    expect([await old.rounds(), files.filter((name) => existsSync(old.path(name)))]).toEqual([[], []]);
  });

  it('no group agrees to come after itself', async () => {
    const ran = await old.frostmark('group', 'consent', old.path('GROUP.pub'), '--out', old.path('own.consent'));
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('a key endorses itself')]);
    expect(await old.rounds()).toEqual([]);
  });
});

describe('a consent', { timeout: 60_000 }, () => {
  it('is one round in the new group, and the same command again is the same round', async () => {
    for (let time = 0; time < 2; time++) expect((await consent(next)).code).toBe(0);
    expect(await next.rounds()).toHaveLength(1);
  });

  it.each<[string, () => Promise<string[]>, string]>([
    [
      'of another key than the one that is meant',
      async () => {
        await consent(third);
        return ['--consent', third.path('GROUP.consent')];
      },
      'and not by the key that is to be endorsed',
    ],
    [
      'to come after another group',
      async () => {
        const path = next.path('other.consent');
        await next.frostmark('group', 'consent', third.path('GROUP.pub'), '--out', path);
        return ['--consent', path];
      },
      'agreed to come after another group',
    ],
    [
      'that was changed',
      () => {
        const text = readFileSync(next.path('GROUP.consent'), 'utf8');
        writeFileSync(next.path('changed.consent'), text.replace(/"sig":"../, '"sig":"AA'));
        return Promise.resolve(['--consent', next.path('changed.consent')]);
      },
      'signature does not verify',
    ],
    ['that is none', () => Promise.resolve(['--consent', next.path('GROUP.pub')]), 'not JSON'],
  ])('%s is refused before anybody is asked', async (_, args, message) => {
    const ran = await endorse(...(await args()));
    expect(ran.stderr).toContain(message);
    expect(ran.code).not.toBe(0);
    expect(await old.rounds()).toEqual([]);
  });
});

describe('an endorsement', { timeout: 60_000 }, () => {
  it('is one round in the old group, signed by both keys, and is shown and not followed', async () => {
    const asked = await endorse('--consent', next.path('GROUP.consent'));
    expect([asked.code, asked.stderr]).toEqual([0, expect.stringContaining('submitted')]);
    expect(asked.stdout.trimEnd().split('\n')).toEqual(files.map((name) => old.path(name)));
    const [path, key] = [old.path('GROUP.endorsement'), old.path('GROUP.pub')];
    const shown = await verifyEndorsement(path, '--key', key);
    expect(shown).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`ENDORSED ${next.read('GROUP.pub')}`) as string,
    });
    expect(shown.stdout).toContain('Nothing is pinned by it');
    const { stdout } = await verifyEndorsement(path, '--key', key, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      verified: true,
      endorsement: { successor: next.read('GROUP.pub').trim() },
    });
    for (const other of [next.path('GROUP.pub'), third.path('GROUP.pub')])
      expect(await verifyEndorsement(path, '--key', other)).toMatchObject({ code: 3, stdout: '' });
    // The old key still is the one that is pinned.
    const release = old.write('a.tgz', 'a');
    await next.frostmark('sign', next.write('a.tgz', 'a'), '--channel', 'production', '--no-source');
    const bundle = next.path('a.tgz.frostmark');
    const said = { code: 0, stderr: '' };
    said.code = await runVerify([release, '--key', key, '--bundle', bundle], {
      program: 'frostmark verify',
      stdout: () => undefined,
      stderr: (text) => void (said.stderr += text),
      nowUnixSeconds: () => Math.floor(Date.now() / 1000),
    });
    expect(said).toEqual({ code: 3, stderr: expect.stringContaining('(bad-signature)') as string });
  });

  it('is for one key, for ever: the same again writes the same, another is refused', async () => {
    const before = [await old.rounds(), ...files.map((name) => old.read(name))];
    const again = await endorse();
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('endorsed already')]);
    const another = await old.frostmark(
      ...['group', 'endorse', third.path('GROUP.pub'), '--consent', third.path('GROUP.consent'), '--out', old.folder],
    );
    expect([another.code, another.stderr]).toEqual([2, expect.stringContaining('it endorses one key, for ever')]);
    expect([await old.rounds(), ...files.map((name) => old.read(name))]).toEqual(before);
  });

  it.skipIf(!hasTool('ssh-keygen'))('is taken by ssh-keygen as a file that production signed', async () => {
    await old.frostmark('group', 'export', '--format', 'ssh', '--out', old.path('allowed_signers'));
    const verify = (file: string): Tool =>
      tool(
        'ssh-keygen',
        ['-Y', 'verify', '-f', 'allowed_signers', '-I', 'production', '-n', 'file', '-s', 'next-ssh.pub.sig'],
        readFileSync(old.path(file)),
      );
    expect(verify('next-ssh.pub')).toMatchObject({ status: 0 });
    expect(verify('GROUP.pub').status).toBe(255);
    await next.frostmark('group', 'export', '--format', 'ssh-key', '--out', next.path('own.pub'));
    expect(old.read('next-ssh.pub').split(' ')[1]).toBe(next.read('own.pub').split(' ')[1]);
  });

  it.skipIf(!hasTool('minisign'))(
    'is taken by minisign, and what it signed verifies what the new group signs',
    async () => {
      await old.frostmark('group', 'export', '--format', 'minisign', '--out', old.path('minisign.pub'));
      const verify = (file: string, key: string): Tool => tool('minisign', ['-V', '-H', '-m', file, '-p', key]);
      expect(verify('next-minisign.pub', 'minisign.pub')).toMatchObject({ status: 0 });
      expect(verify('next-minisign.pub', 'next-minisign.pub').status).toBe(1);
      await next.frostmark('group', 'export', '--format', 'minisign', '--out', next.path('own-minisign.pub'));
      expect(old.read('next-minisign.pub')).toBe(next.read('own-minisign.pub'));
    },
  );

  it.skipIf(!hasTool('gpg'))('is a certification of the new OpenPGP key by the old one, which gpg checks', async () => {
    for (const [world, name] of [
      [old, 'old.pgp'],
      [next, 'own.pgp'],
    ] as const) {
      expect((await world.frostmark('group', 'certify', 'openpgp')).code).toBe(0);
      await world.frostmark('group', 'export', '--format', 'openpgp', '--out', world.path(name));
    }
    expect((await endorse('--certificate', old.path('old.pgp'))).stderr).toContain('certificate of another key');
    expect((await endorse('--certificate', next.path('own.pgp'))).stdout).toContain('next.pgp');
    for (const file of [old.path('old.pgp'), old.path('next.pgp')]) tool('gpg', ['--import', file]);
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(
      tool('gpg', ['--show-keys', '--with-colons', next.path('own.pgp')]).stdout,
    )![1]!;
    const { stdout } = tool('gpg', ['--with-colons', '--check-sigs', fingerprint]);
    const good = stdout.split('\n').filter((line) => line.startsWith('sig:!:'));
    expect(good.map((line) => line.split(':')[10]).sort()).toEqual(['10x', '13x']);
  });
});
