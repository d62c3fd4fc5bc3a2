/** The groups this coordinator serves: admitted charters, and for each the key epoch and the newest documents under its key. */
import { join } from 'node:path';
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import {
  newestDelegations,
  openGroupDocuments,
  openGroupEpoch,
  type GroupDocuments,
  type HeldDelegation,
} from '../protocol/group-documents/envelopes.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded } from '../home/files.ts';
import { decodeCharter, memberByKey, type Charter } from '../protocol/files/charter.ts';
import { decodeCertificate, type Certificate } from '../protocol/ceremony/certificate.ts';
import { openCandidate, type ChainLink } from '../protocol/chain.ts';
import { openGroupDocument } from '../protocol/group-documents/document.ts';
import { decodeSuccession, openSuccession, successionMessage } from '../protocol/succession/document.ts';
import { hexToBytes } from '../protocol/wire/bytes.ts';
import { at, present } from '../protocol/wire/present.ts';
import { encodeEnvelope } from '../verifier/dsse.ts';
import { Lineage, type Decided, type KnownGroup } from './lineage.ts';
import { refOf } from '../protocol/record/leaf.ts';
import { refuseAs, respelled, type Envelope } from '../protocol/wire/envelope.ts';
import { genesisHash } from '../protocol/ceremony/founding.ts';
import { openErased } from '../protocol/succession/erased.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Group } from '../protocol/frost/group.ts';
import { maxCharterBytes } from '../protocol/limits.ts';
import type { CoordinatorFrame, DocumentBody, GroupBody } from '../protocol/wire/frames.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { emptyRequesters } from '../protocol/files/requesters.ts';
import type { GroupStanding } from '../protocol/request/rights.ts';
import { CoordinatorError } from './errors.ts';
import { maxDelegationsPerChannel } from './limits.ts';
import type { Log } from './log.ts';
import type { RecordOf, StoreRecord } from './records.ts';
import type { Store } from './store.ts';

const documentKinds = ['genesis', 'requesters', 'delegation'] as const satisfies readonly RequestKind[];

/** A document of the ceremony or a later one, as it comes out of a round. */
export type GroupDocumentKind = (typeof documentKinds)[number];

/** Whether what a request of this kind makes is kept as a document of its group. */
export function isGroupDocument(kind: RequestKind): kind is GroupDocumentKind {
  return documentKinds.some((known) => known === kind);
}

/** What comes out of a signed round: records and bytes to store with its result, and what to do once they are; it answers whether that changed anything. */
export interface Added {
  readonly records: readonly StoreRecord[];
  readonly blobs: readonly Uint8Array[];
  readonly apply: () => boolean;
}

interface Options {
  /** The folder that `admit` fills: `<SHA-256>.yaml`. */
  readonly charters: string;
  readonly arithmetic: Group;
  readonly log: Log;
}

const hashPattern = /^[0-9a-f]{64}$/;
const noDocuments: GroupDocuments = {
  genesis: undefined,
  requesters: undefined,
  requestersEnvelope: undefined,
  delegations: [],
};

/** The name of an admitted charter's file. */
export function charterFile(folder: string, hash: string): string {
  return join(folder, `${hash}.yaml`);
}

/** The groups by charter and by key: learned from members, restored from the store, kept at their newest documents. */
export class Groups {
  readonly #options: Options;
  readonly #charters = new Map<string, Charter>();
  /** By the hash of the charter that founded the group. */
  readonly #lineages = new Map<string, Lineage>();
  readonly #byKey = new Map<string, Lineage>();
  /** One change of a charter's group at a time. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #store: Store | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** From here on changes are stored; before it, records are only restored. */
  use(store: Store): void {
    this.#store = store;
  }

  /** An admitted charter by its hash, read when first asked for. Throws `CoordinatorError('not-found')`. */
  async charter(hash: string): Promise<Charter> {
    const known = this.#charters.get(hash);
    if (known !== undefined) return known;
    if (!hashPattern.test(hash)) throw notAdmitted(hash);
    const charter = decodeCharter(await this.#readCharter(hash), charterFile(this.#options.charters, hash));
    if (charter.hash !== hash) throw notAdmitted(hash);
    this.#charters.set(hash, charter);
    return charter;
  }

  /** A charter that a quorum signed needs no operator: its group was admitted. */
  learn(charter: Charter): void {
    this.#charters.set(charter.hash, charter);
  }

  async #readCharter(hash: string): Promise<Uint8Array> {
    try {
      return await readFileBounded(charterFile(this.#options.charters, hash), maxCharterBytes);
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') throw notAdmitted(hash);
      throw error;
    }
  }

  /** The charter that founded the group of this one (hashes): its log is named by it, and all epochs of one key are of it. */
  rootOf(hash: string): string {
    return this.#store?.logOf(hash)?.name.charter ?? hash;
  }

  /** All that is known of the group of a charter, of whichever epoch. */
  lineageOf(hash: string): Lineage {
    const root = this.rootOf(hash);
    const lineage = this.#lineages.get(root) ?? new Lineage(root);
    this.#lineages.set(root, lineage);
    return lineage;
  }

  /** The epoch of the group of a charter that lives, if there is one. */
  ofCharter(hash: string): KnownGroup | undefined {
    return this.lineageOf(hash).live;
  }

  /** The epoch that lives, and every candidate that may come next. */
  candidatesOf(hash: string): readonly KnownGroup[] {
    const { live, candidates } = this.lineageOf(hash);
    return live === undefined ? candidates : [live, ...candidates];
  }

  /** The epoch or candidate of a charter's group with this transcript hash. */
  ofEpoch(hash: string, epoch: string): KnownGroup | undefined {
    return this.lineageOf(hash).all.find((known) => known.epoch.hash === epoch);
  }

  /** The epoch that lives with this public key (base64url), or a candidate, if there is one. */
  ofKey(groupKey: string): KnownGroup | undefined {
    const lineage = this.#byKey.get(groupKey);
    return lineage?.live?.epoch.groupKey === groupKey
      ? lineage.live
      : lineage?.all.find(({ epoch }) => epoch.groupKey === groupKey);
  }

  /** Whether a key (base64url) is a member's of a charter that was used here, or a requester's of a live group. */
  isKnown(key: string): boolean {
    for (const charter of this.#charters.values()) if (memberByKey(charter, key) !== undefined) return true;
    for (const { live } of this.#lineages.values())
      if (live !== undefined && standingOf(live).requesters.entries.some((entry) => entry.key === key)) return true;
    return false;
  }

  /** Takes back one stored record. Throws for a charter that is no longer admitted. */
  async restore(
    record: RecordOf<'group' | 'group-document'>,
    blob: (hash: string) => Promise<Uint8Array>,
  ): Promise<void> {
    const charter = await this.charter(record.charter);
    if (record.type === 'group') {
      const body = {
        charter: encodeBase64(charter.bytes),
        certificate: encodeBase64(await blob(record.certificate.sha256)),
        stored: [...record.stored],
        ...documentsOf(noDocuments),
      };
      const known = this.#open(charter, body);
      // A repeat is a no-op.
      if (this.ofEpoch(charter.hash, known.epoch.hash) === undefined) this.#remember(known);
      return;
    }
    if (record.document === 'erased') {
      const { place, envelope } = openErasedIn(this.lineageOf(record.charter), record.envelope);
      this.lineageOf(record.charter).erased.set(place, envelope);
      return;
    }
    for (const known of this.lineageOf(record.charter).all) {
      if (known.epoch.charter.hash !== record.charter) continue;
      const opened = openedOrUndefined(known, record);
      if (opened !== undefined) known.documents = newest(known.documents, opened);
      if (opened !== undefined) this.#remember(known);
    }
  }

  /** A channel whose key stayed keeps what the group signed for it. */
  #remember(known: KnownGroup): void {
    const { epoch, decided } = known;
    const lineage = this.lineageOf(epoch.charter.hash);
    const carried = decided?.from.documents.delegations.filter(({ envelope }) => isOfEpoch(epoch, envelope)) ?? [];
    known.documents = newest(known.documents, { ...noDocuments, delegations: carried });
    lineage.add(known);
    this.#byKey.set(epoch.groupKey, lineage);
  }

  /**
   * Learns a group from one of its members: believes nothing that does not follow from the admitted charter and signatures, never replaces a
   * newer document by an older one, and stores before it answers. Answers the group if anything is new. Throws `ProtocolError`.
   */
  put(charter: Charter, body: GroupBody): Promise<KnownGroup | undefined> {
    return this.#inTurn(this.rootOf(charter.hash), async () => {
      if (body.charter !== encodeBase64(charter.bytes))
        throw new ProtocolError('bad-charter', 'the charter is not the one that was admitted');
      const lineage = this.lineageOf(charter.hash);
      const known = lineage.all.find(({ epoch }) => epoch.hash === epochIn(body));
      const next = known ?? this.#open(charter, body);
      const offered = openGroupDocuments(next.epoch, body);
      if (known === undefined) this.#assertMayCome(lineage, next, offered.genesis !== undefined);
      const documents = newest(next.documents, offered);
      const records = changesBetween(next.epoch, next.documents, documents);
      if (known !== undefined && records.length === 0) return undefined;
      await this.#append(
        charter,
        known === undefined ? [groupRecord(next), ...records] : records,
        known === undefined ? [next.epoch.certificate.bytes] : [],
      );
      // A round may have added to them meanwhile.
      next.documents = newest(next.documents, offered);
      this.#remember(next);
      this.#options.log('info', 'group-learned', { group: charter.group });
      return next;
    });
  }

  /** The epoch that a body is of, checked. Throws `ProtocolError`. */
  epochIn(body: GroupBody): Epoch {
    return openGroupEpoch(body, this.#options.arithmetic);
  }

  #open(charter: Charter, body: GroupBody): KnownGroup {
    const { arithmetic } = this.#options;
    const stored = body.stored.map(respelled);
    const certificate = certificateIn(body);
    const { transcript } = certificate;
    // A ceremony under a charter that goes on with a group would make a key that nobody handed on.
    if (transcript.origin !== 'reshared') {
      if (charter.continues !== undefined)
        throw new ProtocolError(
          'bad-certificate',
          'this charter continues a group, and no ceremony makes a key for it',
        );
      return { epoch: openGroupEpoch(body, arithmetic), decided: undefined, stored, documents: noDocuments };
    }
    const decided = this.lineageOf(charter.hash).successions.get(transcript.from.succession);
    if (decided === undefined)
      throw new CoordinatorError(
        'not-found',
        `the succession ${transcript.from.succession} is not known here: whoever has it brings it first`,
      );
    const link = { charter, certificate, stored, succession: decided.signed };
    const { epoch } = openCandidate(arithmetic, decided.from.epoch, link);
    return { epoch, decided, stored, documents: noDocuments };
  }

  /** Two live keys for one charter cannot be (T35), nor two epochs after one; candidates can, and only a genesis tells which of them lives. */
  #assertMayCome(lineage: Lineage, next: KnownGroup, hasGenesis: boolean): void {
    const { live } = lineage;
    if (hasGenesis && live !== undefined && next.decided?.from !== live)
      this.#options.log('error', 'second-live-key', { group: next.epoch.charter.group, code: 'conflict' });
    lineage.assertMayCome(next, hasGenesis);
  }

  /** What a signed round adds to its group: records to store with its result, and what to do once they are. */
  added(known: KnownGroup, kind: GroupDocumentKind, envelope: Envelope): Added {
    const apply = (): boolean => {
      const before = known.documents;
      known.documents = newest(before, openGroupDocuments(known.epoch, documentOf(kind, envelope)));
      if (known.documents === before) return false;
      this.#remember(known);
      return true;
    };
    return {
      records: [documentRecord(known.epoch, kind, envelope)],
      blobs: [],
      apply,
    };
  }

  /**
   * Whether a quorum may still sign this succession: its number is above all that were signed, and its time is not over. Throws `ProtocolError`
   * (`stale-version`, `expired`).
   */
  assertNextSuccession({ epoch }: KnownGroup, document: Uint8Array, nowUnixSeconds: number): void {
    const { highestNumber } = this.lineageOf(epoch.charter.hash);
    const { payload, untilUnixSeconds } = decodeSuccession(document);
    const seen = Math.max(highestNumber, epoch.number);
    if (payload.number <= seen)
      throw new ProtocolError(
        'stale-version',
        `the number ${payload.number} of the succession is used up: the next is ${seen + 1}`,
      );
    if (untilUnixSeconds <= nowUnixSeconds)
      throw new ProtocolError('expired', `the succession was to be carried out until ${payload.until}`);
  }

  /** Whether a candidate may still be made live: no higher succession was signed, and its time is not over. Throws `ProtocolError`. */
  assertMayLive({ epoch, decided }: KnownGroup, nowUnixSeconds: number): void {
    if (decided === undefined) return;
    const { payload, untilUnixSeconds } = decided.plan.succession;
    const { highestNumber } = this.lineageOf(epoch.charter.hash);
    if (payload.number < highestNumber)
      throw new ProtocolError(
        'stale-version',
        `the succession ${payload.number} is not carried out: succession ${highestNumber} was signed after it`,
      );
    if (untilUnixSeconds <= nowUnixSeconds)
      throw new ProtocolError('expired', `the succession was to be carried out until ${payload.until}`);
  }

  /**
   * What a signed succession adds: its charter comes into the log of the group whose epoch it ends. Throws `ProtocolError` for one that is no document
   * of this epoch.
   */
  decided(from: KnownGroup, body: DocumentBody): Added {
    const { request } = openGroupDocument([from.epoch], body);
    const decided = decidedBy(from, request.digest, body);
    const { charter } = decided.plan;
    const log = this.#store?.logOf(from.epoch.charter.hash);
    const isNew = this.#store?.logOf(charter.hash) === undefined;
    return {
      records: isNew ? [{ type: 'charter', charter: charter.hash, file: refOf(charter.bytes) }] : [],
      blobs: isNew ? [charter.bytes] : [],
      apply: () => {
        this.learn(charter);
        if (log !== undefined) this.#store?.extend(charter.hash, log);
        this.lineageOf(from.epoch.charter.hash).successions.set(decided.plan.succession.hash, decided);
        return true;
      },
    };
  }

  /**
   * Takes a member's word that its share of an epoch that is over is overwritten; stored before it answers. A repeat is a no-op. Throws `ProtocolError`,
   * and what `admit` throws, which is asked before anything is kept.
   */
  bringErased(charter: Charter, envelope: Envelope, admit: () => void): Promise<void> {
    const root = this.rootOf(charter.hash);
    return this.#inTurn(root, async () => {
      const lineage = this.lineageOf(root);
      const word = openErasedIn(lineage, envelope);
      if (lineage.erased.get(word.place)?.payload === word.envelope.payload) return;
      admit();
      const record = { type: 'group-document', charter: word.charter.hash, document: 'erased', envelope } as const;
      await this.#append(word.charter, [record], []);
      lineage.erased.set(word.place, word.envelope);
    });
  }

  async #append(charter: Charter, records: readonly StoreRecord[], blobs: readonly Uint8Array[]): Promise<void> {
    if (this.#store === undefined) throw new CoordinatorError('failed', 'no store yet');
    await (await this.#store.of(charter)).append(records, blobs);
  }

  #inTurn<T>(hash: string, change: () => Promise<T>): Promise<T> {
    const turn = (this.#changes.get(hash) ?? Promise.resolve()).catch(() => undefined).then(change);
    this.#changes.set(hash, turn);
    return turn.finally(() => {
      if (this.#changes.get(hash) === turn) this.#changes.delete(hash);
    });
  }
}

function notAdmitted(hash: string): CoordinatorError {
  return new CoordinatorError(
    'not-found',
    `the charter ${hash.slice(0, 64)} is not admitted here; the coordinator's operator runs: frostmark coordinator admit CHARTER.yaml`,
  );
}

/** The epoch that a body is of, by its transcript alone. Throws `ProtocolError('bad-certificate')`. */
function epochIn(body: GroupBody): string {
  return certificateIn(body).transcriptHash;
}

function certificateIn({ certificate }: GroupBody): Certificate {
  return decodeCertificate(refuseAs('bad-certificate', 'certificate', () => decodeBase64(certificate)));
}

function decidedBy(
  from: KnownGroup,
  digest: string,
  { request, documents, decisions, signatures }: DocumentBody,
): Decided {
  const [document, charter, requesters] = documents.map((base64) =>
    refuseAs('bad-document', 'document', () => decodeBase64(base64)),
  );
  const parts = {
    document: present(document, 'the succession'),
    charter: decodeCharter(present(charter, 'its charter')),
    requesters: present(requesters, 'its requesters document'),
  };
  const envelope = encodeEnvelope({
    payloadType: successionMessage.payloadType,
    payload: parts.document,
    keyid: '',
    signature: hexToBytes(at(signatures, 0)),
  });
  return {
    from,
    digest,
    plan: openSuccession(from.epoch, parts),
    signed: { request, document: envelope, requesters: parts.requesters, decisions },
  };
}

/** The link of an epoch in the chain of its group; its genesis is there. */
export function linkOf({ epoch, stored, documents, decided }: KnownGroup): ChainLink {
  const { charter, certificate } = epoch;
  const genesis = present(documents.genesis, 'the genesis of an epoch in the chain');
  return { charter, certificate, stored, genesis, succession: decided?.signed };
}

/** A member's word about its share of whichever epoch is over. Throws `ProtocolError`. */
function openErasedIn(
  { chain }: Lineage,
  envelope: Envelope,
): { readonly place: string; readonly charter: Charter; readonly envelope: Envelope } {
  for (const { decided, epoch: next } of chain) {
    if (decided === undefined) continue;
    const { plan, from } = decided;
    const ground = { from: from.epoch, charter: plan.charter, succession: plan.succession };
    const word = openedOrRefused(() => openErased(envelope, { ground, genesis: genesisHash(next) }));
    if (word !== undefined)
      return {
        place: `${from.epoch.hash} ${word.member.key}`,
        charter: from.epoch.charter,
        envelope: word.envelope,
      };
  }
  throw new ProtocolError(
    'wrong-epoch',
    'the word is of no epoch of this group that is over, or of nobody who was in it',
  );
}

function openedOrRefused<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function isOfEpoch(epoch: Epoch, delegation: Envelope): boolean {
  return openedOrRefused(() => openGroupDocuments(epoch, documentOf('delegation', delegation))) !== undefined;
}

/** Everything a client needs to know of a group. */
export function bodyOf({ epoch, stored, documents }: KnownGroup): GroupBody {
  return {
    charter: encodeBase64(epoch.charter.bytes),
    certificate: encodeBase64(epoch.certificate.bytes),
    stored: [...stored],
    ...documentsOf(documents),
  };
}

type DocumentsBody = Pick<GroupBody, 'genesis' | 'requesters' | 'delegations'>;

function documentsOf({ genesis, requestersEnvelope, delegations }: GroupDocuments): DocumentsBody {
  return {
    genesis: genesis ?? null,
    requesters: requestersEnvelope ?? null,
    delegations: delegations.map(({ envelope }) => envelope),
  };
}

/** The frame that shows them to members. */
export function documentsFrame({ epoch, documents }: KnownGroup): CoordinatorFrame {
  return { type: 'documents', epoch: epoch.hash, ...documentsOf(documents) };
}

/** For whoever is no member of that epoch: that it lives, and nothing else. */
export function genesisFrame({ epoch, documents }: KnownGroup): CoordinatorFrame {
  return { type: 'documents', epoch: epoch.hash, ...documentsOf({ ...noDocuments, genesis: documents.genesis }) };
}

/** What the group has signed about itself; before the first requesters document of a new key only members may ask. */
export function standingOf({ epoch, documents, decided }: KnownGroup): GroupStanding {
  return {
    epoch,
    // Those that a succession brought hold until a higher version is signed.
    requesters: documents.requesters ?? decided?.plan.requesters ?? emptyRequesters(epoch.charter),
    delegations: documents.delegations,
  };
}

/** Whether a member that holds a certificate knows what we do not. */
export function lacks(known: KnownGroup | undefined, requestersVersion: number): boolean {
  if (known === undefined) return true;
  const { genesis, requesters, delegations } = known.documents;
  if (genesis === undefined || (requesters?.version ?? 0) < requestersVersion) return true;
  const { channels } = known.epoch.charter;
  return channels.some(
    ({ name, validitySeconds }) =>
      validitySeconds !== undefined && !delegations.some(({ channel }) => channel === name),
  );
}

function documentOf(kind: GroupDocumentKind, envelope: Envelope): DocumentsBody {
  const stored = envelope;
  return {
    genesis: kind === 'genesis' ? stored : null,
    requesters: kind === 'requesters' ? stored : null,
    delegations: kind === 'delegation' ? [stored] : [],
  };
}

function groupRecord({ epoch, stored }: KnownGroup): StoreRecord {
  const { charter, certificate } = epoch;
  return { type: 'group', charter: charter.hash, certificate: refOf(certificate.bytes), stored };
}

function documentRecord({ charter }: Epoch, document: GroupDocumentKind, envelope: Envelope): StoreRecord {
  return { type: 'group-document', charter: charter.hash, document, envelope };
}

/** The key that signed a document says which of a charter's candidates it is of. */
function openedOrUndefined(
  { epoch }: KnownGroup,
  { document, envelope }: RecordOf<'group-document'>,
): GroupDocuments | undefined {
  const kind = documentKinds.find((known) => known === document);
  if (kind === undefined) return undefined;
  return openedOrRefused(() => openGroupDocuments(epoch, documentOf(kind, envelope)));
}

/** What of `after` is not in `before`, to be stored. */
function changesBetween(epoch: Epoch, before: GroupDocuments, after: GroupDocuments): StoreRecord[] {
  const record = (document: GroupDocumentKind, envelope: Envelope): StoreRecord =>
    documentRecord(epoch, document, envelope);
  const { genesis, requestersEnvelope, delegations } = after;
  return [
    ...(genesis === undefined || genesis === before.genesis ? [] : [record('genesis', genesis)]),
    ...(requestersEnvelope === undefined || requestersEnvelope === before.requestersEnvelope
      ? []
      : [record('requesters', requestersEnvelope)]),
    ...delegations
      .filter((held) => !before.delegations.includes(held))
      .map(({ envelope }) => record('delegation', envelope)),
  ];
}

/** The newest of both; `held` itself when `offered` has nothing newer. */
function newest(held: GroupDocuments, offered: GroupDocuments): GroupDocuments {
  const takesRequesters =
    offered.requesters !== undefined && offered.requesters.version > (held.requesters?.version ?? 0);
  const delegations = newestOf(held.delegations, offered.delegations);
  const takesGenesis = held.genesis === undefined && offered.genesis !== undefined;
  if (!takesRequesters && !takesGenesis && delegations === held.delegations) return held;
  return {
    genesis: held.genesis ?? offered.genesis,
    requesters: takesRequesters ? offered.requesters : held.requesters,
    requestersEnvelope: takesRequesters ? offered.requestersEnvelope : held.requestersEnvelope,
    delegations,
  };
}

/** What begins together with one that is held is that one; `held` itself when nothing else is newer. */
function newestOf(held: readonly HeldDelegation[], offered: readonly HeldDelegation[]): readonly HeldDelegation[] {
  const isHeld = (one: HeldDelegation): boolean =>
    held.some(({ channel, delegation }) => channel === one.channel && delegation.from === one.delegation.from);
  const kept = newestDelegations([...held, ...offered.filter((one) => !isHeld(one))], maxDelegationsPerChannel);
  return kept.every((one) => held.includes(one)) ? held : kept;
}
