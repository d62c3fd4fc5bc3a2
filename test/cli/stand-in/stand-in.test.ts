/** What stands in for gpg and ssh-keygen: which calls are the quorum's, and that every other one reaches the real tool as it came. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readGpgCall } from '../../../cli/stand-in/gpg-call.ts';
import { readSshKeygenCall } from '../../../cli/stand-in/ssh-keygen-call.ts';
import { frontEnd } from '../../harness/company.ts';
import { Workshop } from '../../interop/tools.ts';

const rpm = ['--no-verbose', '--no-armor', '--no-secmem-warning'];

describe('a call of gpg', () => {
  it.each([
    [['--status-fd=2', '-bsau', 'Zoë <zoe@acme.example>'], { for: 'git', key: 'Zoë <zoe@acme.example>' }],
    [[...rpm, '-u', 'acme', '-sbo', 'a.sig', '--', '-'], { for: 'rpm', key: 'acme', out: 'a.sig', file: '-' }],
    [[...rpm, '--digest-algo=sha256', '-sbo', 'a.sig', '-'], { for: 'rpm', key: undefined, out: 'a.sig', file: '-' }],
    [[...rpm, '-u', 'acme', '-sbo', 'a.sig'], { for: 'rpm', key: 'acme', out: 'a.sig', file: '-' }],
    [
      [...rpm, '-u', 'acme', '-sbo', 'a.sig', '--', 'header'],
      { for: 'rpm', key: 'acme', out: 'a.sig', file: 'header' },
    ],
  ])('%j is signed', (args, call) => {
    expect(readGpgCall(args)).toEqual(call);
  });

  it.each([
    [['--status-fd=2', '-bsau', 'KEY', '--clearsign']],
    [['--status-fd=2', '-bsau']],
    [['--status-fd=1', '-bsau', 'KEY']],
    [['-bsau', 'KEY']],
    [['-sbo', 'out', 'file']],
    [[...rpm, '-sbo', 'out', 'file', 'file']],
    [[...rpm, '-u', 'KEY', '--textmode', '-sbo', 'out', '-']],
    [['--sign']],
    [['-abu', 'KEY']],
    [['--detach-sign', 'file']],
    [['--clearsign']],
    [['--clear-sign']],
  ])('%j wants a signature in another way', (args) => {
    expect(readGpgCall(args)).toEqual({ for: 'other' });
  });

  it.each([
    [[]],
    [['--version']],
    [['--keyid-format=long', '--status-fd=1', '--verify', 'FILE', '-']],
    [['--list-secret-keys', 'bs']],
    [['--sign-key', 'KEY']],
    [['-k']],
    [['-eru', 'bob']],
    [['-o', 'file-with-s', '-d', 'x']],
  ])('%j is the real one’s', (args) => {
    expect(readGpgCall(args)).toBeUndefined();
  });
});

describe('a call of ssh-keygen', () => {
  it.each([
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', 'FILE'], 'git'],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', '-U', 'FILE'], 'git'],
    [['-f', 'KEY', '-n', 'file', '-Y', 'sign', 'FILE'], 'file'],
  ])('%j is signed', (args, namespace) => {
    expect(readSshKeygenCall(args)).toEqual({ signs: true, namespace, keyFile: 'KEY', file: 'FILE' });
  });

  it.each([
    [['-Y', 'sign']],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY']],
    [['-Y', 'sign', '-n', 'git', 'FILE']],
    [['-Y', 'sign', '-f', 'KEY', 'FILE']],
    [['-Y', 'sign', '-n', 'email', '-f', 'KEY', 'FILE']],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', 'FILE', 'FILE']],
    [['-Y', 'sign', '-n', 'git', '-f', 'KEY', '-O', 'hashalg=sha256', 'FILE']],
  ])('%j wants a signature in another way', (args) => {
    expect(readSshKeygenCall(args)).toMatchObject({ signs: true, why: expect.any(String) as string });
  });

  it.each([
    [[]],
    [['-l', '-f', 'KEY']],
    [['sign', '-Y']],
    [['-Y', 'verify', '-n', 'git', '-f', 'S', '-I', 'x', '-s', 'sign']],
    [['-Y', 'find-principals', '-f', 'S', '-s', 'F']],
    [['-Y', 'check-novalidate', '-n', 'git', '-s', 'F']],
  ])('%j is the real one’s', (args) => {
    expect(readSshKeygenCall(args)).toBeUndefined();
  });
});

describe.each([
  ['gpg', 'FROSTMARK_GPG'],
  ['ssh-keygen', 'FROSTMARK_SSH_KEYGEN'],
] as const)('the front end for %s', (name, variable) => {
  function call(args: readonly string[], script: string, input = ''): SpawnSyncReturns<string> {
    using shop = new Workshop();
    const tool = shop.file('tool', `#!/bin/sh\n${script}\n`, 0o755);
    return spawnSync(frontEnd(name), args, {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', [variable]: tool },
      input,
      encoding: 'utf8',
    });
  }

  it('hands arguments, input, outputs and exit code on as they are', () => {
    const args = ['--verify', 'a b', '', '--json', '--home', 'x', '-h'];
    const { status, stdout, stderr } = call(args, 'printf "%s|" "$@"; cat; echo told >&2; exit 7', 'input\0\u00ff');
    expect([status, stdout, stderr]).toEqual([7, `${args.join('|')}|input\0\u00ff`, 'told\n']);
  });

  it('ends as the tool ended by a signal', () => {
    expect(call(['--version'], 'kill -TERM $$').status).toBe(128 + 15);
  });

  it('passes on a descriptor that the arguments name', () => {
    const script = `exec 3>&1; exec "$0" "$@"`;
    using shop = new Workshop();
    const tool = shop.file('tool', '#!/bin/sh\necho status >&3\n', 0o755);
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent', [variable]: tool };
    const options = { env, encoding: 'utf8' } as const;
    const { stdout } = spawnSync('sh', ['-c', script, frontEnd(name), '--status-fd', '3', '--verify'], options);
    expect(stdout).toBe('status\n');
  });

  it('says when there is no such tool, and never calls itself for ever', () => {
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
    for (const [tool, message] of [
      ['/nonexistent/tool', `${name} cannot be run`],
      [frontEnd(name), "is frostmark's own front end"],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(frontEnd(name), ['--version'], {
        env: { ...env, [variable]: tool },
        encoding: 'utf8',
      });
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(message);
      expect(stderr).toContain(`set ${variable} to where it is`);
    }
  });

  it('is the same as the command of its name', () => {
    using shop = new Workshop();
    const tool = shop.file('tool', '#!/bin/sh\necho "$@"\n', 0o755);
    const main = join(frontEnd(name), '..', 'main.js');
    const { stdout } = spawnSync(process.execPath, [main, name, '--version', '--help'], {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', [variable]: tool },
      encoding: 'utf8',
    });
    expect(stdout).toBe('--version --help\n');
  });
});
