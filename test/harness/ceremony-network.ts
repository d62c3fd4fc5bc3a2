/** A whole ceremony in one process: real machines, real libsodium, and a relay whose order, losses and lies are chosen by a seed. */
import { randomBytes } from 'node:crypto';
import { encodeBase64 } from '../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import {
  ceremonyMessageType,
  openCeremonyMessage,
  type CeremonyKind,
  type CeremonyPayload,
} from '../../protocol/ceremony/messages.ts';
import { type Certificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch, type Epoch } from '../../protocol/ceremony/epoch.ts';
import { channelKeysOf, transcriptHash } from '../../protocol/ceremony/transcript.ts';
import { samePoint } from '../../protocol/frost/sharing.ts';
import type { Charter, Member } from '../../protocol/files/charter.ts';
import {
  boxHeader,
  commonSharings,
  dealingContext,
  shareContext,
  sharingsDealtBy,
  sharingsHeldBy,
  type Origin,
} from '../../protocol/ceremony/dealing.ts';
import type { Import } from '../../protocol/ceremony/import.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { ProtocolError } from '../../protocol/errors.ts';
import type { BoxKey, SealingGroup, Secret } from '../../protocol/frost/group.ts';
import { createSodiumGroup } from '../../protocol/frost/group-sodium.ts';
import { createNobleGroup } from '../../protocol/frost/group-noble.ts';
import {
  deal,
  dealShare,
  finalShare,
  proveDealing,
  proveShare,
  verifyDealtShare,
  type Dealing,
} from '../../protocol/frost/keygen.ts';
import {
  ceremonyStart,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyState,
  type StrangeHello,
} from '../../protocol/ceremony/events.ts';
import type { CeremonyView } from '../../protocol/ceremony/judge.ts';
import {
  contradictionOf,
  emptyCeremonyMemory,
  mayGive,
  remembered,
  type CeremonyMemory,
  type CeremonyRecord,
} from '../../protocol/ceremony/memory.ts';
import { stepCeremony } from '../../protocol/ceremony/machine.ts';
import { emptyRequesters } from '../../protocol/files/requesters.ts';
import type { Person } from './people.ts';
import type { Random } from './random.ts';

/** What a member's disk holds: it survives `crash`. Shares lie in `SimulatedMember.shares`. */
interface Disk {
  readonly records: CeremonyRecord[];
  memory: CeremonyMemory;
  /** By ceremony. */
  readonly certificates: Map<string, Certificate>;
  /** Every member's `stored`, by transcript hash. */
  readonly stored: Map<string, readonly Envelope[]>;
}

function emptyDisk(): Disk {
  return { records: [], memory: emptyCeremonyMemory, certificates: new Map(), stored: new Map() };
}

interface Secrets {
  readonly dealings: { readonly channel: string; readonly sharing: number; readonly dealing: Dealing }[];
  readonly boxKey: BoxKey;
}

export interface SimulatedMember {
  readonly person: Person;
  readonly member: Member;
  disk: Disk;
  state: CeremonyState;
  readonly inbox: Envelope[];
  readonly secrets: Map<string, Secrets>;
  /** Final shares by ceremony and channel: in memory here, an age file in a real home. */
  readonly shares: Map<string, Map<string, Secret>>;
  readonly failures: ProtocolError[];
  /** What it saw of ceremonies that failed, and of lies in those that did not. */
  readonly evidence: CeremonyView[];
  /** Of the candidate it is at. */
  stored: readonly Envelope[] | undefined;
  down: boolean;
  /** Whom its owner was told that it waits for. */
  waitingFor: readonly string[];
  /** Hellos of other files, as this member was told of them last. */
  strange: readonly StrangeHello[];
  /** Counts crashes: what an earlier life had still to do is not done. */
  life: number;
}

export interface ImportedShare {
  readonly imported: Import;
  readonly share: Secret | undefined;
}

export interface CeremonyFaults {
  /** Rewrites, drops (`undefined`) or passes what `to` gets to see of a message. */
  readonly deliver?: (envelope: Envelope, kind: CeremonyKind, from: string, to: string) => Envelope | undefined;
  /** Changes a payload before its honest sender signs it: the sender is the liar. */
  readonly lie?: (kind: CeremonyKind, payload: Record<string, unknown>, from: string) => Record<string, unknown>;
  /** The polynomial's length a liar deals with, instead of the threshold. */
  readonly coefficients?: (from: string, threshold: number) => number;
  /** Changes a reveal before its sender commits to it. */
  readonly deal?: (reveal: CeremonyPayload<'reveal'>, from: string) => CeremonyPayload<'reveal'>;
  /** Called before each delivery; may crash members. */
  readonly tick?: (network: CeremonyNetwork) => void;
  readonly doubled?: boolean;
  /** Called when a record is on a member's disk and before anything that follows from it is done. */
  readonly recorded?: (network: CeremonyNetwork, member: SimulatedMember, entry: CeremonyRecord) => void;
  /** The import file that a member joins with, and its share in it. */
  readonly imported?: (name: string) => ImportedShare | undefined;
}

const publicGroup = createNobleGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
let sodium: Promise<SealingGroup> | undefined;

/** One arena for all members of all tests of a worker. */
export function sharedSodium(): Promise<SealingGroup> {
  return (sodium ??= createSodiumGroup({
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    arenaSlots: 20_000,
  }));
}

export class CeremonyNetwork {
  readonly charter: Charter;
  readonly members: SimulatedMember[];
  readonly random: Random;
  readonly sodium: SealingGroup;
  readonly faults: CeremonyFaults;
  /** Everything anybody ever sent, in order: what a relay sees. */
  readonly log: Envelope[] = [];
  /** Who gave a share of genesis, by epoch. */
  readonly given = new Map<string, Set<number>>();

  constructor(
    charter: Charter,
    people: readonly Person[],
    arithmetic: SealingGroup,
    random: Random,
    faults: CeremonyFaults = {},
  ) {
    this.charter = charter;
    this.random = random;
    this.sodium = arithmetic;
    this.faults = faults;
    this.members = people.map((who, index) => ({
      person: who,
      member: charter.members[index]!,
      disk: emptyDisk(),
      state: ceremonyStart,
      inbox: [],
      secrets: new Map(),
      shares: new Map(),
      failures: [],
      evidence: [],
      stored: undefined,
      down: false,
      waitingFor: [],
      strange: [],
      life: 0,
    }));
  }

  context(member: SimulatedMember): CeremonyContext {
    return {
      charter: this.charter,
      requesters: sha256Hex(emptyRequesters(this.charter).bytes),
      imported: this.importedBy(member)?.imported,
      self: member.member,
      arithmetic: this.sodium,
    };
  }

  private start(member: SimulatedMember): void {
    const { memory, certificates, stored } = member.disk;
    const current = certificates.get(memory.current ?? '');
    const isCandidate = current !== undefined && stored.has(current.transcriptHash);
    if (isCandidate) member.stored = stored.get(current.transcriptHash);
    const nonce = bytesToHex(randomBytes(32));
    this.feed(member, { kind: 'start', nonce, memory, held: new Map(certificates), isCandidate });
  }

  private importedBy(member: SimulatedMember): ImportedShare | undefined {
    return this.faults.imported?.(member.person.name);
  }

  private origin(member: SimulatedMember): Origin {
    return this.importedBy(member) === undefined ? 'generated' : 'imported';
  }

  /** Everybody joins; then messages travel until none is left. */
  run(maxDeliveries = 20_000): void {
    for (const member of this.random.shuffle(this.members)) this.start(member);
    this.settle(maxDeliveries);
  }

  settle(maxDeliveries = 20_000): void {
    for (let count = 0; count < maxDeliveries; count += 1) {
      this.faults.tick?.(this);
      const waiting = this.members.filter((member) => !member.down && member.inbox.length > 0);
      if (waiting.length === 0) return;
      const member = this.random.pick(waiting);
      const envelope = this.takeNext(member);
      this.feed(member, { kind: 'message', message: openCeremonyMessage(envelope, this.charter) });
    }
    throw new Error(`the network did not settle (seed ${this.random.seed})`);
  }

  /** Any message in any order, except that two hellos of one sender keep theirs, as on any one connection. */
  private takeNext(member: SimulatedMember): Envelope {
    const picked = this.random.pick(member.inbox);
    const isHello = picked.payloadType === ceremonyMessageType('hello').payloadType;
    const first = isHello
      ? member.inbox.findIndex(
          (other) =>
            other.payloadType === picked.payloadType && other.signatures[0].keyid === picked.signatures[0].keyid,
        )
      : member.inbox.indexOf(picked);
    return member.inbox.splice(first, 1)[0]!;
  }

  /** Loses memory; what is on disk stays. */
  crash(member: SimulatedMember): void {
    member.down = true;
    member.life += 1;
    for (const ceremony of member.secrets.keys()) this.forget(member, ceremony);
    member.inbox.length = 0;
    member.state = ceremonyStart;
  }

  /** Loses everything but its identity. */
  loseDisk(member: SimulatedMember): void {
    this.crash(member);
    member.disk = emptyDisk();
    member.shares.clear();
  }

  /** A new `join` on the same home: what the relay kept is delivered again. */
  restart(member: SimulatedMember): void {
    this.crash(member);
    member.down = false;
    const relayed = this.log.flatMap((envelope) => this.seenBy(envelope, member));
    this.start(member);
    member.inbox.push(...relayed);
  }

  /** Gives a share of genesis under the candidate that this member is at, if the rules let it; answers whether they did. */
  give(member: SimulatedMember): boolean {
    const { phase } = member.state;
    if (member.down || phase.kind !== 'done' || !mayGive(member.disk.memory, phase.ceremony)) return false;
    if (member.disk.memory.given !== phase.ceremony)
      this.record(member, { type: 'ceremony-given', ceremony: phase.ceremony });
    this.gave(phase.certificate.transcriptHash, member);
    return true;
  }

  /** What a liar does without asking anybody's rules. */
  gave(epoch: string, { member }: SimulatedMember): void {
    this.given.set(epoch, new Set([...(this.given.get(epoch) ?? []), Number(member.identifier)]));
  }

  /** Epochs whose genesis has the shares of a quorum: keys that live. */
  live(): string[] {
    const { sharings } = this.charter.channels[0]!;
    return [...this.given].flatMap(([epoch, signers]) =>
      sharings.every(({ members, threshold }) => members.filter((one) => signers.has(one)).length >= threshold)
        ? [epoch]
        : [],
    );
  }

  /** Shows a member the certificate and all `stored` of a candidate, and whether its genesis verifies: what its relay may have hidden. */
  show(
    member: SimulatedMember,
    { certificate, stored }: { certificate: Certificate; stored: readonly Envelope[] },
  ): void {
    const { ceremony, transcriptHash: epoch } = certificate;
    if (this.live().includes(epoch)) this.feed(member, { kind: 'genesis', ceremony });
    if (!member.state.memory.joined.has(ceremony)) this.feed(member, { kind: 'foreign-key', ceremony });
    member.inbox.push(...certificate.signatures, ...stored);
  }

  private record(member: SimulatedMember, entry: CeremonyRecord): void {
    const found = contradictionOf(member.disk.memory, entry);
    if (found !== undefined)
      throw new Error(`${member.person.name}: ${entry.type}: ${found} (seed ${this.random.seed})`);
    member.disk.memory = remembered(member.disk.memory, entry);
    member.disk.records.push(entry);
    this.faults.recorded?.(this, member, entry);
  }

  feed(member: SimulatedMember, event: CeremonyEvent): void {
    const queue: CeremonyEvent[] = [event];
    const { life } = member;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = stepCeremony(this.context(member), member.state, next);
      member.state = step.state;
      for (const effect of step.effects) {
        if (member.life !== life) return;
        const answer = this.perform(member, effect);
        if (answer !== undefined) queue.push(answer);
      }
    }
  }

  private perform(member: SimulatedMember, effect: CeremonyEffect): CeremonyEvent | undefined {
    switch (effect.kind) {
      case 'send':
        this.send(member, effect.message.kind, effect.message.payload);
        return undefined;
      case 'record':
        this.record(member, effect.entry);
        return undefined;
      case 'deal':
        return this.deal(member, effect.ceremony);
      case 'seal':
        return this.seal(member, effect);
      case 'open-and-store':
        return this.openAndStore(member, effect);
      case 'store-certificate':
        member.disk.certificates.set(effect.ceremony, effect.certificate);
        return { kind: 'certificate-stored', ceremony: effect.ceremony };
      case 'load-share':
        if (!member.shares.has(effect.transcript.ceremony)) throw new Error('the share that is come back to is gone');
        return undefined;
      case 'wipe':
        this.forget(member, effect.ceremony);
        return undefined;
      case 'progress':
        member.waitingFor = effect.waitingFor;
        member.strange = effect.strange;
        return undefined;
      case 'show':
        for (const other of this.members)
          if (!other.down && other !== member && member.stored !== undefined)
            other.inbox.push(
              ...[...effect.certificate.signatures, ...member.stored].flatMap((envelope) =>
                this.seenBy(envelope, other),
              ),
            );
        return undefined;
      case 'done':
        member.waitingFor = [];
        member.disk.stored.set(effect.certificate.transcriptHash, effect.stored);
        member.stored = effect.stored;
        return undefined;
      case 'evidence':
        member.evidence.push(effect.view);
        return undefined;
      case 'failed':
        member.failures.push(effect.error);
        if (effect.view !== undefined) member.evidence.push(effect.view);
        return undefined;
    }
  }

  private send(member: SimulatedMember, kind: CeremonyKind, honest: CeremonyPayload<CeremonyKind>): void {
    const payload = this.faults.lie?.(kind, honest, member.person.name) ?? honest;
    const envelope = sealMessage<unknown>(ceremonyMessageType(kind), payload, member.person);
    this.broadcast(member, envelope);
  }

  broadcast(_from: SimulatedMember, envelope: Envelope): void {
    this.log.push(envelope);
    for (const receiver of this.members) {
      if (receiver.down) continue;
      const seen = this.seenBy(envelope, receiver);
      receiver.inbox.push(...seen);
      if (this.faults.doubled === true && this.random.oneIn(3)) receiver.inbox.push(...seen);
    }
  }

  private seenBy(envelope: Envelope, receiver: SimulatedMember): Envelope[] {
    const { kind, from } = openCeremonyMessage(envelope, this.charter);
    const deliver = this.faults.deliver;
    const seen = deliver === undefined ? envelope : deliver(envelope, kind, from.name, receiver.person.name);
    return seen === undefined ? [] : [seen];
  }

  private deal(member: SimulatedMember, ceremony: string): CeremonyEvent {
    const dealings = sharingsDealtBy(this.charter, member.member, this.origin(member)).map((place) => ({
      channel: place.channel,
      sharing: place.sharing,
      dealing: deal(
        this.sodium,
        this.faults.coefficients?.(member.person.name, place.of.threshold) ?? place.of.threshold,
      ),
    }));
    const boxKey = this.sodium.makeBoxKey();
    member.secrets.set(ceremony, { dealings, boxKey });
    const honest: CeremonyPayload<'reveal'> = {
      ceremony,
      encryptionKey: bytesToHex(boxKey.publicKey),
      dealings: dealings.map(({ channel, sharing, dealing }) => ({
        channel,
        sharing,
        commitments: dealing.commitments.map((point) => bytesToHex(point.bytes)),
        proof: bytesToHex(
          proveDealing(this.sodium, dealing, member.member.identifier, dealingContext(ceremony, { channel, sharing })),
        ),
      })),
    };
    const reveal = this.faults.deal?.(honest, member.person.name) ?? honest;
    return { kind: 'dealt', ceremony, reveal, revealHash: sha256Hex(encodeCanonicalJson(reveal)) };
  }

  private seal(member: SimulatedMember, effect: Extract<CeremonyEffect, { kind: 'seal' }>): CeremonyEvent {
    const secrets = member.secrets.get(effect.ceremony)!;
    const boxes = effect.receivers.map(({ to, key, places }) => {
      const shares = places.map((place) => {
        const { dealing } = secrets.dealings.find(
          (own) => own.channel === place.channel && own.sharing === place.sharing,
        )!;
        return dealShare(this.sodium, dealing, to.identifier);
      });
      const box = this.sodium.seal(key, boxHeader(effect.ceremony, member.member, to), shares)!;
      shares.forEach((share) => this.sodium.wipe(share));
      return { to: Number(to.identifier), box: encodeBase64(box) };
    });
    return { kind: 'sealed', ceremony: effect.ceremony, boxes };
  }

  private openAndStore(
    member: SimulatedMember,
    effect: Extract<CeremonyEffect, { kind: 'open-and-store' }>,
  ): CeremonyEvent {
    const { ceremony, transcript } = effect;
    const secrets = member.secrets.get(ceremony)!;
    const dealt = new Map<string, Secret[]>(
      secrets.dealings.map(({ channel, dealing }) => [
        channel,
        [dealShare(this.sodium, dealing, member.member.identifier)],
      ]),
    );
    const checks: (() => string | undefined)[] = [];
    for (const { from, box, dealings } of effect.boxes) {
      const places = commonSharings(this.charter, member.member, from, this.origin(member));
      const opened = this.sodium.open(secrets.boxKey, box, boxHeader(ceremony, from, member.member), places.length);
      if (opened === undefined) return { kind: 'box-refused', ceremony, from: from.key };
      for (const [index, place] of places.entries()) {
        const [share, { commitments }] = [opened[index]!, dealings[index]!];
        checks.push(() =>
          verifyDealtShare(this.sodium, share, member.member.identifier, commitments) ? undefined : from.key,
        );
        dealt.get(place.channel)!.push(opened[index]!);
      }
    }
    const shares = new Map([...dealt].map(([channel, parts]) => [channel, finalShare(this.sodium, parts)]));
    const keys = channelKeysOf(this.sodium, this.charter, transcript);
    const isRight = [...shares].every(([channel, share]) =>
      samePoint(this.sodium.publicPoint(share), keys.get(channel)!.publicShares.get(member.member.identifier)!),
    );
    const liar = isRight ? undefined : checks.map((check) => check()).find((from) => from !== undefined);
    if (liar !== undefined) return { kind: 'box-refused', ceremony, from: liar };
    const imported = this.importedBy(member)?.share;
    if (imported !== undefined) shares.set('production', imported);
    member.shares.set(ceremony, shares);
    const hash = transcriptHash(transcript);
    const proofs = sharingsHeldBy(this.charter, member.member).map((place) => ({
      channel: place.channel,
      sharing: place.sharing,
      proof: bytesToHex(
        proveShare(this.sodium, shares.get(place.channel)!, member.member.identifier, shareContext(hash, place)),
      ),
    }));
    return { kind: 'share-stored', ceremony, proofs };
  }

  private forget(member: SimulatedMember, ceremony: string): void {
    for (const { dealing } of member.secrets.get(ceremony)?.dealings ?? [])
      dealing.coefficients.forEach((secret) => this.sodium.wipe(secret));
    const boxKey = member.secrets.get(ceremony)?.boxKey;
    if (boxKey !== undefined) this.sodium.wipe(boxKey);
    member.secrets.delete(ceremony);
  }

  /** Certificates of those who hold one and heard from everybody that they do. */
  activated(): Certificate[] {
    return this.members.flatMap(({ state }) => (state.phase.kind === 'done' ? [state.phase.certificate] : []));
  }

  epoch(): Epoch {
    return openEpoch(publicGroup, this.charter, this.activated()[0]!);
  }
}

export { publicGroup };
