/** Participants at a real coordinator: ceremony, documents, rounds, restarts, and homes that are not what they were. */
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { epochFile } from '../harness/home-files.ts';
import { decodeRequesters } from '../../protocol/files/requesters.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { initCoordinator } from '../../coordinator/init.ts';
import { startDaemon } from '../../participant/daemon.ts';
import type { JoinEvent } from '../../participant/join.ts';
import type { StrangeHello } from '../../protocol/ceremony/events.ts';
import type { CoordinatorClient } from '../../client/client.ts';
import type { RoundBody } from '../../protocol/wire/frames.ts';
import { openShares } from '../harness/shares.ts';
import { compile, run } from '../home/support.ts';
import { scratch } from './members.ts';
import { ageChildPath, until, useParticipants, TestGroup, type TestMember } from './support.ts';

useParticipants();

const flat = { tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }', development: '{ admin: 1 }' };

/** The request is here; approves it. */
async function approve(group: TestGroup, member: TestMember, digest: string): Promise<void> {
  await until(async () => {
    const { requests } = await group.call(member, { command: 'requests', all: false });
    return requests.find(({ id, state }) => id === digest && state === 'waiting');
  }, `${member.name} has the request`);
  await group.call(member, { command: 'approve', id: digest });
}

async function signed(client: CoordinatorClient, digest: string): Promise<RoundBody> {
  return until(async () => {
    const body = await client.round(digest);
    return body.outcome === 'pending' ? undefined : body;
  }, 'the round is over');
}

/** Every file below a folder, as bytes. */
async function filesBelow(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name))),
  );
}

describe('a daemon', () => {
  it('opens no inspector at SIGUSR1 (T29)', async () => {
    const folder = await scratch();
    const program = run(await compile('test/participant/programs/quiet.ts', folder), []);
    expect(await program.line()).toBe('ready');
    process.kill(program.process.pid!, 'SIGUSR1');
    // The signal arrives when it likes: asked often enough, an open inspector would show.
    for (let count = 0; count < 20; count++) {
      program.tell('where');
      expect(await program.line()).toBe('nowhere');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
});

describe('a group', () => {
  it('makes a key, signs its documents, and signs what enough members approve, through restarts of everybody', async () => {
    await using group = await TestGroup.create(flat);
    const line = await group.joinAll();
    const [one, two, three] = group.members as [TestMember, TestMember, TestMember];
    expect(await readFile(join(one.home, 'GROUP.pub'), 'utf8')).toBe(`${line}\n`);
    expect(
      one.events
        .filter(({ kind }) => kind === 'signed')
        .map((event) => 'document' in event && event.document)
        .toSorted(),
    ).toEqual(['delegation development', 'genesis', 'requesters']);

    await group.serveAll();
    const client = group.requesterClient();
    const { digest } = await client.submit(await group.release());
    await approve(group, one, digest);

    // One approval is there: the coordinator dies, and the member that gave it.
    await group.stop(one);
    await group.restartCoordinator();
    await group.serve(one);
    await approve(group, two, digest);
    const round = await signed(client, digest);
    expect(round).toMatchObject({ outcome: 'signed', signers: [1, 2] });
    await until(
      async () => (await group.call(one, { command: 'show', id: digest })).request.outcome === 'signed' || undefined,
      'verified here',
    );
    const { request } = await group.call(three, { command: 'show', id: digest });
    expect(request.decisions.map(({ member, decision }) => [member, decision])).toEqual([
      ['build-1', 'approve'],
      ['admin-2', 'approve'],
    ]);
    // A member that comes back is told of one end after the other.
    const status = await until(async () => {
      const answer = await group.call(one, { command: 'status' });
      return answer.status.pending === 0 ? answer.status : undefined;
    }, 'every end heard of');
    expect(status).toMatchObject({
      member: 'build-1',
      group: 'acme',
      connected: true,
      present: ['build-1', 'admin-2', 'admin-3'],
      requestersVersion: 1,
      delegations: [{ channel: 'development' }],
      pending: 0,
      alarms: [],
    });

    // A member that was away learns how the round ended.
    await group.stop(three);
    const second = await client.submit(await group.release({ release: '2.0.0' }));
    await group.serve(three);
    await approve(group, one, second.digest);
    await group.stop(three);
    await approve(group, two, second.digest);
    await signed(client, second.digest);

    // The share is in one place, its age file: not in anything the coordinator saw, logged or stored, nor in any log (T17, T29).
    await group.stop(three);
    await group.coordinator.close();
    const shareFile = (await readdir(one.home)).find((name) => name.startsWith('share-'))!;
    const { shares } = await openShares({
      path: join(one.home, shareFile),
      passphrase: { file: group.passphrasePath },
      childPath: ageChildPath(),
    });
    const scalars = shares.map((share) => share.take((bytes) => Buffer.from(bytes)));
    expect(scalars.map(({ length }) => length)).toEqual([32]);
    const logs = Buffer.from(
      JSON.stringify([group.coordinatorLog, group.members.map(({ log, events }) => [log, events])]),
    );
    const places = [...(await filesBelow(group.coordinatorHome)), ...(await filesBelow(one.home)), logs];
    expect(places.length).toBeGreaterThan(10);
    for (const scalar of scalars)
      for (const needle of [
        scalar,
        scalar.toString('hex'),
        scalar.toString('base64').slice(0, 40),
        scalar.toString('base64url').slice(0, 40),
      ])
        expect(places.filter((bytes) => bytes.includes(needle))).toEqual([]);
    // Everything in the home is its owner's alone.
    for (const name of await readdir(one.home))
      expect([name, (await stat(join(one.home, name))).mode & 0o077]).toEqual([name, 0]);

    // Join again says the same, with nobody there.
    expect(await group.join(three)).toMatchObject({ groupLine: line });
    expect(group.failures).toEqual([]);
    client.close();
  });

  it('signs development by policy alone, and production of tiers with two admins and a build server', async () => {
    await using group = await TestGroup.create({
      tiers: ['build', 'admin', 'admin', 'admin', 'observer'],
      production: '{ admin: 2, build: 1 }',
      development: '{ build: 1 }',
    });
    await group.joinAll();
    // Only the build server is asked about development.
    const policyPath = await group.policy(
      'rules:\n  - match: { channel: development, requester: dave, artifacts: "widget-*" }\n    action: exec\n    exec: { run: [sh, -c, "grep -q widget"], same-user: accepted }\n',
    );
    await Promise.all(group.members.map((member, place) => group.serve(member, place === 0 ? { policyPath } : {})));
    const client = group.requesterClient();
    const development = await client.submit(await group.release({ channel: 'development' }));
    expect(await signed(client, development.digest)).toMatchObject({ outcome: 'signed', signers: [1] });

    const { digest } = await client.submit(await group.release());
    const [build, ...admins] = group.members as [TestMember, ...TestMember[]];
    for (const admin of admins.slice(0, 3)) await approve(group, admin, digest);
    // Three admins are no quorum.
    expect((await client.round(digest)).outcome).toBe('pending');
    const { request } = await group.call(build, { command: 'show', id: digest });
    expect(request.quorum).toMatchObject([
      { tier: 'admin', needed: 2 },
      { tier: 'build', needed: 1, open: ['build-1'] },
    ]);
    await approve(group, build, digest);
    const { signers, outcome } = await signed(client, digest);
    expect([outcome, signers.length, signers.includes(1)]).toEqual(['signed', 3, true]);
    // The observer holds no share and sees no requests, but it is a member: it holds the documents.
    const observer = group.members[4]!;
    expect((await group.call(observer, { command: 'requests', all: true })).requests).toEqual([]);
    expect((await group.call(observer, { command: 'status' })).status.delegations).toHaveLength(1);

    // What the policy's program refuses is refused, with its reason.
    const other = await client.submit(
      await group.release({
        channel: 'development',
        product: 'gadget',
        artifacts: [{ name: 'widget-2', size: 1, sha256: '33'.repeat(32), sha512: '44'.repeat(64) }],
      }),
    );
    expect((await signed(client, other.digest)).outcome).toBe('signed');
    const refused = await client.submit(await group.release({ channel: 'production', release: '9.0.0' }));
    await until(async () => (await group.call(build, { command: 'requests', all: false })).requests[0], 'the request');
    await group.call(build, { command: 'refuse', id: refused.digest, reason: 'not built here' });
    expect(await signed(client, refused.digest)).toMatchObject({ outcome: 'refused' });
    expect(group.failures).toEqual([]);
    client.close();
  });

  it('replaces its requesters by one production round, and refuses the old ones from then on', async () => {
    await using group = await TestGroup.create(flat);
    await group.joinAll();
    await group.serveAll();
    const client = group.requesterClient();
    const ask = async (version: number): Promise<string> => {
      const next = encodeCanonicalJson({ version, groupKey: group.groupKey, number: 0, requesters: [] });
      expect(decodeRequesters(next, group.charter).version).toBe(version);
      const envelope = await group.release({
        kind: 'requesters',
        formats: ['requesters'],
        artifacts: [],
        documents: [{ kind: 'requesters', size: next.length, sha256: sha256Hex(next) }],
        product: null,
        release: null,
      });
      const submitted = await client.submit(envelope);
      await client.putDocument(submitted.digest, next);
      return submitted.digest;
    };
    // Versions that nobody saw are not passed over: one up to the highest could be followed by none (T36, T46).
    const reader = group.members[2]!;
    const skipping = await ask(4);
    const refused = await until(async () => {
      const [known] = (await group.call(reader, { command: 'requests', all: false })).requests;
      return known?.state === 'blocked' ? known : undefined;
    }, 'the request');
    expect((await group.call(reader, { command: 'show', id: refused.id })).request.obstacle).toContain(
      'requesters document 4 would come after number 1',
    );
    await expect(group.call(reader, { command: 'approve', id: skipping })).rejects.toMatchObject({
      code: 'not-allowed',
    });
    const digest = await ask(2);
    await until(
      async () =>
        (await group.call(reader, { command: 'requests', all: false })).requests.find(
          ({ id, state }) => id === digest && state === 'waiting',
        ),
      'the next one',
    );
    const { changes } = (await group.call(reader, { command: 'show', id: digest })).request;
    expect(changes).toEqual(['- dave may no longer ask for anything']);
    for (const member of group.members.slice(0, 2)) await approve(group, member, digest);
    for (const member of group.members)
      await until(
        async () => (await group.call(member, { command: 'status' })).status.requestersVersion === 2 || undefined,
        'version 2',
      );
    // Dave's rights are gone.
    await expect(client.submit(await group.release())).rejects.toMatchObject({ refusal: { code: 'not-a-requester' } });
    await group.stop(group.members[0]!);
    // A home that forgot version 2 does not serve.
    const documents = join(group.members[0]!.home, 'documents.json');
    await rm(documents);
    await expect(group.serve(group.members[0]!)).rejects.toMatchObject({ code: 'damaged' });
    client.close();
  });

  it('teaches a coordinator that lost its store everything it needs', async () => {
    await using group = await TestGroup.create(flat);
    await group.joinAll();
    await group.serveAll();
    const { port } = group.coordinator;
    await group.coordinator.close();
    await rm(join(group.coordinatorHome, 'record'), { recursive: true });
    await rm(join(group.coordinatorHome, 'record-anchor'));
    await initCoordinator(group.coordinatorHome);
    const { startCoordinator } = await import('../../coordinator/main.ts');
    group.coordinator = await startCoordinator({
      home: group.coordinatorHome,
      listen: { host: '127.0.0.1', port },
      log: () => undefined,
    });
    const client = group.requesterClient();
    const digest = await until(async () => {
      try {
        return (await client.submit(await group.release())).digest;
      } catch {
        return undefined;
      }
    }, 'the coordinator knows the group again');
    for (const member of group.members.slice(0, 2)) await approve(group, member, digest);
    expect(await signed(client, digest)).toMatchObject({ outcome: 'signed' });
    client.close();
  });
});

describe('join', () => {
  it('stopped after the certificate is finished by the daemon, and by join', async () => {
    await using group = await TestGroup.create(flat);
    const stops = group.members.map(() => new AbortController());
    // All are stopped as soon as the key is made: nobody has signed a document.
    const runs = group.members.map((member, index) =>
      group.join(member, {
        signal: stops[index]!.signal,
        progress: (event) => {
          member.events.push(event);
          if (event.kind === 'certified') stops[index]!.abort();
        },
      }),
    );
    for (const result of await Promise.allSettled(runs))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
    const [one, two, three] = group.members as [TestMember, TestMember, TestMember];
    await group.serve(one);
    await group.serve(two);
    const joined = await group.join(three);
    expect(joined.groupLine).toBe(one.daemon!.groupLine);
    for (const member of [one, two])
      await until(
        async () => (await group.call(member, { command: 'status' })).status.delegations.length || undefined,
        'documents',
      );
    expect(await readFile(join(one.home, 'GROUP.pub'), 'utf8')).toBe(`${joined.groupLine}\n`);
    expect(group.failures).toEqual([]);
  });

  it('is refused for a charter without this member, and for another one once a key is made; a no makes nothing (T18)', async () => {
    await using group = await TestGroup.create(flat);
    const [one] = group.members as [TestMember];
    await expect(group.join(one, { confirm: () => Promise.resolve(false) })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const others = await TestGroup.create(flat);
    await expect(group.join(one, { charterPath: others.charterPath })).rejects.toMatchObject({ code: 'not-a-member' });
    await others[Symbol.asyncDispose]();
    await group.joinAll();
    const changed = join(group.folder, 'changed.yaml');
    await writeFile(changed, (await readFile(group.charterPath, 'utf8')).replace('72h', '71h'));
    await expect(group.join(one, { charterPath: changed })).rejects.toMatchObject({ code: 'other-charter' });
    const requesters = join(group.folder, 'changed-requesters.yaml');
    await writeFile(requesters, 'version: 1\nrequesters: []\n');
    await expect(group.join(one, { requestersPath: requesters })).rejects.toMatchObject({ code: 'other-charter' });
  });

  it('asks for the passphrase of a share that a killed run left, not for a new one (T28)', async () => {
    await using group = await TestGroup.create(flat);
    const [one] = group.members as [TestMember];
    // A child that answers nothing, and writes down what it is to ask for.
    const told = join(group.folder, 'told');
    const ageChildPath = join(group.folder, 'child.mjs');
    const source = `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(told)}, process.argv[2] + '\\n');`;
    await writeFile(ageChildPath, source);
    await expect(group.join(one, { ageChildPath })).rejects.toMatchObject({ code: 'age-failed' });
    await writeFile(join(one.home, `key-${'1'.repeat(64)}.age`), 'of a share', { mode: 0o600 });
    await expect(group.join(one, { ageChildPath })).rejects.toMatchObject({ code: 'age-failed' });
    expect(await readFile(told, 'utf8')).toBe('new\nexisting\n');
  });

  it('with another requesters file is told of by name, and goes on when its member comes back with the right one', async () => {
    await using group = await TestGroup.create(flat);
    const requesters = join(group.folder, 'other.yaml');
    await writeFile(requesters, 'version: 1\nrequesters: []\n');
    const [one, two, three] = group.members as [TestMember, TestMember, TestMember];
    const told: StrangeHello[] = [];
    const progress = (event: JoinEvent): void => {
      if (event.kind === 'waiting') told.push(...event.strange);
    };
    const wrong = new AbortController();
    const runs = [group.join(one, { progress }), group.join(two)];
    const stopped = group.join(three, { requestersPath: requesters, signal: wrong.signal });
    await until(() => Promise.resolve(told[0]), 'that a file differs');
    expect(told.slice(0, 1)).toEqual([{ from: 'admin-3', file: 'requesters', theirs: null, ours: null }]);
    wrong.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const lines = (await Promise.all([...runs, group.join(three)])).map(({ groupLine }) => groupLine);
    expect(new Set(lines).size).toBe(1);
  });

  it('tells a wrong coordinator at once', async () => {
    await using group = await TestGroup.create(flat);
    const fingerprint = group.coordinator.url.split('#')[1]!;
    const wrong = group.charter.members[0]!.key;
    await expect(
      group.join(group.members[0]!, { coordinator: group.coordinator.url.replace(fingerprint, wrong) }),
    ).rejects.toMatchObject({ code: 'wrong-coordinator' });
  });
});

describe('a home', () => {
  it('that is not what was written does not serve, and says why (T2, T3, T18, T19)', async () => {
    await using group = await TestGroup.create(flat);
    const [one, two, three] = group.members as [TestMember, TestMember, TestMember];
    await expect(group.serve(one)).rejects.toMatchObject({ code: 'not-joined' });
    await group.joinAll();
    const copy = join(group.folder, 'copy');
    await cp(one.home, copy, { recursive: true });
    const restore = async (): Promise<void> => {
      await rm(one.home, { recursive: true });
      await cp(copy, one.home, { recursive: true });
    };
    const refusal = async (): Promise<unknown> => {
      try {
        await group.serve(one);
        await group.stop(one);
        return 'it serves';
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        await restore();
      }
    };
    const path = (name: string): string => join(one.home, name);
    const flip = async (name: string, at: number): Promise<void> => {
      const bytes = await readFile(path(name));
      const place = at < 0 ? bytes.length + at : at;
      bytes[place] = bytes[place]! ^ 1;
      await writeFile(path(name), bytes, { mode: 0o600 });
    };
    const [certificateFile, storedFile] = [epochFile(one.home, 'certificate'), epochFile(one.home, 'stored')];
    const { transcriptHash } = (await import('../../protocol/ceremony/certificate.ts')).decodeCertificate(
      await readFile(path(certificateFile)),
    );
    const share = `share-${transcriptHash}.age`;
    expect(await refusal()).toBe('it serves');

    // The journal: inside, at its beginning, gone; a torn tail is cut back and goes on.
    for (const at of [3, 200, -200]) {
      await flip('journal', at);
      expect(await refusal()).toBe('damaged');
    }
    await rm(path('journal'));
    expect(await refusal()).toBe('missing');
    await truncate(path('journal'), (await readFile(path('journal'))).length - 3);
    expect(['it serves', 'not-joined', 'damaged']).toContain(await refusal());
    expect(one.log.some(({ event }) => event === 'journal-cut-back')).toBe(true);

    // In every other file it is one bit, anywhere in it.
    const places = { 'charter.yaml': [5, 150, -20], 'requesters.json': [5, -20], [certificateFile]: [5, 150, -20] };
    for (const [name, ats] of Object.entries({
      ...places,
      [storedFile]: [150],
      'documents.json': [150],
      [share]: [40, -20],
    }))
      for (const at of ats) {
        await flip(name, at);
        expect([name, at, await refusal()]).toEqual([
          name,
          at,
          expect.stringMatching(/^(damaged|damaged-share|wrong-passphrase|bad-.*)$/) as string,
        ]);
      }
    // Well-formed, and not what was agreed to (T18).
    const charter = await readFile(path('charter.yaml'), 'utf8');
    const others = {
      'charter.yaml': charter.replace('72h', '71h'),
      'requesters.json': '{"version":1,"requesters":[]}',
    };
    for (const [name, other] of Object.entries(others)) {
      expect(await readFile(path(name), 'utf8')).not.toBe(other);
      await writeFile(path(name), other, { mode: 0o600 });
      expect([name, await refusal()]).toEqual([name, 'damaged']);
    }
    for (const name of ['charter.yaml', 'requesters.json', certificateFile, share, 'identity.pem']) {
      await rm(path(name));
      expect(await refusal()).toBe('missing');
    }
    // One member's word on the certificate is missing: the key is not live (T35).
    const stored = JSON.parse(await readFile(path(storedFile), 'utf8')) as unknown[];
    await writeFile(path(storedFile), JSON.stringify(stored.slice(1)), { mode: 0o600 });
    expect(await refusal()).toBe('bad-certificate');
    // They are another member's share, certificate and identity.
    await cp(join(two.home, share), path(share));
    expect(await refusal()).toBe('damaged');
    for (const name of [share, share.replace('share-', 'key-')]) await cp(join(two.home, name), path(name));
    expect(await refusal()).toBe('damaged-share');
    await cp(join(two.home, 'identity.pem'), path('identity.pem'));
    expect(['damaged-share', 'bad-certificate']).toContain(await refusal());
    await writeFile(path('secret'), 'wrong\n', { mode: 0o600 });
    await expect(
      startDaemon({ ...group.daemonOptions(one), passphrase: { file: path('secret') } }),
    ).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await restore();

    // A policy for a channel that is not there is found before the passphrase is asked for.
    await expect(
      startDaemon({
        ...group.daemonOptions(one),
        passphrase: { file: path('nothing') },
        policyPath: await group.policy('rules:\n  - { match: { channel: nightly }, action: refuse }\n'),
      }),
    ).rejects.toMatchObject({ code: 'bad-policy', line: 2 });

    // One process works in one home.
    await group.serve(one);
    await expect(startDaemon(group.daemonOptions(one))).rejects.toMatchObject({ code: 'locked' });
    // Two homes; the second daemon must not take the first one's socket.
    await expect(group.serve(two, { socketPath: one.daemon!.socketPath })).rejects.toMatchObject({
      code: 'socket-in-use',
    });
    two.daemon = undefined;

    // A copy of the home from before an approval: refused at login, and everybody else hears of it.
    await group.serve(two);
    await group.serve(three);
    const client = group.requesterClient();
    const { digest } = await client.submit(await group.release());
    await approve(group, one, digest);
    await group.stop(one);
    await restore();
    await group.serve(one);
    await expect(one.daemon!.closed).rejects.toMatchObject({ refusal: { code: 'rolled-back' } });
    one.daemon = undefined;
    const alarms = await until(
      async () => (await group.call(two, { command: 'status' })).status.alarms[0],
      'the alarm',
    );
    expect(alarms).toContain('build-1');
    client.close();
  }, 120_000);
});
