/** A key that is handed on with everybody honest, then with liars, silence and crashes (T47). */
import { describe, expect, it } from 'vitest';
import { departure } from '../../protocol/ceremony/memory.ts';
import { ceremonyStart } from '../../protocol/ceremony/events.ts';
import { stepCeremony } from '../../protocol/ceremony/machine.ts';
import { emptyCeremonyMemory } from '../../protocol/ceremony/memory.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import { deal } from '../../protocol/frost/keygen.ts';
import { problemOfEpoch } from '../../protocol/succession/cast.ts';
import { successionCeremonyId } from '../../protocol/succession/messages.ts';
import { judgeSuccession } from '../../protocol/succession/judge.ts';
import { stepSuccession } from '../../protocol/succession/machine.ts';
import { emptySuccessionMemory, mayAnswer } from '../../protocol/succession/memory.ts';
import { farewellTo } from '../../protocol/succession/retire.ts';
import {
  plannedSuccession,
  SuccessionNetwork,
  type Player,
  type SuccessionFaults,
  type SuccessionKind,
} from '../harness/succession-network.ts';
import { exponentStage, sodiumStage, secretOf, plans, type StagePlan } from '../harness/succession-stage.ts';
import { wildSuccession, type Happened } from '../harness/succession-wild.ts';
import { seededRandom } from '../harness/random.ts';

/** Everybody gives a share of genesis, and sees it live. */
function finish(run: SuccessionNetwork): void {
  run.askToSign();
  const [certificate, another] = run.live();
  expect(certificate).toBeDefined();
  expect(another).toBeUndefined();
  for (const player of run.players) run.show(player, certificate!);
}

function stageOf(plan: StagePlan, seed: number, faults: SuccessionFaults = {}): SuccessionNetwork {
  return new SuccessionNetwork(exponentStage(plan, seed), seededRandom(seed), faults);
}

function phases(players: readonly Player[]): string[] {
  return players.map(({ state }) => state.ceremony.phase.kind);
}

/** Minutes pass until the heirs are at a candidate, or `minutes` are over. */
function wait(run: SuccessionNetwork, minutes = 6): void {
  for (let minute = 0; minute < minutes && phases(run.heirs).some((kind) => kind !== 'done'); minute += 1) {
    run.silence();
    run.settle();
  }
}

function dealersOf(run: SuccessionNetwork): string[][] {
  const { members } = run.ground.from.charter;
  return run.log.flatMap((message) =>
    message.kind === 'begin'
      ? message.payload.dealers.map(({ identifiers }) => identifiers.map((one) => members[one - 1]!.name))
      : [],
  );
}

describe('a succession', () => {
  it.each(Object.entries(plans))('ends with the same key in the new hands and erased old shares: %s', (_, plan) => {
    const run = stageOf(plan, 1);
    const before = secretOf(run, 'old');
    run.run();
    expect(run.players.flatMap(({ failures }) => failures)).toEqual([]);
    expect(phases(run.heirs)).toEqual(run.heirs.map(() => 'done'));
    // Nothing of the old epoch is touched before there is a genesis.
    for (const player of run.players) expect(mayAnswer(player.disk.memory)).toBe(true);
    finish(run);
    expect(secretOf(run, 'new')).toEqual(before);
    for (const player of run.players) {
      expect(player.old.size).toBe(0);
      expect(player.disk.memory).toMatchObject({ isRetired: true, isErased: true });
      expect(player.disk.records.slice(-3).map(({ type }) => type)).toEqual(['live', 'retired', 'erased']);
      expect(player.attested).toHaveLength(1);
    }
  });

  it('does so with signed envelopes and real arithmetic', async () => {
    const run = new SuccessionNetwork(await sodiumStage(plans.grows), seededRandom(2));
    run.run();
    expect(run.players.flatMap(({ failures }) => failures)).toEqual([]);
    finish(run);
    expect(run.players.every(({ disk }) => disk.memory.isErased)).toBe(true);
  });

  it('asks heirs to deal before those who go, and gives nobody a share of a share', () => {
    const run = stageOf(plans.grows, 3);
    run.run();
    expect(dealersOf(run)).toEqual([['alice', 'carol']]);
    expect(run.player('bob').shares.size).toBe(0);
  });

  it('names its dealers in the ceremony: with others it is another one (trap 2)', () => {
    const run = stageOf(plans.grows, 4);
    run.run();
    const begin = run.log.find(({ kind }) => kind === 'begin')!;
    if (begin.kind !== 'begin') throw new Error('nobody began');
    const other = run.message(
      'begin',
      { ...begin.payload, dealers: [{ channel: 'production', identifiers: [1, 2] }] },
      run.heirs[0]!,
    );
    if (other.kind !== 'begin') throw new Error('no begin');
    expect(successionCeremonyId(other)).not.toBe(successionCeremonyId(begin));
  });

  it('goes on with other dealers than its begin names for nobody: too few, too many, or none for a channel', () => {
    const run = stageOf(plans.tiers, 5);
    for (const player of run.players) run.start(player);
    run.settle();
    const right = run.log.flatMap((message) => (message.kind === 'begin' ? [message.payload] : []))[0]!;
    const [production] = right.dealers;
    for (const dealers of [
      [{ ...production!, identifiers: production!.identifiers.slice(1) }],
      [{ ...production!, identifiers: [1, 2, 3, 4] }],
      [{ channel: 'development', identifiers: [4] }],
    ]) {
      const wrong = run.message('begin', { ...right, counter: right.counter + 1, dealers }, run.player('carol'));
      const before = run.player('erin').state.opening.begins.size;
      run.feed(run.player('erin'), { kind: 'message', message: wrong });
      expect(run.player('erin').state.opening.begins.size).toBe(before);
    }
  });
});

describe('the keys of a new epoch', () => {
  it('are the old ones byte for byte where they are kept, and none of the old ones where they are new', () => {
    const run = stageOf(plans.tiers, 12);
    run.run();
    const next = run.epochOf([...run.candidates.values()][0]!);
    expect(problemOfEpoch(run.ground, next)).toBeUndefined();
    const decided = (production: 'kept' | 'new', development: 'kept' | 'new') => {
      const channels = [
        { name: 'production', key: production },
        { name: 'development', key: development },
      ];
      const { from, charter } = run.ground;
      return { from, charter, succession: plannedSuccession(from, charter, { channels }) };
    };
    expect(problemOfEpoch(decided('kept', 'kept'), next)).toContain('development do not sum to its key');
    expect(problemOfEpoch(decided('new', 'new'), next)).toContain('production is an old one');
  });
});

describe('a dealer that lies', () => {
  /** Bob, who goes, is the lowest that has to deal beside the one who stays. */
  const plan = plans.strangers;

  /** Carol, who could deal as well, comes a little later. */
  function runWithBob(run: SuccessionNetwork): void {
    for (const player of run.players) if (player.person.name !== 'carol') run.start(player);
    run.settle();
    run.start(run.player('carol'));
    run.settle();
  }

  it.each<[string, SuccessionFaults, string]>([
    [
      'a cut that is not its share, though the sum over everybody is (trap 5)',
      {
        dealt: (dealt, { person }, { arithmetic }) =>
          person.name === 'bob'
            ? dealt.map((one) => ({ ...one, dealing: deal(arithmetic, one.place.of.threshold) }))
            : dealt,
      },
      'do not sum to its old share',
    ],
    [
      'a coefficient more than the new charter says (trap 3)',
      {
        dealt: (dealt, { person }, { arithmetic }) =>
          person.name === 'bob'
            ? dealt.map((one) => ({ ...one, dealing: deal(arithmetic, one.place.of.threshold + 1) }))
            : dealt,
      },
      'are not exactly 2 valid points',
    ],
    [
      'a constant whose logarithm it does not prove (trap 1)',
      {
        deal: (reveal, { person }) =>
          person.name === 'bob'
            ? {
                ...reveal,
                dealings: reveal.dealings.map((one) => ({
                  ...one,
                  proof: '11'.repeat(31) + '00' + '11'.repeat(31) + '00',
                })),
              }
            : reveal,
      },
      'proof of knowledge for production is wrong',
    ],
  ])('with %s is named with proof, and others deal (trap 11)', (_, faults, deed) => {
    const run = stageOf(plan, 6, faults);
    runWithBob(run);
    expect(phases(run.heirs)).toEqual(['done', 'done', 'done']);
    expect(dealersOf(run)).toEqual([
      ['alice', 'bob'],
      ['alice', 'carol'],
    ]);
    const setbacks = run.heirs.flatMap(({ setbacks: own }) => own);
    expect(setbacks.flatMap(({ culprits }) => culprits)).toContain('bob');
    expect(setbacks.map(({ message }) => message).join()).toContain(deed);
    const verdicts = judgeSuccession(
      run.stage.arithmetic,
      run.ground,
      run.heirs.flatMap(({ evidence }) => evidence),
    );
    expect(new Set(verdicts.map(({ culprit }) => culprit.name))).toEqual(new Set(['bob']));
    finish(run);
  });

  it('with a box that does not open is suspected, never proved, and asked after the others (T17)', () => {
    const run = stageOf(plan, 7, {
      lie: (kind, payload, { person }) =>
        kind === 'boxes' && person.name === 'bob'
          ? {
              ...payload,
              boxes: (payload as { boxes: { to: number; box: string }[] }).boxes.map(({ to }) => ({ to, box: 'AAAA' })),
            }
          : payload,
    });
    runWithBob(run);
    expect(phases(run.heirs)).toEqual(['done', 'done', 'done']);
    expect(dealersOf(run)[1]).toEqual(['alice', 'carol']);
    expect(run.heirs.flatMap(({ setbacks }) => setbacks.flatMap(({ culprits }) => culprits))).toEqual([]);
    expect(
      judgeSuccession(
        run.stage.arithmetic,
        run.ground,
        run.heirs.flatMap(({ evidence }) => evidence),
      ),
    ).toEqual([]);
  });

  it.each<SuccessionKind>(['commit', 'reveal', 'boxes'])(
    'by silence after it should say %s is replaced in a minute, and comes back when nobody else can (trap 11)',
    (kind) => {
      let isMute = true;
      const run = stageOf(plan, 8, {
        lie: (said, payload, { person }) => (isMute && said === kind && person.name === 'bob' ? undefined : payload),
      });
      runWithBob(run);
      expect(phases(run.heirs)).not.toContain('done');
      wait(run, 1);
      expect(phases(run.heirs)).toEqual(['done', 'done', 'done']);
      expect(dealersOf(run)).toEqual([
        ['alice', 'bob'],
        ['alice', 'carol'],
      ]);
      expect(run.players.flatMap(({ failures }) => failures)).toEqual([]);

      const alone = stageOf(plan, 9, {
        lie: (said, payload, { person }) =>
          (isMute && said === kind && person.name === 'bob') || person.name === 'carol' ? undefined : payload,
      });
      runWithBob(alone);
      wait(alone, 2);
      expect(phases(alone.heirs)).not.toContain('done');
      isMute = false;
      wait(alone, 3);
      expect(phases(alone.heirs)).toEqual(['done', 'done', 'done']);
    },
  );

  it('cannot make the heirs begin in circles by leaving again and again', () => {
    const run = stageOf(plan, 10, {
      // Whenever bob is asked it goes; and carol is not there.
      lie: (kind, payload, { person }) => {
        if (person.name === 'carol') return undefined;
        if (kind !== 'commit' || person.name !== 'bob') return payload;
        const { ceremony } = payload as { ceremony: string };
        run.broadcast(
          run.message('leave', { ceremony, code: 'restarted', reason: 'no', suspect: null }, run.player('bob')),
        );
        return payload;
      },
    });
    runWithBob(run);
    expect(dealersOf(run).length).toBeLessThanOrEqual(2);
    const before = dealersOf(run).length;
    wait(run, 3);
    expect(dealersOf(run).length - before).toBeLessThanOrEqual(3);
  });

  it('when its boxes are out stops nobody by going', () => {
    const run = stageOf(plan, 11, {
      recorded: (net, player, entry) => {
        if (player.person.name === 'bob' || entry.type !== 'succession-step' || entry.step.type !== 'ceremony-signed')
          return;
        if (!net.player('bob').down) net.crash(net.player('bob'));
      },
    });
    runWithBob(run);
    expect(run.player('bob').down).toBe(true);
    expect(phases(run.heirs)).toEqual(['done', 'done', 'done']);
  });
});

describe('an end of an old epoch', () => {
  function atCandidate(seed: number, faults: SuccessionFaults = {}, plan: StagePlan = plans.grows): SuccessionNetwork {
    const run = stageOf(plan, seed, faults);
    run.run();
    return run;
  }

  it('that is shown to some only ends it for them, and for the others when they see it (trap 12)', () => {
    const run = atCandidate(20);
    run.askToSign();
    const [certificate] = run.live();
    const [frank, alice, ...others] = run.heirs;
    for (const player of [frank!, alice!]) run.show(player, certificate!);
    expect(mayAnswer(alice!.disk.memory)).toBe(false);
    for (const player of [...others, run.player('bob')]) {
      expect(mayAnswer(player.disk.memory)).toBe(true);
      run.show(player, certificate!);
      expect(player.disk.memory.isErased).toBe(true);
    }
  });

  it('is none for an heir that has no share of it, for another epoch, or where it knows none of the heirs (trap 13)', () => {
    const run = atCandidate(21);
    const [certificate] = run.candidates.values();
    const successor = run.successorOf(certificate!);
    const { disk, self, state } = run.player('alice');
    const home = { key: self.key, epoch: run.ground.from.hash, memory: disk.memory, held: state.ceremony.held };
    expect(farewellTo(home, successor)).toEqual({ kind: 'heir' });
    expect(farewellTo({ ...home, epoch: successor.epoch.hash }, successor).kind).toBe('stranger');
    expect(farewellTo({ ...home, memory: emptySuccessionMemory }, successor).kind).toBe('lost');
    expect(farewellTo({ ...home, held: new Map() }, successor).kind).toBe('lost');
    expect(farewellTo({ ...home, key: run.player('bob').self.key }, successor).kind).toBe('bystander');
    const strangers = { ...successor.ground.charter, members: [run.player('frank').self] } as Charter;
    const foreign = { ...successor, ground: { ...successor.ground, charter: strangers } };
    expect(farewellTo({ ...home, key: run.player('bob').self.key }, foreign).kind).toBe('unknown');
    // What it was shown it refuses, and goes on answering.
    const lost = run.player('carol');
    run.loseDisk(lost);
    lost.down = false;
    run.start(lost);
    run.show(lost, certificate!);
    expect(lost.refusals).toHaveLength(1);
    expect(lost.disk.memory.live).toBeUndefined();
  });

  it('is told to whoever says hello when there is a key already', () => {
    const run = atCandidate(24);
    const alice = run.player('alice');
    run.restart(alice);
    run.settle();
    expect(alice.state.ceremony.phase.kind).toBe('done');
    const shown = stepSuccession(run.context(alice), alice.state, {
      kind: 'message',
      message: run.message(
        'hello',
        {
          succession: run.ground.succession.hash,
          epoch: run.ground.from.hash,
          charter: run.ground.charter.hash,
          serial: 9,
          nonce: '55'.repeat(32),
        },
        run.player('grace'),
      ),
    });
    expect(shown.effects.map(({ kind }) => kind)).toContain('show');
  });

  it('brings back an heir that had gone in silence', () => {
    let isHidden = true;
    const run = atCandidate(22, {
      deliver: (message, to) =>
        isHidden && message.kind === 'stored' && to.person.name === 'alice' ? undefined : message,
    });
    const alice = run.player('alice');
    const { ceremony } = [...run.candidates.values()][0]!;
    const words = { ceremony, code: 'restarted', reason: 'a lie', suspect: null };
    run.feed(alice, { kind: 'message', message: run.message('leave', words, run.player('grace')) });
    expect(alice.disk.memory.ceremonies.parted.has(ceremony)).toBe(true);
    isHidden = false;
    run.askToSign();
    run.show(alice, run.live()[0]!);
    expect(alice.disk.memory).toMatchObject({ isErased: true, ceremonies: { current: ceremony } });
  });

  it('comes for all but the one whose disk died when all had said `stored`; and where nobody gave a share all are free (trap 14)', () => {
    const run = atCandidate(23);
    const grace = run.player('grace');
    run.loseDisk(grace);
    run.restart(grace);
    run.settle();
    expect(grace.failures.map(({ code }) => code)).toEqual(['rolled-back']);
    const others = run.heirs.filter((player) => player !== grace);
    for (const { disk } of others) {
      const { current } = disk.memory.ceremonies;
      const words = { ceremony: current!, code: 'restarted', reason: 'anew', suspect: null } as const;
      expect(departure(disk.memory.ceremonies, words)).toMatchObject({ type: 'ceremony-parted' });
    }
    // The other three are enough, too.
    run.askToSign(others);
    for (const player of others) run.show(player, run.live()[0]!);
    expect(others.every(({ disk }) => disk.memory.isErased)).toBe(true);
  });

  it('survives a crash of anybody between any two records, and nothing is ever said twice in two ways (trap 15)', () => {
    let crashes = 0;
    for (const name of ['frank', 'alice', 'carol', 'grace', 'bob']) {
      for (let place = 1, isOver = false; !isOver; place += 1) {
        const seen = { crash: false };
        const run = stageOf(plans.grows, 1000 + place, {
          recorded: (net, player) => {
            if (seen.crash || player.person.name !== name || player.disk.records.length !== place) return;
            seen.crash = true;
            net.crash(player);
          },
        });
        run.run();
        for (let round = 0; round < 4 && run.players.some(({ disk }) => !disk.memory.isErased); round += 1) {
          for (const player of run.players) if (player.down) run.restart(player);
          run.settle();
          wait(run, 2);
          run.askToSign();
          for (const certificate of run.live()) for (const player of run.players) run.show(player, certificate);
        }
        expect(
          run.players.flatMap(({ failures }) => failures),
          `${name} at ${place}`,
        ).toEqual([]);
        expect(
          run.players.filter(({ disk }) => !disk.memory.isErased),
          `${name} at ${place}`,
        ).toEqual([]);
        isOver = !seen.crash;
        crashes += Number(seen.crash);
      }
    }
    expect(crashes).toBeGreaterThan(30);
  }, 60_000);
});

describe('a begin', () => {
  it('is entered no more than 64 times in one run: each is in the journal for good (T43)', () => {
    // Nobody commits, so that every ceremony waits for the next begin.
    const run = stageOf(plans.grows, 30, { lie: (kind, payload) => (kind === 'commit' ? undefined : payload) });
    run.run();
    const [right] = run.log.flatMap((message) => (message.kind === 'begin' ? [message.payload] : []));
    const alice = run.player('alice');
    for (let counter = 2; counter <= 70; counter += 1) {
      const message = run.message('begin', { ...right!, counter }, run.player('frank'));
      run.feed(alice, { kind: 'message', message });
    }
    expect(alice.failures.map(({ code }) => code)).toEqual(['too-many']);
    expect(alice.disk.memory.ceremonies.joined.size).toBe(64);
  });
});

describe('begins without end', () => {
  it('push the one that is running out of nobody’s memory', () => {
    const run = stageOf(plans.grows, 31);
    run.run();
    const [right] = run.log.flatMap((message) => (message.kind === 'begin' ? [message.payload] : []));
    const alice = run.player('alice');
    const { phase } = alice.state.ceremony;
    for (let counter = 2; counter < 200; counter += 1) {
      const hellos = right!.hellos.map(() => '77'.repeat(32));
      const message = run.message('begin', { ...right!, counter, hellos }, run.player('frank'));
      run.feed(alice, { kind: 'message', message });
    }
    expect(alice.state.opening.begins.size).toBe(64);
    expect('ceremony' in phase && alice.state.opening.begins.has(phase.ceremony)).toBe(true);
  });
});

describe('successions beside each other', () => {
  function begin(memory = emptySuccessionMemory, number = 1, until = '2026-12-01T00:00:00Z') {
    const stage = exponentStage(plans.grows, 40);
    const { from, charter } = stage.ground;
    const planned = plannedSuccession(from, charter, { number, until });
    const run = new SuccessionNetwork({ ...stage, ground: { from, charter, succession: planned } }, seededRandom(40));
    const player = run.player('alice');
    player.disk.memory = memory;
    run.start(player);
    return { run, player };
  }

  it('of one number exclude each other, and a lower one is over: a member takes part in one (trap 7)', () => {
    const { memory } = begin().player.disk;
    expect(memory.entered?.number).toBe(1);
    const other = begin(memory, 1, '2026-11-30T00:00:00Z');
    expect(other.player.failures[0]).toMatchObject({ code: 'conflict' });
    expect(other.run.log).toEqual([]);
    const higher = begin(memory, 2);
    expect(higher.player.failures).toEqual([]);
    expect(begin(higher.player.disk.memory, 1).player.failures[0]).toMatchObject({ code: 'conflict' });
  });

  it('are left before anything of the next is said, and bind for ever who gave a share', () => {
    const run = stageOf(plans.grows, 41);
    run.run();
    const { memory } = run.player('alice').disk;
    const next = begin(memory, 2);
    expect(next.player.failures).toEqual([]);
    expect(next.player.disk.memory.ceremonies.parted.size).toBe(1);
    run.askToSign([run.player('alice')]);
    const bound = begin(run.player('alice').disk.memory, 2);
    expect(bound.player.failures[0]).toMatchObject({ code: 'conflict' });
    expect(bound.run.log.map(({ kind }) => kind)).toEqual([]);
  });

  it('are no ceremony: under a charter that continues a group none makes a key (trap 16)', () => {
    const { ground, arithmetic } = exponentStage(plans.grows, 42);
    const charter = { ...ground.charter, continues: 'frostmark-group:acme:of-whomever' };
    const context = {
      charter,
      requesters: '00'.repeat(32),
      imported: undefined,
      self: charter.members[0]!,
      arithmetic,
    };
    const { effects } = stepCeremony(context, ceremonyStart, {
      kind: 'start',
      nonce: '00'.repeat(32),
      memory: emptyCeremonyMemory,
      held: new Map(),
      isCandidate: false,
    });
    expect(effects).toMatchObject([{ kind: 'failed', error: { code: 'bad-charter' } }]);
  });
});

describe('whatever liars, a relay and crashes do, by a seed (T47)', () => {
  it('one number never has two live geneses, the key never changes, nobody honest is named, and in the end everybody is done', () => {
    const total: Partial<Happened> = {};
    for (let seed = 1; seed <= 250; seed += 1)
      for (const [what, times] of Object.entries(wildSuccession(seed)) as [keyof Happened, number][])
        total[what] = (total[what] ?? 0) + times;
    expect(total.live).toBe(250);
    for (const what of ['lies', 'drops', 'replays', 'crashes', 'silences'] as const)
      expect(total[what]).toBeGreaterThan(200);
    expect(total.setbacks).toBeGreaterThan(20);
  }, 120_000);
});
