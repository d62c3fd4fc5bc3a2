import { documentKinds } from '../../protocol/documents/index.ts';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import packageJson from '../../package.json' with { type: 'json' };
import { commandTable } from '../../cli/commands/index.ts';
import { runProgram } from '../../cli/program.ts';
import { demand, Started } from '../../demo/process.ts';
import { frostmark, mainFile, type Finished } from './frostmark.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The same program without a process of its own; what `main` gives to others needs one. */
async function said(args: readonly string[]): Promise<Finished> {
  const [first = ''] = args;
  if (first === 'verify' || (['gpg', 'ssh-keygen'].includes(first) && args[1] !== '--help')) return frostmark(args);
  const text = { stdout: '', stderr: '' };
  const code = await runProgram(args, {
    stdout: { write: (more: string) => (text.stdout += more) },
    stderr: { write: (more: string) => (text.stderr += more) },
    stdin: () => Readable.from([]),
    environment: { HOME: '/nonexistent' },
    folder: process.cwd(),
    nowUnixSeconds: () => Math.floor(Date.now() / 1000),
  });
  return { code, ...text };
}

const names = commandTable.map(({ path }) => path.join(' '));

describe('frostmark', () => {
  it('prints its version', async () => {
    for (const how of ['--version', '-V', 'version'])
      expect(await frostmark([how])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it('shows its commands and ends in 2 when none was given', async () => {
    const { code, stdout, stderr } = await frostmark([]);
    expect([code, stdout]).toEqual([2, '']);
    for (const word of ['coordinator', 'participant', 'requester', 'sign', 'verify', 'group'])
      expect(stderr).toContain(word);
  });

  it.each(names)('teaches %s: what it does, an example, what comes next, within 80 columns', async (name) => {
    const { code, stdout, stderr } = await said([...name.split(' '), '--help']);
    expect([code, stderr]).toEqual([0, '']);
    // What stands in for another tool takes that tool's arguments.
    const isFront = name === 'gpg' || name === 'ssh-keygen';
    if (!isFront) expect(stdout).toContain('--json');
    // A command line to paste may be longer; everything else is wrapped.
    if (name === 'verify') return;
    const lines = stdout.split('\n');
    expect(lines.filter((line) => line.length > 80 && !line.includes('frostmark '))).toEqual([]);
    // One wrapping: no line is broken before the next word would not fit any more.
    const about = stdout.slice(0, stdout.search(/\n(Arguments|Options|Example):/)).split('\n');
    about.slice(0, -1).forEach((line, index) => {
      const [next = ''] = (about[index + 1] ?? '').split(' ');
      if (line !== '' && next !== '') expect(`${line} ${next}`.length, line).toBeGreaterThan(80);
    });
    expect(stdout).toMatch(/\nExample:\n {2}frostmark /);
    expect(stdout).toMatch(/\nNext:\n {2}\S/);
    if (!isFront) expect(stdout).toContain('--home');
    expect(stdout).toContain(`Usage: frostmark ${name} `);
  });

  it('helps the same way by "help COMMAND"', async () => {
    expect(await frostmark(['help', 'sign'])).toEqual(await frostmark(['sign', '--help']));
    expect(await frostmark(['help', 'verify'])).toEqual(await frostmark(['verify', '--help']));
    const serve = await frostmark(['participant', 'serve', '--help']);
    expect(serve.stdout).toContain('Usage: frostmark participant serve ');
    expect(await frostmark(['help', 'participant', 'serve'])).toEqual(serve);
    expect(await frostmark(['participant', 'help', 'serve'])).toEqual(serve);
  });

  it.each([
    [['help', 'sgin'], 'sign'],
    [['sgin', '--help'], 'sign'],
    [['help', 'participant', 'serv'], 'serve'],
    [['participant', 'help', 'serv'], 'serve'],
    [['participant', 'serv', '-h'], 'serve'],
  ])('has no help for %j, and suggests %s', async (args, nearest) => {
    const { code, stdout, stderr } = await said(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`hint: Did you mean ${nearest}?`);
  });

  it('is laid out for the terminal that it is read on', async () => {
    for (const columns of [60, 100, 132]) {
      let text = '';
      const stream = { isTTY: true, columns, write: (more: string) => (text += more) };
      const world = { stdout: stream, stderr: stream, environment: {}, folder, nowUnixSeconds: () => 0 };
      await runProgram(['rounds', '--help'], { ...world, stdin: () => Readable.from([]) });
      const widest = Math.max(...text.split('\n').map((line) => (line.startsWith('  frostmark ') ? 0 : line.length)));
      // The example and what comes next are lines to paste.
      expect(
        text
          .slice(0, text.indexOf('\nExample:'))
          .split('\n')
          .every((line) => line.length <= columns),
      ).toBe(true);
      expect(widest).toBeGreaterThan(columns - 12);
    }
  });

  it('never does by "help" what it is asked about', async () => {
    const { code, stdout } = await frostmark(['help', 'sign', '/nonexistent/a.tgz']);
    expect([code, stdout.startsWith('Usage: frostmark sign ')]).toEqual([0, true]);
  });

  it('explains settings and exit codes by "help TOPIC"', async () => {
    expect((await frostmark(['help', 'settings'])).stdout).toContain('relative to that file');
    expect((await frostmark(['help', 'exit-codes'])).stdout).toContain('\n6 refused: no quorum is left\n');
    expect((await frostmark(['--help'])).stdout).toMatch(/^ {2}help <topic> /m);
  });

  it('names every kind of document that is signed whole', async () => {
    const { stdout } = await said(['sign', '--help']);
    const words = stdout.split(/[\s,)]+/);
    expect(documentKinds.filter((kind) => !words.includes(kind))).toEqual([]);
  });

  it('tells whoever mixes --key and --group up which is which', async () => {
    const asking = await frostmark(['sign', 'f', '--channel', 'a', '--key', 'GROUP.pub']);
    expect([asking.code, asking.stderr]).toEqual([2, expect.stringContaining('--group GROUP.pub') as string]);
    const verifying = await frostmark(['verify', 'f', '--group=GROUP.pub']);
    expect([verifying.code, verifying.stderr]).toEqual([2, expect.stringContaining('--key GROUP.pub') as string]);
  });

  it.each([
    [['sgin'], 'sign'],
    [['rond'], 'round'],
    [['particpant'], 'participant'],
    [['participant', 'jion'], 'join'],
    [['group', 'exprot'], 'export'],
    [['sign', '--chanel', 'x', 'f'], '--channel'],
    [['participant', 'join', '--cordinator', 'x', 'f'], '--coordinator'],
  ])('ends in 2 for %j and suggests %s', async (args, nearest) => {
    const { code, stdout, stderr } = await said(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(`hint: Did you mean ${nearest}?`);
  });

  it.each([
    [['sign']],
    [['sign', 'f']],
    [['sign', 'f', '--channel']],
    [['sign', 'f', '--channel', 'production', '--wait', 'soon']],
    [['sign', 'f', '--channel', 'production', '--format', 'openpgp']],
    [['sign', 'f', '--channel', 'production', '--kind', 'text']],
    [['sign', 'f', '--channel', 'production', '--kind', 'text', '--format', 'native']],
    [['sign', 'f', '--channel', 'production', '--kind', 'text', '--format', 'native,openpgp']],
    [['sign', 'f', '--channel', 'production', '--kind', 'letter', '--format', 'openpgp']],
    [['sign', 'f', 'g', '--channel', 'production', '--kind', 'text', '--format', 'openpgp']],
    [['sign', 'f', '--channel', 'production', '--kind', 'text', '--format', 'openpgp', '--manifest', 'm']],
    [['gpg', '--status-fd=2', '-bsau', 'KEY']],
    [['gpg', '--clearsign']],
    [['ssh-keygen', '-Y', 'sign', '-n', 'git', '-f', 'k', 'f']],
    [['ssh-keygen', '-Y', 'sign', '-n', 'email', '-f', 'k', 'f']],
    [['round']],
    [['round', 'a', 'b']],
    [['rounds', 'x']],
    [['participant', 'init']],
    [['participant', 'join', 'charter.yaml']],
    [['participant', 'show', 'xyz']],
    [['participant', 'show', 'abc']],
    [['participant', 'approve', '../../etc']],
    [['participant', 'refuse', 'aabbccdd']],
    [['requester', 'init']],
    [['requester', 'init', '--name', 'Dave']],
    [['group', 'export']],
    [['group', 'export', '--group', 'frostmark-group:acme:AAAA', '--format', 'pem']],
    [['group', 'renew']],
    [['group', 'certify']],
    [['group', 'certify', 'pem']],
    [['group', 'certify', 'ssh']],
    [['group', 'certify', 'openpgp', '--channel', 'development', '--no-wait']],
    [['group', 'revoke']],
    [['group', 'consent']],
    [['group', 'endorse']],
    [['group', 'renew', '--channel', 'development', '--status']],
    [['group', 'export', '--format', 'openpgp,ssh']],
    [['group', 'requesters']],
    [['coordinator', 'admit']],
    [['verify']],
    [['verify', 'a', 'b', '--key', 'k']],
  ])('ends in 2 for %j, with what is wrong and nothing else changed', async (args) => {
    const { code, stdout, stderr } = await said(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it.each([
    [['sign', '/nonexistent/app.tgz', '--channel', 'production'], 'missing-file'],
    [['requester', 'card'], 'missing'],
    [['participant', 'requests'], 'missing'],
    [['group', 'export', '--group', '/nonexistent/GROUP.pub'], 'missing-file'],
  ])('ends in 1 for %j', async (args, code) => {
    const finished = await said([...args, '--json']);
    expect(finished.code).toBe(1);
    expect(JSON.parse(finished.stdout)).toMatchObject({ error: { code, exitCode: 1 } });
  });

  it('says an error once as JSON on stdout and once for people on stderr', async () => {
    const { stdout, stderr } = await frostmark(['sign', 'f', '--json']);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'usage',
        message: 'no --channel was given',
        hint: 'For example: --channel development',
        exitCode: 2,
      },
    });
    expect(stderr).toBe('error: no --channel was given\nhint: For example: --channel development\n');
  });

  it('escapes what a stranger may have written into a name (T36)', async () => {
    const { stderr } = await frostmark(['sign', '/nonexistent/a\u202egnp', '--channel', 'production']);
    expect(stderr).toContain('\\u{202e}');
    expect(stderr).not.toContain('\u202e');
  });

  it('uses no colours where nobody sees them', async () => {
    const { stderr } = await frostmark(['sgin'], { environment: { TERM: 'xterm-256color' } });
    expect(stderr).not.toContain('\u001b');
  });
});

describe('what start-up loads', () => {
  async function loadedBy(args: readonly string[]): Promise<string> {
    const loads = join(folder, 'loads');
    await writeFile(loads, '');
    const preload = pathToFileURL(join(import.meta.dirname, 'programs', 'note-loads.js')).href;
    await frostmark(args, { nodeArguments: ['--import', preload], environment: { FROSTMARK_TEST_LOADS: loads } });
    return readFile(loads, 'utf8');
  }
  const heavy = /node_modules\/(fastify|level|classic-level|typebox|age-encryption|libsodium-sumo|ws|yaml|@noble)\//;

  it.each([[['--version']], [['--help']], [['sign', '--help']], [['participant', 'serve', '--help']], [['sgin']]])(
    'is nothing heavy for %j',
    async (args) => {
      const loaded = await loadedBy(args);
      expect(loaded).toContain('cli/program.js');
      expect(loaded).not.toMatch(heavy);
    },
  );

  it('is only the verifier for verify', async () => {
    const loaded = await loadedBy(['verify', '/nonexistent', '--key', '/nonexistent']);
    const foreign = loaded
      .split('\n')
      .filter((url) => /\/(node_modules|dist\/(protocol|home|client|requester|participant|coordinator))\//.test(url));
    expect(loaded).toContain('verifier/verify-file.js');
    expect(foreign).toEqual([]);
  });

  it.each([[['gpg', '--version']], [['ssh-keygen', '-Y', 'find-principals']]])(
    'is next to nothing where %j is handed on to the real tool',
    async (args) => {
      const loaded = await loadedBy(args);
      expect(loaded).toContain('cli/stand-in/real-tool.js');
      expect(loaded).not.toMatch(/node_modules|\/dist\/(protocol|home|client|requester)\/|cli\/program\.js/);
    },
  );

  it('is no server for a requester, and no requester for a server', async () => {
    expect(await loadedBy(['requester', 'init', '--name', 'dave', '--home', join(folder, 'loads-home')])).not.toMatch(
      /node_modules\/(fastify|level|ws|age-encryption)\/|\/dist\/(coordinator|participant)\/(app|daemon)/,
    );
  });
});

describe('a result that cannot be written', () => {
  const line = 'frostmark-group:acme:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

  it.each([[['--help']], [['sign', '--help']], [['verify', '--help']], [['group', 'export', '--group', line]]])(
    'of %j is told in a line, and is no success',
    (args) => {
      const full = openSync('/dev/full', 'w');
      const ran = spawnSync(process.execPath, [mainFile, ...args], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      closeSync(full);
      expect([ran.status, ran.stderr]).toEqual([
        1,
        'error: the result could not be written to standard output (ENOSPC)\n',
      ]);
    },
  );

  it('because whoever reads has stopped is none of our business', () => {
    const ran = spawnSync(
      'sh',
      ['-c', '"$0" "$1" --help | true; "$0" "$1" sign x >/dev/full 2>&1', process.execPath, mainFile],
      {
        encoding: 'utf8',
      },
    );
    expect([ran.status, ran.stderr]).toEqual([2, '']);
  });
});

describe('frostmark coordinator serve', () => {
  it('goes on at SIGHUP, ends at SIGTERM, and takes its socket along', async () => {
    const home = join(folder, 'serving');
    await frostmark(['coordinator', 'init', '--home', home]);
    const server = new Started(
      process.execPath,
      [mainFile, 'coordinator', 'serve', '--listen', '127.0.0.1:0', '--home', home],
      { cwd: folder },
    );
    const has = (words: string) => (text: string) => (text.includes(words) ? text : undefined);
    expect(await server.find('its URL', has('ready:'))).toMatch(/^ready: http:/);
    expect(existsSync(join(home, 'control.sock'))).toBe(true);
    server.signal('SIGHUP');
    await server.find('its answer', has('nothing is read again'));
    server.end();
    const { code, stderr } = await demand(server, 0);
    expect([code, existsSync(join(home, 'control.sock'))]).toEqual([0, false]);
    // Nobody is at a terminal here.
    expect(stderr).toContain('"event":"listening"');
  });
});

describe('frostmark requester', () => {
  const home = (): string => join(folder, 'dave');
  const run = (...args: string[]): Promise<Finished> => frostmark(['requester', ...args, '--home', home()]);

  it('makes a home once and prints the same card ever after', async () => {
    const first = await run('init', '--name', 'dave');
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^frostmark-requester:[\w-]+\n$/) as string });
    expect((await run('init', '--name', 'dave')).stdout).toBe(first.stdout);
    expect((await run('card')).stdout).toBe(first.stdout);
    const { code, stderr } = await run('init', '--name', 'erin');
    expect([code, stderr]).toEqual([1, expect.stringContaining('is the home of dave') as string]);
  });

  it('refuses the home of another role', async () => {
    const { code, stderr } = await frostmark(['participant', 'card', '--home', home()]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('home of a requester') as string]);
  });

  it('takes the home from FROSTMARK_HOME, and the flag before it', async () => {
    const environment = { FROSTMARK_HOME: home() };
    expect((await frostmark(['requester', 'card'], { environment })).code).toBe(0);
    expect((await frostmark(['requester', 'card', '--home', '/nonexistent'], { environment })).code).toBe(1);
  });

  it('takes settings from config.yaml, then variables, then flags', async () => {
    const file = join(folder, 'app.tgz');
    await writeFile(file, 'x');
    const sign = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
      frostmark(['sign', file, '--home', home(), ...args], { environment });
    await writeFile(join(home(), 'config.yaml'), 'channel: production\nwait: soon\n');
    expect((await sign([])).stderr).toContain('--wait soon is no duration');
    expect((await sign([], { FROSTMARK_WAIT: 'later' })).stderr).toContain('--wait later is no duration');
    expect((await sign(['--wait', 'now'], { FROSTMARK_WAIT: 'later' })).stderr).toContain('--wait now is no duration');
  });

  it('warns of a variable that looks like a setting and that nobody reads', async () => {
    const card = (environment: Readonly<Record<string, string>>) =>
      frostmark(['requester', 'card', '--home', home()], { environment });
    const typo = await card({ FROSTMARK_CHANEL: 'development' });
    expect([typo.code, typo.stderr]).toEqual([
      0,
      expect.stringContaining('FROSTMARK_CHANEL is set, and is no') as string,
    ]);
    const known = { FROSTMARK_CHANNEL: 'x', FROSTMARK_LISTEN: 'x', FROSTMARK_GPG: 'x', FROSTMARK_TEST_LOADS: 'x' };
    expect((await card(known)).stderr).toBe('');
    const flag = await frostmark(['sign', 'x', '--home', home()], { environment: { FROSTMARK_RELEASE: '1.0.0' } });
    expect(flag.stderr).toContain('FROSTMARK_RELEASE is set and not read: --release is given for each call');
  });

  it('names file and line of a setting that it does not know', async () => {
    await writeFile(join(home(), 'config.yaml'), 'channel: production\nchanel: development\n');
    const { code, stderr } = await frostmark(['rounds', '--home', home()]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/config\.yaml:2: unknown setting "chanel"/) as string]);
    await rm(join(home(), 'config.yaml'));
  });
});

describe('frostmark group export', () => {
  const line = 'frostmark-group:acme:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
  const run = (...args: string[]): Promise<Finished> => frostmark(['group', 'export', '--group', line, ...args]);

  it('prints GROUP.pub', async () => {
    expect((await run()).stdout).toBe(`${line}\n`);
  });

  it('prints the SubjectPublicKeyInfo as PEM (RFC 8410, Section 10.1)', async () => {
    const der = '302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
    const body = Buffer.from(der, 'hex').toString('base64');
    expect((await run('--format', 'pem')).stdout).toBe(
      `-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----\n`,
    );
  });

  it('prints an OpenSSH public key (RFC 8709)', async () => {
    expect((await run('--format', 'ssh-key')).stdout).toBe(
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea acme\n',
    );
  });

  it.each(['gpg', 'pem,ssh', ''])('refuses the format %j', async (format) => {
    expect((await run('--format', format)).code).toBe(2);
  });

  it('cannot tell the name of a group from a PEM file', async () => {
    const path = join(folder, 'key.pem');
    await writeFile(path, (await run('--format', 'pem')).stdout);
    expect((await frostmark(['group', 'export', '--group', path])).code).toBe(2);
    expect((await frostmark(['group', 'export', '--group', path, '--format', 'ssh-key'])).stdout).toMatch(
      / frostmark\n$/,
    );
  });
});
