/** Members of a live group with real vaults and real journals, and the test in the coordinator's place: it sees every frame and sends any. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { bytesToHex, hexToBytes, sha256Hex } from '../../protocol/wire/bytes.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import type { Member } from '../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { MemberFrame } from '../../protocol/wire/frames.ts';
import {
  commitmentMessage,
  openCommitment,
  openShare,
  openAnswer,
  type CommitmentPayload,
} from '../../protocol/signing/attempt.ts';
import { openDecision } from '../../protocol/signing/decision.ts';
import { readRequestersFile, type Requesters } from '../../protocol/files/requesters.ts';
import type { OpenedShares } from '../../home/keystore.ts';
import { HeldGroupDocuments } from '../../participant/group-documents.ts';
import { openJournal, type Journal } from '../../participant/journal.ts';
import type { HeldDocuments, IssuedFile } from '../../participant/member-home.ts';
import type { Judge } from '../../participant/judge.ts';
import { Records, type MemberRecord, type Restoration } from '../../participant/records.ts';
import { Rounds, type RoundFrame } from '../../participant/rounds.ts';
import { Vault } from '../../participant/vault.ts';
import { publicGroup } from '../harness/ceremony-network.ts';
import { genesisMessage, genesisOf } from '../../protocol/ceremony/founding.ts';
import { underKey } from '../harness/coordinator-group.ts';
import { liveGroup, releaseRequest, type LiveGroup } from '../harness/round-network.ts';
import type { CharterPlan, Person } from '../harness/people.ts';
import type { Request, RequestPayload } from '../../protocol/request/request.ts';

export const now = Date.parse('2026-11-22T08:00:30Z') / 1000;

/** An empty folder that goes away with the test. */
export async function scratch(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export interface World {
  /** It is signed by the group. */
  readonly genesis: Envelope;
  readonly live: LiveGroup;
  readonly requesters: Requesters;
  /** May ask on every channel. */
  readonly requester: Person;
}

const worlds = new Map<string, Promise<World>>();

/** One ceremony for each plan in a test file: nothing in it changes. `bossIs` makes the requester a member, too. */
export function makeWorld(plan: CharterPlan, bossIs?: string): Promise<World> {
  const name = JSON.stringify([plan, bossIs]);
  const world = worlds.get(name) ?? runCeremony(plan, bossIs);
  worlds.set(name, world);
  return world;
}

/** A world of its own. */
export async function runCeremony(plan: CharterPlan, bossIs?: string): Promise<World> {
  const live = await liveGroup(plan);
  const channels = live.epoch.charter.channels.map(({ name }) => name).join(', ');
  const also = bossIs === undefined ? '' : `, member: ${bossIs}`;
  const text = `version: 1\nrequesters:\n  - { card: "${live.requester.card('requester')}", channels: [${channels}]${also} }\n`;
  const requesters = readRequestersFile(new TextEncoder().encode(text), 'requesters.yaml', live.epoch.charter);
  const genesis = underKey(live, genesisMessage.payloadType, genesisOf(live.epoch));
  return { live, requesters, requester: live.requester, genesis };
}

/** This member's shares as a keystore would open them. */
export async function openedShares(live: LiveGroup, member: Member): Promise<OpenedShares> {
  const shares = [];
  for (const { name, sharings } of live.epoch.charter.channels) {
    const sharing = sharings.findIndex(({ members }) => members.includes(member.identifier));
    const secret = live.shares.get(name)?.get(member.identifier);
    if (secret === undefined) continue;
    let bytes = new Uint8Array();
    await live.sodium.exportSecret(secret, (copy) => {
      bytes = copy.slice();
      return Promise.resolve();
    });
    shares.push({
      channel: name,
      sharing,
      identifier: Number(member.identifier),
      take: <T>(load: (bytes: Uint8Array) => T): T => load(bytes),
    });
  }
  return { hash: hexToBytes(live.epoch.certificate.transcriptHash), shares };
}

export interface TestParticipant {
  readonly member: Member;
  readonly person: Person;
  readonly sent: MemberFrame[];
  readonly warnings: string[];
  readonly fatal: unknown[];
  /** What was signed last, by channel. */
  readonly manifests: Map<string, Uint8Array>;
  vault: Vault;
  rounds: Rounds;
  documents: HeldGroupDocuments;
  connected: boolean;
  /** Numbered documents of the group go from its home. */
  dropFiles(): void;
  receive(frame: RoundFrame): Promise<void>;
  /** The daemon dies, and another one starts on the same journal. */
  restart(): Promise<void>;
  /** Frames of one type that were sent so far. */
  frames<T extends MemberFrame['type']>(type: T): Extract<MemberFrame, { type: T }>[];
  lastCommitment(): Envelope;
}

export interface ParticipantOptions {
  readonly judge?: Judge;
  readonly documents?: ReadonlyMap<string, Uint8Array>;
  /** Wraps the journal, to make it fail or to watch it. */
  readonly journal?: (journal: Journal) => Journal;
  readonly now?: () => number;
  /** Genesis is not signed yet, and this member gave no share. */
  readonly isYoung?: boolean;
  /** It came back out of a backup, at this Unix second. */
  readonly restored?: Restoration;
}

/** What the ceremony left in this member's journal. */
async function takePart(path: string, { live }: World, { isYoung, restored }: ParticipantOptions): Promise<void> {
  const journal = await openJournal(path, { mustExist: false });
  const records = await Records.open(journal, now);
  if (restored !== undefined) await records.append({ type: 'restored', backup: 'ab'.repeat(16), at: restored.at });
  if (restored?.isCaughtUp === true) await records.append({ type: 'caught-up' });
  for (const record of ceremonyRecords(live))
    if (isYoung !== true || record.type !== 'ceremony-given') await records.append(record);
  await journal.close();
}

/** The records of a member that gave a share of genesis. */
export function ceremonyRecords({ epoch }: LiveGroup): MemberRecord[] {
  const { ceremony, transcript } = epoch.certificate;
  return [
    { type: 'ceremony-joined', ceremony },
    { type: 'ceremony-signed', ceremony, transcript, proofs: [] },
    { type: 'ceremony-stored', ceremony },
    { type: 'ceremony-given', ceremony },
  ];
}

const ask: Judge = () => Promise.resolve({ action: 'ask', reason: null, rule: 'no rule' });

export async function makeParticipant(
  world: World,
  identifier: number,
  options: ParticipantOptions = {},
): Promise<TestParticipant> {
  const { live, requesters } = world;
  const member = live.epoch.charter.members[identifier - 1]!;
  const person = live.people[identifier - 1]!;
  const path = join(await scratch(), 'journal');
  const held: { documents: HeldDocuments; issued: IssuedFile[] } = {
    documents: { genesis: null, requesters: null, delegations: [] },
    issued: [],
  };
  if (options.isYoung !== true) held.documents.genesis = world.genesis;
  const participant = {
    member,
    person,
    sent: [],
    warnings: [],
    fatal: [],
    manifests: new Map(),
    connected: true,
  } as unknown as TestParticipant;
  await takePart(path, world, options);
  let journal: Journal | undefined;
  const boot = async (): Promise<void> => {
    journal = await openJournal(path, { mustExist: true });
    const records = await Records.open(options.journal?.(journal) ?? journal, now);
    const vault = await Vault.open(live.epoch.charter, member);
    vault.load(await openedShares(live, member), live.epoch.certificate.transcript);
    const documents = await HeldGroupDocuments.load(live.epoch, requesters, {
      records,
      documents: () => Promise.resolve(held.documents),
      issuedDocuments: () => Promise.resolve(held.issued),
      writeIssuedDocument: ({ request, body }) => {
        held.issued.push({ path: `document-${request.digest}.json`, body });
        return Promise.resolve();
      },
      removeIssuedDocument: ({ request }) => {
        held.issued = held.issued.filter(({ path }) => path !== `document-${request.digest}.json`);
        return Promise.resolve();
      },
      writeDocuments: (next) => {
        held.documents = next;
        return Promise.resolve();
      },
    });
    participant.vault = vault;
    participant.documents = documents;
    participant.rounds = new Rounds({
      epoch: live.epoch,
      self: member,
      identity: person,
      vault,
      records,
      documents,
      fetchDocument: (_digest, sha256) => {
        const bytes = options.documents?.get(sha256);
        return bytes === undefined ? Promise.reject(new Error('not there')) : Promise.resolve(bytes);
      },
      send: (frame) => {
        if (participant.connected) participant.sent.push(frame);
      },
      isConnected: () => participant.connected,
      judge: options.judge ?? ask,
      nowUnixSeconds: options.now ?? (() => now),
      fatal: (error) => participant.fatal.push(error),
      lastManifest: (channel) => Promise.resolve(participant.manifests.get(channel)),
      manifestSigned: (channel, manifest) => {
        participant.manifests.set(channel, manifest);
        return Promise.resolve();
      },
      documentIssued: async (body) => {
        await documents.issued.adopt([body]);
      },
      documentSigned: async (request, envelope) => {
        const { kind } = request.payload;
        await documents.adopt({
          genesis: kind === 'genesis' ? envelope : null,
          requesters: kind === 'requesters' ? envelope : null,
          delegations: kind === 'delegation' ? [envelope] : [],
        });
      },
      log: (level, event, fields) => {
        if (level !== 'info') participant.warnings.push(`${event} ${JSON.stringify(fields)}`);
      },
    });
  };
  await boot();
  Object.assign(participant, {
    receive: async (frame: RoundFrame) => {
      participant.rounds.receive(frame);
      await participant.rounds.settled();
    },
    dropFiles: () => {
      held.issued = [];
    },
    restart: async () => {
      participant.vault.end();
      await journal?.close();
      await boot();
    },
    frames: (type: MemberFrame['type']) => participant.sent.filter((frame) => frame.type === type),
    lastCommitment: () => {
      const last = participant.frames('commitment').at(-1);
      if (last === undefined) throw new Error('no commitment was sent');
      return last.commitment;
    },
  });
  onTestFinished(async () => {
    participant.vault.end();
    await journal?.close();
  });
  return participant;
}

export function release(world: World, change: Partial<RequestPayload> = {}, channel = 'production'): Request {
  return releaseRequest(world.live, channel, change);
}

export function requestFrame(request: Request, decisions: readonly Envelope[] = []): RoundFrame {
  return { type: 'request', request: request.envelope, decisions: [...decisions] };
}

export function packageFrame(request: Request, commitments: readonly Envelope[]): RoundFrame {
  return { type: 'package', requestDigest: request.digest, stage: 1, earlier: [], commitments: [...commitments] };
}

/** Another member's commitment for this request, as an honest co-signer would sign it; the scalars are nobody's. */
let drawn = 0n;
export function commitmentOf(
  world: World,
  request: Request,
  identifier: number,
  change: object = {},
  documents: readonly Uint8Array[] = [],
): Envelope {
  const { epoch, people } = world.live;
  const prepared = prepareRequest({ epoch, request, documents });
  const point = (): string => bytesToHex(publicGroup.multiplyBase((drawn += 12345678901n)).bytes);
  return sealMessage(
    commitmentMessage,
    {
      epoch: epoch.hash,
      channelKey: epoch.channel(request.payload.channel).key,
      requestDigest: request.digest,
      stage: 1,
      slot: `${'ab'.repeat(16)}-${drawn % 1000000n}`,
      messages: prepared.messages.map((message) => sha256Hex(message)),
      commitments: prepared.messages.map(() => ({ hiding: point(), binding: point() })),
      ...change,
    },
    people[identifier - 1]!,
  );
}

/** A commitment as its sender would sign it with something changed. */
export function changedCommitment(
  world: World,
  envelope: Envelope,
  signer: Person,
  change: (payload: CommitmentPayload) => CommitmentPayload,
): Envelope {
  const { payload } = openCommitment(envelope, world.live.epoch.charter);
  return sealMessage(commitmentMessage, change(payload), signer);
}

export function openedFrames(world: World, participant: TestParticipant) {
  const { charter } = world.live.epoch;
  return {
    decisions: participant.frames('decision').map(({ decision }) => openDecision(decision, charter).payload),
    commitments: participant.frames('commitment').map(({ commitment }) => openCommitment(commitment, charter).payload),
    shares: participant.frames('share').map(({ share }) => openShare(share, charter).payload),
    answers: participant.frames('answer').map(({ answer }) => openAnswer(answer, charter).payload),
  };
}

/** A journal whose appends go through `append`, to watch them or to let them fail. */
export function hookedJournal(
  real: Journal,
  append: (record: { readonly type: string }, next: () => Promise<void>) => Promise<void>,
): Journal {
  return {
    get records() {
      return real.records;
    },
    get head() {
      return real.head;
    },
    get bytes() {
      return real.bytes;
    },
    forgetRecords: () => {
      real.forgetRecords();
    },
    compact: (keep) => real.compact(keep),
    freeBytes: () => real.freeBytes(),
    append: (record) => append(record as { readonly type: string }, () => real.append(record)),
    close: () => real.close(),
    [Symbol.asyncDispose]: () => real.close(),
  };
}
