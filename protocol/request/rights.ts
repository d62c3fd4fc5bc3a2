/**
 * Who may ask, until when, and who is kept out of the signer set (T31). Coordinator, members and clients judge a request by these functions
 * alone, each from the documents that it has verified itself.
 */
import { decodeBase64 } from '../../verifier/base64.ts';
import { delegationOf } from '../ceremony/founding.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { channelOf, memberByKey, production, type Channel, type Charter, type Member } from '../files/charter.ts';
import { assertNamesDiffer, decodeRequesters, type Requesters } from '../files/requesters.ts';
import { maxClockSkewSeconds } from '../limits.ts';
import { sha256Hex } from '../wire/bytes.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { Request, RequestPayload } from './request.ts';

/** What a group has signed about itself, as far as whoever judges a request has verified it. */
export interface GroupStanding {
  readonly epoch: Epoch;
  /** In force: the newest that was signed; before there is one, what the ceremony agreed to. */
  readonly requesters: Requesters;
  /** The delegations that were signed, newest only or more. */
  readonly delegations: readonly { readonly channel: string; readonly envelope: Envelope }[];
}

/** Who asks: a requester by the document in force, or a member for what members may always ask. */
export interface Asker {
  readonly name: string;
  /** The member that this person also is, if any. */
  readonly member: Member | undefined;
}

/** Throws `ProtocolError` (`wrong-group`, `wrong-epoch`) for what was made for another group or key epoch. */
export function assertOfEpoch(
  { groupKey, epoch: hash }: Pick<RequestPayload, 'groupKey' | 'epoch'>,
  epoch: Epoch,
  what: string,
): void {
  if (groupKey !== epoch.groupKey) throw new ProtocolError('wrong-group', `${what} is for another group`);
  if (hash !== epoch.hash)
    throw new ProtocolError('wrong-epoch', `${what} is for another key epoch; fetch the group again`);
}

/** Throws `ProtocolError('not-a-requester')` or `('not-allowed')`. */
export function askerOf(request: Request, { epoch: { charter }, requesters }: GroupStanding): Asker {
  const { kind, channel } = request.payload;
  const member = memberByKey(charter, request.asker);
  const requester = requesters.entries.find((entry) => entry.key === request.asker);
  if (kind === 'genesis' && member === undefined)
    throw new ProtocolError('not-allowed', 'only a member may ask for genesis');
  if (kind !== 'release' && member !== undefined) return { name: member.name, member };
  if (requester === undefined) {
    throw new ProtocolError(
      'not-a-requester',
      `${member?.name ?? request.asker} is not in version ${requesters.version} of the requesters document`,
    );
  }
  if (!requester.channels.includes(channel)) {
    throw new ProtocolError(
      'not-allowed',
      `${requester.name} may not request on ${channel}, only on ${requester.channels.join(', ')}`,
    );
  }
  const also = member ?? charter.members.find((candidate) => candidate.name === requester.member);
  return { name: requester.name, member: also };
}

/** The same, or `undefined` for who has no right to ask. */
export function askerOrUndefined(request: Request, standing: GroupStanding): Asker | undefined {
  try {
    return askerOf(request, standing);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/**
 * The member that may not be in the signer set of this request: whoever asked for it on production (T31); `undefined` if nobody is kept out.
 * The founding documents are the one exception: with every member in the quorum nobody could sign them otherwise.
 */
export function keptOut(request: Request, standing: GroupStanding): Member | undefined {
  if (request.payload.channel !== production || isFoundingDocument(request, standing)) return undefined;
  // Else a group whose every member has to sign could never change.
  if (request.payload.kind === 'succession') return undefined;
  return askerOrUndefined(request, standing)?.member;
}

/** Whether this asks for what the ceremony itself has to sign. All of it follows from the request, so that no document needs to be at hand. */
export function isFoundingDocument(request: Request, { epoch, delegations }: GroupStanding): boolean {
  const { kind, documents } = request.payload;
  const asked = documents[0]?.sha256;
  switch (kind) {
    case 'genesis':
      return true;
    case 'requesters':
      return asked === epoch.certificate.transcript.requesters;
    case 'delegation':
      return epoch.charter.channels.some(({ name }) => {
        if (name === production) return false;
        // What was signed is still what the ceremony asked for; anything else beside it is a renewal.
        const signed = delegations.filter(({ channel }) => channel === name);
        const isFirst = signed.every(({ envelope }) => sha256Hex(decodeBase64(envelope.payload)) === asked);
        return isFirst && sha256Hex(delegationOf(epoch, name, request.createdAtUnixSeconds)) === asked;
      });
    case 'release':
    case 'openpgp-certificate':
    case 'openpgp-back-signature':
    case 'openpgp-subkey':
    case 'openpgp-revocation':
    case 'ssh-certificate':
    case 'succession':
    case 'status':
    case 'consent':
    case 'endorsement':
      return false;
  }
}

/** Throws `ProtocolError('not-allowed')` when nobody is left to sign once who asked is kept out (T31). */
export function assertSignable(request: Request, standing: GroupStanding): void {
  const out = keptOut(request, standing);
  if (out === undefined) return;
  const short = channelOf(standing.epoch.charter, request.payload.channel).sharings.find(
    (sharing) => sharing.members.filter((member) => member !== out.identifier).length < sharing.threshold,
  );
  if (short === undefined) return;
  throw new ProtocolError(
    'not-allowed',
    `${out.name} asked and may not sign, and without ${out.name} there are not enough (${short.tier ?? 'any'} ${short.threshold}); somebody else has to ask`,
  );
}

/**
 * The requesters document with these bytes, if it is for this epoch: it names group key and epoch number, or it is the one that the ceremony
 * agreed to. Throws `ProtocolError` (`bad-requesters`, `wrong-group`, `bad-document`).
 */
export function requestersOf(epoch: Epoch, bytes: Uint8Array): Requesters {
  const requesters = decodeRequesters(bytes, epoch.charter);
  const { groupKey, number } = requesters;
  if (groupKey === null && sha256Hex(bytes) !== epoch.certificate.transcript.requesters)
    throw new ProtocolError(
      'bad-document',
      'the requesters document names no group, and is not the one of the ceremony',
    );
  if (groupKey !== null && groupKey !== epoch.groupKey)
    throw new ProtocolError('wrong-group', 'the requesters document is for another group');
  if (groupKey !== null && number !== epoch.number)
    throw new ProtocolError(
      'bad-document',
      `the requesters document is for epoch ${number} of the key, and this is epoch ${epoch.number}`,
    );
  return requesters;
}

/**
 * A requesters document counts only with a higher version than the one that was signed last (0 before there is one), and version 1 only as
 * the ceremony agreed to it. Throws `ProtocolError` (`stale-version`, `bad-document`, `wrong-group`, `bad-requesters`).
 */
export function assertNewerRequesters(document: Uint8Array, epoch: Epoch, heldVersion: number): void {
  const requesters = requestersOf(epoch, document);
  const { version } = requesters;
  if (version <= heldVersion)
    throw new ProtocolError(
      'stale-version',
      `version ${version} of the requesters document is not newer than version ${heldVersion}: the next is ${heldVersion + 1}`,
    );
  if (version === 1 && sha256Hex(document) !== epoch.certificate.transcript.requesters)
    throw new ProtocolError(
      'bad-document',
      'version 1 of the requesters document is the one of the ceremony, and this is another',
    );
  if (version > 1) assertNamesDiffer(requesters, epoch.charter);
}

/** Unix seconds at which the request dies. */
export function expiresAtUnixSeconds(request: Request, channel: Channel): number {
  return request.createdAtUnixSeconds + channel.expirySeconds;
}

/** Throws `ProtocolError('not-yet-valid')` or `('expired')`. */
export function assertFresh(request: Request, charter: Charter, nowUnixSeconds: number): void {
  if (request.createdAtUnixSeconds > nowUnixSeconds + maxClockSkewSeconds) {
    throw new ProtocolError(
      'not-yet-valid',
      `the request is dated ${request.payload.createdAt}, more than 5 minutes ahead; check the clocks`,
    );
  }
  if (nowUnixSeconds >= expiresAtUnixSeconds(request, channelOf(charter, request.payload.channel)))
    throw new ProtocolError('expired', `the request of ${request.payload.createdAt} has expired`);
}
