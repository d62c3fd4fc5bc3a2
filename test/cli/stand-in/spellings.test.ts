/** Hundreds of ways to ask gpg and ssh-keygen for a signature: whatever the real tool signs, no front end hands on. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeGpgCall, readGpgCall } from '../../../cli/stand-in/gpg-call.ts';
import { readSshKeygenCall } from '../../../cli/stand-in/ssh-keygen-call.ts';
import { frontEnd } from '../../harness/company.ts';
import { hasTool, run, scratchFolder } from '../../interop/tools.ts';

const folder = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const dave = 'dave@acme.example';
const inputs = ['f.txt', 'home', 'own', 'own.pub', 'ca', 'ca.pub', 'node', 'tool'];

beforeAll(() => {
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(at('f.txt'), 'hello\n');
  writeFileSync(at('tool'), '#!/bin/sh\nprintf "%s\\n" "$*"\n', { mode: 0o755 });
});

/** Files that a call left beside its inputs; they are removed. */
function made(): string[] {
  const left = readdirSync(folder).filter((name) => !inputs.includes(name) && !name.endsWith('.conf'));
  for (const name of left) rmSync(at(name), { recursive: true });
  return left;
}

/** Every beginning of these names, with two dashes. */
function beginnings(...names: readonly string[]): string[] {
  return names.flatMap((name) => Array.from({ length: name.length }, (_, end) => `--${name.slice(0, end + 1)}`));
}

const longs = [...new Set(beginnings('sign', 'detach-sign', 'clearsign', 'clear-sign'))];
const clusters = ['-s', '-b', '-sb', '-bs', '-as', '-ab', '-abs', '-vb', '-qs', '-bv', '-ias', '-nb', '-tb', '-ts'];
const spellings: readonly (readonly string[])[] = [
  ...longs.flatMap((name) => [
    [name, 'f.txt'],
    ['--armor', name, 'f.txt'],
    ['f.txt', name],
    ['-a', '-u', dave, name, 'f.txt'],
    [`${name}=x`, 'f.txt'],
    ['--comment', '--', name, 'f.txt'],
    ['--output', 'out', name, 'f.txt'],
    ['--detach-sign', '--batch', name, 'f.txt'],
  ]),
  ...clusters.flatMap((letters) => [
    [letters, 'f.txt'],
    [`${letters}u`, dave, 'f.txt'],
    [`${letters}u${dave}`, 'f.txt'],
    [`${letters}oout`, 'f.txt'],
    [`${letters}o`, 'out', 'f.txt'],
    ['-u', dave, letters, 'f.txt'],
    ['--no-tty', '--yes', letters, '--', 'f.txt'],
  ]),
  ['--sign', '--encrypt', '-r', dave, 'f.txt'],
  ['-ser', dave, 'f.txt'],
  ['-sc', 'f.txt'],
  ['-z', '9', '-s', 'f.txt'],
  ['-ro', '-s', 'f.txt'],
];

/** Arguments that sign nothing, whatever letters are in their values. */
const handedOn: readonly (readonly string[])[] = [
  [],
  ['--version'],
  ['--keyid-format=long', '--status-fd=1', '--verify', 'f.txt.asc', '-'],
  ['--status-fd', '1', '--verify', '--', 'f.txt.asc', 'f.txt'],
  ['--verify', 'sb', 's'],
  ['-k', 'bs'],
  ['-eru', 'bob'],
  ['-rbs', '-e', 'f.txt'],
  ['-z9s', 'x'],
  ['-obs', '-d', 'x'],
  ['-ubob', '-d', 'x'],
  ['--list-secret-keys', 'sign'],
  ['--sign-with', 'bob', '-d', 'x'],
  ['--sig-notation', 'a@b=c', '--verify', 'x'],
  ['--check-sigs'],
  ['--force-sign-key', '-k'],
  ['--edit-key', 'bob', 'trust'],
  ['--export', '--armor', 'bob'],
  ['--options', 'harmless.conf', '-k'],
];

describe('a spelling that gpg takes for a signature', () => {
  it.each(spellings.map((args) => [args.join(' '), args]))('is never handed on: %s', (_text, args) => {
    expect(readGpgCall(args)).toBeDefined();
  });

  it.each([
    ['--sign-key', 'bob'],
    ['--lsign', 'bob'],
    ['--quick-sign', 'ABCD', 'bob'],
    ['--quick-lsign-key', 'ABCD'],
    ['--edit-key', 'bob', 'sign', 'save'],
    ['--edit', 'bob', 'tsign'],
    ['--key-edit', 'bob', 'nrlsign'],
  ])('is never handed on when it signs a key: %s %s', (...args) => {
    expect(readGpgCall(args)).toMatchObject({ for: 'other' });
  });

  it.each(handedOn.map((args) => [args.join(' '), args]))('is not in: %s', (_text, args) => {
    expect(readGpgCall(args)).toBeUndefined();
  });

  it('is refused by the name of the argument, and never with its value', () => {
    for (const [args, named] of [
      [['--armor', '--clearsig', '--detach-sign', 'f.txt'], '--clearsig '],
      [['-u', 'KEY', '--clearsign', '-e', 'f.txt'], '-e '],
      [['--clearsign', 'a.dsc', 'b.dsc'], 'a.dsc b.dsc '],
      [['--armor', '--sig', 'f.txt'], '--sig '],
      [['--armor', '--detach-s', 'f.txt'], 'f.txt '],
      [['-abu', dave, 'f.txt'], 'f.txt '],
      [['-bstu', dave], '-t '],
      [['--status-fd=2', '--symmetric', '-bsau', 'KEY'], '--symmetric '],
      [['--passphrase', '-secret', '-bsa', '--unheard-of=of'], '--unheard-of '],
      [['-sau', 'KEY'], '-s '],
      [['-bau', 'KEY', '-u', 'OTHER'], 'two keys'],
      [['--status-fd=x', '-bau', 'KEY'], '--status-fd '],
    ] as const) {
      const call = readGpgCall(args);
      expect(call).toMatchObject({ for: 'other', why: expect.stringContaining(named) as string });
      expect(JSON.stringify(call)).not.toMatch(/secret|=of/);
    }
  });
});

describe('a signature that git or rpm want', () => {
  const git = { for: 'git', key: 'KEY', statusFd: 2 };
  it.each([
    [['--status-fd=2', '-bsau', 'KEY'], git],
    [['--status-fd', '2', '-bsauKEY'], git],
    [['--status-fd=2', '--detach-sign', '--armor', '--local-user', 'KEY'], git],
    [['--status-fd=2', '--detach-s', '--armo', '--local-u=KEY', '-'], git],
    [['--status-fd=2', '--sign-with', 'KEY', '-b', '-a', '--output', '-'], git],
    [['--no-tty', '--batch', '--pinentry-mode', 'loopback', '--status-fd=2', '-bsau', 'KEY'], git],
    [['--status-f=2', '-qvbsau', 'KEY', '--digest-algo', 'SHA256', '--'], git],
    [['--default-key', 'KEY', '--status-fd=2', '-ba'], git],
    [['--default-key', 'OTHER', '-abu', 'KEY'], { ...git, statusFd: undefined }],
  ])('is understood however it is spelled: %j', (args, call) => {
    expect(readGpgCall(args)).toEqual(call);
  });

  const clear = {
    for: 'clear-text',
    key: 'KEY',
    statusFd: undefined,
    out: 'f.dsc.asc',
    file: 'f.dsc',
    isReplacing: false,
  };
  it.each([
    [
      [
        '--local-user',
        'KEY',
        '--clearsign',
        '--list-options',
        'no-show-policy-urls',
        '-a',
        '--textmode',
        '--output',
        'out',
        'f.dsc',
      ],
      { ...clear, out: 'out' },
    ],
    [['-u', 'KEY', '--clearsig', 'f.dsc'], clear],
    [
      ['-tau', 'KEY', '--yes', '--clear-sign', '--openpgp', '--weak-digest', 'SHA1', 'f.dsc'],
      { ...clear, isReplacing: true },
    ],
    [['-u', 'KEY', '--clearsign'], { ...clear, file: '-', out: '-' }],
    [['-u', 'KEY', '--clearsign', '--output', 'out', '-'], { ...clear, file: '-', out: 'out' }],
  ])('is understood as the text with its signature: %j', (args, call) => {
    expect(readGpgCall(args)).toEqual(call);
  });

  const rpm = { for: 'rpm', key: 'KEY', statusFd: undefined, out: 'out.sig', file: '-', isReplacing: false };
  const macro = ['--no-verbose', '--no-armor', '--no-secmem-warning'];
  it.each([
    [[...macro, '-u', 'KEY', '-sbo', 'out.sig', '--', '-'], rpm],
    [[...macro, '-u', 'KEY', '-sboout.sig'], rpm],
    [
      [...macro, '--batch', '--no-tty', '--yes', '-u', 'KEY', '-sbo', 'out.sig', '--', '-'],
      { ...rpm, isReplacing: true },
    ],
    [[...macro, '--pinentry-mode', 'loopback', '--passphrase-fd', '3', '-u', 'KEY', '-sbo', 'out.sig', '-'], rpm],
    [[...macro, '--pinentry-mode=loopback', '--passphrase-file=p', '-u', 'KEY', '-sbo', 'out.sig', '-'], rpm],
    [
      ['-a', ...macro, '--digest-algo=sha256', '-uKEY', '--detach-sign', '--output=out.sig', 'header'],
      { ...rpm, file: 'header' },
    ],
    [[...macro, '-sbo', 'out.sig', '--', '-sb'], { ...rpm, key: undefined, file: '-sb' }],
  ])('is understood however it is spelled: %j', (args, call) => {
    expect(readGpgCall(args)).toEqual(call);
  });
});

describe.skipIf(!hasTool('gpg'))('the real gpg', { timeout: 60_000 }, () => {
  const gpg = (args: readonly string[], gnupg = home) =>
    run('gpg', ['--batch', '--passphrase', '', '--pinentry-mode', 'loopback', ...args], {
      cwd: folder,
      env: { GNUPGHOME: gnupg },
    });
  beforeAll(() => {
    gpg(['--quick-gen-key', `Dave <${dave}>`, 'ed25519', 'sign', 'never']);
  });
  afterAll(() => {
    run('gpgconf', ['--kill', 'all'], { env: { GNUPGHOME: home } });
  });

  it('signs many of these spellings, so that they are no inventions', () => {
    const some = spellings.filter((args) => args.length <= 2 || args.some((arg) => arg.startsWith('--comment')));
    const signed = some.filter((args) => {
      gpg(args);
      return made().length > 0;
    });
    expect(signed.length).toBeGreaterThan(40);
  });

  it('makes nothing of the calls that are handed on', () => {
    for (const args of handedOn.filter(
      (call) => call.length > 0 && !call.includes('-e') && !call.includes('--edit-key'),
    )) {
      gpg(args);
      expect(made(), args.join(' ')).toEqual([]);
    }
  });

  it('signs by a file of options, which no front end hands on', () => {
    const files = ['sign', 'detach-sign', 'armor\n\n  # why\n  clear-sign', 'clearsign\r', '\tclearsign'];
    for (const [index, text] of files.entries()) {
      writeFileSync(at(`${index}.conf`), `${text}\n`, { mode: 0o600 });
      gpg(['--options', `${index}.conf`, 'f.txt']);
      expect(made(), text).toHaveLength(1);
      for (const args of [
        ['--options', at(`${index}.conf`), 'f.txt'],
        [`--options=${at(`${index}.conf`)}`, '-e'],
        ['--opti', at(`${index}.conf`)],
      ])
        expect(judgeGpgCall(args, {}), args.join(' ')).toMatchObject({
          for: 'other',
          why: expect.stringMatching(new RegExp(`/${index}\\.conf:\\d+ may tell gpg to sign`)) as string,
        });
    }
    writeFileSync(at('harmless.conf'), 'armor\n# sign\nsig-notation a@b=c\nlocal-user sign\n');
    expect(judgeGpgCall(['--options', at('harmless.conf'), 'f.txt'], { HOME: folder })).toBeUndefined();
    expect(judgeGpgCall(['--options', '/dev/stdin', 'f.txt'], {})).toMatchObject({ for: 'other' });
  });

  it('signs by the configuration of its home, which no front end hands on, and no certain command overrules', () => {
    writeFileSync(join(home, 'gpg.conf'), 'sign\n');
    gpg(['f.txt']);
    expect(made()).toEqual(['f.txt.gpg']);
    for (const [args, environment] of [
      [['f.txt'], { GNUPGHOME: home }],
      [['--homedir', home, 'f.txt'], {}],
      [[`--home=${home}`, '-e', 'f.txt'], {}],
    ] as const)
      expect(judgeGpgCall(args, environment)).toMatchObject({
        for: 'other',
        why: expect.stringContaining('gpg.conf:1') as string,
      });
    for (const command of certainCommands()) {
      gpg([command, 'f.txt']);
      expect(made(), command).toEqual([]);
    }
    rmSync(join(home, 'gpg.conf'));
  });
});

/** The commands that the launcher calls certain. */
function certainCommands(): string[] {
  const { stdout } = spawnSync('grep', ['certain=yes', frontEnd('gpg')], { encoding: 'utf8' });
  const commands = stdout.split('\n').flatMap((line) => line.split(')')[0]?.split('|') ?? []);
  return commands.map((command) => command.trim()).filter((command) => command.startsWith('-'));
}

const sshSpellings: readonly (readonly string[])[] = [
  ['-Y', 'sign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-Ysign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-qYsign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-vqY', 'sign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-nfile', '-fown', '-Ysign', 'f.txt'],
  ['-Ysign', '-nfile', '-fown', '--', 'f.txt'],
  ['-Y', 'signature', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-Y', 'verify', '-Y', 'sign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-Y', 'verify', '-Ysign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-U', '-Y', 'sign', '-n', 'file', '-f', 'own', 'f.txt'],
  ['-Y', 'sign', '-n', 'x', '-f', 'own', '-O', 'hashalg=sha256', 'f.txt'],
  ['-s', 'ca', '-I', 'me', '-n', 'me', 'own.pub'],
  ['-sca', '-Ime', 'own.pub'],
  ['-qsca', '-I', 'me', '-h', 'own.pub'],
];

describe.skipIf(!hasTool('ssh-keygen'))('the real ssh-keygen', () => {
  beforeAll(() => {
    for (const name of ['own', 'ca']) run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  });

  it.each(sshSpellings.map((args) => [args.join(' '), args]))('signs, and no front end hands on: %s', (_text, args) => {
    run('ssh-keygen', args, { cwd: folder });
    const left = made();
    // A certificate lies beside its key, a signature beside its file.
    if (!args.includes('-U')) expect(left).toHaveLength(1);
    expect(readSshKeygenCall(args)).toMatchObject({ signs: true });
  });
});

describe('a call of ssh-keygen', () => {
  it.each([
    [['-Ysign', '-ngit', '-fKEY', 'FILE']],
    [['-qYsign', '-n', 'git', '-fKEY', 'FILE']],
    [['-U', '-vvvn', 'git', '-f', 'KEY', '-Y', 'sign', '--', 'FILE']],
    [['-Y', 'sign', '-O', 'hashalg=sha512', '-n', 'git', '-f', 'KEY', 'FILE']],
    [['-Y', 'verify', '-Y', 'sign', '-n', 'file', '-n', 'git', '-f', 'KEY', 'FILE']],
  ])('is understood however it is spelled: %j', (args) => {
    expect(readSshKeygenCall(args)).toEqual({ signs: true, namespace: 'git', keyFile: 'KEY', file: 'FILE' });
  });

  it.each([
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY'], 'no file'],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', '-'], 'standard input'],
    [['-Y', 'sign', '-n', 'email', '-f', 'KEY', 'FILE'], '-n email'],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', '-O', 'hashalg=sha256', 'FILE'], '-O hashalg=sha256'],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', '-D', 'lib', 'FILE'], '-D lib'],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', 'A', 'B'], 'A B'],
    [['-Y', 'signs', '-n', 'git', '-f', 'KEY', 'A'], '-Y signs'],
    [['f', '-Y', 'sign'], '-Y sign'],
    [['-s', 'ca', '-I', 'me', 'key.pub'], '-s'],
  ] as const)('is refused by the name of the argument: %j', (args, named) => {
    expect(readSshKeygenCall(args)).toMatchObject({ why: expect.stringContaining(named) as string });
  });

  it.each([
    [['-Y', 'verify', '-n', 'git', '-f', 'S', '-I', 'x', '-s', 'sign']],
    [['-Yfind-principals', '-f', 'S', '-sign']],
    [['-k', '-f', 'krl', '-s', 'ca.pub', 'spec']],
    [['-l', '-f', 'sign']],
    [['-t', 'ed25519', '-C', 'sign', '-f', '-Y']],
  ])('is the real one’s: %j', (args) => {
    expect(readSshKeygenCall(args)).toBeUndefined();
  });
});

describe.each(['gpg', 'ssh-keygen'] as const)('the launcher of frostmark-%s', (name) => {
  const variable = name === 'gpg' ? 'FROSTMARK_GPG' : 'FROSTMARK_SSH_KEYGEN';
  const launch = (args: readonly string[], path: string) =>
    spawnSync(frontEnd(name), args, {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: path, [variable]: at('tool'), HOME: folder },
    });

  it('hands on nothing that JavaScript would not', () => {
    writeFileSync(at('node'), '#!/bin/sh\necho JUDGED\n');
    chmodSync(at('node'), 0o755);
    const path = [folder, process.env['PATH'] ?? ''].join(delimiter);
    const calls = name === 'gpg' ? [...spellings, ...spellings.map((args) => ['--verify', ...args])] : sshSpellings;
    expect(calls.length).toBeGreaterThan(10);
    for (const args of calls) expect(launch(args, path).stdout, args.join(' ')).toBe('JUDGED\n');
    const more =
      name === 'gpg'
        ? [['f.txt'], ['--homedir', '--verify', 'f.txt'], ['--options', 'x', '-d']]
        : [['-Y', 'verify', '-vY', 'x']];
    for (const args of more) expect(launch(args, path).stdout, args.join(' ')).toBe('JUDGED\n');
  });

  it.each(
    name === 'gpg'
      ? [
          ['--keyid-format=long', '--status-fd=1', '--verify', 'a b', '-'],
          ['--version'],
          ['--status-fd', '1', '--homedir', 'x', '--list-keys', '--with-colons', ''],
          ['-d', 'x'],
        ]
      : [
          ['-Y', 'find-principals', '-f', 'a b', '-s', 'F', '-Overify-time=20260101'],
          ['-Y', 'verify', '-n', 'git', '-f', 'S', '-I', 'x', '-s', 'F'],
        ],
  )('hands on without Node what git and people ask most: %s', (...args) => {
    // No Node here: whatever came was not judged by it.
    expect(launch(args, '/nonexistent').stdout).toBe(`${args.join(' ')}\n`);
  });
});
