/** OpenPGP over a document: a detached signature, or the text with its signature below (RFC 9580, Sections 10.4 and 7). */
import { utf8ToBytes } from '../wire/bytes.ts';
import { textOf } from '../documents/document.ts';
import { namelessDocument } from './release-document.ts';
import { ProtocolError } from '../errors.ts';
import { armor } from '../openpgp/armor.ts';
import { canonicalCleartext, cleartextFile, cleartextLines } from '../openpgp/cleartext.ts';
import { formatFingerprint, openpgpGroup, openpgpKeyOf } from '../openpgp/group-key.ts';
import { encodePacket, packetTags } from '../openpgp/packet.ts';
import {
  finishSignature,
  prepareSignature,
  signatureTypes,
  type SignatureType,
  type UnfinishedSignature,
} from '../openpgp/signature.ts';
import type { Request } from '../request/request.ts';
import { formatTimestamp } from '../wire/time.ts';
import { defineFormat, type FormatInput } from './format.ts';

type State = { readonly unfinished: UnfinishedSignature; readonly lines: readonly string[]; readonly shown: string };

/** Of these a person may read every byte; the others are for programs. */
const cleartextKinds: readonly string[] = ['apt-release', 'debian-control', 'text', 'manifest'];

/** Seconds: sqv, and apt with it, refuses a signature that is one second ahead of its own clock: so much may the asker's be ahead. */
export const clockSlackSeconds = 30;

/**
 * When an OpenPGP signature says it was made: a little before the request, never before the keys are.
 * Throws `ProtocolError('bad-request')` for a request from before the keys: every tool refuses keys of the future.
 */
export function signedAt({ createdAtUnixSeconds, payload }: Request, keyCreatedUnixSeconds: number): number {
  if (createdAtUnixSeconds < keyCreatedUnixSeconds)
    throw new ProtocolError(
      'bad-request',
      `the request is of ${payload.createdAt}, the group's OpenPGP key begins only at ${formatTimestamp(keyCreatedUnixSeconds)}`,
    );
  return Math.max(keyCreatedUnixSeconds, createdAtUnixSeconds - clockSlackSeconds);
}

/** A detached OpenPGP signature over a document that travels whole, armored (RFC 9580, Section 10.4). */
export const openpgp = defineFormat<State>({
  name: 'openpgp',
  kind: 'release',
  prepare: (input) => {
    const { bytes } = namelessDocument(input, 'openpgp');
    return prepared(input, { type: signatureTypes.binary, signed: bytes, lines: [] });
  },
  shows: ({ shown }) => shown,
  finish: ({ unfinished }, signature) => utf8ToBytes(armoredSignature(unfinished, signature)),
});

/** A document with its OpenPGP signature inside, as InRelease is (RFC 9580, Section 7). */
export const openpgpCleartext = defineFormat<State>({
  name: 'openpgp-cleartext',
  kind: 'release',
  prepare: (input) => {
    const { kind, bytes } = namelessDocument(input, 'openpgp-cleartext');
    if (!cleartextKinds.includes(kind))
      throw new ProtocolError(
        'bad-request',
        `openpgp-cleartext is for ${cleartextKinds.join(', ')}; a ${kind} is signed as openpgp`,
      );
    const lines = cleartextLines(textOf(bytes, kind));
    return prepared(input, { type: signatureTypes.text, signed: canonicalCleartext(lines), lines });
  },
  shows: ({ shown }) => shown,
  finish: ({ unfinished, lines }, signature) =>
    utf8ToBytes(cleartextFile(lines, armoredSignature(unfinished, signature))),
});

/** What enters the hash, by the type of the signature; `lines` are those of a clear-signed text, else none. */
interface SignedDocument {
  readonly type: SignatureType;
  readonly signed: Uint8Array;
  readonly lines: readonly string[];
}

function prepared(
  { epoch, request }: FormatInput,
  { type, signed, lines }: SignedDocument,
): { readonly message: Uint8Array; readonly state: State } {
  const createdUnixSeconds = signedAt(request, openpgpGroup(epoch).createdUnixSeconds);
  const issuer = openpgpKeyOf(epoch, request.payload.channel);
  const unfinished = prepareSignature({ type, issuer, createdUnixSeconds, subpackets: [] }, signed);
  const shown = `OpenPGP signature by ${formatFingerprint(issuer)}, dated ${formatTimestamp(createdUnixSeconds)}`;
  return { message: unfinished.digest, state: { unfinished, lines, shown } };
}

function armoredSignature(unfinished: UnfinishedSignature, signature: Uint8Array): string {
  return armor('PGP SIGNATURE', encodePacket(packetTags.signature, finishSignature(unfinished, signature)));
}
