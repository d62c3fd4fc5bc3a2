/**
 * One company whose installers have no tool of ours: real members sign by real rounds, git, rpm and apt make and check the signatures. The
 * tests run in order: the group begins without certificates and ends with a revoked subkey.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finished } from '../../demo/process.ts';
import { frontEnd, TestCompany } from '../harness/company.ts';
import { aptUpdate, hasTool, run, type Ran, type RunOptions } from './tools.ts';

const company = new TestCompany({
  members: ['alice', 'bob', 'carol'].map((name) => ({ name, tier: 'admin' })),
  requesters: [
    { name: 'dave', channels: ['development', 'production'] },
    { name: 'erin', channels: ['development', 'production'] },
  ],
  channels: { production: '{ quorum: { any: 2 } }', development: '{ quorum: { any: 2 }, validity: 90d }' },
  openpgp: '{ userId: "Acme <release@acme.example>", created: 2026-01-01T00:00:00Z }',
});

/** Signs whatever dave asks for, and nothing of erin's. */
const policy = `rules:
  - match: { requester: erin }
    action: refuse
    reason: not by erin
  - match:
      kind: release
      channel: [production, development]
      document: [manifest, git-tag, git-commit, apt-release, debian-control, rpm-header, text]
    action: approve
  - match:
      kind: [openpgp-certificate, openpgp-back-signature, openpgp-subkey, ssh-certificate, status]
      channel: [production, development]
    action: approve
  - action: ask
`;

const channels = ['production', 'development'] as const;
type Channel = (typeof channels)[number];
const at = (...names: string[]): string => join(company.plan.folder, ...names);

beforeAll(async () => {
  await company.open({ alice: policy, bob: policy, carol: policy });
  for (const name of ['dave', 'erin'])
    writeFileSync(
      join(company.path(name), 'config.yaml'),
      `group: ${at('GROUP.pub')}\ncoordinator: ${company.coordinatorUrl}\n`,
    );
  company.write('terminal', '');
  for (const channel of channels) {
    mkdirSync(at(channel));
    company.write(join(channel, 'tool.bin'), `tool of ${channel}\n`);
    company.write(join(channel, 'tool.txt'), `text of ${channel}\n`);
  }
}, 120_000);

afterAll(async () => {
  await company[Symbol.asyncDispose]();
}, 60_000);

/** A command of dave's, whose home knows group and coordinator. */
async function dave(args: readonly string[], expected = 0): Promise<Finished> {
  return await company.run([...args, '--home', company.path('dave')], expected);
}

interface Asker {
  readonly who?: 'dave' | 'erin';
  readonly channel?: string;
}

/** A stock tool, in an environment that tells our front ends who asks for what, and gpg which keys to know. */
function tool(command: string, args: readonly string[], options: RunOptions & Asker = {}): Ran {
  const { who = 'dave', channel = 'production', ...rest } = options;
  return run(command, args, {
    cwd: company.plan.folder,
    ...rest,
    env: {
      FROSTMARK_HOME: company.path(who),
      FROSTMARK_CHANNEL: channel,
      GNUPGHOME: at('gnupg'),
      GIT_CONFIG_NOSYSTEM: '1',
      GPG_TTY: at('terminal'),
      ...rest.env,
    },
  });
}

/** What our front ends said where git shows nothing, and no more of it next time. */
function told(): string {
  const text = readFileSync(at('terminal'), 'utf8');
  writeFileSync(at('terminal'), '');
  return text;
}

function ok(ran: Ran): Ran {
  expect(ran.status, ran.output).toBe(0);
  return ran;
}

/** Git in a repository that is signed through our front ends. */
function git(args: readonly string[], asker: Asker = {}): Ran {
  return tool('git', args, { ...asker, cwd: at('repository') });
}

function makeRepository(): void {
  mkdirSync(at('repository'));
  ok(git(['init', '-q']));
  for (const [name, value] of [
    ['user.name', 'Zoë Release'],
    ['user.email', 'zoe@acme.example'],
    ['gpg.program', frontEnd('gpg')],
    ['gpg.ssh.program', frontEnd('ssh-keygen')],
    ['gpg.ssh.allowedSignersFile', at('allowed_signers')],
  ] as const)
    ok(git(['config', name, value]));
  ok(git(['commit', '-q', '--allow-empty', '-m', 'First commit']));
}

/** Ids of everything that was ever asked for. */
async function rounds(): Promise<string[]> {
  const { stdout } = await dave(['rounds', '--json']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);
}

const tags = (): string => git(['tag', '-l']).stdout;
const gitGpg = ['--status-fd=2', '-bsau', 'Zoë Release <zoe@acme.example>'];
const gpgFront = (input: string | Uint8Array, asker: Asker = {}, args: readonly string[] = gitGpg): Ran =>
  tool(frontEnd('gpg'), args, { ...asker, input });
const tagText = `object ${'ab'.repeat(20)}
type commit
tag v0.9.0
tagger Zoë Release <zoe@acme.example> 1795334400 +0000

Version 0.9
`;

describe('before the group has certificates', { timeout: 60_000 }, () => {
  it.each([
    [
      ['sign', 'production/tool.bin', '--channel', 'production', '--manifest', 'x', '--format', 'openpgp'],
      'frostmark group certify openpgp',
    ],
    [
      ['sign', 'development/tool.bin', '--channel', 'development', '--manifest', 'x', '--format', 'ssh'],
      'frostmark group certify ssh --channel development',
    ],
    [['group', 'export', '--format', 'openpgp'], 'frostmark group certify openpgp'],
  ])('%j asks for nothing, and says which command comes first', async (args, command) => {
    const { stderr } = await dave([...args], 1);
    expect(stderr).toContain(`first run: ${command}\n`);
    expect((await dave(['rounds', '--json'])).stdout).not.toContain('"kind":"release"');
  });

  it.skipIf(!hasTool('git'))('git tag -s fails, saying the same, and makes no tag', () => {
    makeRepository();
    const ran = git(['tag', '-s', '-m', 'Version 1', 'v1.0.0']);
    expect([ran.status, tags()]).toEqual([128, '']);
    expect(told()).toContain('first run: frostmark group certify openpgp\n');
  });
});

describe('certificates', { timeout: 120_000 }, () => {
  it.each([
    [['openpgp', '--channel', 'production'], 'signs under the group key itself'],
    [['ssh', '--channel', 'nightly'], 'has no channel "nightly"'],
    [['openpgp', '--channel', 'development', '--valid', '91d'], 'is no duration up to 90 days'],
    [['openpgp', '--channel', 'development', '--no-wait'], 'the second round needs the result of the first'],
    [['minisign'], 'there are no minisign certificates'],
    [['ssh'], 'no --channel was given'],
  ])('group certify %j is refused', async (args, message) => {
    const { stderr } = await dave(['group', 'certify', ...args], 2);
    expect(stderr).toContain(message);
  });

  it('are made by rounds and exported, each in the form that its tool wants', async () => {
    await dave(['group', 'certify', 'openpgp']);
    await dave(['group', 'certify', 'openpgp', '--channel', 'development']);
    await dave(['group', 'certify', 'ssh', '--channel', 'development', '--valid', '30d']);
    for (const [file, ...flags] of [
      ['production.pgp', '--format', 'openpgp'],
      ['production.asc', '--format', 'openpgp'],
      ['whole.pgp', '--format', 'openpgp', '--channel', 'development'],
      ['whole.asc', '--format', 'openpgp', '--channel', 'development'],
      ['allowed_signers', '--format', 'ssh'],
      ['group-ssh.pub', '--format', 'ssh-key'],
      ['production-ssh.pub', '--format', 'ssh-key', '--channel', 'production'],
      ['development-ssh.pub', '--format', 'ssh-key', '--channel', 'development'],
      ['production-signers', '--format', 'ssh', '--channel', 'production'],
      ['development-signers', '--format', 'ssh', '--channel', 'development'],
      ['development-lost', '--format', 'ssh-revocation', '--channel', 'development'],
      ['production-lost', '--format', 'ssh-revocation', '--channel', 'production'],
      ['again.pem', '--format', 'pem', '--channel', 'production'],
      ['production-again.pgp', '--format', 'openpgp', '--channel', 'production'],
      ['production.pub', '--format', 'minisign'],
      ['development.pub', '--format', 'minisign', '--channel', 'development'],
      ['group.pem', '--format', 'pem'],
    ])
      await dave(['group', 'export', ...flags, '--out', file!]);
    const { stdout } = await dave(['group', 'export', '--format', 'openpgp']);
    expect(stdout).toBe(readFileSync(at('production.asc'), 'utf8'));
  });

  it('are of the channel that was named, in every form that has channels', () => {
    const [group, production, development, lost] = ['group', 'production', 'development', 'development-lost'].map(
      (name) => readFileSync(at(name.includes('lost') ? name : `${name}-ssh.pub`), 'utf8').split(' ')[1],
    );
    expect(production).toBe(group);
    expect(development).not.toBe(group);
    expect(lost).toBe(development);
    const whole = readFileSync(at('allowed_signers'), 'utf8');
    for (const channel of channels) {
      const part = readFileSync(at(`${channel}-signers`), 'utf8');
      expect(part).toMatch(new RegExp(`^${channel} .*\n$`));
      expect(whole).toContain(part);
    }
    for (const name of ['production-again.pgp', 'again.pem'])
      expect(readFileSync(at(name))).toEqual(readFileSync(at(name.replace('-again', '').replace('again', 'group'))));
  });

  it.each([
    [['--format', 'native', '--channel', 'development'], 'native is the key of the group'],
    [['--format', 'pem', '--channel', 'development'], 'pem is the key of the group'],
    [['--format', 'ssh-revocation'], "no channel's key has ended"],
    [['--format', 'status'], 'the group has signed no status yet'],
    [['--format', 'status', '--channel', 'development'], 'a status is of the group'],
    [['--format', 'ssh', '--channel', 'nightly'], 'has no channel "nightly"'],
    [['--format', 'ssh-key', '--channel', 'nightly'], 'has no channel "nightly"'],
    [['--format', 'ssh-revocation', '--channel', 'nightly'], 'has no channel "nightly"'],
    [['--format', 'minisign', '--channel', 'nightly'], 'has no channel "nightly"'],
  ])('group export %j is refused', async (args, message) => {
    const { stderr, stdout } = await dave(['group', 'export', ...args], 2);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
  });

  it('are the very same when they are asked for again', async () => {
    const before = readFileSync(at('production.pgp'));
    await dave(['group', 'certify', 'openpgp']);
    await dave(['group', 'export', '--format', 'openpgp', '--out', 'again.pgp']);
    expect(readFileSync(at('again.pgp')).equals(before)).toBe(true);
  });

  it.skipIf(!hasTool('gpg'))('are taken by gpg', () => {
    mkdirSync(at('gnupg'), { mode: 0o700 });
    writeFileSync(at('gnupg', 'gpg.conf'), 'no-autostart\ntrust-model always\n');
    ok(tool('gpg', ['--import', 'production.asc']));
    const { stdout } = ok(tool('gpg', ['--with-colons', '--check-sigs']));
    expect(stdout).toContain('::Acme <release@acme.example>:');
    expect(stdout).toMatch(/^sig:!/m);
  });
});

describe('frostmark group requesters', { timeout: 60_000 }, () => {
  it('shows in words what the next version changes, and asks nothing with --dry-run', async () => {
    const before = await rounds();
    const first = readFileSync(at('requesters.yaml'), 'utf8');
    company.write(
      'next.yaml',
      first.replace('version: 1', 'version: 2').replace(/(.*)channels: \[[^\]]*\]/s, '$1channels: [development]'),
    );
    const { stdout } = await dave(['group', 'requesters', 'next.yaml', '--dry-run']);
    expect(stdout).toBe('version 2 and version 1, which is in force:\n~ erin may no longer ask on production\n');
    expect((await dave(['group', 'requesters', 'requesters.yaml'])).stdout).toBe('version 1 is in force already\n');
    company.write('stale.yaml', first.replace(/ *- .*\n$/, ''));
    expect((await dave(['group', 'requesters', 'stale.yaml', '--dry-run'], 1)).stderr).toContain('the next is 2');
    expect(await rounds()).toEqual(before);
  });
});

describe('frostmark sign --manifest', { timeout: 120_000 }, () => {
  it('writes manifest, signatures and bundles in one round', async () => {
    for (const channel of channels) {
      const { stdout } = await dave([
        ...['sign', `${channel}/tool.bin`, `${channel}/tool.txt`, '--channel', channel, '--no-source'],
        ...['--manifest', `${channel}/SHA256SUMS`, '--format', 'openpgp,ssh,minisign'],
      ]);
      const written = ['tool.bin.frostmark', 'tool.txt.frostmark', 'SHA256SUMS'];
      expect(stdout.trimEnd().split('\n')).toEqual(
        [...written, 'SHA256SUMS.asc', 'SHA256SUMS.sig', 'SHA256SUMS.minisig'].map((name) => `${channel}/${name}`),
      );
      await company.run(['verify', `${channel}/tool.bin`, '--key', 'GROUP.pub', '--channel', channel]);
      ok(tool('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd: at(channel) }));
    }
  });

  it.skipIf(!hasTool('gpgv') || !hasTool('gpg'))('is judged by gpgv and gpg', () => {
    const gpgv = (certificate: string, channel: Channel): Ran =>
      tool('gpgv', [
        ...['--status-fd', '1', '--keyring', at(certificate)],
        ...[`${channel}/SHA256SUMS.asc`, `${channel}/SHA256SUMS`],
      ]);
    for (const [certificate, channel] of [
      ['production.pgp', 'production'],
      ['whole.pgp', 'production'],
      ['whole.pgp', 'development'],
    ] as const)
      expect(ok(gpgv(certificate, channel)).stdout).toContain('[GNUPG:] GOODSIG ');
    const refused = gpgv('production.pgp', 'development');
    expect([refused.status, refused.stdout]).toEqual([2, expect.stringContaining('NO_PUBKEY')]);
    ok(tool('gpg', ['--verify', 'production/SHA256SUMS.asc', 'production/SHA256SUMS']));
    expect(tool('gpg', ['--verify', 'production/SHA256SUMS.asc', 'development/SHA256SUMS']).status).toBe(1);
  });

  it.skipIf(!hasTool('ssh-keygen'))('is judged by ssh-keygen: each channel is a principal of its own', () => {
    const verify = (principal: string, channel: Channel): Ran =>
      tool(
        'ssh-keygen',
        [
          ...['-Y', 'verify', '-f', 'allowed_signers', '-I', principal, '-n', 'file'],
          ...['-s', `${channel}/SHA256SUMS.sig`],
        ],
        { input: readFileSync(at(channel, 'SHA256SUMS')) },
      );
    for (const channel of channels) ok(verify(channel, channel));
    expect(verify('production', 'development').status).toBe(255);
    expect(verify('development', 'production').status).toBe(255);
  });

  it.skipIf(!hasTool('ssh-keygen'))(
    'is refused by ssh-keygen -r once its channel’s key is lost, and the other is not',
    () => {
      const verify = (channel: Channel, list: string): Ran =>
        tool(
          'ssh-keygen',
          [
            ...['-Y', 'verify', '-f', 'allowed_signers', '-I', channel, '-n', 'file'],
            ...['-s', `${channel}/SHA256SUMS.sig`, '-r', list],
          ],
          { input: readFileSync(at(channel, 'SHA256SUMS')) },
        );
      writeFileSync(at('none-lost'), '');
      for (const channel of channels) ok(verify(channel, 'none-lost'));
      ok(verify('production', 'development-lost'));
      expect(verify('development', 'development-lost').status).toBe(255);
      // Production certifies the others: without it none is left.
      for (const channel of channels) expect(verify(channel, 'production-lost').status).toBe(255);
      writeFileSync(
        at('both-lost'),
        [readFileSync(at('production-lost')), readFileSync(at('development-lost'))].join(''),
      );
      for (const channel of channels) expect(verify(channel, 'both-lost').status).toBe(255);
    },
  );

  it.skipIf(!hasTool('minisign'))('is judged by minisign: each channel is a key of its own', () => {
    const verify = (key: string, channel: Channel): Ran =>
      tool('minisign', ['-V', '-H', '-m', `${channel}/SHA256SUMS`, '-p', key]);
    for (const channel of channels)
      expect(ok(verify(`${channel}.pub`, channel)).stdout).toContain(`channel:${channel}`);
    expect(verify('production.pub', 'development').status).toBe(1);
  });
});

describe.skipIf(!hasTool('git') || !hasTool('gpg'))('git with gpg.program', { timeout: 120_000 }, () => {
  it('makes tags and commits that git itself takes (git tag -s, git commit -S)', () => {
    told();
    ok(git(['tag', '-s', '-m', 'Version 1\n\nNotes.', 'v1.0.0']));
    expect(told()).toContain('submitted as round');
    const verified = ok(git(['verify-tag', '--raw', 'v1.0.0']));
    expect(verified.output).toContain('[GNUPG:] GOODSIG ');
    ok(git(['commit', '-q', '-S', '--allow-empty', '-m', 'Second commit']));
    ok(git(['verify-commit', 'HEAD']));
    // Whether a signature is good (G) or good by a key that nobody trusts yet (U) is what git and gpg of this machine make of its trust model.
    expect(git(['log', '-1', '--format=%G? %GS']).stdout).toMatch(/^[GU] Acme <release@acme\.example>\n$/);
  });

  it('tells git time and fingerprint as gpg reads them from the signature', () => {
    const signed = ok(gpgFront(tagText));
    const [, time, fingerprint] = /^\[GNUPG:\] SIG_CREATED D 22 10 00 (\d+) ([0-9A-F]{40})$/m.exec(signed.stderr) ?? [];
    writeFileSync(at('tag.asc'), signed.stdout);
    const { stdout } = ok(tool('gpg', ['--status-fd', '1', '--verify', 'tag.asc', '-'], { input: tagText }));
    expect(stdout).toMatch(new RegExp(`VALIDSIG ${fingerprint!} \\S+ ${time!} 0 4 0 22 10 00 `));
  });

  it('is asked for development by its variable; under the certificate of production alone that tag is refused', () => {
    ok(git(['tag', '-s', '-m', 'Nightly', 'nightly'], { channel: 'development' }));
    expect(git(['verify-tag', 'nightly']).status).toBe(1);
    mkdirSync(at('gnupg-whole'), { mode: 0o700 });
    writeFileSync(at('gnupg-whole', 'gpg.conf'), 'no-autostart\ntrust-model always\n');
    const env = { GNUPGHOME: at('gnupg-whole') };
    ok(tool('gpg', ['--import', 'whole.asc'], { env }));
    ok(tool('git', ['verify-tag', 'nightly'], { cwd: at('repository'), env }));
  });

  it('fails and makes no tag when the members refuse', () => {
    const before = tags();
    const ran = git(['tag', '-s', '-m', 'Version 2', 'v2.0.0'], { who: 'erin' });
    expect([ran.status, tags()]).toEqual([128, before]);
    expect(told()).toContain('not by erin');
  });

  it('notices a key that is not the channel’s: git config user.signingKey', () => {
    const fingerprintOf = (channel: string): string =>
      /SIG_CREATED .* ([0-9A-F]{40})$/m.exec(gpgFront(tagText, { channel }).stderr)![1]!;
    const [primary, subkey] = channels.map(fingerprintOf) as [string, string];
    const as = (key: string, channel: Channel): Ran => gpgFront(tagText, { channel }, ['--status-fd=2', '-bsau', key]);
    for (const [key, channel] of [
      [primary, 'development'],
      [`${subkey.toLowerCase()}!`, 'development'],
      ['<release@acme.example>', 'production'],
    ] as const)
      ok(as(key, channel));
    for (const [key, channel] of [
      [subkey, 'production'],
      [`${primary}!`, 'development'],
      ['Dave <dave@acme.example>', 'production'],
    ] as const) {
      const ran = as(key, channel);
      expect([ran.status, ran.stdout]).toEqual([2, '']);
      expect(ran.stderr).toContain(`${channel} signs as ${channel === 'production' ? primary : subkey}`);
    }
  });

  it('hands every other call on to the real gpg, with its exit code', () => {
    expect(gpgFront('', {}, ['--version']).stdout).toMatch(/^gpg \(GnuPG\) /);
    writeFileSync(at('other.txt'), 'other\n');
    expect(gpgFront('other\n', {}, ['--verify', 'tag.asc', '-']).status).toBe(1);
    expect(gpgFront('', {}, ['--no-such-option']).status).toBe(2);
  });
});

describe('the front end for gpg refuses before anything is asked', { timeout: 60_000 }, () => {
  let before: string[];
  beforeAll(async () => {
    before = await rounds();
  });
  afterAll(async () => {
    expect(await rounds()).toEqual(before);
  });

  it.each<[string, string | Uint8Array, string, number]>([
    ['nothing at all', '', 'neither a git tag nor a git commit', 2],
    ['a push certificate', 'certificate version 0.1\n', 'neither a git tag nor a git commit', 2],
    ['64 bytes that may be a digest', new Uint8Array(64).fill(7), 'neither a git tag nor a git commit', 2],
    ['over 8 MiB', new Uint8Array(8 * 1024 * 1024 + 1), 'standard input has over 8388608 bytes', 2],
    ['a tag of over 64 KiB', tagText + 'x\n'.repeat(40_000), 'a git-tag has at most 65536 bytes', 1],
    ['a control character', tagText.replace('0.9\n', '0.9\u0007\n'), 'git-tag: line 6 has the character U+0007', 1],
    ['a lone carriage return', tagText.replace('0.9\n', '0.9\rx\n'), 'git-tag: line 6 has the character U+000D', 1],
    [
      'a commit in another encoding',
      `tree ${'ab'.repeat(20)}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\nencoding latin1\n\nx\n`,
      'git-commit: line 4 has "encoding", which is not signed here',
      1,
    ],
  ])('%s', (_what, input, message, exit) => {
    const ran = gpgFront(input);
    expect([ran.status, ran.stdout]).toEqual([exit, '']);
    expect(ran.stderr).toContain(message);
  });

  it.each([
    [{ channel: '' }, 'set FROSTMARK_CHANNEL', 2],
    [{ channel: 'nightly' }, 'has no channel "nightly"', 2],
  ])('the channel of %j', (asker, message, exit) => {
    const ran = gpgFront(tagText, asker);
    expect([ran.status, ran.stdout]).toEqual([exit, '']);
    expect(ran.stderr).toContain(message);
  });
});

describe.skipIf(!hasTool('git') || !hasTool('ssh-keygen'))('git with gpg.ssh.program', { timeout: 120_000 }, () => {
  const ssh = ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${at('group-ssh.pub')}`];

  it.each(channels)('makes tags and commits that git itself takes: %s', (channel) => {
    ok(git([...ssh, 'tag', '-s', '-m', 'Version 1', `ssh-${channel}`], { channel }));
    expect(ok(git([...ssh, 'verify-tag', `ssh-${channel}`])).stderr).toContain(`signature for ${channel} with ED25519`);
    ok(git([...ssh, 'commit', '-q', '-S', '--allow-empty', '-m', `By ${channel}`], { channel }));
    ok(git([...ssh, 'verify-commit', 'HEAD']));
  });

  it('are refused by git once the channel’s key is on its gpg.ssh.revocationFile', () => {
    const verify = (channel: Channel): Ran =>
      git([...ssh, '-c', `gpg.ssh.revocationFile=${at('development-lost')}`, 'verify-tag', `ssh-${channel}`]);
    ok(verify('production'));
    expect(verify('development').status).toBe(1);
  });

  it('takes the key out of git’s configuration, too', () => {
    const key = readFileSync(at('group-ssh.pub'), 'utf8').trim();
    ok(git(['-c', 'gpg.format=ssh', '-c', `user.signingKey=key::${key}`, 'tag', '-s', '-m', 'x', 'ssh-literal']));
    ok(git([...ssh, 'verify-tag', 'ssh-literal']));
  });

  it('makes no signed tag when the members refuse: git verify-tag tells, whatever git tag said', () => {
    git([...ssh, 'tag', '-s', '-m', 'Version 2', 'ssh-refused'], { who: 'erin' });
    expect(git([...ssh, 'verify-tag', 'ssh-refused']).status).not.toBe(0);
    expect(git(['cat-file', '-p', 'ssh-refused']).stdout).not.toContain('BEGIN SSH SIGNATURE');
  });

  it('signs a manifest as a file, and refuses what is of another namespace, key or kind', () => {
    const sign = (...args: string[]): Ran => tool(frontEnd('ssh-keygen'), ['-Y', 'sign', ...args]);
    company.write('SUMS', readFileSync(at('production', 'SHA256SUMS')));
    ok(sign('-n', 'file', '-f', 'group-ssh.pub', 'SUMS'));
    const input = readFileSync(at('SUMS'));
    const check = ['-Y', 'verify', '-f', 'allowed_signers', '-I', 'production', '-n', 'file', '-s', 'SUMS.sig'];
    ok(tool(frontEnd('ssh-keygen'), check, { input }));
    expect(tool(frontEnd('ssh-keygen'), check, { input: 'other\n' }).status).toBe(255);
    ok(tool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', 'own']));
    company.write('tag', tagText);
    for (const [args, message] of [
      [['-n', 'git', '-f', 'group-ssh.pub', 'SUMS'], 'neither a git tag nor a git commit'],
      [['-n', 'file', '-f', 'group-ssh.pub', 'tag'], 'signed in the namespace git'],
      [['-n', 'email', '-f', 'group-ssh.pub', 'SUMS'], 'neither git nor file'],
      [['-n', 'git', '-f', 'own.pub', 'tag'], "does not hold the group's public key"],
      [['-n', 'git', '-f', 'own', 'tag'], "does not hold the group's public key"],
      [['-n', 'git', '-f', 'group-ssh.pub', 'tag', 'SUMS'], 'exactly one file'],
      [['-n', 'git', 'tag'], 'no -f with the public key'],
    ] as const) {
      const ran = sign(...args);
      expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining(message)]);
      expect(existsSync(at('tag.sig'))).toBe(false);
    }
  });
});

describe.skipIf(!hasTool('rpmbuild') || !hasTool('rpmsign'))('rpmsign --addsign', { timeout: 120_000 }, () => {
  const check = (rpm: string): Ran => {
    const db = ['--dbpath', at('rpmdb')];
    mkdirSync(at('rpmdb'), { recursive: true });
    ok(tool('rpmkeys', [...db, '--import', 'production.asc']));
    return tool('rpmkeys', [...db, '--define', '_pkgverify_level signature', '-Kv', rpm]);
  };
  const addSign = (rpm: string, asker: Asker = {}): Ran =>
    tool('rpmsign', ['--define', `__gpg ${frontEnd('gpg')}`, '--define', '_gpg_name acme', '--addsign', rpm], asker);

  it('makes packages that rpmkeys takes, and leaves a package alone when the members refuse', () => {
    const spec =
      'Name: tool\nVersion: 1.0\nRelease: 1\nSummary: a tool\nLicense: Apache-2.0\nBuildArch: noarch\n%description\nA tool.\n%files\n';
    company.write('tool.spec', spec);
    const topdir = ['--define', `_topdir ${at('rpm')}`, '--define', '_build_name_fmt tool.rpm'];
    ok(tool('rpmbuild', ['-bb', ...topdir, 'tool.spec']));
    const built = readFileSync(at('rpm/RPMS/tool.rpm'));
    for (const name of ['tool.rpm', 'nightly.rpm', 'refused.rpm']) company.write(name, built);
    expect(check('tool.rpm').status).not.toBe(0);

    ok(addSign('tool.rpm'));
    expect(ok(check('tool.rpm')).stdout).toMatch(/Header V4 EdDSA\/SHA512 Signature, key ID [0-9a-f]{8,16}: OK/);
    ok(addSign('nightly.rpm', { channel: 'development' }));
    expect(check('nightly.rpm').stdout).toContain('NOKEY');

    const refused = addSign('refused.rpm', { who: 'erin' });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('not by erin');
    expect(readFileSync(at('refused.rpm')).equals(built)).toBe(true);
  });

  it('takes headers of over a MiB, and its refusals let rpmsign live to tell why', () => {
    // As packages have that carry node_modules or the sources of a kernel; without the scripts of a build host that would look into each file.
    company.write(
      'many.spec',
      `%define __os_install_post %{nil}
Name: many
Version: 1.0
Release: 1
Summary: many files
License: Apache-2.0
BuildArch: noarch
%description
Many files.
%install
mkdir -p %{buildroot}/opt/many && cd %{buildroot}/opt/many && seq -f file-with-a-long-name-%%g 9000 | xargs touch
%files
/opt/many
`,
    );
    const topdir = ['--define', `_topdir ${at('rpm')}`, '--define', '_build_name_fmt many.rpm'];
    ok(tool('rpmbuild', ['-bb', ...topdir, 'many.spec']));
    const built = readFileSync(at('rpm/RPMS/many.rpm'));
    for (const name of ['many.rpm', 'unsigned.rpm']) company.write(name, built);
    ok(addSign('many.rpm'));
    expect(ok(check('many.rpm')).stdout).toMatch(/Header V4 EdDSA\/SHA512 Signature, key ID [0-9a-f]{8,16}: OK/);
    for (const [define, asker, message] of [
      ['_gpg_sign_cmd_extra_args --symmetric', {}, '--symmetric is not understood here'],
      ['_gpg_sign_cmd_extra_args --batch', { channel: 'nightly' }, 'has no channel "nightly"'],
      ['_gpg_sign_cmd_extra_args --batch', { channel: '' }, 'no channel is set'],
    ] as const) {
      const refused = tool(
        'rpmsign',
        [
          '--define',
          `__gpg ${frontEnd('gpg')}`,
          '--define',
          '_gpg_name acme',
          '--define',
          define,
          '--addsign',
          'unsigned.rpm',
        ],
        asker,
      );
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(message)]);
      // rpmsign says so itself, so a broken pipe did not kill it.
      expect(refused.stderr).toContain('gpg exec failed');
      expect(readFileSync(at('unsigned.rpm')).equals(built)).toBe(true);
    }
  });

  it('refuses a header that is none', () => {
    const ran = gpgFront('no header', {}, [
      '--no-verbose',
      '--no-armor',
      '--no-secmem-warning',
      '-sbo',
      'out',
      '--',
      '-',
    ]);
    expect([ran.status, existsSync(at('out'))]).toEqual([1, false]);
    expect(ran.stderr).toContain('rpm-header: not an RPM header');
  });
});

describe.skipIf(!hasTool('apt-get') || !hasTool('apt-ftparchive'))('an apt repository', { timeout: 120_000 }, () => {
  it('is signed by one command, and apt-get update takes it', async () => {
    for (const channel of channels) {
      const folder = `apt-${channel}`;
      mkdirSync(at(folder));
      company.write(join(folder, 'Packages'), '');
      company.write(join(folder, 'Release'), ok(tool('apt-ftparchive', ['release', '.'], { cwd: at(folder) })).stdout);
      const { stdout } = await dave([
        ...['sign', `${folder}/Release`, '--channel', channel, '--kind', 'apt-release', '--no-source'],
        ...['--format', 'openpgp,openpgp-cleartext'],
      ]);
      expect(stdout).toBe(`${folder}/Release.gpg\n${folder}/InRelease\n`);
    }
    ok(aptUpdate(at('root-1'), at('apt-production'), at('production.asc')));
    ok(aptUpdate(at('root-2'), at('apt-development'), at('whole.asc')));
    expect(aptUpdate(at('root-3'), at('apt-development'), at('production.asc')).status).toBe(100);
    ok(tool('gpg', ['--verify', 'apt-production/Release.gpg', 'apt-production/Release']));
  });
});

describe.skipIf(!hasTool('dpkg-source') || !hasTool('gpgv'))('an upload for Debian', { timeout: 120_000 }, () => {
  /** What debsign does with one file (devscripts 2.23, signfile), and dpkg-buildpackage nearly so. */
  const debsign = (file: string, asker: Asker & { key?: string; more?: string } = {}): Ran =>
    tool(
      'sh',
      [
        '-c',
        `mkdir -p signing && (cat "$1"; echo "") > "signing/$1" && rm -f "signing/$1.asc" && ${asker.more ?? ''}
"$2" --local-user "$3" --clearsign --list-options no-show-policy-urls --armor --textmode \
  --output "signing/$1.asc" "signing/$1" && mv "signing/$1.asc" "$1"`,
        ...['sh', file, frontEnd('gpg'), asker.key ?? 'release@acme.example'],
      ],
      { ...asker, cwd: at('upload') },
    );

  beforeAll(() => {
    const source = join('upload', 'tool-1.4.2');
    mkdirSync(at(source, 'debian', 'source'), { recursive: true });
    for (const [name, text] of [
      [
        'control',
        'Source: tool\nSection: devel\nPriority: optional\nMaintainer: Zoë Release <zoe@acme.example>\nStandards-Version: 4.6.2\n\n' +
          'Package: tool\nArchitecture: all\nDescription: a tool\n It is a tool.\n',
      ],
      [
        'changelog',
        'tool (1.4.2) unstable; urgency=medium\n\n  * New.\n\n -- Zoë Release <zoe@acme.example>  Sun, 22 Nov 2026 08:00:00 +0100\n',
      ],
      ['rules', '#!/bin/sh\n'],
      [join('source', 'format'), '3.0 (native)\n'],
    ] as const)
      company.write(join(source, 'debian', name), text);
    ok(tool('sh', ['-c', 'chmod +x debian/rules && dpkg-buildpackage -S -d -nc -us -uc'], { cwd: at(source) }));
  });

  it('is signed inline, file after file, as debsign does, and dpkg-source and gpgv take it', () => {
    for (const file of ['tool_1.4.2.dsc', 'tool_1.4.2_source.buildinfo', 'tool_1.4.2_source.changes']) {
      const before = readFileSync(at('upload', file), 'utf8');
      ok(debsign(file));
      const verified = tool('gpgv', ['--keyring', at('production.pgp'), '--output', '-', file], { cwd: at('upload') });
      expect(ok(verified).stdout).toBe(`${before}\n`);
    }
    mkdirSync(at('upload', '.gnupg'));
    writeFileSync(at('upload', '.gnupg', 'trustedkeys.gpg'), readFileSync(at('production.pgp')));
    const extract = ['--require-valid-signature', '-x', 'tool_1.4.2.dsc', 'extracted'];
    const { stdout } = ok(tool('dpkg-source', extract, { cwd: at('upload') }));
    expect(stdout).toContain('extracting tool in extracted');
    writeFileSync(at('upload', '.gnupg', 'trustedkeys.gpg'), '');
    expect(tool('dpkg-source', extract, { cwd: at('upload') }).status).not.toBe(0);
  });

  it('is left alone, and no file made, where the members or the front end refuse', () => {
    company.write(join('upload', 'note.txt'), 'A note which is no upload, and long enough to be signed as a text.\n');
    const dsc = readFileSync(at('upload', 'tool_1.4.2_source.changes'), 'utf8');
    company.write(
      join('upload', 'other.changes'),
      dsc.replace(/^-----BEGIN[^]*?\n\n|\n\n-----BEGIN[^]*$/g, '\n').trimStart(),
    );
    for (const [file, asker, status, message] of [
      ['other.changes', { who: 'erin' }, 6, 'not by erin'],
      ['other.changes', { key: 'Zoë Release <zoe@acme.example>' }, 2, 'debsign -k'],
      ['other.changes', { more: 'echo mine > "signing/$1.asc" &&' }, 2, 'say --yes to replace it'],
      ['tool_1.4.2.dsc', {}, 2, 'signed already'],
      ['note.txt', {}, 2, '--clearsign is for .dsc, .changes and .buildinfo files and for Release'],
    ] as const) {
      const before = readFileSync(at('upload', file), 'utf8');
      const refused = debsign(file, asker);
      expect([refused.status, refused.stderr]).toEqual([status, expect.stringContaining(message)]);
      expect(readFileSync(at('upload', file), 'utf8')).toBe(before);
    }
    expect(readFileSync(at('upload', 'signing', 'other.changes.asc'), 'utf8')).toBe('mine\n');
  });
});

describe('frostmark sign --kind refuses', { timeout: 60_000 }, () => {
  let before: string[];
  beforeAll(async () => {
    before = await rounds();
  });
  afterAll(async () => {
    expect(await rounds()).toEqual(before);
  });

  it.each<[string, string, string, string, string, number]>([
    ['a tag as a text', tagText, 'text', 'openpgp', 'text:', 1],
    ['a text as a tag', 'just a text of some length\n'.repeat(4), 'git-tag', 'ssh', 'git-tag: no empty line', 1],
    ['a tag in clear text', tagText, 'git-tag', 'openpgp-cleartext', 'a git-tag is signed as openpgp', 2],
    [
      'a lone carriage return',
      `${'line\n'.repeat(20)}a\rb\n`,
      'text',
      'openpgp-cleartext',
      'line 21 has the character U+000D',
      1,
    ],
    [
      'a control character',
      `${'line\n'.repeat(20)}\u001b[1m\n`,
      'text',
      'openpgp',
      'line 21 has the character U+001B',
      1,
    ],
    ['a line of 20,000', `${'x'.repeat(20_000)}\n`, 'text', 'openpgp-cleartext', 'line 1 has over 19990 bytes', 1],
    ['a text of over 64 KiB', 'line\n'.repeat(14_000), 'text', 'openpgp', 'a text document has at most 65536 bytes', 2],
    ['a file of over 8 MiB', 'line\n'.repeat(1_700_000), 'text', 'openpgp', 'sign big files by --manifest', 2],
    ['an unknown kind', 'line\n'.repeat(20), 'letter', 'openpgp', 'there is no document kind letter', 2],
    ['an unknown format', 'line\n'.repeat(20), 'text', 'pkcs7', 'has no format "pkcs7"', 2],
  ])('%s, before anything is asked', async (_what, content, kind, format, message, exit) => {
    company.write('document', content);
    const flags = ['--channel', 'production', '--kind', kind, '--format', format, '--no-source'];
    const { stderr } = await dave(['sign', 'document', ...flags], exit);
    expect(stderr).toContain(message);
    expect(existsSync(at('document.asc'))).toBe(false);
  });
});

describe('frostmark group revoke (T46)', { timeout: 120_000 }, () => {
  const revoke = ['group', 'revoke', '--channel', 'development', '--reason', 'a laptop was stolen'];
  const verify = async (channel: Channel, status: string, expected: number): Promise<Finished> =>
    await company.run(
      ['verify', `${channel}/tool.bin`, '--key', 'GROUP.pub', '--channel', channel, '--status', status],
      expected,
    );
  /** After the events. */
  const resultOf = ({ stdout }: Finished): unknown => JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
  const files = ['GROUP.status', 'revoked_keys', 'revoked_keys.sig'];

  it.each([
    [['--channel', 'production'], 'production signs under the key of the group itself'],
    [['--channel', 'development', '--product', 'acme'], 'either a channel, or the releases of a product'],
    [['--product', 'acme'], 'either a channel, or the releases of a product'],
    [[], 'either a channel, or the releases of a product'],
    [['--channel', 'nightly'], 'has no channel "nightly"'],
  ])('%j is refused', async (args, message) => {
    expect((await dave(['group', 'revoke', ...args], 2)).stderr).toContain(message);
  });

  it('says in words what would end, and asks nothing with --dry-run', async () => {
    const before = await rounds();
    const { stdout } = await dave([...revoke, '--dry-run']);
    expect(stdout).toMatch(/^status 1 ends, for good:\n- the key of development \(.*because: a laptop was stolen/s);
    expect(stdout).toContain('as status, openpgp-revocation, ssh-revocation');
    expect([await rounds(), files.filter((name) => existsSync(at(name)))]).toEqual([before, []]);
  });

  it('writes in one round what every verifier takes', async () => {
    const before = await rounds();
    const said = resultOf(await dave([...revoke, '--json'])) as { written: string[]; number: number };
    expect(said).toMatchObject({ written: files, number: 1, signed: true });
    expect((await rounds()).length).toBe(before.length + 1);
    const refused = await verify('development', 'GROUP.status', 3);
    expect(refused.stderr).toMatch(/the key of channel development was revoked at .*: a laptop was stolen \(revoked\)/);
    expect((await verify('production', 'GROUP.status', 0)).stdout).toContain('number 1 of ');
    const oneFile = run(
      process.execPath,
      [
        join(frontEnd('gpg'), '..', '..', 'frostmark-verify.mjs'),
        ...['development/tool.bin', '--key', 'GROUP.pub', '--channel', 'development', '--status', 'GROUP.status'],
      ],
      { cwd: company.plan.folder },
    );
    expect([oneFile.status, oneFile.stderr]).toEqual([3, expect.stringContaining('(revoked)')]);
  });

  it.skipIf(!hasTool('ssh-keygen'))('gives a list that ssh-keygen takes, and checks by production’s signature', () => {
    const ssh = (principal: Channel, file: string, ...more: string[]): Ran =>
      tool(
        'ssh-keygen',
        ['-Y', 'verify', '-f', 'allowed_signers', '-I', principal, '-n', 'file', '-s', `${file}.sig`, ...more],
        { input: readFileSync(at(file)) },
      );
    ok(ssh('production', 'revoked_keys'));
    expect(ssh('development', 'revoked_keys').status).toBe(255);
    ok(ssh('production', 'production/SHA256SUMS', '-r', 'revoked_keys'));
    ok(ssh('development', 'development/SHA256SUMS'));
    expect(ssh('development', 'development/SHA256SUMS', '-r', 'revoked_keys').status).toBe(255);
  });

  it('is found by the same command again, which writes the same files and asks nothing', async () => {
    const before = [await rounds(), ...files.map((name) => readFileSync(at(name), 'utf8'))];
    const { stderr } = await dave(revoke);
    expect(stderr).toContain('it has ended already');
    expect([await rounds(), ...files.map((name) => readFileSync(at(name), 'utf8'))]).toEqual(before);
    const exported = await dave(['group', 'export', '--format', 'status']);
    expect(exported.stdout).toBe(before[1]);
    expect((await dave(['group', 'export', '--format', 'ssh-revocation'])).stdout).toBe(before[2]);
  });

  it('ends what dave can sign on that channel, before anybody is asked', async () => {
    company.write('tool.sh', 'echo\n');
    const before = await rounds();
    const { stderr } = await dave(['sign', 'tool.sh', '--channel', 'development', '--no-source'], 3);
    expect(stderr).toContain('the key of channel development was revoked at ');
    expect((await dave(['group', 'certify', 'openpgp', '--channel', 'development'], 3)).stderr).toContain('for good');
    expect(await rounds()).toEqual(before);
  });

  it('ends old releases of a product, and each new status says all that was said before', async () => {
    await dave(['group', 'revoke', '--product', 'acme', '--below', '1.4.2']);
    await dave(['group', 'renew', '--status']);
    const exported = resultOf(await dave(['group', 'renew', '--status', '--json'])) as {
      number: number;
      revoked: object[];
    };
    expect(exported).toMatchObject({ number: 4, revoked: [{ channel: 'development' }, { product: 'acme' }] });
    expect((await verify('production', 'GROUP.status', 0)).stdout).toContain('number 4 of ');
    await verify('development', 'GROUP.status', 3);
    company.write('old.tgz', 'old');
    const old = ['sign', 'old.tgz', '--channel', 'production', '--no-source', '--product', 'acme', '--release'];
    expect((await dave([...old, '1.4.1'], 3)).stderr).toContain('every acme below 1.4.2 was revoked at ');
  });
});

describe.skipIf(!hasTool('gpgv'))('the certificate after frostmark group revoke', { timeout: 60_000 }, () => {
  it('makes gpgv say REVKEYSIG, though it ends in 0, and leaves production as it was', async () => {
    await dave(['group', 'export', '--format', 'openpgp', '--channel', 'development', '--out', 'revoked.pgp']);
    const gpgv = (channel: Channel): Ran =>
      tool('gpgv', [
        ...['--status-fd', '1', '--keyring', at('revoked.pgp')],
        ...[`${channel}/SHA256SUMS.asc`, `${channel}/SHA256SUMS`],
      ]);
    const revoked = ok(gpgv('development')).stdout;
    expect(revoked).toContain('[GNUPG:] REVKEYSIG ');
    expect(revoked).not.toContain('GOODSIG');
    expect(ok(gpgv('production')).stdout).toContain('[GNUPG:] GOODSIG ');
  });

  it('is seen by the gate in docs/stock-tools, which passes production’s key alone', () => {
    const readme = readFileSync(new URL('../../docs/stock-tools.md', import.meta.url), 'utf8');
    const gate = /```sh\n(gpgv --status-fd[^`]*)```/.exec(readme)![1]!;
    const gated = (certificate: string, channel: Channel, key: string): number | null => {
      writeFileSync(at(channel, 'release.pgp'), readFileSync(at(certificate)));
      return tool('sh', ['-c', gate.replace('FINGERPRINT', key)], { cwd: at(channel) }).status;
    };
    const { stdout } = ok(tool('gpg', ['--show-keys', '--with-colons', 'whole.pgp']));
    const [primary, subkey] = [...stdout.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, key]) => key!) as [
      string,
      string,
    ];
    expect(gated('production.pgp', 'production', primary)).toBe(0);
    expect(gated('revoked.pgp', 'production', primary)).toBe(0);
    expect(gated('whole.pgp', 'development', subkey)).toBe(0);
    expect(gated('whole.pgp', 'production', subkey)).toBe(1);
    expect(gated('whole.pgp', 'development', primary)).toBe(1);
    expect(gated('revoked.pgp', 'development', subkey)).toBe(1);
    expect(gated('production.pgp', 'development', subkey)).toBe(1);
    writeFileSync(at('production', 'SHA256SUMS'), 'tampered\n');
    expect(gated('production.pgp', 'production', primary)).toBe(1);
  });
});
