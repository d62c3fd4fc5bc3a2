/** The keys of one charter at the coordinator: candidates beside each other, until the genesis of one of them verifies (T35). */
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeBase64 } from '../../verifier/base64.ts';
import { genesisOf } from '../../protocol/ceremony/founding.ts';
import { maxCandidates } from '../../protocol/limits.ts';
import type { GroupBody } from '../../protocol/wire/frames.ts';
import { CeremonyNetwork, sharedSodium } from '../harness/ceremony-network.ts';
import { dealt, documentRequest, type DealtGroup } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { writeCharter } from '../harness/people.ts';
import { seededRandom } from '../harness/random.ts';
import { liveGroupOf } from '../harness/round-network.ts';
import { signedAgain } from '../harness/second-signature.ts';

/** Ceremonies of one charter and the same people: each made a key that every member stored. */
async function ceremonies(count: number, tiers = ['a', 'a', 'a']): Promise<DealtGroup[]> {
  const { people, charter } = writeCharter({ tiers, production: '{ any: 2 }' });
  const groups: DealtGroup[] = [];
  for (let seed = 0; seed < count; seed += 1) {
    const network = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(seed));
    network.run();
    groups.push(dealt(liveGroupOf(network, people)));
  }
  return groups;
}

function candidate(group: DealtGroup): GroupBody {
  return { ...group.body, genesis: null, requesters: null, delegations: [] };
}

async function worldOf(group: DealtGroup): Promise<CoordinatorWorld> {
  const world = await CoordinatorWorld.create(group);
  onTestFinished(() => world[Symbol.asyncDispose]());
  await world.start();
  return world;
}

describe('candidates of one charter (T35)', () => {
  test('a dead one that was brought first keeps nobody from the key that lives', async () => {
    const [dead, group] = (await ceremonies(2)) as [DealtGroup, DealtGroup];
    const { hash } = group.epoch.charter;
    const world = await worldOf(group);
    const { client } = world.member(group, 1);
    await client.putGroup(hash, candidate(dead));
    await client.putGroup(hash, candidate(group));
    expect(await client.groupKeys(hash)).toEqual([dead.epoch.groupKey, group.epoch.groupKey]);
    // Neither lives yet: a requester finds no group, and only genesis can be asked for.
    for (const of of [dead, group]) expect(await refusalOf(world.requester(of).login())).toBe('not-found');
    const requesters = documentRequest(group, group.people[0]!, 'requesters', new Uint8Array(65));
    expect(await refusalOf(client.submit(requesters))).toBe('not-allowed');
    // Each one's genesis may be asked for, before and after a restart.
    for (const of of [dead, group])
      await client.submit(documentRequest(of, of.people[0]!, 'genesis', genesisOf(of.epoch)));
    await world.stop();
    await world.start();
    const again = world.member(group, 1).client;
    expect(await again.groupKeys(hash)).toEqual([dead.epoch.groupKey, group.epoch.groupKey]);
    expect((await again.rounds(group.epoch.groupKey)).map(({ outcome }) => outcome)).toEqual(['pending']);

    await again.putGroup(hash, group.body);
    expect(await again.groupKeys(hash)).toEqual([group.epoch.groupKey]);
    await world.requester(group).login();
    expect(await refusalOf(world.requester(dead).login())).toBe('not-found');
    expect((await again.rounds(group.epoch.groupKey)).map(({ outcome }) => outcome)).toEqual(['pending']);
    const [ofDead] = await world.member(group, 2).client.rounds(dead.epoch.groupKey);
    expect(ofDead?.outcome).toBe('cancelled');
  });

  test('a second key with a genesis is refused, and the log says so', async () => {
    const [first, second] = (await ceremonies(2)) as [DealtGroup, DealtGroup];
    const world = await worldOf(first);
    const { client } = world.member(first, 1);
    await client.putGroup(first.epoch.charter.hash, first.body);
    expect(await refusalOf(client.putGroup(first.epoch.charter.hash, second.body))).toBe('conflict');
    expect(await refusalOf(client.putGroup(first.epoch.charter.hash, candidate(second)))).toBe('conflict');
    expect(world.log).toContainEqual(expect.objectContaining({ event: 'second-live-key', code: 'conflict' }));
    expect(await client.groupKeys(first.epoch.charter.hash)).toEqual([first.epoch.groupKey]);
  });

  test('are bounded, but a key that lives is always taken', async () => {
    const groups = await ceremonies(maxCandidates + 1, ['a', 'a']);
    const group = groups.at(-1)!;
    const { hash } = group.epoch.charter;
    const world = await worldOf(group);
    const { client } = world.member(group, 1);
    for (const of of groups.slice(0, -1)) await client.putGroup(hash, candidate(of));
    expect(await refusalOf(client.putGroup(hash, candidate(group)))).toBe('too-many');
    await client.putGroup(hash, group.body);
    expect(await client.groupKeys(hash)).toEqual([group.epoch.groupKey]);
  });

  test('brought with other signatures of the same transcript are the same one', async () => {
    const [group] = (await ceremonies(1)) as [DealtGroup];
    const { hash } = group.epoch.charter;
    const world = await worldOf(group);
    const { client } = world.member(group, 1);
    await client.putGroup(hash, candidate(group));
    const { transcript, signatures } = group.epoch.certificate;
    const other = signatures.map((one, index) => signedAgain(one, group.people[index]!));
    const certificate = encodeBase64(Buffer.from(JSON.stringify({ signatures: other, transcript })));
    expect(certificate).not.toBe(group.body.certificate);
    await client.putGroup(hash, { ...group.body, certificate });
    expect(await client.groupKeys(hash)).toEqual([group.epoch.groupKey]);
    await world.requester(group).login();
  });

  test('are shown to whoever says hello, and to nobody else', async () => {
    const [group] = (await ceremonies(1)) as [DealtGroup];
    const { hash } = group.epoch.charter;
    const world = await worldOf(group);
    await world.member(group, 1).client.putGroup(hash, candidate(group));
    const newcomer = world.member(group, 2, { holding: { epoch: null, requesters: 0 } });
    await newcomer.connect();
    expect((await newcomer.next('documents')).epoch).toBe(group.epoch.hash);
    const [stranger] = (await ceremonies(1)) as [DealtGroup];
    await world.admit(stranger.epoch.charter.bytes);
    const outsider = world.member(stranger, 1).client;
    expect(await refusalOf(outsider.groupKeys(hash))).toBe('not-allowed');
    expect(await refusalOf(outsider.group(group.epoch.groupKey))).toBe('not-found');
  });
});
