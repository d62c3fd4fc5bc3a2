/**
 * A succession in which liars, the relay and crashes do whatever a seed says, and then everybody is honest: what must hold at every record on every
 * disk, and at the end. Up to a quorum less one lie, among the old members and among the heirs.
 */
import { isQualified } from '../../protocol/frost/sharing.ts';
import { memberByKey, type Charter } from '../../protocol/files/charter.ts';
import { deal } from '../../protocol/frost/keygen.ts';
import { departure } from '../../protocol/ceremony/memory.ts';
import type { DealtPolynomial } from '../../protocol/succession/dealing.ts';
import { judgeSuccession } from '../../protocol/succession/judge.ts';
import { mayAnswer } from '../../protocol/succession/memory.ts';
import type { SuccessionMessage } from '../../protocol/succession/messages.ts';
import { seededRandom, type Random } from './random.ts';
import { exponentStage, plans, secretOf, type StagePlan } from './succession-stage.ts';
import { SuccessionNetwork, type Player, type SuccessionKind } from './succession-network.ts';

/** How often each fault happened. */
export type Happened = Record<'lies' | 'drops' | 'replays' | 'crashes' | 'silences' | 'live' | 'setbacks', number>;

/** The small ones more often: they cost a quarter of the others. */
const chosenPlans: readonly StagePlan[] = [
  plans.grows,
  plans.refresh,
  plans.refresh,
  plans.strangers,
  plans.strangers,
  plans.tiers,
  plans.flattened,
];

/** Runs one seed to its end. Throws an error that names the seed when something that must hold does not. */
export function wildSuccession(seed: number): Happened {
  return new WildRun(seed).run();
}

class WildRun {
  readonly random: Random;
  readonly network: SuccessionNetwork;
  readonly liars: ReadonlySet<string>;
  readonly happened: Happened = { lies: 0, drops: 0, replays: 0, crashes: 0, silences: 0, live: 0, setbacks: 0 };
  /** Of each liar: it says nothing from the first word of this kind on. */
  readonly mutes = new Map<string, SuccessionKind>();
  /** Production's, read before any old share is erased. */
  readonly secret: bigint;
  isWild = true;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const stage = exponentStage(this.random.pick(chosenPlans), seed);
    this.network = new SuccessionNetwork(stage, this.random, {
      deliver: (message, to) => this.deliver(message, to),
      lie: (kind, payload, from) => this.say(kind, payload, from),
      dealt: (dealt, from) => this.dealWrongly(dealt, from),
      tick: () => {
        this.tick();
      },
      recorded: (_, player) => {
        this.check();
        if (this.isWild && this.isHonest(player) && this.random.oneIn(30)) this.crash(player);
      },
    });
    this.liars = this.chooseLiars();
    this.secret = secretOf(this.network, 'old');
    for (const key of this.liars)
      if (this.random.oneIn(3))
        this.mutes.set(key, this.random.pick(['hello', 'commit', 'reveal', 'boxes', 'transcript', 'stored']));
  }

  run(): Happened {
    const { network } = this;
    network.run();
    for (let round = 0; round < 3; round += 1) {
      this.actUp();
      network.settle();
    }
    this.isWild = false;
    this.heal();
    this.checkEnd();
    return this.happened;
  }

  /** As many as are no quorum, neither of the old production nor of the new one; sometimes nobody. */
  chooseLiars(): Set<string> {
    const { ground, players } = this.network;
    const liars = new Set<string>();
    if (this.random.oneIn(6)) return liars;
    for (const { self } of this.random.shuffle(players)) {
      const more = new Set(liars).add(self.key);
      if (![ground.from.charter, ground.charter].some((charter) => isQuorum(charter, more))) liars.add(self.key);
    }
    return liars;
  }

  isHonest({ self }: Player): boolean {
    return !this.liars.has(self.key);
  }

  count(what: keyof Happened): void {
    this.happened[what] += 1;
  }

  deliver(message: SuccessionMessage, to: Player): SuccessionMessage | undefined {
    const isOwn = message.from.key === to.self.key;
    // To itself a liar's machine is an honest one, which would stop at words that it never said.
    if (isOwn) return this.isOwnLie(message, to) ? undefined : message;
    if (!this.isWild) return message;
    if (this.random.oneIn(25)) {
      this.count('drops');
      return undefined;
    }
    if (this.random.oneIn(40)) {
      this.count('replays');
      to.inbox.push(this.random.pick(this.network.log));
      if (to.inbox.at(-1)!.from.key === to.self.key) to.inbox.pop();
    }
    if (!this.liars.has(message.from.key) || !this.random.oneIn(12)) return message;
    this.count('lies');
    return this.otherVersion(message);
  }

  readonly #lies = new WeakSet<SuccessionMessage>();

  isOwnLie(message: SuccessionMessage, to: Player): boolean {
    const isOpening = message.kind === 'hello' || message.kind === 'begin';
    return this.#lies.has(message) && !isOpening && !this.isHonest(to);
  }

  /** What only the sender can sign: another word in the place of this one. */
  otherVersion(message: SuccessionMessage): SuccessionMessage | undefined {
    const player = this.network.players.find(({ self }) => self.key === message.from.key)!;
    const { kind, payload } = message;
    const other = (change: object): SuccessionMessage => {
      const lie = this.network.message(kind, { ...payload, ...change }, player);
      this.#lies.add(lie);
      this.network.log.push(lie);
      return lie;
    };
    const hash = '11'.repeat(32);
    switch (kind) {
      case 'hello':
        return other({ serial: message.payload.serial + this.random.below(2), nonce: this.network.nonce() });
      case 'begin':
        return other({
          counter: message.payload.counter + this.random.below(3),
          hellos: message.payload.hellos.toReversed(),
        });
      case 'commit':
        return other({ reveal: hash });
      case 'reveal':
        return other(this.random.oneIn(2) ? { encryptionKey: hash } : { dealings: message.payload.dealings.slice(1) });
      case 'boxes':
        return other({
          boxes: message.payload.boxes.map(({ to, box }) => ({ to, box: box.replace(/^..../, 'AAAA') })),
        });
      case 'transcript':
        return other(this.random.oneIn(2) ? { transcript: hash } : { proofs: [] });
      case 'stored':
        return this.random.oneIn(2) ? undefined : this.leaveOf(message.payload.ceremony, player);
      case 'leave':
        return undefined;
    }
  }

  leaveOf(ceremony: string, player: Player): SuccessionMessage {
    const code = this.random.pick(['restarted', 'suspicion', 'fault', 'conflict']);
    const suspect = this.random.oneIn(2) ? this.random.pick(this.network.players).person.name : null;
    const lie = this.network.message('leave', { ceremony, code, reason: 'a lie', suspect }, player);
    this.#lies.add(lie);
    this.network.log.push(lie);
    return lie;
  }

  say(kind: SuccessionKind, payload: object, { self }: Player): object | undefined {
    const mute = this.mutes.get(self.key);
    if (!this.isWild || mute === undefined) return payload;
    if (mute !== kind && !this.muted.has(self.key)) return payload;
    this.muted.add(self.key);
    this.count('lies');
    return undefined;
  }

  readonly muted = new Set<string>();

  dealWrongly(dealt: DealtPolynomial[], { self }: Player): DealtPolynomial[] {
    if (!this.isWild || !this.liars.has(self.key) || dealt.length === 0 || !this.random.oneIn(3)) return dealt;
    this.count('lies');
    const wrong = this.random.pick(dealt);
    const length = wrong.place.of.threshold + (this.random.oneIn(2) ? 0 : 1);
    const dealing = deal(this.network.stage.arithmetic, length);
    return dealt.map((one) => (one === wrong ? { ...one, dealing } : one));
  }

  crash(player: Player): void {
    this.count('crashes');
    this.network.crash(player);
  }

  tick(): void {
    if (!this.isWild || !this.random.oneIn(60)) return;
    const { players, log } = this.network;
    const player = this.random.pick(players);
    if (player.down) this.network.restart(player);
    else if (this.isHonest(player)) this.crash(player);
    else if (log.length > 0) this.lieAtRandom(player);
  }

  /** Words that fit nothing: a leave, a `stored` or a begin for whatever ceremony was spoken of. */
  lieAtRandom(player: Player): void {
    const { payload } = this.random.pick(this.network.log);
    if (!('ceremony' in payload)) return;
    const { ceremony } = payload;
    const isHeir = memberByKey(this.network.ground.charter, player.self.key) !== undefined;
    const lie =
      isHeir && this.random.oneIn(2)
        ? this.network.message('stored', { ceremony, transcript: this.transcriptOf(ceremony) }, player)
        : this.leaveOf(ceremony, player);
    this.#lies.add(lie);
    this.count('lies');
    for (const other of this.network.players)
      if (!other.down && other !== player && this.random.oneIn(2)) other.inbox.push(lie);
    this.network.log.push(lie);
  }

  transcriptOf(ceremony: string): string {
    const said = this.network.log.flatMap((message) =>
      message.kind === 'transcript' && message.payload.ceremony === ceremony ? [message.payload.transcript] : [],
    );
    return said[0] ?? '22'.repeat(32);
  }

  /** Between two bursts of messages: minutes pass, shares are given, programs start again, and liars give shares to everything. */
  actUp(): void {
    const { network, random } = this;
    for (const player of network.players) {
      if (player.down || (player.state.ceremony.phase.kind === 'failed' && random.oneIn(2))) network.restart(player);
      if (random.oneIn(2)) network.askToSign([player]);
    }
    for (const epoch of network.candidates.keys())
      for (const player of network.players) if (!this.isHonest(player)) network.gave(epoch, player);
    this.check();
    for (const certificate of network.live())
      for (const player of network.players) if (random.oneIn(2)) network.show(player, certificate);
    if (random.oneIn(2)) {
      this.count('silences');
      network.silence(network.players.filter(() => !random.oneIn(3)));
    }
  }

  /** From here on the relay shows everybody everything, and whoever stopped starts again, until the old epoch has ended for all. */
  heal(): void {
    const { network } = this;
    for (let round = 0; round < 16; round += 1) {
      for (const player of network.players) {
        const isMute = round === 0 && this.muted.has(player.self.key);
        if (isMute || player.down || player.state.ceremony.phase.kind === 'failed') network.restart(player);
        else network.deliverAgain(player);
      }
      network.settle(60_000);
      network.askToSign();
      for (const certificate of network.live()) for (const player of network.players) network.show(player, certificate);
      network.settle();
      if (network.players.every(({ disk }) => disk.memory.isErased)) return;
      if (round > 0) network.silence();
      network.settle();
    }
  }

  fail(what: string): never {
    throw new Error(`${what} (seed ${this.random.seed})`);
  }

  /** What holds at every record of anybody. */
  check(): void {
    const { network } = this;
    const { ground, players } = network;
    const [production] = ground.charter.channels;
    const liars = ground.charter.members.filter(({ key }) => this.liars.has(key)).map(({ identifier }) => identifier);
    // Liars may give shares to anything, whether anybody knows of it or not.
    const possible = [...network.given].filter(([, signers]) =>
      isQualified(production!.sharings, [...signers, ...liars]),
    );
    if (possible.length > 1) this.fail('two geneses can live');
    const live = network.live().map(({ transcriptHash }) => transcriptHash);
    for (const player of players) {
      const { memory } = player.disk;
      if (memory.live !== undefined && !live.includes(memory.live.epoch))
        this.fail('an epoch is live that has no genesis');
      if ((memory.isRetired || memory.isErased) && mayAnswer(memory)) this.fail('a retired member answers');
      const { stored, left } = memory.ceremonies;
      if (stored.some((ceremony) => left.has(ceremony))) this.fail('somebody said stored and leave');
    }
    if (live.length > 0) return;
    if (players.some(({ self, old }) => memberByKey(ground.from.charter, self.key) !== undefined && old.size === 0))
      this.fail('a share of the old quorum is erased before there is a new one');
  }

  checkEnd(): void {
    const { network, happened } = this;
    const { players, ground } = network;
    this.check();
    for (const player of players.filter((one) => this.isHonest(one))) {
      if (!player.disk.memory.isErased)
        this.fail(`${player.person.name} did not come to an end: ${player.state.ceremony.phase.kind}`);
      const named = [...player.failures, ...player.setbacks].flatMap(({ culprits }) => culprits);
      for (const name of named) if (this.isHonest(network.player(name))) this.fail(`${name} is honest and was named`);
      this.checkFreedom(player);
    }
    const views = players.filter((one) => this.isHonest(one)).flatMap(({ evidence }) => evidence);
    for (const { culprit, deed } of judgeSuccession(network.stage.arithmetic, ground, views))
      if (!this.liars.has(culprit.key)) this.fail(`${culprit.name} is honest and was judged: ${deed}`);
    if (secretOf(network, 'new') !== this.secret) this.fail('the key is another');
    happened.live += network.live().length;
    happened.setbacks += players.reduce((sum, { setbacks }) => sum + setbacks.length, 0);
  }

  /** Whoever gave no share can always go to another succession. */
  checkFreedom({ disk }: Player): void {
    const { current, given, live } = disk.memory.ceremonies;
    if (current === undefined || given !== undefined || live.has(current)) return;
    const words = { ceremony: current, code: 'restarted', reason: 'anew', suspect: null } as const;
    if (departure(disk.memory.ceremonies, words) === undefined) this.fail('somebody who gave no share is stuck');
  }
}

function isQuorum(charter: Charter, keys: ReadonlySet<string>): boolean {
  const [production] = charter.channels;
  const who = charter.members.filter(({ key }) => keys.has(key)).map(({ identifier }) => identifier);
  return isQualified(production!.sharings, who);
}
