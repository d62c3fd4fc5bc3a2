/** A coordinator that lost everything, or shows less than there is: members bring back what the group signed, and say what is missing (T46). */
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoordinatorClient } from '../../client/client.ts';
import { openAll } from '../../client/seen-documents.ts';
import { openGroup } from '../../client/group.ts';
import { initCoordinator } from '../../coordinator/init.ts';
import { startCoordinator } from '../../coordinator/main.ts';
import { DocumentSync } from '../../participant/document-sync.ts';
import { holdingsMessage, openHoldings } from '../../protocol/group-documents/holdings.ts';
import { placeText } from '../../protocol/group-documents/kinds.ts';
import { maxGroupDocumentBytes } from '../../protocol/limits.ts';
import type { RequestPayload } from '../../protocol/request/request.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { DocumentBody } from '../../protocol/wire/frames.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { documentBodyOf } from '../harness/group-document.ts';
import { certificateRequest } from '../harness/signed-release.ts';
import { makeParticipant, makeWorld, now, type TestParticipant, type World } from './members.ts';
import { TestGroup, until, useParticipants, type TestMember } from './support.ts';

useParticipants();

const policy = `rules:
  - match: { channel: production, kind: [ssh-certificate, openpgp-certificate, openpgp-revocation] }
    action: approve
`;

describe('a coordinator with its identity and charters alone', () => {
  let group: TestGroup;
  let client: CoordinatorClient;

  beforeAll(async () => {
    group = await TestGroup.create({
      tiers: ['admin', 'admin', 'admin'],
      production: '{ any: 2 }',
      development: '{ any: 1 }',
      openpgp: '{ userId: "Acme <release@acme.example>", created: 2026-01-01T00:00:00Z }',
    });
    await group.joinAll();
    await group.serveAll(policy);
    client = group.requesterClient();
    await issue('ssh-certificate', { number: 1, certify: { channel: 'development', until: inDays(30) } });
    await issue('ssh-certificate', { number: 2, certify: { channel: 'development', until: inDays(60) } });
    await issue('openpgp-revocation', { number: 1, certify: { channel: 'development', until: null } });
  }, 120_000);
  afterAll(async () => {
    client.close();
    await group[Symbol.asyncDispose]();
  });

  const inDays = (days: number): string => formatTimestamp(Math.floor(Date.now() / 1000) + days * 86_400);

  async function issue(kind: RequestPayload['kind'], fields: Partial<RequestPayload>): Promise<void> {
    const nothing = { artifacts: [], product: null, release: null };
    const { digest } = await client.submit(await group.release({ ...nothing, kind, formats: [kind], ...fields }));
    await until(
      async () => (await client.round(digest)).outcome === 'signed' || undefined,
      `${kind} ${fields.number ?? ''}`,
    );
  }

  /** What the coordinator shows, and every member said to hold. */
  async function shown(): Promise<{ documents: string[]; holders: string[] }> {
    const { epoch } = openGroup(await client.group(group.groupKey), decodeBase64Url(group.groupKey));
    const { documents, refused } = openAll(epoch, await client.issued(group.groupKey));
    expect(refused).toBe(0);
    const { holdings } = await client.documentIndex(group.groupKey);
    const held = holdings.map((envelope) => openHoldings(envelope, epoch.charter, group.groupKey));
    const kinds = ['openpgp-revocation', 'ssh-certificate', 'delegation'];
    const isAll = held.filter((one) => kinds.every((kind) => one.documents.some((document) => document.kind === kind)));
    return { documents: documents.map(placeText).sort(), holders: isAll.map(({ member }) => member.name).sort() };
  }

  const everything = [
    'OpenPGP revocation 1 of development',
    'SSH certificate 1 of development',
    'SSH certificate 2 of development',
    'delegation 1 of development',
  ];

  it('comes up from them, and has every document again when one member comes', async () => {
    const names = group.members.map(({ name }) => name);
    await until(async () => ((await shown()).holders.length === 3 ? true : undefined), 'everybody holds all of it');
    const filesOf = async ({ home }: TestMember): Promise<number> =>
      (await readdir(home)).filter((name) => /^document-[0-9a-f]{64}\.json$/.test(name)).length;
    for (const member of group.members)
      await until(async () => ((await filesOf(member)) === 4 ? true : undefined), `${member.name} has a file of each`);
    expect(await shown()).toEqual({ documents: everything, holders: names });
    for (const member of group.members) await group.stop(member);
    await loseCoordinator(group);
    // Any one of them will do.
    const [, , last] = group.members as [TestMember, TestMember, TestMember];
    await group.serve(last);
    await until(
      async () => (await client.issued(group.groupKey).catch(() => [])).length === 4 || undefined,
      'all of it is here again',
    );
    await until(async () => (await shown()).holders.length === 1 || undefined, 'and it says so');
    expect(await shown()).toEqual({ documents: everything, holders: [last.name] });
    // Of its record everybody is told; of documents nothing is missing.
    expect((await group.call(last, { command: 'status' })).status.alarms).toEqual([
      expect.stringContaining('the coordinator began the record of this group anew') as string,
    ]);
  }, 120_000);

  it('shows them as rounds of its record, with who asked and who approved', async () => {
    const rounds = await client.rounds(group.groupKey, { outcome: 'signed' });
    expect(rounds.map(({ outcome, decisions }) => [outcome, decisions.length >= 2])).toEqual(
      rounds.map(() => ['signed', true]),
    );
    expect(rounds).toHaveLength(4);
  });

  it('gives them to a member whose home lost them, which then certifies nothing that was revoked', async () => {
    const [first] = group.members as [TestMember];
    const names = (await readdir(first.home)).filter((name) => name.startsWith('document-'));
    expect(names).toHaveLength(4);
    for (const name of names) await rm(join(first.home, name));
    await group.serve(first);
    await until(
      async () => (await readdir(first.home)).filter((name) => name.startsWith('document-')).length === 4 || undefined,
      'they are here again',
    );
    const { digest } = await client.submit(
      await group.release({
        ...{ artifacts: [], product: null, release: null, kind: 'openpgp-back-signature' },
        ...{ channel: 'development', formats: ['openpgp-back-signature'] },
      }),
    );
    await until(async () => {
      const { requests } = await group.call(first, { command: 'requests', all: false });
      return requests.find(({ id, state }) => id === digest && state === 'blocked');
    }, 'it is blocked');
    const { request } = await group.call(first, { command: 'show', id: digest });
    expect(request.obstacle).toMatch(/^the OpenPGP subkey of development was revoked for good: dave asked for it on/);
  }, 60_000);

  it('takes nothing back that is of another group, damaged, or without the word of a quorum', async () => {
    const [body] = (await client.issued(group.groupKey)) as [DocumentBody];
    const other = await makeWorld(plan);
    const member = await group.memberClient(group.members[1]!);
    const refused: readonly (readonly [DocumentBody, string])[] = [
      [documentBodyOf(other.live, sshRequest(other, 1)), 'wrong-group'],
      [{ ...body, signatures: ['00'.repeat(64)] }, 'bad-signature'],
      [{ ...body, decisions: body.decisions.slice(0, 1) }, 'not-allowed'],
      [{ ...body, documents: ['A'.repeat(maxGroupDocumentBytes)] }, 'too-large'],
    ];
    for (const [bad, code] of refused)
      await expect(member.putGroupDocument(group.charter.hash, bad)).rejects.toMatchObject({ refusal: { code } });
    await expect(client.putGroupDocument(group.charter.hash, body)).rejects.toMatchObject({
      refusal: { code: 'not-allowed' },
    });
    await member.putGroupDocument(group.charter.hash, body);
    expect((await shown()).documents).toEqual(everything);
    member.close();
  });
});

/** As `docs/operating.md` says it: a new home of the two, begun by `coordinator init`, on the same address. */
async function loseCoordinator(group: TestGroup): Promise<void> {
  const { port } = group.coordinator;
  await group.coordinator.close();
  const home = join(group.folder, 'again');
  await mkdir(home, { mode: 0o700 });
  await cp(join(group.coordinatorHome, 'identity.pem'), join(home, 'identity.pem'));
  await cp(join(group.coordinatorHome, 'charters'), join(home, 'charters'), { recursive: true });
  await initCoordinator(home);
  group.coordinator = await startCoordinator({
    home,
    listen: { host: '127.0.0.1', port },
    log: (line) => group.coordinatorLog.push(line),
  });
}

const plan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }', development: '{ a: 1 }' };

const sshRequest = (world: World, number: number) =>
  certificateRequest(world.live, 'development', formatTimestamp(now + 30 * 86_400), { number });

describe('a coordinator that shows less than there is', () => {
  /** What it has, and whether it takes what is brought. */
  interface Shelf {
    readonly bodies: DocumentBody[];
    readonly holdings: Envelope[];
    readonly isDeaf: boolean;
  }

  function syncOf(world: World, member: TestParticipant, shelf: Shelf): DocumentSync {
    const { epoch } = world.live;
    return new DocumentSync({
      epoch,
      identity: member.person,
      documents: member.documents,
      client: {
        documentIndex: () =>
          Promise.resolve({
            digests: openAll(epoch, shelf.bodies).documents.map(({ request }) => request.digest),
            holdings: shelf.holdings,
          }),
        issued: () => Promise.resolve(shelf.bodies),
        putGroupDocument: (_charter, body) => {
          if (!shelf.isDeaf) shelf.bodies.push(body);
          return Promise.resolve();
        },
      },
      nowUnixSeconds: () => now,
      log: () => undefined,
    });
  }

  it('is brought what it lost, and told of aloud when it still does not show it', async () => {
    const world = await makeWorld(plan);
    const member = await makeParticipant(world, 1);
    await member.documents.issued.adopt([documentBodyOf(world.live, sshRequest(world, 1))]);
    const [honest, deaf] = [false, true].map((isDeaf): Shelf => ({ bodies: [], holdings: [], isDeaf })) as [
      Shelf,
      Shelf,
    ];
    expect((await syncOf(world, member, honest).run()).withheld).toEqual([]);
    expect(honest.bodies).toHaveLength(1);
    expect((await syncOf(world, member, deaf).run()).withheld).toEqual([
      'SSH certificate 1 of development was brought to the coordinator, which does not show it',
    ]);
  });

  it('is told of aloud when another member held a newer one, and when an own one is gone', async () => {
    const world = await makeWorld(plan);
    const { live } = world;
    const [member, bob] = [await makeParticipant(world, 1), await makeParticipant(world, 2)];
    const [first, second] = [1, 2].map((number) => documentBodyOf(live, sshRequest(world, number))) as [
      DocumentBody,
      DocumentBody,
    ];
    await bob.documents.issued.adopt([first, second]);
    const shelf: Shelf = { bodies: [first], holdings: [syncOf(world, bob, emptyShelf()).holdings()], isDeaf: true };
    // A stranger's word, and one about another group, are nobody's.
    const { person } = bob;
    shelf.holdings.push(
      sealMessage(
        holdingsMessage,
        { groupKey: live.epoch.groupKey, documents: [], at: formatTimestamp(now) },
        live.requester,
      ),
      sealMessage(holdingsMessage, { groupKey: person.key, documents: [], at: formatTimestamp(now) }, person),
    );
    const { withheld, heard } = await syncOf(world, member, shelf).run();
    expect(heard).toEqual([2]);
    expect(withheld).toEqual([
      expect.stringMatching(/^a-2 held SSH certificate 2 of development, and the coordinator does not show it/),
    ]);
    // Its file is lost, and the journal knows.
    await member.documents.issued.adopt([second]);
    member.dropFiles();
    await member.restart();
    // What it has not it does not say that it holds.
    const { documents } = openHoldings(
      syncOf(world, member, emptyShelf()).holdings(),
      live.epoch.charter,
      live.epoch.groupKey,
    );
    expect(documents.map(({ kind }) => kind)).not.toContain('ssh-certificate');
    const gone = await syncOf(world, member, { ...emptyShelf(), isDeaf: true }).run();
    expect(gone.withheld).toEqual([
      expect.stringMatching(/^SSH certificate 2 of development was seen here before, and neither this home nor/),
    ]);
  });

  const emptyShelf = (): Shelf => ({ bodies: [], holdings: [], isDeaf: true });
});
