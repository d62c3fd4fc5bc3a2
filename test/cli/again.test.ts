/** "The same command again" is about what became of mine: joined, fetched, refused, expired, taken back; a new round is a decision. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openRequest } from '../../protocol/request/request.ts';
import { AskerWorld, type Ran } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';

let world: AskerWorld;
beforeAll(async () => {
  world = await AskerWorld.create(await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' }));
});
afterAll(() => world[Symbol.asyncDispose]());

let count = 0;
let path: string;
/** A request is named by its second, too: the very same one is not asked for again. */
const signAgain = (): Promise<Ran> => {
  world.ahead = 1;
  return sign('--no-wait', '--again');
};

beforeEach(() => {
  world.ahead = 0;
  world.decide = () => 'ask';
  path = world.write(join(`case-${++count}`, 'a.tgz'), `a of ${count}`);
});

const sign = (...more: readonly string[]): Promise<Ran> =>
  world.frostmark('sign', path, '--channel', 'production', '--no-source', ...more);
const newest = async (): Promise<string> => (await world.rounds())[0]!;
const decideAll = async (decision: 'approve' | 'refuse', reason: string | null = null): Promise<void> => {
  const digest = await newest();
  for (const member of world.members) {
    await member.next('request', ({ request }) => openRequest(request).digest === digest);
    member.decide(digest, decision, reason);
  }
  await world.members[0]!.closedFrame(digest);
};

describe.each([
  ['by a command that waits', []],
  ['by one that only looks', ['--no-wait']],
] as const)('%s', (_how, flags) => {
  it('a refusal is told with names and reasons (exit 6), and nobody is asked twice', async () => {
    expect((await sign('--no-wait')).code).toBe(0);
    await decideAll('refuse', 'built from the wrong tag');
    const rounds = await world.rounds();
    for (let repeat = 0; repeat < 2; repeat += 1) {
      const ran = await sign(...flags);
      expect(ran.code).toBe(6);
      expect(ran.stderr).toContain('refused by admin-1 (built from the wrong tag)');
      expect(ran.stderr).toContain('--again');
    }
    expect(await world.rounds()).toEqual(rounds);
    expect((await signAgain()).code).toBe(0);
    expect(await world.rounds()).toHaveLength(rounds.length + 1);
  });

  it('a cancellation is told (exit 7), and a new round is a decision', async () => {
    await sign('--no-wait');
    const id = await newest();
    expect((await world.frostmark('cancel', id)).code).toBe(0);
    const ran = await sign(...flags);
    expect([ran.code, await newest()]).toEqual([7, id]);
    expect(ran.stderr).toMatch(/cancelled by whoever asked[^]*--again/);
    expect((await signAgain()).code).toBe(0);
    expect(await newest()).not.toBe(id);
  });

  it('what was signed meanwhile is fetched', async () => {
    await sign('--no-wait');
    await decideAll('approve');
    expect(existsSync(`${path}.frostmark`)).toBe(false);
    expect(await sign(...flags)).toMatchObject({ code: 0, stdout: `${path}.frostmark\n` });
    expect(existsSync(`${path}.frostmark`)).toBe(true);
  });
});

it('--no-wait says whether it is asked now (exit 0) or pending since before (exit 5), and who is missing', async () => {
  expect(await sign('--no-wait')).toMatchObject({ code: 0, stdout: `${await newest()}\n` });
  const ran = await sign('--no-wait');
  expect(ran.code).toBe(5);
  expect(ran.stderr).toMatch(/2 approvals are missing, of admin-1.*, admin-2/);
});

it('what makes a request the same: files, names, channel, formats, product, release and note, and not the time', async () => {
  await sign('--no-wait');
  const id = await newest();
  world.ahead = 90;
  expect((await sign('--no-wait')).code).toBe(5);
  world.ahead = 0;
  for (const more of [
    ['--product', 'acme'],
    ['--release', '1.0.0'],
    ['--note', 'hello'],
    ['--manifest', 'S', '--format', 'ssh'],
  ])
    expect((await sign('--no-wait', ...more)).code).toBe(0);
  expect(await world.rounds()).toContain(id);
});

it('rounds is a history that can be filtered, and its JSON has names and times', async () => {
  await sign('--product', 'tool', '--no-wait');
  await decideAll('approve');
  const listed = async (...more: readonly string[]): Promise<unknown[]> =>
    (await world.frostmark('rounds', '--json', ...more)).stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  const [round] = await listed('--product', 'tool', '--state', 'signed', '--asker', 'dev');
  expect(round).toMatchObject({
    outcome: 'signed',
    what: 'tool, a.tgz',
    createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    signers: ['admin-1', 'admin-2'],
  });
  for (const none of [
    ['--product', 'other'],
    ['--product', 'tool', '--state', 'refused,pending'],
    ['--product', 'tool', '--asker', 'erin'],
    ['--channel', 'development'],
    ['--since', '2099-01-01'],
    ['--until', '2020-01-01T00:00:00Z'],
  ])
    expect(await listed(...none)).toEqual([]);
  expect((await world.frostmark('rounds', '--state', 'open')).stderr).toContain('There are pending, signed');
  expect((await world.frostmark('rounds', '--since', 'yesterday')).stderr).toContain('--since yesterday is no time');
  const { stdout } = await world.frostmark('rounds', '--product', 'tool');
  expect(stdout).toMatch(/^ID +ASKED +BY +CHANNEL +OUTCOME +WHAT\n/);
});

it('round --bytes says why they cannot be shown: not there yet, or gone with a round that ended', async () => {
  const text = world.write(
    'notes.txt',
    `notes of ${count}, long enough to be no bare digest that is signed as another text\n`,
  );
  const ask = await world.frostmark(
    ...['sign', text, '--kind', 'text', '--format', 'minisign', '--channel', 'production', '--no-source', '--no-wait'],
  );
  const id = ask.stdout.trim();
  const bytes = await world.frostmark('round', id, '--bytes');
  expect([bytes.code, bytes.stdout]).toEqual([0, expect.stringContaining('kind:text') as string]);
  await decideAll('refuse', 'no');
  const refused = await world.frostmark('round', id, '--bytes', '--json');
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'no-contents', message: expect.stringContaining('has its documents no more (refused)') as string },
  });
  // A title that cannot be had loses no list.
  expect((await world.frostmark('rounds')).stdout).toContain(id.slice(0, 8));
});
