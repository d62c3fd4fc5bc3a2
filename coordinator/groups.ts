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
import { decodeCertificate } from '../protocol/ceremony/certificate.ts';
import { refOf } from '../protocol/record/leaf.ts';
import { refuseAs, respelled, type Envelope } from '../protocol/wire/envelope.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Group } from '../protocol/frost/group.ts';
import { maxCandidates, maxCharterBytes } from '../protocol/limits.ts';
import type { CoordinatorFrame, GroupBody } from '../protocol/wire/frames.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { emptyRequesters } from '../protocol/files/requesters.ts';
import type { GroupStanding } from '../protocol/request/rights.ts';
import { CoordinatorError } from './errors.ts';
import { maxDelegationsPerChannel } from './limits.ts';
import type { Log } from './log.ts';
import type { GroupRecord, RecordOf, StoreRecord } from './records.ts';
import type { Store } from './store.ts';

/** A key of a charter that every member stored: a candidate, and the group's own once its genesis verifies (T35). */
export interface KnownGroup {
  readonly epoch: Epoch;
  /** "Certificate stored" of every member. */
  readonly stored: readonly Envelope[];
  /** The newest that were verified. */
  documents: GroupDocuments;
}

const documentKinds = ['genesis', 'requesters', 'delegation'] as const satisfies readonly RequestKind[];

/** A document of the ceremony or a later one, as it comes out of a round. */
export type GroupDocumentKind = (typeof documentKinds)[number];

/** Whether what a request of this kind makes is kept as a document of its group. */
export function isGroupDocument(kind: RequestKind): kind is GroupDocumentKind {
  return documentKinds.some((known) => known === kind);
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
  /** Every candidate, in the order in which they came. */
  readonly #byCharter = new Map<string, readonly KnownGroup[]>();
  readonly #byKey = new Map<string, KnownGroup>();
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

  async #readCharter(hash: string): Promise<Uint8Array> {
    try {
      return await readFileBounded(charterFile(this.#options.charters, hash), maxCharterBytes);
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') throw notAdmitted(hash);
      throw error;
    }
  }

  /** The live group of a charter, if there is one. */
  ofCharter(hash: string): KnownGroup | undefined {
    return this.#byCharter.get(hash)?.find(isLive);
  }

  /** The live group of a charter alone; before there is one every candidate. */
  candidatesOf(hash: string): readonly KnownGroup[] {
    const live = this.ofCharter(hash);
    return live === undefined ? (this.#byCharter.get(hash) ?? []) : [live];
  }

  /** The live group or candidate of a charter with this transcript hash. */
  ofEpoch(hash: string, epoch: string): KnownGroup | undefined {
    return this.candidatesOf(hash).find((known) => known.epoch.hash === epoch);
  }

  /** The live group or candidate with this public key (base64url), if there is one. */
  ofKey(groupKey: string): KnownGroup | undefined {
    return this.#byKey.get(groupKey);
  }

  /** Whether a key (base64url) is a member's of a charter that was used here, or a requester's of a live group. */
  isKnown(key: string): boolean {
    for (const charter of this.#charters.values()) if (memberByKey(charter, key) !== undefined) return true;
    for (const { documents } of this.#byKey.values())
      if (documents.requesters?.entries.some((entry) => entry.key === key) === true) return true;
    return false;
  }

  /** Takes back one stored record. Throws for a charter that is no longer admitted. */
  async restore(
    record: Exclude<GroupRecord, { type: 'ceremony' }>,
    blob: (hash: string) => Promise<Uint8Array>,
  ): Promise<void> {
    const charter = await this.charter(record.charter);
    if (record.type === 'group') {
      const body = {
        charter: encodeBase64(charter.bytes),
        certificate: encodeBase64(await blob(record.certificate.sha256)),
        stored: [...record.stored],
      };
      this.#remember({
        epoch: openGroupEpoch(body, this.#options.arithmetic),
        stored: record.stored,
        documents: noDocuments,
      });
      return;
    }
    for (const known of this.#byCharter.get(record.charter) ?? []) {
      const opened = openedOrUndefined(known, record);
      if (opened !== undefined) known.documents = newest(known.documents, opened);
    }
  }

  #remember(known: KnownGroup): void {
    const { hash } = known.epoch.charter;
    const others = (this.#byCharter.get(hash) ?? []).filter((other) => other !== known);
    this.#byCharter.set(hash, [...others, known]);
    this.#byKey.set(known.epoch.groupKey, known);
  }

  /**
   * Learns a group from one of its members: believes nothing that does not follow from the admitted charter and signatures, never replaces a
   * newer document by an older one, and stores before it answers. Answers the group if anything is new. Throws `ProtocolError`.
   */
  put(charter: Charter, body: GroupBody): Promise<KnownGroup | undefined> {
    return this.#inTurn(charter.hash, async () => {
      if (body.charter !== encodeBase64(charter.bytes))
        throw new ProtocolError('bad-charter', 'the charter is not the one that was admitted');
      const known = this.#byCharter.get(charter.hash)?.find(({ epoch }) => epoch.hash === epochIn(body));
      const next = known ?? this.#open(body);
      const offered = openGroupDocuments(next.epoch, body);
      this.#assertMayCome(next, offered.genesis !== undefined);
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

  #open(body: GroupBody): KnownGroup {
    const epoch = openGroupEpoch(body, this.#options.arithmetic);
    return { epoch, stored: body.stored.map(respelled), documents: noDocuments };
  }

  /** Two live keys for one charter cannot be (T35); candidates can, and only a genesis tells which of them lives. */
  #assertMayCome({ epoch }: KnownGroup, hasGenesis: boolean): void {
    const { charter, hash } = epoch;
    const live = this.ofCharter(charter.hash);
    if (live !== undefined && live.epoch.hash !== hash) {
      if (hasGenesis) this.#options.log('error', 'second-live-key', { group: charter.group, code: 'conflict' });
      throw new ProtocolError(
        'conflict',
        `the key of ${charter.group} that lives is of epoch ${live.epoch.hash}, not ${hash}`,
      );
    }
    const candidates = this.#byCharter.get(charter.hash) ?? [];
    const isKnown = candidates.some((known) => known.epoch.hash === hash);
    if (!isKnown && !hasGenesis && candidates.length >= maxCandidates)
      throw new ProtocolError('too-many', `${candidates.length} candidates of ${charter.group} are kept; no more are`);
  }

  /** What a signed round adds to its group: records to store with its result, and what to do once they are. */
  added(
    known: KnownGroup,
    kind: GroupDocumentKind,
    envelope: Envelope,
  ): { readonly records: StoreRecord[]; readonly apply: () => boolean } {
    const apply = (): boolean => {
      const before = known.documents;
      known.documents = newest(before, openGroupDocuments(known.epoch, documentOf(kind, envelope)));
      return known.documents !== before;
    };
    return {
      records: [documentRecord(known.epoch, kind, envelope)],
      apply,
    };
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

/** Whether a key lives: its genesis verifies. */
export function isLive({ documents }: KnownGroup): boolean {
  return documents.genesis !== undefined;
}

/** The epoch that a body is of, by its transcript alone. Throws `ProtocolError('bad-certificate')`. */
function epochIn({ certificate }: GroupBody): string {
  const bytes = refuseAs('bad-certificate', 'certificate', () => decodeBase64(certificate));
  return decodeCertificate(bytes).transcriptHash;
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

/** What the group has signed about itself; before the first requesters document only members may ask. */
export function standingOf({ epoch, documents }: KnownGroup): GroupStanding {
  return {
    epoch,
    requesters: documents.requesters ?? emptyRequesters(epoch.charter),
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
  try {
    return openGroupDocuments(epoch, documentOf(kind, envelope));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
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
