import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cancelRound, coordinatorStatus } from '../../coordinator/control.ts';
import { maxControlAnswerBytes } from '../../coordinator/limits.ts';
import { fitting } from '../../coordinator/status.ts';
import { openHome } from '../../home/home.ts';
import { dealtGroup, releaseOf } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' });

test('the operator ends a pending round by the beginning of its id, and makes room (T42)', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { maxPendingPerAsker: 1 } });
  await world.learn(group);
  const [member] = await world.members(group);
  const requester = world.requester(group);
  const { digest } = await requester.submit(releaseOf(group, group.requester));
  expect(await refusalOf(requester.submit(releaseOf(group, group.requester, { release: '2.0.0' })))).toBe('too-many');
  const home = await openHome('coordinator', world.home);
  expect(await cancelRound(home, digest.slice(0, 8))).toBe(digest);
  expect((await member!.closedFrame(digest)).outcome).toBe('cancelled');
  expect((await requester.round(digest)).outcome).toBe('cancelled');
  await requester.submit(releaseOf(group, group.requester, { release: '2.0.0' }));
  await expect(cancelRound(home, digest)).rejects.toMatchObject({ code: 'not-found' });
  await expect(cancelRound(home, 'nothing')).rejects.toMatchObject({ code: 'bad-command' });
});

test('the operator reads which groups there are, how long their logs are, what is pending and who is connected', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  const home = await openHome('coordinator', world.home);
  expect((await coordinatorStatus(home)).groups).toEqual([]);
  await world.learn(group);
  await world.members(group);
  await world.requester(group).submit(releaseOf(group, group.requester));
  const { groups, scrub } = await coordinatorStatus(home);
  expect(groups).toMatchObject([
    { group: 'acme', charter: group.epoch.charter.hash, pending: 1, connected: ['admin-1', 'admin-2', 'admin-3'] },
  ]);
  expect(groups[0]!.records).toBeGreaterThan(5);
  expect(scrub.damaged).toBe(0);
});

test('as many groups are shown as one answer has room for, however many members are connected', () => {
  const connected = Array.from({ length: 128 }, (_, at) => `${at}`.padEnd(64, 'm'));
  const one = {
    group: 'g'.repeat(64),
    charter: 'ab'.repeat(32),
    log: 'cd'.repeat(16),
    records: 2 ** 48,
    root: 'ef'.repeat(32),
  };
  const all = Array.from({ length: 256 }, () => ({ ...one, pending: 512, connected }));
  const shown = fitting(all);
  expect(shown.length).toBeGreaterThan(10);
  const scrub = { steps: 2 ** 48, rounds: 2 ** 48, damaged: 2 ** 48 };
  const answer = JSON.stringify({ status: { groups: shown, more: all.length - shown.length, scrub } });
  expect(answer.length).toBeLessThan(maxControlAnswerBytes);
  expect(fitting(all.slice(0, 3))).toHaveLength(3);
});

test('the control socket is its owner’s alone, takes one short line, and ends with the coordinator', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  const path = join(world.home, 'control.sock');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  for (const line of ['', '{}', '[]', '{"command":"cancel"}', '{"command":"stop","id":"00000000"}', 'x'.repeat(20_000)])
    expect(await said(path, line)).toContain('"bad-command"');
  await world.stop();
  await expect(cancelRound(await openHome('coordinator', world.home), '00000000')).rejects.toMatchObject({
    code: 'not-running',
  });
});

test('a coordinator whose home can have no control socket serves without one, and says so', async () => {
  await using world = await CoordinatorWorld.create(group);
  await writeFile(join(world.home, 'control.sock'), 'no socket');
  await world.start();
  await world.learn(group);
  expect(world.log.some(({ event }) => event === 'no-control-socket')).toBe(true);
});

function said(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
    socket.end(`${line}\n`);
  });
}
