/**
 * What the signed messages in a group's log say: who asked, who decided, what was signed, each opened with the keys that the records before it
 * vouch for. Nothing rests on the coordinator's word but that a round ended without a signature, and when.
 */
import { decodeCertificate } from '../ceremony/certificate.ts';
import { assertAllStored, openEpoch, type Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { judgeEvidence } from '../evidence.ts';
import { decodeCharter, memberByKey, type Charter, type Member } from '../files/charter.ts';
import { emptyRequesters, type Requesters } from '../files/requesters.ts';
import { isSignedRequest, prepareRequest } from '../formats/index.ts';
import type { Group } from '../frost/group.ts';
import { isQualified, type Identifier } from '../frost/sharing.ts';
import { openGroupDocuments } from '../group-documents/envelopes.ts';
import { openRequest, type Request } from '../request/request.ts';
import { askerOrUndefined, assertOfEpoch, requestersOf, type Asker, type GroupStanding } from '../request/rights.ts';
import { assertDecisionOn, isNewerDecision, openDecision, type Decision } from '../signing/decision.ts';
import { hexToBytes } from '../wire/bytes.ts';
import { erasedMessage } from '../succession/messages.ts';
import { openMessage, type Envelope } from '../wire/envelope.ts';
import type { AuditedRecord } from './audit.ts';
import { openBlob, openKept, type BlobRef, type LogRecord } from './leaf.ts';
import { maxAuditedEpochs, maxPendingInAudit } from './limits.ts';

/** The bytes beside the log by their SHA-256, hex; `undefined` for what was archived. */
export type Blobs = (sha256: string) => Uint8Array | undefined;

/** A round that is over. */
export interface RoundTestimony {
  readonly request: Request;
  /** Who asked; `undefined` if no document in the log before it gave the right to, and the members had to judge by a newer one. */
  readonly asker: Asker | undefined;
  /** The newest decision of each member. */
  readonly decisions: readonly Decision[];
  readonly outcome: RecordOf<'closed'>['outcome'];
  readonly signers: readonly Member[];
  /** `unchecked` when a document that the signatures are over was archived. */
  readonly signatures: 'none' | 'valid' | 'unchecked';
}

type RecordOf<T extends LogRecord['type']> = Extract<LogRecord, { type: T }>;

interface PendingRound {
  readonly request: Request;
  readonly epoch: Epoch;
  readonly asker: Asker | undefined;
  readonly decisions: Map<Identifier, Decision>;
  /** Who approved at least once: an approval that was withdrawn may still have given a share. */
  readonly approved: Set<Identifier>;
  readonly documents: Set<string>;
}

/** Takes the records of one log in turn, as an audit gives them. Its order is the audit's to judge. */
export class Testimony {
  readonly #group: Group;
  readonly #charters = new Map<string, Charter>();
  /** By certificate hash. */
  readonly #standings = new Map<string, GroupStanding>();
  readonly #pending = new Map<string, PendingRound>();
  /** By the hashes of their documents: successions that were signed, with their requesters unless the operator archived them. */
  readonly #successions = new Map<string, Uint8Array | undefined>();
  /** Epochs of the rounds that are over, for decisions that came late. */
  readonly #over = new Map<string, Epoch>();

  constructor(group: Group) {
    this.#group = group;
  }

  /** The keys that all their members vouched for in the records so far, in order. */
  get epochs(): Epoch[] {
    return [...this.#standings.values()].map(({ epoch }) => epoch);
  }

  /**
   * Answers what a record says about a round that it ends, and `undefined` for every other record. `blobs` has those that the record names, and
   * for a record `closed` the documents of its round. Throws `ProtocolError` with the number of the record, and the code of whatever does not hold.
   */
  hear({ index, record }: AuditedRecord, blobs: Blobs): RoundTestimony | undefined {
    try {
      return this.#hear(record, blobs);
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      const { code, message, culprits } = cause;
      throw new ProtocolError(code, `record ${index} ("${record.type}"): ${message}`, { cause, culprits });
    }
  }

  #hear(record: LogRecord, blobs: Blobs): RoundTestimony | undefined {
    switch (record.type) {
      case 'charter':
        this.#charters.set(record.charter, decodeCharter(openBlob(record.file, blobs)));
        return undefined;
      case 'group':
        this.#hearGroup(record, blobs);
        return undefined;
      case 'group-document':
        this.#hearDocument(record, blobs);
        return undefined;
      case 'round':
        this.#hearRound(record, blobs);
        return undefined;
      case 'round-document':
        this.#hearRoundDocument(record);
        return undefined;
      case 'decision':
        this.#hearDecision(record, blobs);
        return undefined;
      case 'evidence':
        this.#hearEvidence(record, blobs);
        return undefined;
      case 'closed':
        return this.#hearEnd(record, blobs);
      case 'born':
      case 'moved':
      case 'arrived':
      case 'ceremony':
      case 'journal':
        return undefined;
    }
  }

  #hearGroup(record: RecordOf<'group'>, blobs: Blobs): void {
    const charter = known(this.#charters.get(record.charter), 'its charter');
    const certificate = decodeCertificate(openBlob(record.certificate, blobs));
    const stored = openKept(record.stored, blobs) as readonly Envelope[];
    // Signatures first: only what all members vouch for is worth the arithmetic on its points (T30).
    assertAllStored({ charter, hash: certificate.transcriptHash }, stored);
    if (this.#standings.size >= maxAuditedEpochs)
      throw new ProtocolError('too-many', `the log has more than ${maxAuditedEpochs} keys`);
    // A repeat is a no-op: what the group has signed since stays in force.
    if (this.#standings.has(certificate.transcriptHash)) return;
    const epoch = openEpoch(this.#group, charter, certificate);
    this.#standings.set(epoch.hash, { epoch, requesters: this.#firstRequesters(epoch), delegations: [] });
  }

  /** Those in force before the first document under this epoch: what the succession that led to it brought along. */
  #firstRequesters(epoch: Epoch): Requesters {
    const { transcript } = epoch.certificate;
    if (transcript.origin !== 'reshared') return emptyRequesters(epoch.charter);
    known(this.#standings.get(transcript.from.epoch), 'the epoch that it comes after');
    if (!this.#successions.has(transcript.from.succession))
      throw new ProtocolError('bad-record', 'the succession that it comes of is not in the log before it');
    const bytes = this.#successions.get(transcript.from.succession);
    return bytes === undefined ? emptyRequesters(epoch.charter) : requestersOf(epoch, bytes);
  }

  /** The key that signed says which epoch it is of: one charter may have had several ceremonies. */
  #hearDocument(record: RecordOf<'group-document'>, blobs: Blobs): void {
    const envelope = openKept(record.envelope, blobs) as Envelope;
    let refusal: unknown = new ProtocolError('bad-record', 'its group is not in the log before it');
    for (const standing of this.#standings.values()) {
      if (standing.epoch.charter.hash !== record.charter) continue;
      try {
        this.#standings.set(standing.epoch.hash, withDocument(standing, record.document, envelope));
        return;
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  }

  #hearRound(record: RecordOf<'round'>, blobs: Blobs): void {
    const request = openRequest(openKept(record.request, blobs));
    if (request.digest !== record.digest) throw new ProtocolError('bad-record', 'its request has another digest');
    const standing = known(this.#standings.get(request.payload.epoch), 'the group of its request');
    const { epoch } = standing;
    if (epoch.charter.hash !== record.charter)
      throw new ProtocolError('bad-record', 'its request is for the key of another charter');
    assertOfEpoch(request.payload, epoch, 'the request');
    if (this.#pending.size >= maxPendingInAudit)
      throw new ProtocolError('too-many', `more than ${maxPendingInAudit} rounds are pending`);
    this.#pending.set(record.digest, {
      request,
      epoch,
      asker: askerOrUndefined(request, standing),
      decisions: new Map(),
      approved: new Set(),
      documents: new Set(),
    });
  }

  #hearRoundDocument({ digest, document }: RecordOf<'round-document'>): void {
    const round = this.#pending.get(digest);
    const entries = round?.request.payload.documents ?? [];
    if (!entries.some(({ sha256, size }) => sha256 === document.sha256 && size === document.size))
      throw new ProtocolError('bad-record', 'its round asked for no such document');
    round?.documents.add(document.sha256);
  }

  #hearDecision(record: RecordOf<'decision'>, blobs: Blobs): void {
    const { epoch, round } = this.#roundOf(record.digest);
    const decision = openDecision(openKept(record.decision, blobs), epoch.charter);
    assertDecisionOn(decision, record.digest, epoch);
    const { identifier } = decision.member;
    if (decision.payload.decision === 'approve') round?.approved.add(identifier);
    if (isNewerDecision(decision, round?.decisions.get(identifier))) round?.decisions.set(identifier, decision);
  }

  #hearEvidence(record: RecordOf<'evidence'>, blobs: Blobs): void {
    const { epoch } = this.#roundOf(record.digest);
    const bytes = blobIfThere(record.evidence, blobs);
    if (bytes === undefined) return;
    const verdict = judgeEvidence(this.#group, bytes);
    if (verdict.charterHash !== epoch.charter.hash || verdict.culprit.identifier !== record.member)
      throw new ProtocolError('bad-record', 'its evidence is against somebody else');
  }

  #hearEnd(record: RecordOf<'closed'>, blobs: Blobs): RoundTestimony {
    const round = known(this.#pending.get(record.digest), 'its round');
    const { request, epoch, asker, decisions } = round;
    const signers = record.signers.map((identifier) => signerOf(round, identifier));
    const signatures = record.outcome === 'signed' ? judgeSignatures(round, record, blobs) : 'none';
    this.#pending.delete(record.digest);
    this.#over.set(record.digest, epoch);
    const [succession, , requesters] = request.payload.documents;
    if (request.payload.kind === 'succession' && signatures !== 'none' && succession && requesters)
      this.#successions.set(succession.sha256, blobIfThere(requesters, blobs));
    return { request, asker, decisions: [...decisions.values()], outcome: record.outcome, signers, signatures };
  }

  #roundOf(digest: string): { readonly epoch: Epoch; readonly round: PendingRound | undefined } {
    const round = this.#pending.get(digest);
    return { epoch: known(round?.epoch ?? this.#over.get(digest), 'its round'), round };
  }
}

/** Each document is under the group's own key; the newest requesters are in force from here on. */
function withDocument(standing: GroupStanding, kind: string, envelope: Envelope): GroupStanding {
  const nothing = { genesis: null, requesters: null, delegations: [] };
  const { epoch } = standing;
  switch (kind) {
    case 'genesis':
      openGroupDocuments(epoch, { ...nothing, genesis: envelope });
      return standing;
    case 'requesters': {
      const { requesters = standing.requesters } = openGroupDocuments(epoch, { ...nothing, requesters: envelope });
      return requesters.version < standing.requesters.version ? standing : { ...standing, requesters };
    }
    case 'delegation': {
      const opened = openGroupDocuments(epoch, { ...nothing, delegations: [envelope] });
      return { ...standing, delegations: newestOf([...standing.delegations, ...opened.delegations]) };
    }
    case 'erased':
      assertErasedIn(epoch, envelope);
      return standing;
    default:
      throw new ProtocolError('bad-record', `a document of kind ${kind} is not known; a newer frostmark may know it`);
  }
}

/** A word that no key signed: whose genesis it was erased for, `openErased` says. */
function assertErasedIn(epoch: Epoch, envelope: Envelope): void {
  const { payload } = openMessage(erasedMessage, envelope, (key) => memberByKey(epoch.charter, key) !== undefined);
  if (payload.epoch !== epoch.hash)
    throw new ProtocolError('wrong-epoch', 'whoever erased a share says it of another key epoch');
}

/** One of each channel: a quarter brings another, and a log lives for years. */
function newestOf(delegations: GroupStanding['delegations']): GroupStanding['delegations'] {
  return [...new Map(delegations.map((delegation) => [delegation.channel, delegation])).values()];
}

/** A signer approved before the signature was stored: a member whose word is not in the log did not sign. */
function signerOf({ epoch, approved }: PendingRound, identifier: number): Member {
  const member = epoch.charter.members.find((candidate) => candidate.identifier === identifier);
  if (member === undefined) throw new ProtocolError('bad-record', `there is no member ${identifier}`);
  if (!approved.has(member.identifier))
    throw new ProtocolError('bad-record', `${member.name} is said to have signed and did not approve`);
  return member;
}

function judgeSignatures(round: PendingRound, record: RecordOf<'closed'>, blobs: Blobs): 'valid' | 'unchecked' {
  const { request, epoch } = round;
  const { sharings, point } = epoch.channel(request.payload.channel);
  const signers = epoch.charter.members
    .map(({ identifier }) => identifier)
    .filter((one) => record.signers.includes(one));
  // Not a minimal set: a second stage may have had other signers than the first (T37).
  if (!isQualified(sharings, signers)) throw new ProtocolError('bad-record', 'its signers are no quorum');
  if (request.payload.documents.some(({ sha256 }) => !round.documents.has(sha256)))
    throw new ProtocolError('bad-record', 'it was signed without its document');
  const documents = request.payload.documents.flatMap((entry) => blobIfThere(entry, blobs) ?? []);
  if (documents.length < request.payload.documents.length) return 'unchecked';
  const signatures = record.signatures.map(hexToBytes);
  if (!isSignedRequest(prepareRequest({ epoch, request, documents }), point.bytes, signatures))
    throw new ProtocolError('bad-signature', 'a signature of the quorum is not valid');
  return 'valid';
}

/** Archived bytes are not missing; what lies there must be what it was. */
function blobIfThere({ sha256, size }: BlobRef, blobs: Blobs): Uint8Array | undefined {
  return blobs(sha256) === undefined ? undefined : openBlob({ sha256, size }, blobs);
}

function known<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new ProtocolError('bad-record', `${what} is not in the log before it`);
  return found;
}
