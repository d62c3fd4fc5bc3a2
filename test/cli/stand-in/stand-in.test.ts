/** What stands in for gpg and ssh-keygen: a call that signs nothing reaches the real tool as it came. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { World } from '../../../cli/command.ts';
import { maxDrainedBytes } from '../../../cli/limits.ts';
import { runFront } from '../../../cli/stand-in/stand-in.ts';
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

describe('a refusal of the front end for gpg', () => {
  const mebibyte = new Uint8Array(1024 * 1024);
  async function refused(
    args: readonly string[],
    mebibytes = 3,
  ): Promise<{ code: number; taken: number; said: string }> {
    const seen = { taken: 0, said: '' };
    const told = { write: (text: string) => (seen.said += text) };
    const world: World = {
      stdout: told,
      stderr: { ...told, isTTY: true },
      async *stdin() {
        for (; seen.taken < mebibytes; seen.taken += 1) yield await Promise.resolve(mebibyte);
      },
      environment: { FROSTMARK_HOME: '/nonexistent', FROSTMARK_CHANNEL: '' },
      folder: '/nonexistent',
      nowUnixSeconds: () => 0,
    };
    return { code: await runFront('gpg', args, world), ...seen };
  }

  it.each([
    ['an argument that is not understood', ['-sbo', 'out', '--symmetric', '--', '-'], '--symmetric'],
    ['another kind of signature', ['--sign', '-'], 'puts a signature around'],
    ['no channel', ['-sbo', 'out', '-'], 'no channel is set'],
    ['no channel, of a tag', ['--status-fd=2', '-bsau', 'KEY'], 'no channel is set'],
  ])('reads its input to the end, lest whoever writes it dies of a broken pipe: %s', async (_what, args, message) => {
    const { code, taken, said } = await refused(args);
    expect([code, taken, said]).toEqual([2, 3, expect.stringContaining(message)]);
  });

  it('reads no more than a bound, and nothing where a file is named', async () => {
    const bound = maxDrainedBytes / mebibyte.length;
    expect((await refused(['--sign'], 10 * bound)).taken).toBe(bound);
    expect((await refused(['--sign', 'file'])).taken).toBe(0);
  });
});
