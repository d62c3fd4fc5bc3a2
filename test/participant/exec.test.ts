/** Programs that decide: what they get, what their end means, what they may cost, and what they cannot reach. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { on, once } from 'node:events';
import { existsSync, readFileSync, watch } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RequestPayload } from '../../protocol/request/request.ts';
import { listenForCommands } from '../../participant/control.ts';
import { ExecRunner, type ExecResult } from '../../participant/exec.ts';
import { ExecTurns } from '../../participant/exec-turns.ts';
import { watchScript } from '../../participant/exec-watch.ts';
import type { ExecRule, Policy, PolicySubject } from '../../participant/policy.ts';
import { compile, run as runProgram } from '../home/support.ts';
import { scratch } from './members.ts';

const subject = (requester = 'dave'): PolicySubject => ({
  digest: '11'.repeat(32),
  requester,
  payload: { product: 'widget' } as RequestPayload,
});
const rule = (script: string, change: Partial<ExecRule> = {}): ExecRule => ({
  place: 'policy.yaml:3',
  run: ['/bin/sh', '-c', script],
  timeoutSeconds: 20,
  memoryBytes: undefined,
  user: undefined,
  sandbox: undefined,
  ...change,
});
const never = new AbortController().signal;
const policyOf = (...execs: ExecRule[]): Policy => ({
  file: 'policy.yaml',
  rules: execs.map((exec) => ({ place: exec.place, line: 3, action: 'exec', reason: null, exec, match: {} })),
  description: '',
});

async function runnerFor(...rules: ExecRule[]): Promise<ExecRunner> {
  const runner = await ExecRunner.open(policyOf(...rules), () => undefined);
  onTestFinished(() => runner.close());
  return runner;
}

async function run(script: string, change: Partial<ExecRule> = {}): Promise<ExecResult> {
  const exec = rule(script, change);
  return (await runnerFor(exec)).run(exec, subject(), () => undefined, never);
}

describe('a program', () => {
  it('approves with exit 0 and refuses with anything else; the last line of standard error is the reason', async () => {
    expect(await run('exit 0')).toMatchObject({ action: 'approve', reason: null });
    expect(await run('echo checking >&2; echo digests differ >&2; echo >&2; exit 3')).toEqual({
      action: 'refuse',
      reason: 'digests differ',
      summary: 'exit 3',
    });
    expect(await run('exit 1')).toMatchObject({ action: 'refuse', reason: 'exit 1' });
    expect(await run('kill -SEGV $$')).toMatchObject({ action: 'refuse', reason: 'ended by SIGSEGV' });
    expect(await run('printf "no newline \\033[2J\\342\\200\\256" >&2; exit 1')).toMatchObject({
      reason: 'no newline \\u{1b}[2J\\u{202e}',
    });
    expect(await run('yes x | head -c 5000000 >&2; echo enough >&2; exit 1')).toMatchObject({ reason: 'enough' });
  });

  it('that cannot be started decides nothing', async () => {
    const exec = rule('');
    const runner = await runnerFor(exec);
    expect(await runner.run({ ...exec, run: ['/nowhere/program'] }, subject(), () => undefined, never)).toMatchObject({
      action: 'ask',
    });
  });

  it('gets the request on standard input, a clean environment, no shell, and an empty folder of its own that is gone afterwards', async () => {
    process.env['FROSTMARK_TEST_SECRET'] = 'correct horse';
    onTestFinished(() => {
      delete process.env['FROSTMARK_TEST_SECRET'];
    });
    const out = await scratch();
    const program = join(out, 'look');
    await writeFile(
      program,
      `#!/bin/sh\ncat > ${out}/input\nenv | sort > ${out}/environment\nls -A > ${out}/files\npwd > ${out}/folder\necho "$@" > ${out}/arguments\nls -ld . | cut -c1-10 > ${out}/mode\ntouch left-behind\n`,
    );
    await chmod(program, 0o755);
    const exec = rule('', { run: [program, '$HOME', '; rm -rf /'] });
    expect(await (await runnerFor(exec)).run(exec, subject(), () => undefined, never)).toMatchObject({
      action: 'approve',
    });
    const read = (name: string) => readFile(join(out, name), 'utf8');
    expect(JSON.parse(await read('input'))).toEqual({
      digest: '11'.repeat(32),
      requester: 'dave',
      request: { product: 'widget' },
    });
    const folder = (await read('folder')).trim();
    expect(
      (await read('environment')).split('\n').filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line) && line !== ''),
    ).toEqual([
      `HOME=${folder}`,
      'LANG=C.UTF-8',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      `TMPDIR=${folder}`,
    ]);
    expect([await read('files'), (await read('arguments')).trim(), (await read('mode')).trim()]).toEqual([
      '',
      '$HOME ; rm -rf /',
      'drwx------',
    ]);
    expect(existsSync(folder)).toBe(false);
  });

  it('ends with everything it started when its time is over (T32)', async () => {
    const out = await scratch();
    const started = Date.now();
    const result = await run(`(sleep 30; touch ${out}/survived) & echo $! > ${out}/pid; sleep 30`, {
      timeoutSeconds: 1,
    });
    expect(result).toMatchObject({ action: 'refuse', reason: 'it took longer than 1 seconds' });
    expect(Date.now() - started).toBeLessThan(10_000);
    const pid = Number(await readFile(join(out, 'pid'), 'utf8'));
    await gone(pid);
    expect(await readdir(out)).not.toContain('survived');
  });

  it('leaves nothing running behind, even when it ends well', async () => {
    const out = await scratch();
    expect(await run(`sleep 60 & echo $! > ${out}/pid; exit 0`)).toMatchObject({ action: 'approve' });
    await gone(Number(await readFile(join(out, 'pid'), 'utf8')));
  });

  it('is killed when it and its children use too much memory together (T32)', async () => {
    const hungry = `python3 -c "x = bytearray(120 * 2**20); import time; time.sleep(20)"`;
    expect(await run(hungry, { memoryBytes: 60 * 2 ** 20 })).toMatchObject({
      action: 'refuse',
      reason: `it used more than ${60 * 2 ** 20} bytes of memory`,
    });
    const apart = `setsid sh -c '${hungry}' & wait`;
    expect(await run(apart, { memoryBytes: 60 * 2 ** 20 })).toMatchObject({ action: 'refuse' });
  });

  it('waits its turn: two run at once, each requester has a bound, and what is over it is left to a person (T33)', async () => {
    const gate = await scratch();
    const exec = rule(`touch ${gate}/$$; while [ ! -e ${gate}/open ]; do sleep 0.05; done`);
    const runner = await runnerFor(exec);
    let started = 0;
    const begin = (who: string) => runner.run(exec, subject(who), () => (started += 1), never);
    const daves = Array.from({ length: 12 }, () => begin('dave'));
    const erins = begin('erin');
    // Two run and eight wait; the rest is not even tried.
    expect(await Promise.all(daves.slice(10))).toMatchObject([{ action: 'ask' }, { action: 'ask' }]);
    expect(started).toBe(2);
    await writeFile(join(gate, 'open'), '');
    expect(new Set((await Promise.all([...daves.slice(0, 10), erins])).map(({ action }) => action))).toEqual(
      new Set(['approve']),
    );
    expect(started).toBe(11);
  });

  it('waits for those of the policy before, too: the turns are those of the daemon (T33)', async () => {
    const { exec, begun } = await saying();
    const turns = new ExecTurns();
    const open = (one: ExecRule) => ExecRunner.open(policyOf(one), () => undefined, turns);
    const [before, after] = [await open(exec), await open(rule('exit 0'))];
    onTestFinished(() => before.close());
    const results = [1, 2].map(() => before.run(exec, subject(), () => undefined, never));
    await begun();
    let started = false;
    const next = after.run(rule('exit 0'), subject(), () => (started = true), never);
    await begun();
    expect(started).toBe(false);
    await before.close();
    expect(await Promise.all(results)).toEqual([nobody, nobody]);
    expect(await next).toMatchObject({ action: 'approve' });
  });

  it('is killed when the daemon stops, lets no waiting one begin, and decides nothing (T32)', async () => {
    const { exec, begun } = await saying();
    const runner = await runnerFor(exec);
    const results = [1, 2, 3].map(() => runner.run(exec, subject(), () => undefined, never));
    const pids = [await begun(), await begun()];
    await runner.close();
    expect(await Promise.all(results)).toEqual(Array(3).fill(nobody));
    for (const pid of pids) await gone(pid);
  });

  it('is killed when the daemon is killed by a signal that it cannot catch (T32)', async () => {
    const folder = await scratch();
    const owner = runProgram(await compile('test/participant/programs/exec-owner.ts', folder), []);
    const [pid, other] = ((await owner.line()) ?? '').split(' ').map(Number);
    owner.process.kill('SIGKILL');
    await gone(pid!);
    await gone(other!);
  });

  it('is killed when the daemon is killed before it could say which program it started (T32)', async () => {
    const folder = await scratch();
    const started = spawn('sleep', ['30'], { cwd: folder, detached: true, stdio: 'ignore' });
    onTestFinished(() => void started.kill('SIGKILL'));
    const died = once(started, 'exit');
    execFileSync('/bin/sh', ['-c', watchScript, folder], { stdio: 'ignore' });
    expect(await died).toEqual([null, 'SIGKILL']);
  });

  it('leaves no folder behind when the daemon stops, which waits for that (T32)', async () => {
    const { exec, begun } = await saying();
    const folders = await scratch();
    const named = { ...exec, run: ['/bin/sh', '-c', `echo "$HOME" > ${folders}/home; ${exec.run[2]!}`] };
    const runner = await runnerFor(named);
    const result = runner.run(named, subject(), () => undefined, never);
    await begun();
    const folder = (await readFile(join(folders, 'home'), 'utf8')).trim();
    expect(existsSync(folder)).toBe(true);
    await runner.close();
    expect(existsSync(folder)).toBe(false);
    expect(await result).toEqual(nobody);
  });
});

describe('a round that is over', () => {
  it('ends the program that was to decide it, and lets no waiting one begin', async () => {
    const { exec, begun } = await saying();
    const runner = await runnerFor(exec);
    const over = new AbortController();
    const result = runner.run(exec, subject(), () => undefined, over.signal);
    const pid = await begun();
    over.abort();
    expect(await result).toEqual(nobody);
    await gone(pid);
    expect(await runner.run(exec, subject(), () => undefined, over.signal)).toEqual(nobody);
    // The next one has room again.
    expect(await runner.run(rule('exit 0'), subject(), () => undefined, never)).toMatchObject({ action: 'approve' });
  });

  it('starts no program when it ends, or the daemon does, just before (T32)', async () => {
    const folder = await scratch();
    const exec = rule(`touch ${folder}/began; sleep 30`, { timeoutSeconds: 1 });
    const over = new AbortController();
    const runner = await runnerFor(exec);
    expect(await runner.run(exec, subject(), () => over.abort(), over.signal)).toEqual(nobody);
    expect(await runner.run(exec, subject(), () => void runner.close(), never)).toEqual(nobody);
    expect(await readdir(folder)).toEqual([]);
  });
});

/** What follows from a program that ended because nobody waits for it. */
const nobody = { action: 'ask', reason: null, summary: 'stopped: nobody needs it any more' };

/** A program that leaves its process id in a folder and then sleeps. `begun` resolves with the id of one more that began. */
async function saying(): Promise<{ exec: ExecRule; begun: () => Promise<number> }> {
  const folder = await scratch();
  const watcher = watch(folder);
  onTestFinished(() => watcher.close());
  const changes = on(watcher, 'change') as AsyncIterator<[event: string, name: string]>;
  const named = async (): Promise<number> => {
    const [event, name] = ((await changes.next()) as IteratorYieldResult<[string, string]>).value;
    // Its name comes first, and then its time.
    return event === 'rename' ? Number(name) : named();
  };
  return { exec: rule(`touch ${folder}/$$; exec sleep 30`), begun: named };
}

describe('a policy that cannot be carried out is refused at the start', () => {
  const refusal = (change: Partial<ExecRule>) => ExecRunner.open(policyOf(rule('exit 0', change)), () => undefined);

  it('for a program or a sandbox that is not there', async () => {
    await expect(refusal({ run: ['/nowhere/program'] })).rejects.toMatchObject({ code: 'bad-policy' });
    await expect(refusal({ run: ['no-such-program-in-the-path'] })).rejects.toMatchObject({ code: 'bad-policy' });
    await expect(refusal({ sandbox: ['no-such-sandbox'] })).rejects.toMatchObject({ code: 'bad-policy' });
  });

  it('for a user that is not there, is root, or is the daemon’s own', async () => {
    await expect(refusal({ user: 'no-such-user' })).rejects.toMatchObject({ code: 'bad-policy' });
    await expect(refusal({ user: 'root' })).rejects.toMatchObject({ code: 'bad-policy' });
  });

  it('and says so in the log when the same user is accepted', async () => {
    const lines: string[] = [];
    await ExecRunner.open(policyOf(rule('exit 0')), (_level, event) => lines.push(event));
    expect(lines).toEqual(['exec-same-user']);
  });
});

const isRoot = process.getuid?.() === 0;
const hasBwrap = spawnSync('bwrap', ['--ro-bind', '/', '/', '--unshare-all', 'true']).status === 0;
if (!hasBwrap)
  process.stderr.write(
    'SKIPPED (T32): bwrap does not work on this machine, so the hostile build script was not run in it\n',
  );

/** A home with a passphrase file and a live control socket, as a hostile script would like to find it. */
async function target(): Promise<{ folder: string; socket: string; approvals: string[]; attack: string }> {
  const folder = await scratch();
  const home = join(folder, 'home');
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, 'secret'), 'correct horse\n', { mode: 0o600 });
  const socket = join(home, 'control.sock');
  const approvals: string[] = [];
  const server = await listenForCommands(
    socket,
    (command) => {
      approvals.push(command.command);
      return Promise.reject(new Error('reached'));
    },
    () => undefined,
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  // What a requester might put into a build script: each line says what it got, and the last that it got nothing.
  const attack = [
    `cat ${home}/secret >&2 2>/dev/null && echo read the passphrase >&2`,
    `ls ${home} >/dev/null 2>&1 && echo listed the home >&2`,
    `python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect("${socket}"); s.send(b"{\\"command\\":\\"approve\\",\\"id\\":\\"11111111\\"}\\n"); s.recv(100)' 2>/dev/null && echo reached the control socket >&2`,
    `cat /proc/${process.pid}/environ >/dev/null 2>&1 && echo read the environment of the daemon >&2`,
    `head -c 1 /proc/${process.pid}/mem >/dev/null 2>&1 && echo opened the memory of the daemon >&2`,
    `kill -0 ${process.pid} 2>/dev/null && echo could signal the daemon >&2`,
    'echo nothing >&2; exit 1',
  ].join('\n');
  return { folder, socket, approvals, attack };
}

describe('a hostile build script (T32)', () => {
  it('has its way as the same user: which is why a policy must say that it accepts that', async () => {
    const { approvals, attack } = await target();
    await run(attack);
    expect(approvals).toEqual(['approve']);
  });

  it.skipIf(!hasBwrap && process.env['CI'] === undefined)(
    'in a sandbox approves nothing and reads nothing',
    async () => {
      expect(hasBwrap).toBe(true);
      const { approvals, attack } = await target();
      const usr = ['bin', 'lib', 'lib64', 'sbin'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]);
      const sandbox = [
        'bwrap',
        '--ro-bind',
        '/usr',
        '/usr',
        ...usr,
        '--proc',
        '/proc',
        '--dev',
        '/dev',
        '--bind',
        '{folder}',
        '/build',
        '--chdir',
        '/build',
        '--unshare-all',
        '--new-session',
        '--die-with-parent',
      ];
      const result = await run(
        `${attack.split('\n').slice(0, -1).join('\n')}\npwd >&2; touch made && echo nothing >&2; exit 1`,
        { sandbox },
      );
      expect(result).toEqual({ action: 'refuse', reason: 'nothing', summary: 'exit 1' });
      expect(approvals).toEqual([]);
    },
  );

  it.skipIf(!isRoot)('as another user approves nothing and reads nothing', async () => {
    const { approvals, attack } = await target();
    const folders = await scratch();
    await chmod(folders, 0o777);
    vi.stubEnv('TMPDIR', folders);
    onTestFinished(() => void vi.unstubAllEnvs());
    const exec = rule(attack, { user: 'nobody' });
    const result = await (await runnerFor(exec)).run(exec, subject(), () => undefined, never);
    expect(result).toEqual({ action: 'refuse', reason: 'nothing', summary: 'exit 1' });
    expect(approvals).toEqual([]);
    expect(await readdir(folders)).toEqual([]);
  });

  it.skipIf(!isRoot)('as another user runs in a folder of that user, and is killed with all it started', async () => {
    const exec = rule(
      'test "$(stat -c %u .)" = "$(id -u)" && test "$(stat -c %a .)" = 700 && test -z "$(id -Gn | tr -d "[:alpha:] ")" && touch here',
    );
    const runner = await runnerFor({ ...exec, user: 'nobody' });
    expect(await runner.run({ ...exec, user: 'nobody' }, subject(), () => undefined, never)).toMatchObject({
      action: 'approve',
    });
    const slow = rule('sleep 60 & sleep 60', { user: 'nobody', timeoutSeconds: 1 });
    expect(await runner.run(slow, subject(), () => undefined, never)).toMatchObject({ action: 'refuse' });
    expect(
      execFileSync('sh', ['-c', 'ps -u nobody -o args= | grep -c "[s]leep 60" || true'], { encoding: 'utf8' }).trim(),
    ).toBe('0');
  });

  it.skipIf(!isRoot)(
    'as another user learns nothing from how it is killed, where only that user may kill it',
    async () => {
      const folder = await scratch();
      const compiled = await compile('test/participant/programs/exec-user.ts', folder);
      // Of a daemon whose own search path leads somewhere else.
      await writeFile(join(folder, 'kill'), `#!/bin/sh\nenv > ${folder}/seen\n`, { mode: 0o755 });
      await chmod(folder, 0o777);
      const { stdout, stderr } = spawnSync(
        'setpriv',
        ['--bounding-set=-kill', process.execPath, compiled, 'nobody', 'sleep 61'],
        { encoding: 'utf8', env: { ...process.env, PATH: `${folder}:${process.env['PATH']!}` } },
      );
      expect(stdout, stderr).toContain('it took longer than 1 seconds');
      expect(await readdir(folder)).not.toContain('seen');
      expect(
        execFileSync('sh', ['-c', 'ps -u nobody -o args= | grep -c "[s]leep 61" || true'], { encoding: 'utf8' }),
      ).toBe('0\n');
    },
  );

  it.skipIf(!isRoot)('as another user cannot reach what watches over it', async () => {
    const exec = rule(`ps -u nobody -o args= | grep -c '[r]ead -r over' >&2; exit 1`, { user: 'nobody' });
    expect(await (await runnerFor(exec)).run(exec, subject(), () => undefined, never)).toMatchObject({ reason: '0' });
  });

  it.skipIf(!isRoot)('may not be given another user by a daemon that cannot become one', async () => {
    const folder = await scratch();
    const compiled = await compile('test/participant/programs/exec-user.ts', folder);
    // Nobody has to be able to read it, whatever the umask was when it was written.
    await chmod(folder, 0o755);
    await chmod(compiled, 0o755);
    const { stdout, stderr } = spawnSync(
      'setpriv',
      ['--reuid=nobody', '--regid=nogroup', '--clear-groups', process.execPath, compiled],
      { encoding: 'utf8' },
    );
    expect(stdout, stderr).toContain('bad-policy');
    expect(stdout).toContain('needs root or CAP_SETUID');
  });
});

/** Resolves when the process has ended; whoever adopted it may not have noticed yet (proc_pid_stat(5): state Z). */
async function gone(pid: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      if (/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} lives`);
}
