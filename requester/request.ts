/** Builds a request and signs it with the identity of whoever asks; judged here by the rules that coordinator and members apply. */
import type { OpenedGroup } from '../client/group.ts';
import { isText } from '../verifier/names.ts';
import { maxTextBytes } from '../verifier/limits.ts';
import { channelOf, production, type Member } from '../protocol/files/charter.ts';
import { sealMessage, type Envelope, type Identity } from '../protocol/wire/envelope.ts';
import { formatOf, prepareRequest } from '../protocol/formats/index.ts';
import { delegationOf } from '../protocol/ceremony/founding.ts';
import { maxNoteCharacters, maxProductCharacters, maxReleaseCharacters } from '../protocol/limits.ts';
import {
  blankRequest,
  cancelMessage,
  documentEntry,
  openRequest,
  requestMessage,
  type CertificateKind,
  type Request,
  type RequestPayload,
  type Source,
} from '../protocol/request/request.ts';
import { askerOf, assertNewerRequesters, keptOut, type Asker } from '../protocol/request/rights.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { toArtifact, type ArtifactFile } from './artifacts.ts';
import { RequesterError } from './errors.ts';

/** A signed request with the bytes of its documents, and who takes part in it. */
export interface Submission {
  readonly request: Request;
  readonly documents: readonly Uint8Array[];
  readonly asker: Asker;
  /** The member that may not sign it, because it is the asker's own. */
  readonly keptOut: Member | undefined;
}

/** A document that travels whole to every member. */
export interface WholeDocument {
  /** As in `protocol/documents/`. */
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** What a person says about a release. */
export interface ReleaseWish {
  readonly channel: string;
  readonly formats: readonly string[];
  readonly artifacts: readonly ArtifactFile[];
  /** The manifest of the artifacts, or what is signed instead of them. */
  readonly document?: WholeDocument | undefined;
  readonly product: string | undefined;
  readonly release: string | undefined;
  readonly source: Source | null;
  readonly note: string | undefined;
}

/** Throws `RequesterError('bad-field')` and the `ProtocolError`s of `askerOf`, `channelOf` and `formatOf`. */
export function askForRelease(
  group: OpenedGroup,
  wish: ReleaseWish,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  channelOf(group.epoch.charter, wish.channel);
  for (const format of wish.formats) formatOf(format, 'release');
  const payload: RequestPayload = {
    ...blankRequest(group.epoch, 'release', nowUnixSeconds),
    channel: wish.channel,
    formats: [...wish.formats],
    artifacts: wish.artifacts.map(toArtifact),
    documents: wish.document === undefined ? [] : [documentEntry(wish.document.kind, wish.document.bytes)],
    product: fieldOf('product', wish.product, maxProductCharacters),
    release: fieldOf('release', wish.release, maxReleaseCharacters),
    source: wish.source,
    note: noteOf(wish.note),
  };
  return sign(group, payload, wish.document === undefined ? [] : [wish.document.bytes], identity);
}

/** One line that a verifier prints. */
function fieldOf(name: string, text: string | undefined, maxCharacters: number): string | null {
  if (text === undefined) return null;
  if (text.length > maxCharacters || !isText(text, maxTextBytes))
    throw new RequesterError('bad-field', `--${name} must be one line of 1 to ${maxCharacters} characters`);
  return text;
}

function noteOf(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (text.length > maxNoteCharacters || !text.isWellFormed())
    throw new RequesterError('bad-field', `--note has at most ${maxNoteCharacters} characters`);
  return text;
}

/** Asks for a new requesters document. Throws what `askForRelease` does. */
export function askForRequesters(
  group: OpenedGroup,
  requesters: Requesters,
  note: string | undefined,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  assertNewerRequesters(requesters.bytes, group.epoch, group.requesters.version);
  return askForDocument(group, { kind: 'requesters', bytes: requesters.bytes, note }, identity, nowUnixSeconds);
}

/** What a person says about a delegation. */
export interface DelegationWish {
  readonly channel: string;
  /** One more than that of the newest one; 1 for the first. */
  readonly number: number;
  readonly note: string | undefined;
}

/** Asks for a delegation of `channel` that begins now. Throws what `askForRelease` does. */
export function askForDelegation(
  group: OpenedGroup,
  { channel, number, note }: DelegationWish,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  channelOf(group.epoch.charter, channel);
  if (channel === production)
    throw new RequesterError('bad-field', 'production signs under the group key itself and needs no delegation');
  const bytes = delegationOf(group.epoch, channel, nowUnixSeconds);
  return askForDocument(group, { kind: 'delegation', bytes, number, note }, identity, nowUnixSeconds);
}

/** What a person says about a certificate for stock tools. */
export interface CertificateWish {
  readonly kind: CertificateKind;
  /** One more than that of the newest one of its kind and channel; left out for a back-signature, which is no document of the group. */
  readonly number?: number | undefined;
  /** Whose key it is about; `undefined` for the group's own. */
  readonly channel: string | undefined;
  /** RFC 3339, where it ends; `null` for what has no end. */
  readonly until: string | null;
  readonly document?: WholeDocument | undefined;
  readonly note: string | undefined;
}

/** Asks for a certificate; everything in it but channel and end follows from charter, certificate and request. Throws what `askForRelease` does. */
export function askForCertificate(
  group: OpenedGroup,
  { kind, number, channel, until, document, note }: CertificateWish,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  const isSignedByChannel = kind === 'openpgp-back-signature';
  const payload: RequestPayload = {
    ...blankRequest(group.epoch, kind, nowUnixSeconds),
    channel: isSignedByChannel && channel !== undefined ? channel : production,
    documents: document === undefined ? [] : [documentEntry(document.kind, document.bytes)],
    ...(isSignedByChannel || channel === undefined ? {} : { certify: { channel, until } }),
    ...(number === undefined ? {} : { number }),
    note: noteOf(note),
  };
  return sign(group, payload, document === undefined ? [] : [document.bytes], identity);
}

/** A document that a group signs about itself. */
export interface DocumentWish {
  readonly kind: 'requesters' | 'delegation' | 'status' | 'consent' | 'endorsement';
  readonly bytes: Uint8Array;
  /** As its kind is called, where nothing is signed besides. */
  readonly formats?: readonly string[];
  readonly number?: number;
  readonly note: string | undefined;
}

/** Asks for a document of the group. Throws what `askForRelease` does. */
export function askForDocument(
  group: OpenedGroup,
  { kind, bytes, formats = [kind], number, note }: DocumentWish,
  identity: Identity,
  nowUnixSeconds: number,
): Submission {
  const payload: RequestPayload = {
    ...blankRequest(group.epoch, kind, nowUnixSeconds),
    formats: [...formats],
    documents: [documentEntry(kind, bytes)],
    ...(number === undefined ? {} : { number }),
    note: noteOf(note),
  };
  return sign(group, payload, [bytes], identity);
}

/** Everything that the coordinator and every member will check is checked before it is sent. */
function sign(
  group: OpenedGroup,
  payload: RequestPayload,
  documents: readonly Uint8Array[],
  identity: Identity,
): Submission {
  const request = openRequest(sealMessage(requestMessage, payload, identity));
  const asker = askerOf(request, group);
  prepareRequest({ epoch: group.epoch, request, documents });
  return { request, documents, asker, keptOut: keptOut(request, group) };
}

/** The signed wish to take a request back; only its asker's counts. */
export function cancellationOf(group: OpenedGroup, requestDigest: string, identity: Identity): Envelope {
  return sealMessage(cancelMessage, { groupKey: group.epoch.groupKey, requestDigest }, identity);
}
