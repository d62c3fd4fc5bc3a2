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
import { transcriptHash } from '../../protocol/ceremony/transcript.ts';
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
  type CeremonyRecord,
  type CeremonyState,
} from '../../protocol/ceremony/events.ts';
import { stepCeremony } from '../../protocol/ceremony/machine.ts';
import { emptyRequesters } from '../../protocol/files/requesters.ts';
import type { Person } from './people.ts';
import type { Random } from './random.ts';

/** What a member's disk holds: it survives `crash`. */
interface Disk {
  readonly records: CeremonyRecord[];
  certificate: Certificate | undefined;
  transcript: CeremonyState['phase'] | undefined;
  /** Own messages of the ceremony it signed, to say them again. */
  said: Envelope[];
}

interface Secrets {
  readonly dealings: { readonly channel: string; readonly sharing: number; readonly dealing: Dealing }[];
  readonly boxKey: BoxKey;
}

export interface SimulatedMember {
  readonly person: Person;
  readonly member: Member;
  readonly disk: Disk;
  state: CeremonyState;
  readonly inbox: Envelope[];
  readonly secrets: Map<string, Secrets>;
  /** Final shares by ceremony and channel: in memory here, an age file in a real home. */
  readonly shares: Map<string, Map<string, Secret>>;
  readonly failures: ProtocolError[];
  readonly evidence: (readonly Envelope[])[];
  stored: readonly Envelope[] | undefined;
  down: boolean;
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

  constructor(
    charter: Charter,
    people: readonly Person[],
    group: SealingGroup,
    random: Random,
    faults: CeremonyFaults = {},
  ) {
    this.charter = charter;
    this.random = random;
    this.sodium = group;
    this.faults = faults;
    this.members = people.map((who, index) => ({
      person: who,
      member: charter.members[index]!,
      disk: { records: [], certificate: undefined, transcript: undefined, said: [] },
      state: ceremonyStart,
      inbox: [],
      secrets: new Map(),
      shares: new Map(),
      failures: [],
      evidence: [],
      stored: undefined,
      down: false,
    }));
  }

  context(member: SimulatedMember): CeremonyContext {
    const finished = member.disk.records.flatMap((record) =>
      record.type === 'ceremony-joined' || record.type === 'ceremony-aborted' ? [record.ceremony] : [],
    );
    const current = 'ceremony' in member.state.phase ? member.state.phase.ceremony : undefined;
    return {
      charter: this.charter,
      requesters: sha256Hex(emptyRequesters(this.charter).bytes),
      imported: this.importedBy(member)?.imported,
      self: member.member,
      group: this.sodium,
      finished: new Set(finished.filter((ceremony) => ceremony !== current)),
    };
  }

  private importedBy(member: SimulatedMember): ImportedShare | undefined {
    return this.faults.imported?.(member.person.name);
  }

  private origin(member: SimulatedMember): Origin {
    return this.importedBy(member) === undefined ? 'generated' : 'imported';
  }

  /** Everybody joins; then messages travel until none is left. */
  run(maxDeliveries = 20_000): void {
    for (const member of this.random.shuffle(this.members))
      this.feed(member, { kind: 'start', nonce: bytesToHex(randomBytes(32)) });
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
    for (const ceremony of member.secrets.keys()) this.forget(member, ceremony);
    member.inbox.length = 0;
    member.state = ceremonyStart;
  }

  /** A new `join` on the same home: what the relay kept is delivered again. */
  restart(member: SimulatedMember): void {
    member.down = false;
    const relayed = this.log.flatMap((envelope) => this.seenBy(envelope, member));
    const last = member.disk.records.at(-1);
    const nonce = bytesToHex(randomBytes(32));
    if (member.disk.certificate !== undefined)
      this.feed(member, { kind: 'resume-certified', certificate: member.disk.certificate });
    else if (last?.type === 'ceremony-signed' && member.disk.transcript?.kind === 'transcript') {
      this.feed(member, { kind: 'resume-signed', transcript: member.disk.transcript.transcript, nonce });
    } else {
      if (last?.type === 'ceremony-joined') this.feed(member, { kind: 'abort-earlier', ceremony: last.ceremony });
      this.feed(member, { kind: 'start', nonce });
    }
    member.inbox.push(...relayed);
    if (member.state.phase.kind === 'transcript' || member.state.phase.kind === 'stored') {
      for (const envelope of member.disk.said) this.broadcast(member, envelope);
    }
  }

  feed(member: SimulatedMember, event: CeremonyEvent): void {
    const queue: CeremonyEvent[] = [event];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = stepCeremony(this.context(member), member.state, next);
      member.state = step.state;
      for (const effect of step.effects) {
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
        member.disk.records.push(effect.entry);
        if (effect.entry.type === 'ceremony-signed') member.disk.transcript = member.state.phase;
        return undefined;
      case 'deal':
        return this.deal(member, effect.ceremony);
      case 'seal':
        return this.seal(member, effect);
      case 'open-and-store':
        return this.openAndStore(member, effect);
      case 'store-certificate':
        member.disk.certificate = effect.certificate;
        return { kind: 'certificate-stored', ceremony: effect.ceremony };
      case 'wipe':
        this.forget(member, effect.ceremony);
        return undefined;
      case 'progress':
        return undefined;
      case 'done':
        member.stored = effect.stored;
        return undefined;
      case 'failed':
        member.failures.push(effect.error);
        member.evidence.push(effect.evidence);
        return undefined;
    }
  }

  private send(member: SimulatedMember, kind: CeremonyKind, honest: CeremonyPayload<CeremonyKind>): void {
    const payload = this.faults.lie?.(kind, honest, member.person.name) ?? honest;
    const envelope = sealMessage<unknown>(ceremonyMessageType(kind), payload, member.person);
    if (kind !== 'hello' && kind !== 'abort') member.disk.said.push(envelope);
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
    for (const { from, box, dealings } of effect.boxes) {
      const places = commonSharings(this.charter, member.member, from, this.origin(member));
      const opened = this.sodium.open(secrets.boxKey, box, boxHeader(ceremony, from, member.member), places.length);
      if (opened === undefined) return { kind: 'box-refused', ceremony, from: Number(from.identifier) };
      for (const [index, place] of places.entries()) {
        const right = verifyDealtShare(
          this.sodium,
          opened[index]!,
          member.member.identifier,
          dealings[index]!.commitments,
        );
        if (!right) return { kind: 'box-refused', ceremony, from: Number(from.identifier) };
        dealt.get(place.channel)!.push(opened[index]!);
      }
    }
    const shares = new Map([...dealt].map(([channel, parts]) => [channel, finalShare(this.sodium, parts)]));
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
