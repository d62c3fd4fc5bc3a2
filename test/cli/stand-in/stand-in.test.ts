/** What stands in for gpg and ssh-keygen: a call that signs nothing reaches the real tool as it came. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { frontEnd } from '../../harness/company.ts';
import { Workshop } from '../../interop/tools.ts';

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
    const { status, signal } = call(['--version'], 'kill -TERM $$');
    // The tool itself, in our place, or its parent with the number that a shell would say.
    expect(name === 'gpg' ? signal : status).toBe(name === 'gpg' ? 'SIGTERM' : 128 + 15);
    expect(call(['--dump-options'], 'kill -TERM $$').status).toBe(128 + 15);
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
