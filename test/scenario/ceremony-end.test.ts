/** The end of a ceremony: whatever liars, disks and the relay do, one charter never gets two keys, and nobody who gave no share is stuck (T35, T45). */
import { describe, expect, it } from 'vitest';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch } from '../../protocol/ceremony/epoch.ts';
import { departure, mayGive, remembered, type CeremonyRecord } from '../../protocol/ceremony/memory.ts';
import { ceremonyMessageType, openCeremonyMessage, type CeremonyKind } from '../../protocol/ceremony/messages.ts';
import { judgeTogether } from '../../protocol/evidence.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { filesOf, namesIn, verdictsOf } from '../harness/ceremony-judge.ts';
import {
  CeremonyNetwork,
  publicGroup,
  sharedSodium,
  type CeremonyFaults,
  type SimulatedMember,
} from '../harness/ceremony-network.ts';
import { person, writeCharter, type CharterPlan, type Person } from '../harness/people.ts';
import { seededRandom, type Random } from '../harness/random.ts';
import { signedAgain } from '../harness/second-signature.ts';
import { smallOrderBoxKeys } from '../protocol/ceremony/box-keys.ts';

const plan: CharterPlan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }' };

async function network(
  seed: number,
  faults: (people: readonly Person[]) => CeremonyFaults = () => ({}),
): Promise<CeremonyNetwork> {
  const { people, charter } = writeCharter(plan);
  return new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(seed), faults(people));
}

/** The same fields in another order: what a relay can do to every object that nobody signed. */
function respelledBy(random: Random): (envelope: Envelope) => Envelope {
  const shuffled = <T extends object>(value: T): T => Object.fromEntries(random.shuffle(Object.entries(value))) as T;
  return (envelope) => shuffled({ ...envelope, signatures: [shuffled(envelope.signatures[0])] as const });
}

function epochsOf(run: CeremonyNetwork): string[] {
  return run.activated().map(({ transcriptHash }) => transcriptHash);
}

function failures(run: CeremonyNetwork): string[] {
  return run.members.flatMap((member) => member.failures.map(({ message }) => message));
}

/** Everybody is at the same candidate, and nobody complained. */
function expectOneCandidate(run: CeremonyNetwork): string {
  expect(failures(run)).toEqual([]);
  const epochs = epochsOf(run);
  expect(epochs).toHaveLength(run.members.length);
  expect(new Set(epochs).size).toBe(1);
  return epochs[0]!;
}

/** From here on the relay shows everybody everything, and whoever failed, or is waited for, joins again, until all are at a candidate. */
function heal(run: CeremonyNetwork, members = run.members): void {
  for (let round = 0; round < 8; round += 1) {
    const awaited = new Set(round === 0 ? [] : members.flatMap(({ waitingFor }) => waitingFor));
    for (const member of members) {
      if (member.down || member.state.phase.kind === 'failed' || awaited.has(member.person.name)) run.restart(member);
      else member.inbox.push(...run.log);
    }
    run.settle();
    if (members.every(({ state }) => state.phase.kind === 'done')) return;
  }
}

describe('a relay that rewrites whatever nobody signed (T35)', () => {
  it('changes nothing: there is one epoch, and nobody contradicts anybody', async () => {
    let rewritten = 0;
    const run = await network(1, () => {
      const respelled = respelledBy(seededRandom(2));
      return {
        doubled: true,
        deliver: (envelope) => {
          rewritten += 1;
          return respelled(envelope);
        },
      };
    });
    run.run();
    expect(rewritten).toBeGreaterThan(50);
    expectOneCandidate(run);
    expect(run.members.flatMap(({ evidence }) => evidence)).toEqual([]);
    // What they keep and compare is spelled alike, whatever it looked like on the way.
    const [first, ...others] = run.members.map(({ stored }) => JSON.stringify(stored));
    for (const other of others) expect(other).toBe(first);
  });

  it('may reorder a certificate, too: it opens as the same epoch, spelled as before', async () => {
    const run = await network(3);
    run.run();
    const epoch = expectOneCandidate(run);
    const [certificate] = run.activated();
    const { transcript, signatures } = certificate!;
    const reversed = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).reverse()) as T;
    const bytes = encodeCanonicalJson({
      signatures: signatures.map((one) => reversed({ ...one, signatures: [reversed(one.signatures[0])] })),
      transcript: reversed({
        ...transcript,
        messages: transcript.messages.map(reversed),
        channels: transcript.channels.map(reversed),
      }),
    });
    const opened = openEpoch(publicGroup, run.charter, decodeCertificate(bytes));
    expect(opened.hash).toBe(epoch);
    expect(opened.certificate.bytes).toEqual(certificate!.bytes);
    expect(() => assertAllStored(opened, run.members[0]!.stored!.map(reversed))).not.toThrow();
  });
});

describe('a member with two valid signatures of one payload (T35)', () => {
  it('is no liar and stops nobody: certificates may differ, the epoch does not', async () => {
    let second = 0;
    const run = await network(4, (people) => ({
      deliver: (envelope, kind, from, to) => {
        if (from !== people[2]!.name || to !== people[0]!.name || kind === 'hello') return envelope;
        second += 1;
        return signedAgain(envelope, people[2]!);
      },
    }));
    run.run();
    expect(second).toBeGreaterThan(4);
    const epoch = expectOneCandidate(run);
    const certificates = run.activated();
    expect(Buffer.from(certificates[0]!.bytes).equals(certificates[1]!.bytes)).toBe(false);
    for (const certificate of certificates) expect(openEpoch(publicGroup, run.charter, certificate).hash).toBe(epoch);
    expect(verdictsOf(run)).toEqual([]);
    // Both versions of everything, judged together, prove nothing either.
    const both = run.log.flatMap((envelope) => {
      const { from } = openCeremonyMessage(envelope, run.charter);
      const who = run.members.find(({ member }) => member === from)!.person;
      return [envelope, signedAgain(envelope, who)].map((one) => openCeremonyMessage(one, run.charter));
    });
    const view = { charter: run.charter, transcript: certificates[0]!.transcript, messages: both };
    expect(judgeTogether(publicGroup, filesOf([view]))).toEqual([]);
  });
});

describe('a disk that is lost (T35)', () => {
  /** The steps of one member, as they come onto its disk; and after all of them, when everybody said `stored`. */
  const steps: (CeremonyRecord['type'] | 'all stored')[] = [
    'ceremony-joined',
    'ceremony-signed',
    'ceremony-stored',
    'all stored',
  ];

  it.each(steps)(
    'at the step %s leaves the others free: under a charter with its new card there is one key',
    async (step) => {
      let lost = false;
      const lose = (net: CeremonyNetwork): void => {
        if (lost) return;
        lost = true;
        net.loseDisk(net.members[1]!);
      };
      const run = await network(10 + steps.indexOf(step), (people) => ({
        recorded: (net, member, { type }) => {
          if (type === step && member.person.name === people[1]!.name) lose(net);
        },
      }));
      run.run();
      if (step === 'all stored') lose(run);
      expect(lost).toBe(true);
      run.restart(run.members[1]!);
      run.settle();
      if (step === 'ceremony-joined') {
        // It had said nothing but hello: there is nothing that it could contradict.
        expectOneCandidate(run);
        return;
      }
      // The home that comes back under the old identity says nothing: whatever it said could contradict what it said before.
      expect(run.members[1]!.failures.map(({ code }) => code)).toContain('rolled-back');
      expect(run.members[1]!.disk.records.filter(({ type }) => type === 'ceremony-left')).toEqual([]);

      const again = joinAgain(run, 20);
      expectOneCandidate(again);
      for (const member of again.members) expect(again.give(member)).toBe(true);
      expect(again.live()).toHaveLength(1);
      // The shares of the first ceremony are still there, and nobody gives any of them.
      const [first] = run.members[0]!.disk.memory.joined;
      for (const { disk } of again.members) expect(mayGive(disk.memory, first!)).toBe(false);
    },
  );

  it('after a share was given binds the others to that key, and nobody makes a second one', async () => {
    const run = await network(15);
    run.run();
    expectOneCandidate(run);
    expect(run.give(run.members[0]!)).toBe(true);
    run.loseDisk(run.members[2]!);
    const { memory } = run.members[0]!.disk;
    const words = { ceremony: memory.current!, code: 'restarted', reason: 'another charter', suspect: null } as const;
    expect(departure(memory, words)).toBeUndefined();
    // The other two are enough: the key lives all the same.
    expect(run.give(run.members[1]!)).toBe(true);
    expect(run.live()).toHaveLength(1);
  });

  /** Everybody joins under a new charter, with what is on the disks; the member whose disk was lost has a new card. */
  function joinAgain(run: CeremonyNetwork, seed: number): CeremonyNetwork {
    const people = run.members.map(({ person: who, disk }) => (disk.records.length === 0 ? person(who.name) : who));
    const { charter } = writeCharter({ ...plan, tiers: ['a', 'a', 'a'] }, people);
    const again = new CeremonyNetwork(charter, people, run.sodium, seededRandom(seed));
    for (const [index, member] of again.members.entries()) {
      const { disk, shares } = run.members[index]!;
      member.disk = { ...disk, certificates: new Map(), stored: new Map() };
      for (const [ceremony, share] of shares) member.shares.set(ceremony, share);
      leaveAsOwner(member);
    }
    again.run();
    return again;
  }

  function leaveAsOwner({ disk }: SimulatedMember): void {
    const ceremony = disk.memory.current;
    if (ceremony === undefined) return;
    const entry = departure(disk.memory, { ceremony, code: 'restarted', reason: 'another charter', suspect: null });
    expect(entry).toBeDefined();
    disk.memory = remembered(disk.memory, entry!);
  }
});

describe('a liar that shows `stored` to some and `leave` to others (T35)', () => {
  /** Members a-1 and a-2 are honest; a-3 says both, and until `isHonest` the relay shows each of them one. */
  async function split(seed: number): Promise<{ run: CeremonyNetwork; relay: { isHonest: boolean }; liar: Person }> {
    const relay = { isHonest: false };
    const run = await network(seed, (people) => ({
      deliver: (envelope, kind, from, to) => {
        if (from !== people[2]!.name) return envelope;
        // To itself its machine is an honest one.
        if (kind === 'leave' && to === people[2]!.name) return undefined;
        if (relay.isHonest) return envelope;
        if (kind === 'stored') return to === people[1]!.name ? undefined : envelope;
        if (kind === 'leave') return to === people[1]!.name ? envelope : undefined;
        return envelope;
      },
    }));
    run.run();
    const ceremony = run.members[2]!.disk.memory.current!;
    const words = { ceremony, code: 'restarted', reason: 'I never stored it', suspect: null };
    const liar = run.members[2]!.person;
    run.broadcast(run.members[2]!, sealMessage<unknown>(ceremonyMessageType('leave'), words, liar));
    run.settle();
    return { run, relay, liar };
  }

  it.each([
    ['gives a share of genesis', true],
    ['gives none', false],
  ])(
    'and %s makes no second key; who was shown the `leave` comes back, and the liar is named',
    async (_what, gives) => {
      const { run, relay, liar } = await split(30);
      const [one, two] = run.members as [SimulatedMember, SimulatedMember, SimulatedMember];
      // One is at the candidate; two has said `stored`, was shown the leave, and parted from it in silence.
      expect(one.state.phase.kind).toBe('done');
      expect(two.disk.memory.parted.size).toBe(1);
      expect(two.disk.memory.left.size).toBe(0);
      const epoch = epochsOf(run)[0]!;
      expect(run.give(one)).toBe(true);
      expect(run.give(two)).toBe(false);
      if (gives) run.gave(epoch, run.members[2]!);
      expect(run.live()).toEqual(gives ? [epoch] : []);

      relay.isHonest = true;
      heal(run);
      expect(two.state.phase.kind).toBe('done');
      expect(new Set(epochsOf(run))).toEqual(new Set([epoch]));
      expect(run.give(two)).toBe(true);
      expect(run.live()).toEqual([epoch]);
      // The two envelopes are the proof, from honest members' own files.
      const honest = run.members.slice(0, 2);
      expect(verdictsOf(run, honest)).toMatchObject([
        { culprit: { name: liar.name }, deed: 'left a ceremony and said that it stored its certificate' },
      ]);
    },
  );

  it('binds nobody who gave no share: both may still join under another charter', async () => {
    const { run } = await split(31);
    for (const { disk } of run.members.slice(0, 2)) {
      const { current, given } = disk.memory;
      expect(given).toBeUndefined();
      if (current === undefined) continue;
      const words = { ceremony: current, code: 'restarted', reason: 'another charter', suspect: null } as const;
      expect(departure(disk.memory, words)).toMatchObject({ type: 'ceremony-parted' });
    }
  });

  it('before an honest `stored` ends in signed leaves, and the next ceremony makes the key', async () => {
    let said = false;
    const run = await network(32, (people) => ({
      // The liar leaves as soon as it signed the transcript, and stores it all the same.
      recorded: (net, member, { type, ceremony }) => {
        if (type !== 'ceremony-signed' || member.person.name !== people[2]!.name || said) return;
        said = true;
        const words = { ceremony, code: 'restarted', reason: 'no', suspect: null };
        net.broadcast(member, sealMessage<unknown>(ceremonyMessageType('leave'), words, people[2]!));
      },
      deliver: (envelope, kind, from, to) =>
        kind === 'leave' && from === people[2]!.name && to === from ? undefined : envelope,
    }));
    run.run();
    expect(said).toBe(true);
    const left = run.members.slice(0, 2).flatMap(({ disk }) => [...disk.memory.left.keys()]);
    expect(left).toHaveLength(2);
    expect(run.activated()).toEqual([]);
    // The liar's home follows the others' leave; with a new hello of anybody all begin anew.
    run.restart(run.members[0]!);
    run.settle();
    heal(run);
    expect(new Set(epochsOf(run)).size).toBe(1);
    expect(run.activated()).toHaveLength(3);
  });
});

describe('whoever disturbs a ceremony', () => {
  const lying = (
    kind: CeremonyKind,
    change: (payload: Record<string, unknown>) => Record<string, unknown>,
  ): ((people: readonly Person[]) => CeremonyFaults) => {
    return (people) => ({
      lie: (said, payload, from) => (said === kind && from === people[0]!.name ? change(payload) : payload),
    });
  };
  const boxesOf = (payload: Record<string, unknown>): { to: number; box: string }[] =>
    payload['boxes'] as { to: number; box: string }[];
  const proofsOf = (payload: Record<string, unknown>): { proof: string }[] => payload['proofs'] as { proof: string }[];
  const wrongProof = (proof: string): string => proof.slice(0, 64) + '07'.padEnd(64, '0');

  it.each<[string, (people: readonly Person[]) => CeremonyFaults, string]>([
    [
      'a small-order one-time key',
      (people) => ({
        deal: (reveal, from) =>
          from === people[0]!.name ? { ...reveal, encryptionKey: smallOrderBoxKeys[2]! } : reveal,
      }),
      'small order',
    ],
    ['no boxes', lying('boxes', (payload) => ({ ...payload, boxes: [] })), 'boxes for other members'],
    [
      'boxes for wrong receivers',
      lying('boxes', (payload) => ({ ...payload, boxes: boxesOf(payload).toReversed() })),
      'boxes for other members',
    ],
    [
      'a wrong share proof',
      lying('transcript', (payload) => ({
        ...payload,
        proofs: proofsOf(payload).map((one) => ({ ...one, proof: wrongProof(one.proof) })),
      })),
      'wrong proof',
    ],
    ['no share proof', lying('transcript', (payload) => ({ ...payload, proofs: [] })), 'wrong proof'],
  ])('by %s is named with proof by everybody, and nobody is left waiting (T17, T45)', async (_name, faults, deed) => {
    const run = await network(40, faults);
    run.run();
    expect(run.activated()).toEqual([]);
    for (const { failures: own } of run.members.slice(1)) expect(own).toHaveLength(1);
    const named = run.members.slice(1).flatMap(({ failures: own }) => own.flatMap(({ culprits }) => culprits));
    expect(new Set(named)).toEqual(new Set(['a-1']));
    for (const member of run.members.slice(1))
      if (member.failures[0]!.culprits.length > 0) expect(verdictsOf(run, [member])[0]!.deed).toContain(deed);
    expect(namesIn(verdictsOf(run))).toEqual(['a-1']);
  });

  it.each([
    [
      'a box that does not open',
      (box: string) => Buffer.alloc(Buffer.from(box, 'base64').length, 7).toString('base64'),
    ],
    ['a box that is no base64', () => 'AAA'],
    ['an empty box', () => 'AA=='],
  ])('by %s is suspected, never proved, and nobody is left waiting (T17)', async (_name, change) => {
    const run = await network(
      41,
      lying('boxes', (payload) => ({
        ...payload,
        boxes: boxesOf(payload).map((one) => ({ ...one, box: change(one.box) })),
      })),
    );
    run.run();
    expect(run.activated()).toEqual([]);
    for (const { failures: own } of run.members) expect(own).toHaveLength(1);
    expect(failures(run).join()).toContain('a suspicion, not a proof');
    expect(run.members.flatMap((member) => member.failures.flatMap(({ culprits }) => culprits))).toEqual([]);
    expect(verdictsOf(run)).toEqual([]);
  });

  it('by a split view is named by the honest members’ own files, whatever was split (T13, T45)', async () => {
    const other = {
      hello: (payload: Record<string, unknown>) => Object.fromEntries(Object.entries(payload).reverse()),
      commit: (payload: Record<string, unknown>) => ({ ...payload, reveal: '11'.repeat(32) }),
      reveal: (payload: Record<string, unknown>) => Object.fromEntries(Object.entries(payload).reverse()),
      boxes: (payload: Record<string, unknown>) => Object.fromEntries(Object.entries(payload).reverse()),
    };
    for (const [kind, change] of Object.entries(other)) {
      let lied = false;
      const run = await network(42, (people) => ({
        deliver: (envelope, said, from, to) => {
          if (said !== kind || from !== people[0]!.name || to !== people[1]!.name) return envelope;
          lied = true;
          const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Record<string, unknown>;
          return sealMessage<unknown>(ceremonyMessageType(said), change(payload), people[0]!);
        },
      }));
      run.run();
      expect(lied, kind).toBe(true);
      expect(run.activated(), kind).toEqual([]);
      expect(namesIn(verdictsOf(run, run.members.slice(1))), kind).toEqual(['a-1']);
      const named = run.members.slice(1).flatMap(({ failures: own }) => own.flatMap(({ culprits }) => culprits));
      expect(
        named.filter((name) => name !== 'a-1'),
        kind,
      ).toEqual([]);
    }
  });
});

describe('whatever a liar, a relay and crashes do, by a seed (T35, T45)', () => {
  /** One wild run: a-3 lies in any way it can sign, the relay drops and respells, members crash; then everybody is honest. */
  async function wild(seed: number): Promise<{ run: CeremonyNetwork; happened: Record<string, number> }> {
    const random = seededRandom(seed);
    const happened: Record<string, number> = { lies: 0, drops: 0, crashes: 0 };
    const count = (what: string): void => void (happened[what] = (happened[what] ?? 0) + 1);
    const state = { wild: true };
    const respelled = respelledBy(random);
    // One of the honest never hears some of what the others say, until the relay is honest.
    const withheld = {
      kind: random.pick(['commit', 'boxes', 'transcript', 'stored', 'leave'] as const),
      at: random.pick([0, 1]),
    };
    const run = await network(seed, (people) => ({
      deliver: (envelope, kind, from, to) => {
        const isLiars = from === people[2]!.name;
        if (!state.wild) return isLiars && kind === 'leave' && to === from ? undefined : envelope;
        const isWithheld = kind === withheld.kind && to === people[withheld.at]!.name && random.oneIn(2);
        if (to !== from && (isWithheld || random.oneIn(40))) {
          count('drops');
          return undefined;
        }
        // Most lies come at the end: an early one only ends the run.
        if (isLiars && to !== from && random.oneIn(kind === 'transcript' || kind === 'stored' ? 2 : 14)) {
          count('lies');
          return lie(envelope, kind, people[2]!, random);
        }
        return random.oneIn(2) ? respelled(envelope) : envelope;
      },
      tick: (net) => {
        // Each brings all that was ever said once more, so they are few.
        if (!state.wild || happened['crashes']! >= 3 || !random.oneIn(40)) return;
        count('crashes');
        net.restart(random.pick(net.members.slice(0, 2)));
      },
    }));
    run.run();
    for (let round = 0; round < 3; round += 1) {
      for (const member of run.members) {
        if (member.state.phase.kind === 'failed' && random.oneIn(2)) run.restart(member);
        if (random.oneIn(2)) run.give(member);
        // The liar gives a share to every candidate there ever was.
        for (const { certificates } of run.members.map(({ disk }) => disk))
          for (const { transcriptHash } of certificates.values()) run.gave(transcriptHash, run.members[2]!);
        expect(run.live().length, `seed ${seed}`).toBeLessThanOrEqual(1);
      }
      run.settle();
    }
    state.wild = false;
    return { run, happened };
  }

  function lie(envelope: Envelope, kind: CeremonyKind, liar: Person, random: Random): Envelope {
    const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Record<string, unknown>;
    const seal = (as: CeremonyKind, value: object): Envelope =>
      sealMessage<unknown>(ceremonyMessageType(as), value, liar);
    const { ceremony } = payload;
    if (ceremony !== undefined && random.oneIn(3))
      return seal('leave', { ceremony, code: 'restarted', reason: 'a lie', suspect: null });
    if (random.oneIn(2)) return signedAgain(envelope, liar);
    // It begins anew, or comes with other files.
    if (kind === 'hello') {
      const nonce = bytesToHex(Uint8Array.from({ length: 32 }, () => random.below(256)));
      return seal(kind, { ...payload, nonce, ...(random.oneIn(2) ? { requesters: '33'.repeat(32) } : {}) });
    }
    return seal(kind, Object.fromEntries(random.shuffle(Object.entries(payload))));
  }

  it('there are never two live keys, nobody honest is named, and once the relay is honest everything ends', async () => {
    const total: Record<string, number> = {};
    for (let seed = 1000; seed < 1012; seed += 1) {
      const { run, happened } = await wild(seed);
      for (const [what, times] of Object.entries(happened)) total[what] = (total[what] ?? 0) + times;
      const honest = run.members.slice(0, 2);
      // Whoever gave no share can always join again, under this charter or another.
      for (const { disk } of honest) {
        const { current, given } = disk.memory;
        if (current === undefined || given !== undefined) continue;
        const words = { ceremony: current, code: 'restarted', reason: 'anew', suspect: null } as const;
        expect(departure(disk.memory, words), `seed ${seed}`).toBeDefined();
      }
      heal(run);
      expect(new Set(epochsOf(run)).size, `seed ${seed}`).toBe(1);
      expect(
        honest.map(({ state }) => state.phase.kind),
        `seed ${seed}`,
      ).toEqual(['done', 'done']);
      for (const member of honest) expect(run.give(member), `seed ${seed}`).toBe(true);
      expect(run.live(), `seed ${seed}`).toHaveLength(1);
      expect(
        namesIn(verdictsOf(run)).filter((name) => name !== 'a-3'),
        `seed ${seed}`,
      ).toEqual([]);
      const named = honest.flatMap(({ failures: own }) => own.flatMap(({ culprits }) => culprits));
      expect(
        named.filter((name) => name !== 'a-3'),
        `seed ${seed}`,
      ).toEqual([]);
    }
    expect(total['lies']).toBeGreaterThan(15);
    expect(total['drops']).toBeGreaterThan(10);
    expect(total['crashes']).toBeGreaterThan(10);
  }, 60_000);
});
