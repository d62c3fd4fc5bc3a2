/** `frostmark audit` next to the checkpoint that was kept: what does not go on from it is refused, and both notes are there afterwards (T27). */
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import { openCheckpoint, sealCheckpoint, type Checkpoint } from '../../protocol/record/checkpoint.ts';
import { emptyRoot } from '../../protocol/record/tree.ts';
import type { Identity } from '../../protocol/wire/envelope.ts';
import { AskerWorld, type Ran } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';

let world: AskerWorld;
let identity: Identity;
/** Of the record as it is. */
let now: Checkpoint;
let file: string;

beforeAll(async () => {
  const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
  world = await AskerWorld.create(group);
  identity = await loadIdentity(await openHome('coordinator', world.coordinator.home));
  file = `home/checkpoint-${group.epoch.charter.hash}`;
  world.write('a.tgz', 'a release');
  const signed = await world.frostmark('sign', world.path('a.tgz'), '--channel', 'development', '--no-source');
  expect(signed.code).toBe(0);
  expect((await audit('--out', world.path('saved'))).code).toBe(0);
  now = openCheckpoint(world.read(file), identity.publicKey);
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => {
  for (const name of readdirSync(world.path('home')))
    if (name.startsWith('checkpoint-')) rmSync(world.path('home', name));
  world.write(file, now.note);
});

const audit = (...more: readonly string[]): Promise<Ran> => world.frostmark('audit', ...more);
const note = (changed: Partial<Checkpoint>): string => {
  const { charter, log, tree } = { ...now, ...changed };
  return sealCheckpoint({ charter, log }, tree, identity).note;
};

it('lists who asked, who decided and who signed, and keeps the checkpoint', async () => {
  rmSync(world.path(file));
  const { code, stdout } = await audit('--rounds');
  expect(code).toBe(0);
  expect(stdout).toMatch(/asked by +signed\n/);
  expect(stdout).toMatch(/signed +admin-\d/);
  expect(stdout).toContain('no checkpoint of it was kept here before');
  expect(openCheckpoint(world.read(file), identity.publicKey).tree.size).toBe(now.tree.size);
  expect((await audit()).stdout).toContain('it goes on from the newest checkpoint that was kept here');
  const told = JSON.parse((await audit('--json')).stdout) as Record<string, unknown>;
  expect(told).toMatchObject({ followed: 'goes-on', unchecked: 0, pending: 0, rounds: [{ outcome: 'signed' }] });
});

it.each([
  ['record-other', () => note({ log: '12'.repeat(16) }), 'is in no log that it shows'],
  ['record-older', () => note({ tree: { ...now.tree, size: now.tree.size + 1 } }), 'it lost some, or hides them'],
  ['record-split', () => note({ tree: { size: now.tree.size - 1, root: emptyRoot } }), 'signed two histories'],
])('refuses what does not go on from the checkpoint that was kept: %s', async (kind, kept, said) => {
  const before = kept();
  world.write(file, before);
  for (let run = 0; run < 2; run += 1) {
    const { code, stderr, stdout } = await audit();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.replaceAll(/\s+/g, ' ')).toContain(said);
    // Both are kept, and shown.
    for (const path of [file, `${file}-${kind}`]) expect(stderr.replaceAll(/\s+/g, '')).toContain(world.path(path));
    expect(world.read(file)).toBe(before);
    expect(openCheckpoint(world.read(`${file}-${kind}`), identity.publicKey).tree).toEqual(now.tree);
  }
});

it('compares a copy, too, with what was kept, and says so where nothing can be proved', async () => {
  const from = ['--from', world.path('saved')] as const;
  expect((await audit(...from)).stdout).toContain('it goes on from the newest checkpoint that was kept here');
  world.write(file, note({ tree: { ...now.tree, size: now.tree.size + 1 } }));
  expect((await audit(...from)).stdout).toContain('this copy ENDS BEFORE');
  world.write(file, note({ log: '12'.repeat(16) }));
  expect((await audit(...from)).stdout).toContain('this copy is of ANOTHER record');
  world.write(file, note({ tree: { size: now.tree.size - 1, root: emptyRoot } }));
  const { code, stderr } = await audit(...from);
  expect(code).toBe(1);
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain('signed two histories');
});

it('audits a copy without a coordinator, and without a home', async () => {
  cpSync(world.path('saved'), world.path('copy'), { recursive: true });
  renameSync(world.path('home'), world.path('home.away'));
  const offline = ['--from', world.path('copy'), '--group', world.path('GROUP.pub')] as const;
  const ran = await audit(...offline, '--coordinator', world.coordinator.url).finally(() =>
    renameSync(world.path('home.away'), world.path('home')),
  );
  expect(ran).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('no checkpoint of it was kept here before') as string,
  });
  expect(existsSync(world.path('copy', 'checkpoint'))).toBe(true);
});
