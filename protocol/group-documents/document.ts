/**
 * A document of a group as it is kept and brought back: the round that made it, whole. Its signature is the group's; its number, who asked and
 * when are in the request, which is believed because a quorum's members approved it by name (PROTOCOL.md, section 6.6).
 */
import { decodeBase64 } from '../../verifier/base64.ts';
import { preAuthEncoding } from '../../verifier/dsse.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { memberByKey, production, type Charter, type Member } from '../files/charter.ts';
import {
  finishRequest,
  isSignedRequest,
  prepareRequest,
  type FinishedFile,
  type PreparedRequest,
} from '../formats/index.ts';
import { isQualified } from '../frost/sharing.ts';
import { maxGroupDocumentBytes, maxJsonDepth } from '../limits.ts';
import { openRequest, type Request } from '../request/request.ts';
import { assertDecisionOn, openDecision, type Decision } from '../signing/decision.ts';
import { hexToBytes, sha256Hex } from '../wire/bytes.ts';
import { refuseAs, type Envelope } from '../wire/envelope.ts';
import { documentBody, type DocumentBody } from '../wire/frames.ts';
import { at } from '../wire/present.ts';
import { assertSchema } from '../wire/schema.ts';
import { placeOf, type NamedDocument } from './kinds.ts';

/** A document of the group, verified. */
export interface GroupDocument extends NamedDocument {
  readonly request: Request;
  /** What it is of. */
  readonly epoch: Epoch;
  /** As its format finishes it. */
  readonly file: Uint8Array;
  /** The same, and what was signed beside it for stock tools, in the request's order of formats. */
  readonly files: readonly FinishedFile[];
  /** Who approved it: a quorum, or more. */
  readonly approvedBy: readonly Member[];
  /** What is kept and sent, in our own spelling. */
  readonly body: DocumentBody;
}

/** What a request with all its documents would make: its place among the group's documents and its name; `undefined` for what is none. */
export function namedDocument(
  input: { readonly epoch: Epoch; readonly request: Request; readonly documents: readonly Uint8Array[] },
  { messages }: Pick<PreparedRequest, 'messages'>,
): NamedDocument | undefined {
  const place = placeOf(input);
  return place === undefined ? undefined : { ...place, hash: sha256Hex(at(messages, 0)) };
}

/** What names a document that travels as an envelope under the group's key: the hash of the message that was signed, hex. */
export function hashOfEnvelope({ payload, payloadType }: Envelope): string {
  return sha256Hex(preAuthEncoding(payloadType, decodeBase64(payload)));
}

/**
 * Opens what somebody brought, by the key epochs of one group. Throws `ProtocolError`: `wrong-group` or `wrong-epoch` for a document of another,
 * `bad-document` for what is none, `bad-signature`, `not-allowed` without the word of a quorum, and what decoders throw.
 */
export function openGroupDocument(epochs: readonly Epoch[], body: DocumentBody): GroupDocument {
  const request = openRequest(body.request);
  const epoch = epochOf(epochs, request);
  const documents = body.documents.map((base64) => refuseAs('bad-document', 'document', () => decodeBase64(base64)));
  const prepared = prepareRequest({ epoch, request, documents });
  const named = namedDocument({ epoch, request, documents }, prepared);
  if (named === undefined)
    throw new ProtocolError('bad-document', `a ${request.payload.kind} is no document of the group`);
  const signatures = body.signatures.map(hexToBytes);
  if (!isSignedRequest(prepared, epoch.channel(production).point.bytes, signatures))
    throw new ProtocolError('bad-signature', `the ${named.kind} is not signed by the group key`);
  const decisions = body.decisions.map((envelope) => openDecision(envelope, epoch.charter));
  const files = finishRequest(prepared, signatures);
  return {
    ...named,
    request,
    epoch,
    file: at(files, 0).bytes,
    files,
    approvedBy: approversOf(decisions, request, epoch),
    body: {
      request: request.envelope,
      documents: [...body.documents],
      decisions: decisions.map(({ envelope }) => envelope),
      signatures: [...body.signatures],
    },
  };
}

function epochOf(epochs: readonly Epoch[], { payload }: Request): Epoch {
  const ofGroup = epochs.filter(({ groupKey }) => groupKey === payload.groupKey);
  if (ofGroup.length === 0) throw new ProtocolError('wrong-group', 'the document is of another group');
  const epoch = ofGroup.find(({ hash }) => hash === payload.epoch);
  if (epoch === undefined)
    throw new ProtocolError('wrong-epoch', 'the document is of a key epoch that is not known here');
  return epoch;
}

/** The group's key does not sign the request, so that one with another number could be put around its signature: a quorum's word cannot. */
function approversOf(decisions: readonly Decision[], request: Request, epoch: Epoch): Member[] {
  for (const decision of decisions) assertDecisionOn(decision, request.digest, epoch);
  const members = decisions.flatMap(({ payload, member }) => (payload.decision === 'approve' ? [member] : []));
  const { sharings } = epoch.channel(production);
  if (
    !isQualified(
      sharings,
      members.map(({ identifier }) => identifier),
    )
  )
    throw new ProtocolError('not-allowed', 'the request of this document was not approved by a quorum of the group');
  return members;
}

/** The decisions that go along with a document: of each signer its newest approval, in order of identifiers. */
export function approvalsOf(decisions: Iterable<Decision>): Decision[] {
  const approvals = [...decisions].filter(({ payload }) => payload.decision === 'approve');
  return approvals.sort((a, b) => a.member.identifier - b.member.identifier);
}

/** Whether `next` is the newer one of a count: of two with one number the later request, and then the higher hash, so that all agree. */
export function isNewerDocument(next: GroupDocument, known: GroupDocument): boolean {
  if (next.number !== known.number) return next.number > known.number;
  const [a, b] = [next.request.createdAtUnixSeconds, known.request.createdAtUnixSeconds];
  return a !== b ? a > b : next.hash > known.hash;
}

/** The file of a document: canonical JSON. Throws `ProtocolError('too-large')`. */
export function encodeGroupDocument({ body }: GroupDocument): Uint8Array {
  const bytes = encodeCanonicalJson(body);
  if (bytes.length <= maxGroupDocumentBytes) return bytes;
  throw new ProtocolError(
    'too-large',
    `a document of the group of ${bytes.length} bytes: at most ${maxGroupDocumentBytes} are kept`,
  );
}

/** Inverse of `encodeGroupDocument`; to be opened. Throws `ProtocolError('bad-document')`. */
export function decodeGroupDocument(bytes: Uint8Array): DocumentBody {
  const value = refuseAs('bad-document', 'document of the group', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxGroupDocumentBytes, maxDepth: maxJsonDepth }),
  );
  assertSchema(documentBody, value, 'bad-document', 'document of the group');
  return value as DocumentBody;
}

/** Who asked for it, by name where the charter or the requesters in force have one. */
export function askedBy(
  { request: { asker } }: Pick<GroupDocument, 'request'>,
  {
    charter,
    requesters,
  }: { readonly charter: Charter; readonly requesters: readonly { readonly name: string; readonly key: string }[] },
): string {
  return (memberByKey(charter, asker) ?? requesters.find(({ key }) => key === asker))?.name ?? asker;
}
