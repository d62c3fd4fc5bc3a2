/** A request: what is asked to be signed. Signed by whoever asks; everything a quorum signs is a function of it and its documents. */
import { printableJson } from '../../verifier/printable.ts';
import { isSubjectName } from '../../verifier/names.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex, sha256Hex, taggedHash, utf8ToBytes } from '../wire/bytes.ts';
import { production } from '../files/charter.ts';
import { defineMessage, openMessage, type Envelope, type Opened } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import {
  maxArtifacts,
  maxDocumentBytes,
  maxDocumentNumber,
  maxDocuments,
  maxMessages,
  maxNoteCharacters,
  maxProductCharacters,
  maxReleaseCharacters,
  maxRequestBytes,
  maxSourceCharacters,
} from '../limits.ts';
import { maxBytesOf } from '../documents/index.ts';
import { Hash, Hex, Key, Name, Nullable, Strict, Text, Timestamp, Type, type Static } from '../wire/schema.ts';
import { formatTimestamp, parseTimestamp } from '../wire/time.ts';
import type { Epoch } from '../ceremony/epoch.ts';

/** The closed list of what may be asked for. */
export const requestKinds = [
  'release',
  'genesis',
  'requesters',
  'delegation',
  'openpgp-certificate',
  'openpgp-back-signature',
  'openpgp-subkey',
  'openpgp-revocation',
  'ssh-certificate',
  'succession',
  'status',
  'consent',
  'endorsement',
] as const;
/** One of them. */
export type RequestKind = (typeof requestKinds)[number];

/** Certificates for stock tools, and what has ended: made once by a round each, kept by the coordinator for whoever exports them. */
export const certificateKinds = [
  'openpgp-certificate',
  'openpgp-back-signature',
  'openpgp-subkey',
  'openpgp-revocation',
  'ssh-certificate',
  'status',
  'endorsement',
] as const satisfies readonly RequestKind[];
/** One of them. */
export type CertificateKind = (typeof certificateKinds)[number];

/** Whether what a round of this kind makes is kept as a certificate for stock tools. */
export function isCertificateKind(kind: RequestKind): kind is CertificateKind {
  return certificateKinds.some((known) => known === kind);
}

/**
 * Who numbers what requests of a kind make: the request, for bytes that other tools define; the document itself, which says so in a field of its
 * own; nobody, for what is no document of the group.
 */
export type Numbering = 'request' | 'document' | 'none';

/** What holds for every request of a kind besides a release's. */
interface KindRule {
  readonly numbered: Numbering;
  /** The kinds of its documents, in order. */
  readonly documents: readonly string[];
  /** Whether it says which channel's key it certifies, and until when. */
  readonly certifies: 'nothing' | 'a channel' | 'a channel until';
  readonly isOnProduction: boolean;
}

const kindRules: Readonly<Record<Exclude<RequestKind, 'release'>, KindRule>> = {
  genesis: { numbered: 'document', documents: ['genesis'], certifies: 'nothing', isOnProduction: true },
  requesters: { numbered: 'document', documents: ['requesters'], certifies: 'nothing', isOnProduction: true },
  delegation: { numbered: 'request', documents: ['delegation'], certifies: 'nothing', isOnProduction: true },
  'openpgp-certificate': { numbered: 'request', documents: [], certifies: 'nothing', isOnProduction: true },
  // The subkey's own word that it belongs to the primary key: signed by the channel that it is about.
  'openpgp-back-signature': { numbered: 'none', documents: [], certifies: 'nothing', isOnProduction: false },
  'openpgp-subkey': {
    numbered: 'request',
    documents: ['openpgp-back-signature'],
    certifies: 'a channel until',
    isOnProduction: true,
  },
  'openpgp-revocation': { numbered: 'request', documents: [], certifies: 'a channel', isOnProduction: true },
  'ssh-certificate': { numbered: 'request', documents: [], certifies: 'a channel until', isOnProduction: true },
  consent: { numbered: 'none', documents: ['consent'], certifies: 'nothing', isOnProduction: true },
  endorsement: { numbered: 'document', documents: ['endorsement'], certifies: 'nothing', isOnProduction: true },
  status: { numbered: 'document', documents: ['status'], certifies: 'nothing', isOnProduction: true },
  // The new charter travels with it: approvers read the difference.
  succession: {
    numbered: 'document',
    documents: ['succession', 'charter', 'requesters'],
    certifies: 'nothing',
    isOnProduction: true,
  },
};

/** Whether requests of this kind are made on this channel at all. */
export function isKindOnChannel(kind: RequestKind, channel: string): boolean {
  return kind === 'release' || kindRules[kind].isOnProduction === (channel === production);
}

/** Who numbers what requests of this kind make. */
export function numberingOf(kind: RequestKind): Numbering {
  return kind === 'release' ? 'none' : kindRules[kind].numbered;
}

const Size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** An artifact, which no signer sees: its digests are signed. */
export const artifactSchema = Strict({ name: Text(255), size: Size, sha256: Hash, sha512: Hex(64) });
/** A document that travels whole beside the request. */
export const documentSchema = Strict({
  kind: Name,
  size: Type.Integer({ minimum: 1, maximum: maxDocumentBytes }),
  sha256: Hash,
});
/** Where artifacts were built from, as the asker says it. */
export const sourceSchema = Strict({
  repo: Nullable(Text(maxSourceCharacters)),
  ref: Nullable(Text(maxSourceCharacters)),
  /** 40 or 64 hex digits. */
  commit: Type.String({ pattern: '^[0-9a-f]{40}([0-9a-f]{24})?$' }),
});

/** Of a certificate, all that the asker may choose. */
const certifySchema = Strict({ channel: Name, until: Nullable(Timestamp) });

/** All fields of a request; those that a kind does not need are null or empty. */
export const requestSchema = Strict({
  groupKey: Key,
  epoch: Hash,
  kind: Type.Unsafe<RequestKind>(Type.Union(requestKinds.map((kind) => Type.Literal(kind)))),
  channel: Name,
  formats: Type.Array(Name, { minItems: 1, maxItems: maxMessages, uniqueItems: true }),
  artifacts: Type.Array(artifactSchema, { maxItems: maxArtifacts }),
  documents: Type.Array(documentSchema, { maxItems: maxDocuments }),
  product: Nullable(Text(maxProductCharacters)),
  release: Nullable(Text(maxReleaseCharacters)),
  source: Nullable(sourceSchema),
  /** Of kinds that certify a channel's key, and of no other. */
  certify: Type.Optional(certifySchema),
  /** Of documents of the group that have no number in their own bytes: which one of its kind and channel it is to be, from 1 on. */
  number: Type.Optional(Type.Integer({ minimum: 1, maximum: maxDocumentNumber })),
  note: Nullable(Text(maxNoteCharacters)),
  createdAt: Timestamp,
});

/** What whoever asks signs. */
export type RequestPayload = Static<typeof requestSchema>;
/** One artifact by its name, size in bytes and digests. */
export type Artifact = Static<typeof artifactSchema>;
/** One document by its kind, size in bytes and digest. */
export type DocumentEntry = Static<typeof documentSchema>;
/** Where artifacts were built from; shown to approvers, and checked by nobody here. */
export type Source = Static<typeof sourceSchema>;

/** A request, signed by the identity of whoever asks. */
export const requestMessage = defineMessage('request', requestSchema, 'bad-request', maxRequestBytes);

/** A request whose signature and shape hold; `rights.ts` judges the rest. */
export interface Request {
  /** Names the round: SHA-256 over asker and payload, hex. */
  readonly digest: string;
  /** Identity key of whoever asks, base64url. */
  readonly asker: string;
  readonly payload: RequestPayload;
  readonly createdAtUnixSeconds: number;
  readonly envelope: Envelope;
}

/** A payload with nothing in it but what every request must say, and for a document that is numbered by it the first number; the rest is laid over it. */
export function blankRequest(
  { groupKey, hash }: Epoch,
  kind: RequestKind,
  createdAtUnixSeconds: number,
): RequestPayload {
  return {
    groupKey,
    epoch: hash,
    kind,
    channel: production,
    formats: [kind],
    artifacts: [],
    documents: [],
    product: null,
    release: null,
    source: null,
    ...(numberingOf(kind) === 'request' ? { number: 1 } : {}),
    note: null,
    createdAt: formatTimestamp(createdAtUnixSeconds),
  };
}

/** How a request names a document that travels whole. */
export function documentEntry(kind: string, bytes: Uint8Array): DocumentEntry {
  return { kind, size: bytes.length, sha256: sha256Hex(bytes) };
}

/** Cancels a pending round; only its asker may. */
export const cancelMessage = defineMessage('cancel', Strict({ groupKey: Key, requestDigest: Hash }), 'bad-request');

/** Opens a request signed by any key; who may ask is the question of `askerOf`. Throws `ProtocolError`. */
export function openRequest(envelope: unknown): Request {
  return toRequest(openMessage(requestMessage, envelope, () => true));
}

function toRequest(opened: Opened<RequestPayload>): Request {
  const { payload, from } = opened;
  assertConsistent(payload);
  return {
    digest: requestDigest(from, opened.bytes),
    asker: from,
    payload,
    createdAtUnixSeconds: parseTimestamp(payload.createdAt, 'bad-request', 'createdAt'),
    envelope: opened.envelope,
  };
}

/** SHA-256 over the asker's key and the exact payload bytes, hex: two askers never share a round. */
export function requestDigest(asker: string, payload: Uint8Array): string {
  return bytesToHex(taggedHash('request', utf8ToBytes(asker), payload));
}

/** The same submission has the same id whenever it is made: it is the SHA-256, in hex, of everything but the time. */
export function submissionId(request: Request): string {
  return sha256Hex(encodeCanonicalJson([request.asker, { ...request.payload, createdAt: null }]));
}

/** What the schema cannot say. Throws `ProtocolError('bad-request')` naming the artifact or field. */
function assertConsistent(payload: RequestPayload): void {
  for (const { kind, size } of payload.documents)
    if (size > maxBytesOf(kind))
      throw new ProtocolError(
        'bad-request',
        `a ${kind} document has at most ${maxBytesOf(kind)} bytes, this has ${size}`,
      );
  if (payload.kind === 'release') assertRelease(payload);
  else assertOfKind(payload, kindRules[payload.kind]);
}

/** Artifacts by their digests, or one document that travels whole, or both: then the document is the manifest of the artifacts. */
function assertRelease({ artifacts, documents, certify, number }: RequestPayload): void {
  if (artifacts.length === 0 && documents.length === 0)
    throw new ProtocolError('bad-request', 'a release names at least one artifact or document');
  if (documents.length > 1) throw new ProtocolError('bad-request', 'a release has at most one document');
  if (artifacts.length > 0 && documents[0] !== undefined && documents[0].kind !== 'manifest')
    throw new ProtocolError('bad-request', 'beside artifacts the only document is their manifest');
  if (certify !== undefined) throw new ProtocolError('bad-request', 'a release certifies no key');
  if (number !== undefined) throw new ProtocolError('bad-request', 'a release has no number');
  for (const { name } of artifacts) {
    if (!isSubjectName(name)) throw new ProtocolError('bad-request', `${printableJson(name)} is not a plain file name`);
  }
  if (new Set(artifacts.map(({ name }) => name)).size !== artifacts.length)
    throw new ProtocolError('bad-request', 'two artifacts have the same name');
}

function documentsInWords(kinds: readonly string[]): string {
  return kinds.length === 1 ? `one document, a ${kinds.join()}` : `${kinds.length} documents: ${kinds.join(', ')}`;
}

function assertOfKind(payload: RequestPayload, rule: KindRule): void {
  const { kind, documents, certify } = payload;
  const refuse = (what: string): never => {
    throw new ProtocolError('bad-request', `a ${kind} request ${what}`);
  };
  if (payload.artifacts.length > 0) refuse('has no artifacts');
  if (rule.documents.length === 0 && documents.length > 0) refuse('has no document');
  if (documents.map((document) => document.kind).join() !== rule.documents.join())
    refuse(`has exactly ${documentsInWords(rule.documents)}`);
  if (!isKindOnChannel(kind, payload.channel))
    refuse(rule.isOnProduction ? 'is signed on production only' : 'is for another channel than production');
  if (payload.product !== null || payload.release !== null || payload.source !== null)
    refuse('has no product, release or source');
  if ((certify !== undefined) !== (rule.certifies !== 'nothing')) refuse(`certifies ${rule.certifies}`);
  if (certify !== undefined && (certify.until !== null) !== (rule.certifies === 'a channel until'))
    refuse(`certifies ${rule.certifies}`);
  if (payload.number !== undefined && rule.numbered !== 'request') refuse('has no number');
  if (certify?.channel === production) refuse('is about another channel than production');
}

/** Throws `ProtocolError('bad-document')` unless `bytes` are all the bytes of the entry. */
export function assertDocument(entry: DocumentEntry, bytes: Uint8Array): void {
  if (bytes.length !== entry.size || sha256Hex(bytes) !== entry.sha256) {
    throw new ProtocolError('bad-document', `the ${entry.kind} document is not the one that was asked for`);
  }
}
