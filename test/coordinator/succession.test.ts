/** A group whose key is handed on: the coordinator takes the decision, relays the succession, and serves the chain (T47). */
import { describe, expect, onTestFinished, test } from 'vitest';
import { genesisOf } from '../../protocol/ceremony/founding.ts';
import { helloMessage } from '../../protocol/ceremony/messages.ts';
import { decodeLink, openChain } from '../../protocol/chain.ts';
import { openRequest } from '../../protocol/request/request.ts';
import type { DecisionPayload } from '../../protocol/signing/decision.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { closeCodes } from '../../coordinator/connection.ts';
import { checkStore } from '../../coordinator/maintain.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { auditRecord, servedRecord } from '../../requester/audit.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { publicGroup } from '../harness/ceremony-network.ts';
import {
  carryOut,
  decide,
  erasedBy,
  firstEpoch,
  linksOf,
  nextCharter,
  successionBody,
  successionRequest,
  unixNow,
  type EpochGroup,
} from '../harness/coordinator-epochs.ts';
import { documentRequest, releaseOf } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person } from '../harness/people.ts';
import type { Decided } from '../harness/succession-story.ts';

const approve = (): DecisionPayload['decision'] => 'approve';

async function worldOf(first: EpochGroup): Promise<CoordinatorWorld> {
  const world = await CoordinatorWorld.create(first);
  onTestFinished(() => world[Symbol.asyncDispose]());
  await world.start();
  await world.learn(first);
  return world;
}

/** A group that has decided to go on without bob and with dave, and what comes of it. */
async function decidedWorld() {
  const first = await firstEpoch();
  const { charter, people } = nextCharter(first);
  const what = await decide(first, charter);
  const next = await carryOut(first, what, people);
  const world = await worldOf(first);
  await world.member(first, 1).client.putGroupDocument(first.epoch.charter.hash, successionBody(what));
  return { first, next, what, world };
}

/** The same, with the key handed on: genesis came from an heir. */
async function handedOn() {
  const made = await decidedWorld();
  const { next, world } = made;
  await world.member(next, 1).client.putGroup(next.epoch.charter.hash, next.body);
  return made;
}

/** Whose payload is the same as another's, such as "stored", is told by its signature. */
function isOf({ payload, signatures }: Envelope) {
  return ({ message }: { readonly message: Envelope }): boolean =>
    message.payload === payload && message.signatures[0].sig === signatures[0].sig;
}

async function submitSuccession(world: CoordinatorWorld, first: EpochGroup, what: Decided): Promise<string> {
  const [alice] = first.people;
  const { client } = world.member(first, 1);
  const { digest } = await client.submit(successionRequest(first, what, alice!));
  for (const bytes of [what.plan.succession.bytes, what.plan.charter.bytes, what.signed.requesters])
    await client.putDocument(digest, bytes);
  return digest;
}

describe('a round for a succession', () => {
  test('is signed like any other, and lets in whoever the new charter names', async () => {
    const first = await firstEpoch();
    const { charter, people } = nextCharter(first);
    const what = await decide(first, charter);
    const world = await worldOf(first);
    const newcomer = world.member(await carryOut(first, what, people), 1);
    expect(await refusalOf(newcomer.client.login())).toBe('not-found');
    const [, bob, carol] = await world.members(first, { decide: approve });
    const digest = await submitSuccession(world, first, what);
    expect((await bob!.closedFrame(digest)).outcome).toBe('signed');

    await newcomer.client.login();
    // It may see what it is asked to join, and nothing else of the group before it is in (T25).
    const { groupKey } = first.epoch;
    expect(await newcomer.client.chain(groupKey)).toEqual({ length: 1, links: linksOf(first), others: [] });
    for (const call of [
      newcomer.client.group(groupKey),
      newcomer.client.issued(groupKey),
      newcomer.client.checkpoint(),
    ])
      expect(await refusalOf(call)).toBe('not-a-member');
    const [issued] = await carol!.client.issued(groupKey);
    expect(issued!.documents).toEqual(successionBody(what).documents);
    // Its number is used up.
    const again = await decide(first, charter, { until: formatTimestamp(unixNow() + 7200) });
    expect(await refusalOf(submitSuccession(world, first, again))).toBe('stale-version');
    const late = await decide(first, charter, { number: 2, until: formatTimestamp(unixNow() - 1) });
    expect(await refusalOf(submitSuccession(world, first, late))).toBe('expired');
    await world.stop();
    expect((await checkStore(world.home, { rebuild: false })).map(({ problems }) => problems)).toEqual([[]]);
  });

  test('that is signed ends one of a lower number that is still pending', async () => {
    const first = await firstEpoch();
    const { charter } = nextCharter(first);
    const world = await worldOf(first);
    const members = await world.members(first);
    const lower = await submitSuccession(world, first, await decide(first, charter));
    const higher = await submitSuccession(world, first, await decide(first, charter, { number: 2 }));
    for (const member of members.slice(0, 2)) {
      await member.next('request', ({ request }) => openRequest(request).digest === higher);
      member.decide(higher, 'approve');
    }
    expect((await members[2]!.closedFrame(higher)).outcome).toBe('signed');
    expect((await members[2]!.closedFrame(lower)).outcome).toBe('cancelled');
  });
});

describe('the messages of a succession', () => {
  test('go to whoever asked for them, old member or heir, whenever it came, and over a restart', async () => {
    const { first, next, what, world } = await decidedWorld();
    const { hash } = what.plan.succession;
    const bob = world.member(first, 2);
    const dave = world.member(next, 1, { holding: { epoch: null, requesters: 0 } });
    for (const member of [bob, dave]) {
      await member.connect();
      member.send({ type: 'succession', succession: hash, message: null });
    }
    const said = next.said.map(({ envelope, from }) => ({ envelope, from }));
    const clients = new Map([
      ['bob', bob],
      ['dave', dave],
    ]);
    for (const [index, who] of [first.people[0]!, first.people[2]!].entries()) {
      const member = world.member(first, index * 2 + 1);
      await member.connect();
      clients.set(who.name, member);
    }
    for (const { envelope, from } of said) {
      const member = clients.get(from.name)!;
      member.send({ type: 'succession', succession: hash, message: envelope });
      await member.next('succession', isOf(envelope));
    }
    const heardBy = (frames: readonly { readonly type: string }[]) =>
      frames.flatMap((frame) => (frame.type === 'succession' ? [(frame as { message?: unknown }).message] : []));
    await bob.next('succession', isOf(said.at(-1)!.envelope));
    expect(heardBy(bob.frames)).toEqual(said.map(({ envelope }) => envelope));

    await world.stop();
    await world.start();
    const late = world.member(next, 1, { holding: { epoch: null, requesters: 0 } });
    await late.connect();
    late.send({ type: 'succession', succession: hash, message: null });
    // Whatever order they come in, nothing is missing.
    for (const { envelope } of said) await late.next('succession', isOf(envelope));
    await world.stop();
    expect((await checkStore(world.home, { rebuild: false })).map(({ problems }) => problems)).toEqual([[]]);
  });

  test('are refused from others, of others, of successions that nobody signed, and when their time is over', async () => {
    const first = await firstEpoch();
    const { charter, people } = nextCharter(first);
    const what = await decide(first, charter);
    const next = await carryOut(first, what, people);
    const world = await CoordinatorWorld.create(first);
    onTestFinished(() => world[Symbol.asyncDispose]());
    let nowMs = Date.now();
    await world.start({ nowMs: () => nowMs });
    await world.learn(first);
    const [alice] = await world.members(first);
    const { hash } = what.plan.succession;
    const refused = async (succession: string, message: (typeof next.said)[number]['envelope'] | null) => {
      const seen = alice!.frames.length;
      alice!.send({ type: 'succession', succession, message });
      return (await alice!.next('error', () => true, seen)).code;
    };
    expect(await refused(hash, null)).toBe('not-found');
    await alice!.client.putGroupDocument(first.epoch.charter.hash, successionBody(what));
    const of = (name: string) => next.said.find(({ from }) => from.name === name)!.envelope;
    expect(await refused(hash, of('carol'))).toBe('not-allowed');
    const hello = { charter: charter.hash, requesters: hash, import: null, nonce: hash };
    expect(await refused(hash, sealMessage(helloMessage, hello, first.people[0]!))).toBe('bad-ceremony-message');
    nowMs += 86_400_000;
    expect(await refused(hash, of('alice'))).toBe('expired');
  });

  test('are the only ones under a charter that continues a group: no ceremony makes another key for it', async () => {
    const { next, world } = await decidedWorld();
    const dave = world.member(next, 1, { holding: { epoch: null, requesters: 0 } });
    await dave.connect();
    const { hash } = next.epoch.charter;
    const message = sealMessage(
      helloMessage,
      { charter: hash, requesters: hash, import: null, nonce: hash },
      next.people[0]!,
    );
    dave.send({ type: 'ceremony', message });
    expect((await dave.next('error')).code).toBe('bad-charter');
  });
});

describe('a key that is handed on', () => {
  test('lives in its next epoch from the genesis on, which its heirs sign wherever they logged in', async () => {
    const { first, next, world } = await decidedWorld();
    const [alice, bob] = [world.member(first, 1, { decide: approve, next }), world.member(first, 2)];
    const dave = world.member(next, 1, { decide: approve, holding: { epoch: null, requesters: 0 } });
    for (const member of [alice, bob, dave]) await member.connect();
    const pending = (await world.requester(first).submit(releaseOf(first, first.requester))).digest;
    // A candidate: only its genesis can be asked for, and the old epoch lives.
    const { hash } = next.epoch.charter;
    await dave.client.putGroup(hash, { ...next.body, genesis: null });
    expect(await refusalOf(dave.client.submit(releaseOf(next, next.people[0]!)))).toBe('not-allowed');
    expect((await alice.client.group(first.epoch.groupKey)).charter).toBe(first.body.charter);
    const { digest } = await dave.client.submit(
      documentRequest(next, next.people[0]!, 'genesis', genesisOf(next.epoch)),
    );
    await dave.client.putDocument(digest, genesisOf(next.epoch));
    expect((await dave.closedFrame(digest)).outcome).toBe('signed');

    expect((await bob.closedFrame(pending)).outcome).toBe('superseded');
    const shown = await bob.next('documents', ({ epoch }) => epoch === next.epoch.hash);
    expect([shown.requesters, shown.delegations]).toEqual([null, []]);
    expect(shown.genesis?.payload).toBe(next.body.genesis!.payload);
    const requester = world.member(next, 2).client;
    expect(await refusalOf(requester.submit(releaseOf(first, next.people[1]!)))).toBe('wrong-epoch');
    expect((await requester.group(first.epoch.groupKey)).charter).toBe(next.body.charter);
    const { length, links } = await requester.chain(first.epoch.groupKey);
    expect(length).toBe(2);
    const chain = openChain(publicGroup, first.epoch.groupLine, links.map(decodeLink));
    expect(chain.map((epoch) => epoch.hash)).toEqual([first.epoch.hash, next.epoch.hash]);
  });

  test('is served to its members, and to those who left only the chain; over a restart, too', async () => {
    const { first, next, world } = await handedOn();
    const { groupKey } = first.epoch;
    for (const again of [false, true]) {
      if (again) await world.stop();
      if (again) await world.start();
      const carol = world.member(first, 3).client;
      expect((await carol.group(groupKey)).certificate).toBe(next.body.certificate);
      const bob = world.member(first, 2).client;
      expect(await bob.chain(groupKey)).toEqual({ length: 2, links: linksOf(first, next), others: [] });
      expect(await bob.chain(groupKey, 1)).toEqual({ length: 2, links: linksOf(next), others: [] });
      const release = releaseOf(next, first.people[1]!);
      for (const call of [bob.group(groupKey), bob.rounds(groupKey), bob.checkpoint(), bob.submit(release)])
        expect(await refusalOf(call)).toBe('not-a-member');
      await bob.putErased(groupKey, erasedBy(first.people[1]!, first, next, 1));
      await bob.putErased(groupKey, erasedBy(first.people[1]!, first, next));
      const words = await carol.erased(groupKey);
      expect(words).toEqual([erasedBy(first.people[1]!, first, next)]);
      expect(await refusalOf(bob.putErased(groupKey, erasedBy(person('eve'), first, next)))).toBe('wrong-epoch');
      expect(await refusalOf(bob.putErased(groupKey, erasedBy(first.people[0]!, next, next)))).toBe('wrong-epoch');
    }
    await world.stop();
    expect((await checkStore(world.home, { rebuild: false })).map(({ problems }) => problems)).toEqual([[]]);
  });

  test('has one record, in which an auditor finds every epoch and each word', async () => {
    const { first, next, world } = await handedOn();
    const { groupKey } = first.epoch;
    await world.member(first, 2).client.putErased(groupKey, erasedBy(first.people[1]!, first, next));
    const { client } = world.member(next, 1);
    const coordinator = decodeBase64Url(parseCoordinatorUrl(world.url).fingerprint);
    const report = await auditRecord({ source: servedRecord(client), coordinator, groupKey, arithmetic: publicGroup });
    expect(report.checkpoint.charter).toBe(first.epoch.charter.hash);
    expect(
      report.rounds.map(({ request, outcome, signatures }) => [request.payload.kind, outcome, signatures]),
    ).toEqual([['succession', 'signed', 'valid']]);
  });

  test('is renewed under the same charter, again and again', async () => {
    const { next, world } = await handedOn();
    const { charter } = next.epoch;
    const what = await decide(next, charter);
    const third = await carryOut(next, what, next.people);
    const member = world.member(next, 2, { next: third });
    await member.connect();
    await member.client.putGroupDocument(charter.hash, successionBody(what));
    await member.client.putGroup(charter.hash, { ...third.body, genesis: null });
    const asked = documentRequest(third, next.people[1]!, 'genesis', genesisOf(third.epoch));
    const { digest } = await member.client.submit(asked);
    await member.client.putDocument(digest, genesisOf(third.epoch));
    const dave = world.member(next, 1, { next: third });
    await dave.connect();
    for (const signer of [member, dave]) {
      await signer.next('request', ({ request }) => openRequest(request).digest === digest);
      signer.decide(digest, 'approve');
    }
    expect((await dave.closedFrame(digest)).outcome).toBe('signed');
    for (const again of [false, true]) {
      if (again) await world.stop();
      if (again) await world.start();
      const { client } = world.member(third, 3);
      const { links } = await client.chain(third.epoch.groupKey);
      const chain = openChain(publicGroup, next.epoch.groupLine, links.map(decodeLink));
      expect(chain.map(({ number }) => number)).toEqual([0, 1, 2]);
      expect((await client.group(third.epoch.groupKey)).certificate).toBe(third.body.certificate);
    }
  });

  test('finds its members by their identities: one connection and one journal each, under whichever charter', async () => {
    const { first, next, world } = await handedOn();
    const [before, after] = [world.member(first, 3), world.member(next, 3)];
    before.journal = { ...before.journal, length: 7 };
    await before.connect();
    after.journal = { ...before.journal, length: 5 };
    expect(await refusalOf(after.client.login())).toBe('rolled-back');
    after.journal = { ...before.journal, length: 8 };
    await after.connect();
    expect(await before.closed()).toBe(closeCodes.replaced);
  });

  test('comes back to a coordinator that lost everything, from a member whose charter its operator admitted', async () => {
    const { first, next, what } = await handedOn();
    const world = await CoordinatorWorld.create(next);
    onTestFinished(() => world[Symbol.asyncDispose]());
    await world.start();
    const { client } = world.member(next, 1);
    const dave = world.member(next, 1);
    await dave.connect();
    await dave.next('wanted');
    const { charter } = first.epoch;
    // In order: what an epoch follows on has to be there.
    expect(await refusalOf(client.putGroup(next.epoch.charter.hash, next.body))).toBe('not-found');
    await client.putGroup(charter.hash, first.body);
    expect(await refusalOf(client.putGroup(next.epoch.charter.hash, next.body))).toBe('not-found');
    await client.putGroupDocument(charter.hash, successionBody(what));
    await client.putGroup(next.epoch.charter.hash, next.body);
    expect(await client.chain(first.epoch.groupKey)).toEqual({ length: 2, links: linksOf(first, next), others: [] });
    expect((await client.group(first.epoch.groupKey)).certificate).toBe(next.body.certificate);
    await world.stop();
    expect((await checkStore(world.home, { rebuild: false })).map(({ problems }) => problems)).toEqual([[]]);
  });

  test('is not brought in the name of another group', async () => {
    const { next, what } = await handedOn();
    const other = await firstEpoch();
    const world = await CoordinatorWorld.create(next);
    onTestFinished(() => world[Symbol.asyncDispose]());
    await world.start();
    const { client } = world.member(next, 1);
    await client.login();
    expect(await refusalOf(client.putGroup(other.epoch.charter.hash, other.body))).toBe('not-allowed');
    expect(await refusalOf(client.putGroupDocument(next.epoch.charter.hash, successionBody(what)))).toBe('not-found');
  });

  test('that somebody handed on twice is shown with both branches, and goes on in the first', async () => {
    const { first, next, world } = await handedOn();
    const { charter, people } = nextCharter(first);
    const what = await decide(first, charter);
    const other = await carryOut(first, what, people);
    const { client } = world.member(first, 1);
    await client.putGroupDocument(first.epoch.charter.hash, successionBody(what));
    await world.member(other, 1).client.putGroup(charter.hash, other.body);
    const shown = await client.chain(first.epoch.groupKey);
    expect(shown.links).toEqual(linksOf(first, next));
    expect(shown.others).toEqual([other.epoch.hash]);
    expect(world.log).toContainEqual(expect.objectContaining({ event: 'second-live-key', code: 'conflict' }));
    expect((await client.group(first.epoch.groupKey)).certificate).toBe(next.body.certificate);
  });
});
