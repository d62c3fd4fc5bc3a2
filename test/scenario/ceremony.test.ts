/** Key generation with everybody honest but the network, then with liars, crashes and restarts. */
import { describe, expect, it, vi } from 'vitest';
import { encodeBase64 } from '../../verifier/base64.ts';
import { openCeremonyMessage, ceremonyMessageType, type CeremonyKind } from '../../protocol/ceremony/messages.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch } from '../../protocol/ceremony/epoch.ts';
import { ceremonyStart } from '../../protocol/ceremony/events.ts';
import { stepCeremony } from '../../protocol/ceremony/machine.ts';
import { emptyCeremonyMemory, type CeremonyMemory } from '../../protocol/ceremony/memory.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { namesIn, verdictsOf } from '../harness/ceremony-judge.ts';
import { CeremonyNetwork, publicGroup, sharedSodium, type CeremonyFaults } from '../harness/ceremony-network.ts';
import { writeCharter, type CharterPlan, type Person } from '../harness/people.ts';
import { seededRandom } from '../harness/random.ts';

const flat: CharterPlan = {
  tiers: ['build', 'admin', 'admin', 'hardware', 'hardware'],
  production: '{ any: 3 }',
  development: '{ hardware: 2 }',
};
const tiered: CharterPlan = {
  tiers: ['admin', 'admin', 'admin', 'build', 'build'],
  production: '{ admin: 2, build: 1 }',
  development: '{ build: 1 }',
};
const small: CharterPlan = {
  tiers: ['admin', 'admin', 'build'],
  production: '{ any: 2 }',
  development: '{ build: 1 }',
};

async function network(
  plan: CharterPlan,
  seed: number,
  faults: (people: readonly Person[]) => CeremonyFaults = () => ({}),
): Promise<CeremonyNetwork> {
  const { people, charter } = writeCharter(plan);
  return new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(seed), faults(people));
}

/** Nobody may ever say `stored` and `leave` for one ceremony, whatever happened (T35). The network itself refuses what contradicts a disk. */
function expectExclusive(run: CeremonyNetwork): void {
  for (const { disk } of run.members) {
    const { stored, left } = disk.memory;
    expect(stored.filter((ceremony) => left.has(ceremony))).toEqual([]);
  }
}

function expectOneKey(run: CeremonyNetwork): void {
  const certificates = run.activated();
  expect(run.members.flatMap((member) => member.failures)).toEqual([]);
  expect(certificates).toHaveLength(run.members.length);
  expect(new Set(certificates.map((certificate) => certificate.transcriptHash)).size).toBe(1);
}

function failures(run: CeremonyNetwork): string[] {
  return run.members.flatMap((member) => member.failures.map((error) => error.message));
}

describe('a ceremony over an in-memory relay', () => {
  it('costs each member two multiplications for every other, and one evaluation, whatever the threshold', async () => {
    const members = 6;
    for (const threshold of [2, 5]) {
      const run = await network({ tiers: Array<string>(members).fill('a'), production: `{ any: ${threshold} }` }, 5);
      const [multiply, evaluate] = [vi.spyOn(run.sodium, 'multiply'), vi.spyOn(run.sodium, 'evaluate')];
      run.run();
      expectOneKey(run);
      // Everybody's proof of what it dealt, and everybody's proof of its share.
      expect(multiply).toHaveBeenCalledTimes(members * 2 * members);
      // Everybody's public share.
      expect(evaluate).toHaveBeenCalledTimes(members * members);
      multiply.mockRestore();
      evaluate.mockRestore();
    }
  });

  it.each([
    ['flat', flat],
    ['tiered', tiered],
  ])(
    'ends with one certificate that every member holds, in any order of delivery, some messages doubled (%s)',
    async (_name, plan) => {
      for (let seed = 1; seed <= 2; seed += 1) {
        const run = await network(plan, seed, () => ({ doubled: true }));
        run.run();
        expectOneKey(run);
        const [certificate] = run.activated();
        const epoch = openEpoch(publicGroup, run.charter, decodeCertificate(certificate!.bytes));
        expect(() => assertAllStored(epoch, run.members[0]!.stored!)).not.toThrow();
        expect(() => assertAllStored(epoch, run.members[0]!.stored!.slice(1))).toThrow('not live yet');
      }
    },
  );

  it('goes on when messages are lost and the relay hands them out again', async () => {
    let lost = 0;
    const random = seededRandom(7);
    const run = await network(small, 7, () => ({
      deliver: (envelope) => {
        if (!random.oneIn(3)) return envelope;
        lost += 1;
        return undefined;
      },
    }));
    run.run();
    expect(lost).toBeGreaterThan(0);
    for (let connect = 0; connect < 60 && run.activated().length < 3; connect += 1) {
      for (const member of run.members) member.inbox.push(...run.log);
      run.settle();
    }
    expectOneKey(run);
  });
});

describe('a ceremony with one liar', () => {
  /** Signs another version of a message as its real sender would: what only a lying member can do. */
  function otherVersion(
    envelope: Envelope,
    liar: Person,
    change: (payload: Record<string, unknown>) => Record<string, unknown>,
  ): Envelope {
    const [, kind] = /ceremony-([a-z]+)/.exec(envelope.payloadType) as unknown as [string, CeremonyKind];
    const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Record<string, unknown>;
    return sealMessage<unknown>(ceremonyMessageType(kind), change(payload), liar);
  }

  it('activates nobody when members were shown different messages, and honest members’ own files name the liar (T13, T45)', async () => {
    const versions: Envelope[] = [];
    const run = await network(small, 3, (people) => ({
      deliver: (envelope, kind, from, to) => {
        if (kind !== 'boxes' || from !== people[0]!.name) return envelope;
        // Only the member that cannot open it sees another ciphertext, so that no box fails to open.
        const other = otherVersion(envelope, people[0]!, (payload) => ({
          ...payload,
          boxes: (payload['boxes'] as { to: number; box: string }[]).map((box) =>
            box.to === 3 ? { ...box, box: encodeBase64(new Uint8Array(80)) } : box,
          ),
        }));
        if (to === people[1]!.name) {
          versions.push(envelope, other);
          return other;
        }
        return envelope;
      },
    }));
    run.run();
    expect(versions.length).toBe(2);
    expect(run.activated()).toEqual([]);
    // By itself nobody can know who lied, so nobody is named; the honest members' own files together name the liar, and nobody else.
    expect(failures(run).join()).toContain("'s word differs from mine");
    const honest = run.members.slice(1);
    for (const { failures: own, evidence } of honest) {
      expect(own.flatMap(({ culprits }) => culprits)).toEqual([]);
      expect(evidence).toHaveLength(1);
    }
    expect(honest.flatMap((member) => verdictsOf(run, [member]))).toEqual([]);
    expect(verdictsOf(run, honest)).toMatchObject([
      { culprit: { name: 'admin-1' }, deed: 'signed two different boxes messages for one ceremony' },
    ]);
  });

  it.each([
    ['one coefficient fewer', (t: number) => t - 1],
    ['one coefficient more', (t: number) => t + 1],
  ])('stops with proof at %s than the threshold (T14)', async (_name, coefficients) => {
    const run = await network({ ...small, production: '{ any: 3 }' }, 5, (people) => ({
      coefficients: (from, threshold) =>
        from === people[1]!.name && threshold === 3 ? coefficients(threshold) : threshold,
    }));
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('are not exactly 3 valid points');
    expect(namesIn(verdictsOf(run, [run.members[0]!]))).toEqual(['admin-2']);
  });

  it.each([
    ['an empty vector', () => [] as string[]],
    ['the identity in place of a coefficient', (all: string[]) => [...all.slice(0, -1), `01${'00'.repeat(31)}`]],
    [
      'a point of small order',
      (all: string[]) => [...all.slice(0, -1), 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ],
  ])('stops at %s (T8, T14)', async (_name, change) => {
    const run = await network(small, 6, (people) => ({
      deal: (reveal, from) =>
        from === people[0]!.name
          ? { ...reveal, dealings: reveal.dealings.map((one) => ({ ...one, commitments: change(one.commitments) })) }
          : reveal,
    }));
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('valid points');
  });

  it('stops with proof at a reveal that is not what was committed to (T15)', async () => {
    const run = await network(small, 8, (people) => ({
      lie: (kind, payload, from) =>
        kind === 'reveal' && from === people[2]!.name ? { ...payload, encryptionKey: '11'.repeat(32) } : payload,
    }));
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('build-3 revealed something else');
    expect(verdictsOf(run)).toMatchObject([{ culprit: { name: 'build-3' } }]);
    // It is seen before anybody seals a share to the other key.
    const sent = new Set(run.log.map(({ payloadType }) => payloadType));
    expect([...sent].filter((type) => type.includes('boxes'))).toEqual([]);
    expect([...sent].filter((type) => type.includes('reveal'))).toHaveLength(1);
  });

  it('stops at a proof of knowledge from another ceremony or of another dealer (T15)', async () => {
    let stolen: string | undefined;
    const run = await network(small, 9, (people) => ({
      deal: (reveal, from) => {
        if (from === people[0]!.name) stolen = reveal.dealings[0]!.proof;
        if (from !== people[1]!.name || stolen === undefined) return reveal;
        return {
          ...reveal,
          dealings: reveal.dealings.map((one, index) => (index === 0 ? { ...one, proof: stolen! } : one)),
        };
      },
    }));
    // The liar must deal after its victim for there to be a proof to steal.
    run.random.shuffle = (items) => [...items];
    run.run();
    if (stolen === undefined) throw new Error('nothing was stolen');
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('proof of knowledge for production is wrong');
  });

  it('stops with suspicion only at a box that does not open, and blames nobody (T17)', async () => {
    const run = await network(small, 10, (people) => ({
      lie: (kind, payload, from) =>
        kind === 'boxes' && from === people[0]!.name
          ? {
              ...payload,
              boxes: (payload['boxes'] as { to: number }[]).map((box) => ({
                ...box,
                box: encodeBase64(new Uint8Array(112).fill(7)),
              })),
            }
          : payload,
    }));
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('a suspicion, not a proof');
    expect(verdictsOf(run)).toEqual([]);
    expect(run.members.flatMap((member) => member.failures.flatMap(({ culprits }) => culprits))).toEqual([]);
  });

  it('stops at two different messages for one step, with both as proof', async () => {
    const sent: Envelope[] = [];
    const run = await network(small, 11, (people) => ({
      deliver: (envelope, kind, from) => {
        if (kind === 'commit' && from === people[0]!.name) {
          sent.push(otherVersion(envelope, people[0]!, (payload) => ({ ...payload, reveal: '22'.repeat(32) })));
        }
        return envelope;
      },
      tick: (net) => {
        const other = sent.shift();
        if (other !== undefined) net.members[1]!.inbox.push(other);
      },
    }));
    run.run();
    expect(run.activated()).toEqual([]);
    expect(failures(run).join()).toContain('admin-1 signed two different commit messages');
  });

  it.each([[[1]], [[0, 1, 2]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
    'does not begin with another requesters file, names whose (T18), and goes on in whatever order people come back: %j',
    async (order) => {
      let wrong = true;
      const run = await network(small, 12, (people) => ({
        lie: (kind, payload, from) =>
          wrong && kind === 'hello' && from === people[1]!.name ? { ...payload, requesters: '33'.repeat(32) } : payload,
      }));
      run.run();
      expect([run.activated(), failures(run)]).toEqual([[], []]);
      expect(run.log.every(({ payloadType }) => payloadType === ceremonyMessageType('hello').payloadType)).toBe(true);
      for (const member of [run.members[0]!, run.members[2]!]) {
        expect(member.strange).toEqual([{ from: 'admin-2', file: 'requesters', theirs: null, ours: null }]);
        expect(member.waitingFor).toEqual(['admin-2']);
      }
      wrong = false;
      for (const at of order) {
        run.restart(run.members[at]!);
        run.run();
      }
      expect([run.activated().length, failures(run)]).toEqual([3, []]);
    },
  );

  it('goes on past a hello under other files, whenever the relay brings it: it may be the word of a run that is over (T18, T35)', async () => {
    let deliveries = 0;
    const strange: Envelope[] = [];
    const run = await network(small, 16, (people) => ({
      deliver: (envelope, kind) => {
        const change = { nonce: '44'.repeat(32), requesters: '33'.repeat(32) };
        if (kind === 'hello' && strange.length === 0)
          strange.push(otherVersion(envelope, people[1]!, (payload) => ({ ...payload, ...change })));
        return envelope;
      },
      tick: (net) => {
        deliveries += 1;
        if (deliveries > 60) return;
        for (const member of net.members.filter(({ person }) => person !== people[1])) member.inbox.push(...strange);
      },
    }));
    run.run();
    expect(deliveries).toBeGreaterThan(60);
    expect([run.activated().length, failures(run)]).toEqual([3, []]);
    expect(run.members[0]!.disk.memory.joined.size).toBe(1);
  });

  it.each([
    ['when everybody is here', 'build-3', 'this run of join began 64 ceremonies'],
    ['before everybody is here', 'nobody', 'admin-2 began anew 64 times'],
  ])('ends when a member begins anew without end, %s, and blames nobody (T43)', async (_when, third, said) => {
    const heard = ['admin-1', 'admin-2', third];
    const run = await network(small, 17, () => ({
      deliver: (envelope, kind, from) => (kind === 'hello' && heard.includes(from) ? envelope : undefined),
    }));
    run.run();
    const [waiting, liar] = [run.members[0]!, run.members[1]!.person];
    const { requesters } = run.context(waiting);
    for (let round = 0; round < 70; round += 1) {
      const nonce = round.toString(16).padStart(64, '0');
      const hello = { charter: run.charter.hash, requesters, import: null, nonce };
      waiting.inbox.push(sealMessage<unknown>(ceremonyMessageType('hello'), hello, liar));
    }
    run.settle();
    expect(waiting.failures).toMatchObject([{ code: 'too-many', culprits: [] }]);
    expect(waiting.failures[0]!.message).toContain(said);
    expect(waiting.disk.memory.joined.size).toBeLessThanOrEqual(64);
  });

  it('knows its own word of a ceremony that it left, of which a backup has no transcript', async () => {
    const run = await network(small, 18);
    const member = run.members[0]!;
    const of = 'ee'.repeat(32);
    const payload = { ceremony: of, transcript: 'ff'.repeat(32), proofs: [] };
    const envelope = sealMessage<unknown>(ceremonyMessageType('transcript'), payload, member.person);
    const message = openCeremonyMessage(envelope, run.charter);
    const leave = { ceremony: of, code: 'fault', reason: 'no', suspect: null } as const;
    const joined = { ...emptyCeremonyMemory, joined: new Set([of]) };
    const heard = (memory: CeremonyMemory) =>
      stepCeremony(run.context(member), { ...ceremonyStart, memory }, { kind: 'message', message }).state.phase.kind;
    expect(heard({ ...joined, left: new Map([[of, leave]]) })).toBe('hello');
    expect(heard(joined)).toBe('failed');
  });

  it('waits for everybody else, and never shows that it waits for itself', async () => {
    const run = await network(small, 15);
    const begin = { kind: 'start', nonce: '00'.repeat(32), held: new Map(), isCandidate: false } as const;
    const { effects } = stepCeremony(run.context(run.members[0]!), ceremonyStart, {
      ...begin,
      memory: emptyCeremonyMemory,
    });
    expect(effects.at(-1)).toMatchObject({ kind: 'progress', step: 'hello', waitingFor: ['admin-2', 'build-3'] });
  });
});

describe('a ceremony with crashes', () => {
  /** Crashes one member before delivery `at`, and restarts it when the others have nothing left to do. */
  async function crashAt(
    at: number,
    victim: number,
    seed: number,
  ): Promise<{ run: CeremonyNetwork; happened: boolean; deliveries: number }> {
    let deliveries = 0;
    let happened = false;
    const run = await network(small, seed, () => ({
      tick: (net) => {
        if (deliveries === at) {
          happened = true;
          net.crash(net.members[victim]!);
        }
        deliveries += 1;
      },
    }));
    run.run();
    run.settle();
    // The crash may come when everything else is over.
    while (run.members.some((member) => member.down)) {
      for (const member of run.members) if (member.down) run.restart(member);
      run.settle();
    }
    return { run, happened, deliveries };
  }

  it('ends with one key for all after one crash at any step and a new join (T16, T35)', async () => {
    let crashes = 0;
    // Another victim each time: steps of 4 meet all three members.
    for (let at = 0; at < 57; at += 4) {
      const { run, happened } = await crashAt(at, at % 3, 100 + at);
      crashes += happened ? 1 : 0;
      expectExclusive(run);
      expectOneKey(run);
      expectOnePolynomialSet(run);
    }
    expect(crashes).toBeGreaterThan(10);
  }, 120_000);

  it('gives two crashed members one key, or none, but never two (T35)', async () => {
    for (let seed = 0; seed < 12; seed += 1) {
      let deliveries = 0;
      const run = await network(small, 500 + seed, () => ({
        tick: (net) => {
          if (deliveries === 5 + seed * 4) net.crash(net.members[0]!);
          if (deliveries === 9 + seed * 4) net.crash(net.members[1]!);
          deliveries += 1;
        },
      }));
      run.run();
      for (const member of run.members) if (member.down) run.restart(member);
      run.settle();
      expectExclusive(run);
      expectOnePolynomialSet(run);
      expect(new Set(run.activated().map((certificate) => certificate.transcriptHash)).size).toBeLessThanOrEqual(1);
    }
  });

  /** One ceremony id never sees two sets of polynomials of one member (T16). */
  function expectOnePolynomialSet(run: CeremonyNetwork): void {
    const seen = new Map<string, string>();
    for (const envelope of run.log) {
      const message = openCeremonyMessage(envelope, run.charter);
      if (message.kind !== 'reveal' && message.kind !== 'commit') continue;
      const id = `${message.kind} ${message.payload.ceremony} ${message.from.name}`;
      expect(seen.get(id) ?? message.hash).toBe(message.hash);
      seen.set(id, message.hash);
    }
  }
});
