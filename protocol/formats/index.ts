/** The closed list of what a quorum may sign. There is no raw kind: nobody can have bytes of their own choosing signed. */
import { printableJson } from '../../verifier/printable.ts';
import { verifySignature } from '../../verifier/ed25519.ts';
import type { DocumentView } from '../documents/document.ts';
import { releaseDocument } from './release-document.ts';
import { ProtocolError } from '../errors.ts';
import { assertDocument, type RequestKind } from '../request/request.ts';
import { delegation } from './delegation.ts';
import { consent, endorsement, minisignEndorsement, openpgpEndorsement, sshEndorsement } from './endorsement.ts';
import type { Format, FormatInput, Prepared } from './format.ts';
import { genesis } from './genesis.ts';
import { minisign } from './minisign.ts';
import { native } from './native.ts';
import { openpgpBackSignature, openpgpCertificate, openpgpRevocation, openpgpSubkey } from './openpgp-certificate.ts';
import { openpgp, openpgpCleartext } from './openpgp.ts';
import { requesters } from './requesters.ts';
import { ssh } from './ssh.ts';
import { succession } from './succession.ts';
import { sshCertificate } from './ssh-certificate.ts';
import { sshRevocation, status, statusOpenpgpRevocation } from './status.ts';
import { at, present } from '../wire/present.ts';

const formats: readonly Format[] = [
  native,
  genesis,
  requesters,
  delegation,
  openpgp,
  openpgpCleartext,
  openpgpCertificate,
  openpgpBackSignature,
  openpgpSubkey,
  openpgpRevocation,
  ssh,
  sshCertificate,
  minisign,
  succession,
  status,
  statusOpenpgpRevocation,
  sshRevocation,
  consent,
  endorsement,
  openpgpEndorsement,
  sshEndorsement,
  minisignEndorsement,
];

/** Names of the formats a request of this kind may ask for. */
export function formatNames(kind: RequestKind): string[] {
  return formats.filter((format) => format.kind === kind).map((format) => format.name);
}

/** Throws `ProtocolError('unknown-format')` naming those that fit. */
export function formatOf(name: string, kind: RequestKind): Format {
  const format = formats.find((candidate) => candidate.name === name && candidate.kind === kind);
  if (format !== undefined) return format;
  throw new ProtocolError(
    'unknown-format',
    `a ${kind} has no format ${printableJson(name)}; it has ${formatNames(kind).join(', ')}`,
  );
}

/** A request's messages: of stage 1, and how many more depend on their signatures. */
export interface PreparedRequest {
  /** They are in the request's order of formats. */
  readonly formats: readonly PreparedFormat[];
  readonly messages: readonly Uint8Array[];
  /** What the document of a release says, by its grammar. */
  readonly contents: readonly DocumentView[];
  /** How many messages stage 2 has; 0 for most requests. */
  readonly followers: number;
}

/** What one format of a request signs. */
export interface PreparedFormat extends Prepared {
  readonly format: Format;
}

/**
 * Every message of the request's formats, in the request's order, rebuilt from fields and whole documents.
 * Throws `ProtocolError` for a request of another group or key epoch, and for a document that is not the one asked for, not of its kind,
 * or not this group's to sign.
 */
export function prepareRequest(input: FormatInput): PreparedRequest {
  const { payload } = input.request;
  if (payload.groupKey !== input.epoch.groupKey)
    throw new ProtocolError('wrong-group', `the request is for the group key ${payload.groupKey}`);
  if (payload.epoch !== input.epoch.hash) throw new ProtocolError('wrong-epoch', 'the request is of another key epoch');
  if (input.documents.length !== payload.documents.length)
    throw new ProtocolError('bad-document', 'a document is missing');
  payload.documents.forEach((entry, index) => assertDocument(entry, at(input.documents, index)));
  // For every format, also one that does not sign it: what an approver is shown is what it says it is.
  const contents = payload.kind === 'release' && payload.documents.length > 0 ? [releaseDocument(input).view] : [];
  const formats = payload.formats.map((name) => {
    const format = formatOf(name, payload.kind);
    return { format, ...format.prepare(input) };
  });
  return {
    formats,
    messages: formats.map(({ message }) => message),
    contents,
    followers: formats.filter(({ format }) => format.follow !== undefined).length,
  };
}

/** The signed texts as approvers read them, in the request's order of formats; a format that shows nothing besides has none. */
export function signedTexts({ formats }: PreparedRequest): string[] {
  return formats.flatMap(({ format, state }) => format.shows?.(state) ?? []);
}

/** The formats with a second message, given the 64-byte signatures of all first ones: stage 2, in the request's order. */
export function followRequest(prepared: PreparedRequest, signatures: readonly Uint8Array[]): PreparedFormat[] {
  return prepared.formats.flatMap(({ format, state }, index) =>
    format.follow === undefined ? [] : [{ format, ...format.follow(state, at(signatures, index)) }],
  );
}

/** A finished file of one format. */
export interface FinishedFile {
  readonly format: string;
  readonly bytes: Uint8Array;
}

/** Every file of the request, in its order of formats. `signatures` are 64 bytes each: of stage 1 in that order, then of stage 2. */
export function finishRequest(prepared: PreparedRequest, signatures: readonly Uint8Array[]): FinishedFile[] {
  const followed = followRequest(prepared, signatures).values();
  const second = signatures.slice(prepared.formats.length).values();
  return prepared.formats.map(({ format, state }, index) => {
    const isFollowed = format.follow !== undefined;
    const signature = isFollowed ? second.next().value : signatures[index];
    const last = isFollowed ? present(followed.next().value, `stage 2 of ${format.name}`).state : state;
    return { format: format.name, bytes: format.finish(last, present(signature, `the signature of ${format.name}`)) };
  });
}

/** True when these are the strict Ed25519 signatures by `key` (32 bytes) over the messages of stage 1, 64 bytes each. */
export function areFirstSignatures(
  { messages }: PreparedRequest,
  key: Uint8Array,
  signatures: readonly Uint8Array[],
): boolean {
  return signatures.length === messages.length && areOver(messages, key, signatures);
}

function areOver(messages: readonly Uint8Array[], key: Uint8Array, signatures: readonly Uint8Array[]): boolean {
  return messages.every((message, index) => verifySignature(key, message, at(signatures, index)));
}

/**
 * True when these are the strict Ed25519 signatures by `key` (32 bytes) over every message of the request, those of stage 2 after those of stage 1, 64 bytes each:
 * the release verifier's own rule (T12, T37).
 */
export function isSignedRequest(
  prepared: PreparedRequest,
  key: Uint8Array,
  signatures: readonly Uint8Array[],
): boolean {
  const count = prepared.messages.length;
  const [first, second] = [signatures.slice(0, count), signatures.slice(count)];
  if (second.length !== prepared.followers || !areFirstSignatures(prepared, key, first)) return false;
  const messages = followRequest(prepared, first).map(({ message }) => message);
  return areOver(messages, key, second);
}
