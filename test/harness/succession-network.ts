/** A whole succession in one process: real machines over any group, and a relay whose order, losses and lies are chosen by a seed. */
import { createHash } from 'node:crypto';
import { encodeBase64 } from '../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { buildCertificate, type Certificate } from '../../protocol/ceremony/certificate.ts';
import { dealtTo } from '../../protocol/ceremony/cast.ts';
import { shareContext, sharingsHeldBy } from '../../protocol/ceremony/dealing.ts';
import { Epoch } from '../../protocol/ceremony/epoch.ts';
import { genesisHash } from '../../protocol/ceremony/founding.ts';
import { ceremonyMessageType, type CeremonyPayload } from '../../protocol/ceremony/messages.ts';
import { channelKeysOf, transcriptHash, type Transcript } from '../../protocol/ceremony/transcript.ts';
import type { ProtocolError } from '../../protocol/errors.ts';
import { memberByKey, type Charter, type Member } from '../../protocol/files/charter.ts';
import type { BoxKey, Group, SealingGroup, Secret } from '../../protocol/frost/group.ts';
import { deal, dealShare, finalShare, proveShare, verifyDealtShare } from '../../protocol/frost/keygen.ts';
import { wipeDealing } from '../../protocol/frost/resharing.ts';
import type { Identifier } from '../../protocol/frost/sharing.ts';
import { isQualified, samePoint } from '../../protocol/frost/sharing.ts';
import { successionBoxHeader, successionCast, type SuccessionGround } from '../../protocol/succession/cast.ts';
import { dealPlan, revealOf, type DealtPolynomial } from '../../protocol/succession/dealing.ts';
import type { Succession, SuccessionPayload } from '../../protocol/succession/document.ts';
import {
  successionStart,
  type SuccessionContext,
  type SuccessionEffect,
  type SuccessionEvent,
  type SuccessionState,
} from '../../protocol/succession/events.ts';
import { peopleOf, type SuccessionView } from '../../protocol/succession/judge.ts';
import { stepSuccession } from '../../protocol/succession/machine.ts';
import {
  emptySuccessionMemory,
  successionContradiction,
  successionRemembered,
  type SuccessionMemory,
  type SuccessionRecord,
} from '../../protocol/succession/memory.ts';
import {
  openingMessageType,
  openSuccessionMessage,
  type OpeningMessageOf,
  type SuccessionMessage,
} from '../../protocol/succession/messages.ts';
import { isNewer } from '../../protocol/succession/opening.ts';
import type { Successor } from '../../protocol/succession/retire.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { Person } from './people.ts';
import type { Random } from './random.ts';

export type SuccessionKind = SuccessionMessage['kind'];

/** What a member's disk holds: it survives `crash`. Shares lie beside it. */
interface Disk {
  readonly records: SuccessionRecord[];
  memory: SuccessionMemory;
  readonly certificates: Map<string, Certificate>;
  /** Transcript hashes of which every heir's `stored` is here. */
  readonly stored: Set<string>;
}

interface Secrets {
  readonly dealt: readonly DealtPolynomial[];
  readonly boxKey: BoxKey;
}

export interface Player {
  readonly person: Person;
  readonly self: Member;
  disk: Disk;
  state: SuccessionState;
  readonly inbox: SuccessionMessage[];
  readonly secrets: Map<string, Secrets>;
  /** New shares by ceremony and channel. */
  readonly shares: Map<string, Map<string, Secret>>;
  /** Old shares by channel; empty when they are erased. */
  old: Map<string, Secret>;
  readonly failures: ProtocolError[];
  readonly setbacks: ProtocolError[];
  readonly evidence: SuccessionView[];
  readonly refusals: string[];
  readonly attested: string[];
  candidate: Certificate | undefined;
  waitingFor: readonly string[];
  down: boolean;
  /** Counts crashes: what an earlier life had still to do is not done. */
  life: number;
}

export interface SuccessionFaults {
  /** Rewrites, drops (`undefined`) or passes what `to` gets to see of a message. */
  readonly deliver?: (message: SuccessionMessage, to: Player) => SuccessionMessage | undefined;
  /** Changes a reveal before its sender commits to it. */
  readonly deal?: (reveal: CeremonyPayload<'reveal'>, from: Player) => CeremonyPayload<'reveal'>;
  /** Changes the share that a dealer cuts, or the polynomials. */
  readonly dealt?: (dealt: DealtPolynomial[], from: Player, stage: SuccessionStage) => DealtPolynomial[];
  /** Changes a payload before its sender signs it. */
  readonly lie?: (kind: SuccessionKind, payload: object, from: Player) => object | undefined;
  readonly tick?: (network: SuccessionNetwork) => void;
  /** Called when a record is on a member's disk and before anything that follows from it is done. */
  readonly recorded?: (network: SuccessionNetwork, player: Player, entry: SuccessionRecord) => void;
}

/** An epoch whose shares a test may take: dealt by one hand. */
export interface DealtEpoch {
  readonly epoch: Epoch;
  readonly shares: ReadonlyMap<string, ReadonlyMap<string, Secret>>;
}

/** Makes the keys of a charter out of nothing; nobody signed its certificate. */
export function dealEpoch(arithmetic: SealingGroup, charter: Charter): DealtEpoch {
  const shares = new Map(charter.members.map(({ key }) => [key, new Map<string, Secret>()]));
  const channels = charter.channels.map(({ name, sharings }) => ({
    channel: name,
    sharings: sharings.map(({ threshold, members }) => {
      const dealing = deal(arithmetic, threshold);
      for (const one of members)
        shares.get(charter.members[one - 1]!.key)!.set(name, dealShare(arithmetic, dealing, one));
      return { commitments: dealing.commitments.map(({ bytes }) => bytesToHex(bytes)) };
    }),
  }));
  const nothing = '00'.repeat(32);
  const transcript: Transcript = {
    version: 1,
    origin: 'generated',
    charter: charter.hash,
    requesters: nothing,
    ceremony: nothing,
    channels,
    messages: charter.members.map(() => ({ hello: nothing, commit: nothing, reveal: nothing, boxes: nothing })),
  };
  return { epoch: epochOf(arithmetic, charter, buildCertificate(transcript, [])), shares };
}

function epochOf(arithmetic: Group, charter: Charter, certificate: Certificate): Epoch {
  return new Epoch(charter, certificate, channelKeysOf(arithmetic, charter, certificate.transcript));
}

/** A succession document that nobody signed. */
export function plannedSuccession(
  from: Epoch,
  charter: Charter,
  {
    number = 1,
    until = '2026-12-01T00:00:00Z',
    channels = charter.channels.map(({ name }) => ({ name, key: 'kept' })),
  }: Partial<SuccessionPayload> = {},
): Succession {
  const payload: SuccessionPayload = {
    groupKey: from.groupKey,
    epoch: from.hash,
    number,
    charter: charter.hash,
    requesters: '00'.repeat(32),
    channels: [...channels],
    until,
  };
  const bytes = encodeCanonicalJson(payload);
  return { payload, bytes, hash: sha256Hex(bytes), untilUnixSeconds: Date.parse(payload.until) / 1000 };
}

/** What a network is made of. */
export interface SuccessionStage {
  readonly arithmetic: SealingGroup;
  readonly people: readonly Person[];
  readonly ground: SuccessionGround;
  readonly shares: DealtEpoch['shares'];
  /** Whether envelopes are signed and opened; else messages are what an opener would answer. */
  readonly isSigned: boolean;
}

export class SuccessionNetwork {
  readonly stage: SuccessionStage;
  readonly ground: SuccessionGround;
  readonly random: Random;
  readonly faults: SuccessionFaults;
  readonly players: Player[];
  /** Everything anybody ever sent, in order: what a relay sees. */
  readonly log: SuccessionMessage[] = [];
  /** Candidates that anybody saw whole, by transcript hash. */
  readonly candidates = new Map<string, Certificate>();
  /** Who gave a share of genesis, by transcript hash. */
  readonly given = new Map<string, Set<Identifier>>();

  constructor(stage: SuccessionStage, random: Random, faults: SuccessionFaults = {}) {
    this.stage = stage;
    this.ground = stage.ground;
    this.random = random;
    this.faults = faults;
    this.players = peopleOf(stage.ground).map((self) => ({
      person: stage.people.find(({ key }) => key === self.key)!,
      self,
      disk: { records: [], memory: emptySuccessionMemory, certificates: new Map(), stored: new Set() },
      state: successionStart,
      inbox: [],
      secrets: new Map(),
      shares: new Map(),
      old: new Map(stage.shares.get(self.key) ?? []),
      failures: [],
      setbacks: [],
      evidence: [],
      refusals: [],
      attested: [],
      candidate: undefined,
      waitingFor: [],
      down: false,
      life: 0,
    }));
  }

  get heirs(): Player[] {
    return this.players.filter(({ self }) => memberByKey(this.ground.charter, self.key) !== undefined);
  }

  player(name: string): Player {
    return this.players.find(({ person }) => person.name === name)!;
  }

  context({ self }: Player): SuccessionContext {
    return { ground: this.ground, self, arithmetic: this.stage.arithmetic };
  }

  nonce(): string {
    return Array.from({ length: 8 }, () =>
      this.random
        .below(2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  }

  start(player: Player): void {
    const { memory, certificates, stored } = player.disk;
    const current = certificates.get(memory.ceremonies.current ?? '');
    const isCandidate = current !== undefined && stored.has(current.transcriptHash);
    if (isCandidate) player.candidate = current;
    this.feed(player, { kind: 'start', nonce: this.nonce(), memory, held: new Map(certificates), isCandidate });
  }

  /** Everybody takes part; then messages travel until none is left. */
  run(maxDeliveries = 20_000): void {
    for (const player of this.random.shuffle(this.players)) this.start(player);
    this.settle(maxDeliveries);
  }

  settle(maxDeliveries = 20_000): void {
    for (let count = 0; count < maxDeliveries; count += 1) {
      this.faults.tick?.(this);
      const waiting = this.players.filter((player) => !player.down && player.inbox.length > 0);
      if (waiting.length === 0) return;
      const player = this.random.pick(waiting);
      this.feed(player, { kind: 'message', message: this.takeNext(player) });
    }
    throw new Error(`the network did not settle (seed ${this.random.seed})`);
  }

  /** Any message in any order, except that two hellos of one sender keep theirs, as on any one connection. */
  private takeNext({ inbox }: Player): SuccessionMessage {
    const picked = this.random.below(inbox.length);
    const { kind, from } = inbox[picked]!;
    const first = kind === 'hello' ? inbox.findIndex((other) => other.kind === kind && other.from === from) : picked;
    return inbox.splice(first, 1)[0]!;
  }

  /** A minute passes in which nothing came. */
  silence(players = this.players): void {
    for (const player of players) if (!player.down) this.feed(player, { kind: 'silence' });
  }

  /** Loses memory; what is on disk stays. */
  crash(player: Player): void {
    player.down = true;
    player.life += 1;
    for (const ceremony of [...player.secrets.keys()]) this.forget(player, ceremony);
    player.inbox.length = 0;
    player.state = successionStart;
    player.candidate = undefined;
  }

  /** Loses everything but its identity. */
  loseDisk(player: Player): void {
    this.crash(player);
    player.disk = { records: [], memory: emptySuccessionMemory, certificates: new Map(), stored: new Set() };
    player.shares.clear();
    player.old = new Map();
  }

  /** The program starts again on the same home: what the relay kept is delivered again. */
  restart(player: Player): void {
    this.crash(player);
    player.down = false;
    this.start(player);
    this.deliverAgain(player);
  }

  /** What a relay hands out on a new connection: the newest hello of each, begins, and what was said in ceremonies that somebody is in. */
  deliverAgain(player: Player): void {
    const inside = new Set(
      this.players.flatMap(({ disk }) => [...disk.memory.ceremonies.stored, disk.memory.ceremonies.current]),
    );
    const hellos = new Map<string, OpeningMessageOf<'hello'>>();
    for (const one of this.log) {
      const known = hellos.get(one.from.key);
      if (one.kind === 'hello' && (known === undefined || isNewer(one, known))) hellos.set(one.from.key, one);
    }
    for (const message of this.log) {
      const isKept = 'ceremony' in message.payload ? inside.has(message.payload.ceremony) : message.kind === 'begin';
      if (isKept || hellos.get(message.from.key) === message) this.deliver(message, player);
    }
  }

  /** The genesis round asks every member at a candidate for its share; a key lives with the shares of a quorum. */
  askToSign(players = this.players): void {
    for (const player of players) {
      const { phase } = player.state.ceremony;
      if (!player.down && phase.kind === 'done') this.feed(player, { kind: 'asked-to-sign', ceremony: phase.ceremony });
    }
  }

  /** What a liar does without asking anybody's rules. */
  gave(epoch: string, { self }: Player): void {
    const heir = memberByKey(this.ground.charter, self.key);
    if (heir !== undefined) this.given.set(epoch, (this.given.get(epoch) ?? new Set()).add(heir.identifier));
  }

  /** Candidates whose genesis has the shares of a quorum: keys that live. */
  live(): Certificate[] {
    const { sharings } = this.ground.charter.channels[0]!;
    return [...this.candidates.values()].filter(({ transcriptHash: epoch }) =>
      isQualified(sharings, [...(this.given.get(epoch) ?? [])]),
    );
  }

  epochOf(certificate: Certificate): Epoch {
    return epochOf(this.stage.arithmetic, this.ground.charter, certificate);
  }

  successorOf(certificate: Certificate): Successor {
    const epoch = this.epochOf(certificate);
    return { ground: this.ground, epoch, genesis: genesisHash(epoch) };
  }

  /** Shows the genesis of a key that lives. */
  show(player: Player, certificate: Certificate): void {
    if (!player.down) this.feed(player, { kind: 'successor', successor: this.successorOf(certificate) });
  }

  private record(player: Player, entry: SuccessionRecord): void {
    const found = successionContradiction(player.disk.memory, entry);
    if (found !== undefined)
      throw new Error(`${player.person.name}: ${entry.type}: ${found} (seed ${this.random.seed})`);
    player.disk.memory = successionRemembered(player.disk.memory, entry);
    player.disk.records.push(entry);
    this.faults.recorded?.(this, player, entry);
  }

  feed(player: Player, event: SuccessionEvent): void {
    const queue: SuccessionEvent[] = [event];
    const { life } = player;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = stepSuccession(this.context(player), player.state, next);
      player.state = step.state;
      for (const effect of step.effects) {
        if (player.life !== life) return;
        const answer = this.perform(player, effect);
        if (answer !== undefined) queue.push(answer);
      }
      if (player.life !== life) return;
    }
  }

  private perform(player: Player, effect: SuccessionEffect): SuccessionEvent | undefined {
    switch (effect.kind) {
      case 'send':
        this.send(player, effect.message.kind, effect.message.payload);
        return undefined;
      case 'record':
        this.record(player, effect.entry);
        return undefined;
      case 'deal':
        return this.deal(player, effect);
      case 'seal':
        return this.seal(player, effect);
      case 'open-and-store':
        return this.openAndStore(player, effect);
      case 'store-certificate':
        player.disk.certificates.set(effect.ceremony, effect.certificate);
        return { kind: 'certificate-stored', ceremony: effect.ceremony };
      case 'load-share':
        if (!player.shares.has(effect.transcript.ceremony)) throw new Error('the share that is come back to is gone');
        return undefined;
      case 'wipe':
        this.forget(player, effect.ceremony);
        return undefined;
      case 'done':
        player.disk.stored.add(effect.certificate.transcriptHash);
        player.candidate = effect.certificate;
        this.candidates.set(effect.certificate.transcriptHash, effect.certificate);
        return undefined;
      case 'give':
        this.gave(player.candidate!.transcriptHash, player);
        return undefined;
      case 'erase':
        player.old = new Map();
        return { kind: 'share-erased' };
      case 'attest':
        player.attested.push(effect.epoch);
        return undefined;
      case 'farewell-refused':
        player.refusals.push(effect.reason);
        return undefined;
      case 'evidence':
        player.evidence.push(effect.view);
        return undefined;
      case 'progress':
        player.waitingFor = effect.waitingFor;
        return undefined;
      case 'setback':
        player.setbacks.push(effect.error);
        if (effect.view !== undefined) player.evidence.push(effect.view);
        return undefined;
      case 'failed':
        player.failures.push(effect.error);
        if (effect.view !== undefined) player.evidence.push(effect.view);
        return undefined;
      case 'show':
        return undefined;
    }
  }

  /** A message as its reader opens it. */
  message(kind: SuccessionKind, payload: object, { person, self }: Player): SuccessionMessage {
    if (this.stage.isSigned) {
      const type = kind === 'hello' || kind === 'begin' ? openingMessageType(kind) : ceremonyMessageType(kind);
      const envelope = sealMessage<unknown>(type, payload, person);
      return openSuccessionMessage(envelope, { before: this.ground.from.charter, after: this.ground.charter });
    }
    const hash = createHash('sha256').update(encodeCanonicalJson(payload)).digest('hex');
    const envelope: Envelope = { payload: '', payloadType: kind, signatures: [{ keyid: person.key, sig: '' }] };
    return { kind, from: self, payload, hash, envelope } as SuccessionMessage;
  }

  private send(player: Player, kind: SuccessionKind, honest: object): void {
    const payload = this.faults.lie === undefined ? honest : this.faults.lie(kind, honest, player);
    if (payload !== undefined) this.broadcast(this.message(kind, payload, player));
  }

  broadcast(message: SuccessionMessage): void {
    this.log.push(message);
    for (const receiver of this.players) if (!receiver.down) this.deliver(message, receiver);
  }

  private deliver(message: SuccessionMessage, to: Player): void {
    const { deliver } = this.faults;
    const seen = deliver === undefined ? message : deliver(message, to);
    if (seen !== undefined) to.inbox.push(seen);
  }

  private deal(player: Player, { ceremony, plan }: Extract<SuccessionEffect, { kind: 'deal' }>): SuccessionEvent {
    const { arithmetic } = this.stage;
    const honest = dealPlan(arithmetic, this.ground.charter, plan, (channel) => player.old.get(channel)!);
    const dealt = this.faults.dealt?.(honest, player, this.stage) ?? honest;
    const boxKey = arithmetic.makeBoxKey();
    player.secrets.set(ceremony, { dealt, boxKey });
    const speaker = player.self.identifier;
    const right = revealOf(arithmetic, { ceremony, speaker, encryptionKey: boxKey.publicKey }, dealt);
    const reveal = this.faults.deal?.(right, player) ?? right;
    return { kind: 'dealt', ceremony, reveal, revealHash: sha256Hex(encodeCanonicalJson(reveal)) };
  }

  private seal(player: Player, effect: Extract<SuccessionEffect, { kind: 'seal' }>): SuccessionEvent {
    const { arithmetic } = this.stage;
    const { ceremony, receivers } = effect;
    const { dealt } = player.secrets.get(ceremony)!;
    const boxes = receivers.map(({ to, key, places }) => {
      const shares = places.map((place) => dealShare(arithmetic, polynomialOf(dealt, place).dealing, to.identifier));
      const box = arithmetic.seal(key, successionBoxHeader(ceremony, player.self, to), shares)!;
      for (const share of shares) arithmetic.wipe(share);
      return { to: Number(to.identifier), box: encodeBase64(box) };
    });
    return { kind: 'sealed', ceremony, boxes };
  }

  private openAndStore(player: Player, effect: Extract<SuccessionEffect, { kind: 'open-and-store' }>): SuccessionEvent {
    const { arithmetic } = this.stage;
    const { ceremony, transcript } = effect;
    const { self } = player;
    const { dealt, boxKey } = player.secrets.get(ceremony)!;
    const parts = new Map<string, Secret[]>();
    const add = (channel: string, share: Secret): void => {
      parts.set(channel, [...(parts.get(channel) ?? []), share]);
    };
    const begin = player.state.opening.begins.get(ceremony);
    const cast = successionCast(this.ground, begin);
    for (const place of dealtTo(cast, self, self))
      add(place.channel, dealShare(arithmetic, polynomialOf(dealt, place).dealing, self.identifier));
    for (const { from, box, dealings } of effect.boxes) {
      const opened = arithmetic.open(boxKey, box, successionBoxHeader(ceremony, from, self), dealings.length);
      if (opened === undefined) return { kind: 'box-refused', ceremony, from: from.key };
      for (const [index, { channel, commitments }] of dealings.entries()) {
        if (!verifyDealtShare(arithmetic, opened[index]!, self.identifier, commitments))
          return { kind: 'box-refused', ceremony, from: from.key };
        add(channel, opened[index]!);
      }
    }
    const shares = new Map([...parts].map(([channel, all]) => [channel, finalShare(arithmetic, all)]));
    this.assertShares(player, transcript, shares);
    player.shares.set(ceremony, shares);
    this.forget(player, ceremony);
    const hash = transcriptHash(transcript);
    const proofs = sharingsHeldBy(this.ground.charter, self).map((place) => ({
      channel: place.channel,
      sharing: place.sharing,
      proof: bytesToHex(proveShare(arithmetic, shares.get(place.channel)!, self.identifier, shareContext(hash, place))),
    }));
    return { kind: 'share-stored', ceremony, proofs };
  }

  /** As the vault does before it proves a share: it is the transcript's own. */
  private assertShares({ self }: Player, transcript: Transcript, shares: ReadonlyMap<string, Secret>): void {
    const { arithmetic } = this.stage;
    const keys = channelKeysOf(arithmetic, this.ground.charter, transcript);
    for (const { channel } of sharingsHeldBy(this.ground.charter, self)) {
      const own = keys.get(channel)!.publicShares.get(self.identifier)!;
      if (!samePoint(arithmetic.publicPoint(shares.get(channel)!), own))
        throw new Error(`a wrong share for ${channel}`);
    }
  }

  private forget({ secrets }: Player, ceremony: string): void {
    const { arithmetic } = this.stage;
    const known = secrets.get(ceremony);
    for (const { dealing } of known?.dealt ?? []) wipeDealing(arithmetic, dealing);
    if (known !== undefined) arithmetic.wipe(known.boxKey);
    secrets.delete(ceremony);
  }
}

function polynomialOf(
  dealt: readonly DealtPolynomial[],
  { channel, sharing }: { readonly channel: string; readonly sharing: number },
): DealtPolynomial {
  return dealt.find(({ place }) => place.channel === channel && place.sharing === sharing)!;
}
