/** Releases of whole documents, signed in all their formats by a quorum in one process. */
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { finishRequest, followRequest, isSignedRequest, prepareRequest } from '../../protocol/formats/index.ts';
import type { Request, RequestPayload } from '../../protocol/request/request.ts';
import { quorumSignature } from './coordinator-group.ts';
import { releaseRequest, type LiveGroup } from './round-network.ts';

export interface DocumentToSign {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** A release of this document alone, as of 2026-11-22T08:00:00Z. */
export function documentRelease(
  group: LiveGroup,
  channel: string,
  formats: readonly string[],
  { kind, bytes }: DocumentToSign,
  change: Partial<RequestPayload> = {},
): Request {
  return releaseRequest(group, channel, {
    formats: [...formats],
    artifacts: [],
    documents: [{ kind, size: bytes.length, sha256: sha256Hex(bytes) }],
    ...change,
  });
}

/** A request for the SSH certificate of a channel. */
export function certificateRequest(
  group: LiveGroup,
  channel: string,
  until: string,
  change: Partial<RequestPayload> = {},
): Request {
  return releaseRequest(group, 'production', {
    kind: 'ssh-certificate',
    formats: ['ssh-certificate'],
    artifacts: [],
    product: null,
    release: null,
    certify: { channel, until },
    ...change,
  });
}

/** Each finished file by the name of its format, with a quorum's signatures of both stages. */
export function signedFiles(
  group: LiveGroup,
  request: Request,
  documents: readonly Uint8Array[] = [],
): ReadonlyMap<string, Uint8Array> {
  const { channel } = request.payload;
  const prepared = prepareRequest({ epoch: group.epoch, request, documents });
  const first = prepared.messages.map((message) => quorumSignature(group, channel, message));
  const second = followRequest(prepared, first).map(({ message }) => quorumSignature(group, channel, message));
  const signatures = [...first, ...second];
  if (!isSignedRequest(prepared, group.epoch.channel(channel).point.bytes, signatures))
    throw new Error('the quorum signed something else');
  return new Map(finishRequest(prepared, signatures).map(({ format, bytes }) => [format, bytes]));
}

/** The one file of a release in one format. */
export function signedFile(
  group: LiveGroup,
  channel: string,
  format: string,
  document: DocumentToSign,
  change: Partial<RequestPayload> = {},
): Uint8Array {
  const request = documentRelease(group, channel, [format], document, change);
  return signedFiles(group, request, [document.bytes]).get(format)!;
}

/** A quorum's signature that `isWanted`: each is as random as its nonces. One in 256 begins with a given byte: give the test minutes. */
export function groundSignature(
  group: LiveGroup,
  channel: string,
  message: Uint8Array,
  isWanted: (signature: Uint8Array) => boolean,
): Uint8Array {
  for (;;) {
    const signature = quorumSignature(group, channel, message);
    if (isWanted(signature)) return signature;
  }
}

/** How the two halves of a signature may begin with a zero byte. */
export const zeroLed = [
  ['R', (signature: Uint8Array) => signature[0] === 0],
  ['S', (signature: Uint8Array) => signature[32] === 0],
] as const;
