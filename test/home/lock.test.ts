import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { HomeError } from '../../home/errors.ts';
import { initHome, openHome, type Home } from '../../home/home.ts';
import { acquireLock } from '../../home/lock.ts';
import { compile, run, temporaryFolder, type Program } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'frostmark-lock-'));
let program = '';
beforeAll(async () => {
  program = await compile('test/home/programs/lock.ts', folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function newHome(): Promise<Home> {
  return initHome('participant', join(await temporaryFolder(), 'home'));
}

async function holder(home: Home, nodeFlags: readonly string[] = []): Promise<Program> {
  const started = run(program, [home.path], { nodeFlags });
  expect(await started.line()).toBe('locked');
  return started;
}

/** Locks the home until the test is over. */
async function hold(home: Home): Promise<void> {
  const lock = await acquireLock(home);
  onTestFinished(() => lock[Symbol.asyncDispose]());
}

describe('the lock of a home (T3)', () => {
  it('refuses a second process, naming the first, and lets it in afterwards', async () => {
    const home = await newHome();
    const first = await holder(home);
    await expect(acquireLock(home)).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`process ${String(first.process.pid)};`) as string,
    });
    first.process.stdin.end();
    expect(await first.exited).toBe(0);
    await hold(home);
  });

  it('refuses a second lock in one process', async () => {
    const home = await newHome();
    await hold(home);
    await expect(acquireLock(home)).rejects.toMatchObject({ code: 'locked' });
  });

  it('ends with a holder that is killed by SIGKILL', async () => {
    const home = await newHome();
    const first = await holder(home);
    first.process.kill('SIGKILL');
    expect(await first.exited).toBe('SIGKILL');
    const second = await holder(home);
    await expect(acquireLock(home)).rejects.toMatchObject({
      message: expect.stringContaining(`process ${String(second.process.pid)};`) as string,
    });
  });

  it('is not kept by a child that outlives the holder', async () => {
    const home = await newHome();
    const first = await holder(home);
    first.tell('child');
    const child = Number(await first.line());
    onTestFinished(() => void process.kill(child, 'SIGKILL'));
    first.process.kill('SIGKILL');
    await first.exited;
    process.kill(child, 0); // throws unless it lives
    await hold(home);
  });

  it('stays with a holder that is stopped', async () => {
    const home = await newHome();
    const first = await holder(home);
    first.process.kill('SIGSTOP');
    await expect(acquireLock(home)).rejects.toMatchObject({ code: 'locked' });
  });

  it('stays with a holder whose garbage is collected', async () => {
    const home = await newHome();
    const first = await holder(home, ['--expose-gc']);
    first.tell('collect');
    expect(await first.line()).toBe('collected');
    await expect(acquireLock(home)).rejects.toMatchObject({ code: 'locked' });
  });

  it('is released by its holder, who may do so twice', async () => {
    const home = await newHome();
    const first = await holder(home);
    first.tell('release');
    expect(await first.line()).toBe('released');
    await hold(home);
  });

  it('goes to exactly one of many that start at once', async () => {
    const home = await newHome();
    const starters = Array.from({ length: 6 }, () => run(program, [home.path, 'wait']));
    for (const starter of starters) expect(await starter.line()).toBe('ready');
    for (const starter of starters) starter.tell('go');
    const answers = await Promise.all(starters.map((starter) => starter.line()));
    expect(answers.filter((answer) => answer === 'locked')).toHaveLength(1);
    expect(answers.filter((answer) => answer?.includes('is in use by'))).toHaveLength(5);
  });

  it('is free in a copy of a home that is in use', async () => {
    const home = await newHome();
    await holder(home);
    const copy = join(await temporaryFolder(), 'copy');
    await cp(home.path, copy, { recursive: true });
    await hold(await openHome('participant', copy));
    await expect(acquireLock(home)).rejects.toMatchObject({ code: 'locked' });
  });

  it('does not believe a stale process id', async () => {
    const home = await newHome();
    await writeFile(home.file('lock'), `${process.pid}\n`);
    await hold(home);
    expect(await readFile(home.file('lock'), 'utf8')).toBe(`${process.pid}\n`);
  });

  it('says what to install where there is no flock tool', async () => {
    const home = await newHome();
    const path = process.env['PATH'];
    onTestFinished(() => void (process.env['PATH'] = path));
    process.env['PATH'] = home.path;
    await expect(acquireLock(home)).rejects.toMatchObject({
      code: 'no-lock',
      message: expect.stringContaining('util-linux') as string,
    });
  });

  it('refuses a link in place of the lock file, and a home that is gone', async () => {
    const home = await newHome();
    await symlink(home.file('home.json'), home.file('lock'));
    await expect(acquireLock(home)).rejects.toMatchObject({ code: 'write-failed' });
    await rm(home.path, { recursive: true });
    await expect(acquireLock(home)).rejects.toBeInstanceOf(HomeError);
  });

  it('removes what a killed writer left unfinished, and nothing else', async () => {
    const home = await newHome();
    await writeFile(home.file('.share.age.0123456789abcdef.tmp'), 'half');
    await writeFile(home.file('.mine.tmp'), 'mine');
    await hold(home);
    await expect(readFile(home.file('.share.age.0123456789abcdef.tmp'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(home.file('.mine.tmp'), 'utf8')).toBe('mine');
  });
});
