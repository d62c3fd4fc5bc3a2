/** Documents of a group that members bring back: believed for their signatures alone, stored as rounds of the record, and served to their group (T46). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { holdingsMessage } from '../../protocol/group-documents/holdings.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { AskerWorld } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { documentBodyOf } from '../harness/group-document.ts';
import { certificateRequest } from '../harness/signed-release.ts';

const group = await dealtGroup({
  tiers: ['admin', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ any: 1 }',
});
const { groupKey, charter } = group.epoch;
const now = Math.floor(Date.now() / 1000);
const request = (number: number) =>
  certificateRequest(group, 'development', formatTimestamp(now + 30 * 86_400), {
    number,
    createdAt: formatTimestamp(now),
  });

let world: AskerWorld;
beforeAll(async () => {
  world = await AskerWorld.create(group);
  world.decide = () => 'ask';
});
afterAll(() => world[Symbol.asyncDispose]());

const bodies = [1, 2].map((number) => documentBodyOf(group, request(number)));
const bring = (number: number): Promise<void> =>
  world.members[0]!.client.putGroupDocument(charter.hash, bodies[number - 1]!);

it('are rounds of its record that an audit proves, and a repeat changes nothing', async () => {
  await bring(1);
  await Promise.all([bring(1), bring(1)]);
  const { client } = world.members[1]!;
  expect((await client.documentIndex(groupKey)).digests).toEqual([request(1).digest]);
  expect(await client.issued(groupKey)).toEqual([bodies[0]]);
  expect(await client.round(request(1).digest)).toMatchObject({ outcome: 'signed', signers: [1, 2] });
  const audit = await world.frostmark('audit', '--json');
  expect([audit.code, audit.stderr]).toEqual([0, '']);
  expect(JSON.parse(audit.stdout)).toMatchObject({ unchecked: 0, pending: 0 });
});

it('end a round that is still pending in an older store', async () => {
  const [member] = world.members;
  const dev = world.coordinator.requester(group);
  const { digest } = await dev.submit(request(2).envelope);
  expect((await dev.round(digest)).outcome).toBe('pending');
  await bring(2);
  expect(await dev.round(digest)).toMatchObject({ outcome: 'signed' });
  await member!.next('closed', (frame) => frame.requestDigest === digest && frame.outcome === 'signed');
  expect((await dev.documentIndex(groupKey)).digests).toHaveLength(2);
  expect((await world.frostmark('audit')).code).toBe(0);
});

it('are said to be held by each member for itself, and an older word replaces no newer one', async () => {
  const [alice, bob] = world.members as [(typeof world.members)[0], (typeof world.members)[0]];
  const said = (who: typeof alice, at: number): Envelope =>
    sealMessage(holdingsMessage, { groupKey, documents: [], at: formatTimestamp(at) }, who.person);
  alice.send({ type: 'holdings', holdings: said(alice, now) });
  alice.send({ type: 'holdings', holdings: said(alice, now - 1) });
  alice.send({ type: 'holdings', holdings: said(bob, now) });
  expect((await alice.next('error')).message).toContain('sent what admin-2 holds');
  expect((await bob.client.documentIndex(groupKey)).holdings).toEqual([said(alice, now)]);
});

it('come from members alone', async () => {
  const dev = world.coordinator.requester(group);
  expect(await refusalOf(dev.putGroupDocument(charter.hash, documentBodyOf(group, request(3))))).toBe('not-allowed');
});
