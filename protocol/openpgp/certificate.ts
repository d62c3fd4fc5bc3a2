/** An OpenPGP certificate (transferable public key; RFC 9580, Section 10.1): what a group's keys say about each other, and how the pieces come together. */
import { concatBytes } from '@noble/hashes/utils.js';
import { bytesToHex, equalBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import type { OpenpgpGroup } from './group-key.ts';
import {
  hashedKey,
  hashedUserId,
  keyBodyBytes,
  openpgpKey,
  primaryPacket,
  subkeyPacket,
  type OpenpgpKey,
} from './key.ts';
import { decodePackets, encodePacket, packetTags, type Packet, type PacketTag } from './packet.ts';
import {
  certifyAndSign,
  compromised,
  embeddedSignature,
  keyExpiration,
  notation,
  openSignature,
  preferredHashes,
  prepareSignature,
  primaryUserId,
  signatureTypes,
  signOnly,
  type OpenpgpSignature,
  type SignatureType,
  type UnfinishedSignature,
} from './signature.ts';

/** It names the channel on a subkey's binding, for people: no stock tool enforces it. */
const channelNotation = 'channel@frostmark';

/** The primary key's word on its user id. Dated at the creation of the key, so that it covers every signature that the key can make. */
export function prepareCertification({ primary, userId, createdUnixSeconds }: OpenpgpGroup): UnfinishedSignature {
  return prepareSignature(
    {
      type: signatureTypes.certification,
      issuer: primary,
      createdUnixSeconds,
      subpackets: [certifyAndSign, preferredHashes, primaryUserId],
    },
    hashedKey(primary.body),
    hashedUserId(userId),
  );
}

/** Primary key, user id, certification. */
export function primaryCertificate({ primary, userId }: OpenpgpGroup, certification: Uint8Array): Uint8Array {
  return concatBytes(
    primaryPacket(primary),
    encodePacket(packetTags.userId, userId),
    encodePacket(packetTags.signature, certification),
  );
}

/** One group's word on the key and user id of the one that comes after it. */
export function prepareEndorsement(
  { primary }: OpenpgpGroup,
  next: OpenpgpGroup,
  createdUnixSeconds: number,
): UnfinishedSignature {
  return prepareSignature(
    { type: signatureTypes.endorsement, issuer: primary, createdUnixSeconds, subpackets: [] },
    hashedKey(next.primary.body),
    hashedUserId(next.userId),
  );
}

/** The endorsed primary key and user id with the signature on them: a piece for `endorsedCertificate`. */
export function endorsedPart(next: OpenpgpGroup, signature: Uint8Array): Uint8Array {
  return primaryCertificate(next, signature);
}

/**
 * The new group's own certificate with the old one's signature after its own. Throws `ProtocolError('bad-document')` for a certificate of another
 * key or user id.
 */
export function endorsedCertificate(certificate: Uint8Array, part: Uint8Array): Uint8Array {
  const [key, userId, endorsement] = partsOf(part, packetTags.publicKey, packetTags.userId, packetTags.signature);
  const [ownKey, ownUserId, own, ...others] = decodePackets(certificate);
  if (ownKey === undefined || ownUserId === undefined || own === undefined) throw badPart('this is no certificate');
  if (!equalBytes(ownKey.body, key.body) || !equalBytes(ownUserId.body, userId.body))
    throw badPart('this is the certificate of another key, or another user id');
  const packets = [ownKey, ownUserId, own, endorsement, ...others];
  return concatBytes(...packets.map(({ tag, body }) => encodePacket(tag, body)));
}

/** A subkey's own word that it belongs to the primary key: without it anybody could adopt it (RFC 9580, Section 5.2.1.9). */
export function prepareBackSignature(
  { primary, createdUnixSeconds }: OpenpgpGroup,
  subkey: OpenpgpKey,
): UnfinishedSignature {
  // Dated at the creation of the key: it is the same for every binding, and nothing in it is anybody's choice.
  return prepareSignature(
    { type: signatureTypes.primaryKeyBinding, issuer: subkey, createdUnixSeconds, subpackets: [] },
    hashedKey(primary.body),
    hashedKey(subkey.body),
  );
}

/**
 * The body of a back-signature, from its packet: of these two keys, by this subkey, and not a byte but R and S that could be another.
 * Throws `ProtocolError('bad-document')` or `('bad-signature')`.
 */
export function openBackSignature(group: OpenpgpGroup, subkey: OpenpgpKey, packet: Uint8Array): Uint8Array {
  const [{ body }] = partsOf(packet, packetTags.signature);
  const keys = [hashedKey(group.primary.body), hashedKey(subkey.body)];
  const { hashedPart } = openSignature(body, subkey, ...keys);
  if (!equalBytes(hashedPart, prepareBackSignature(group, subkey).hashedPart))
    throw badPart('not the back-signature of this subkey under this primary key');
  return body;
}

/** What the primary key says of a channel's key, and when. */
export interface SubkeyRevocation {
  readonly subkey: OpenpgpKey;
  readonly channel: string;
  readonly createdUnixSeconds: number;
}

/** What is needed to bind a channel's key to the primary key as a subkey. */
export interface SubkeyBinding extends SubkeyRevocation {
  readonly untilUnixSeconds: number;
  /** Body of the back-signature. */
  readonly backSignature: Uint8Array;
}

/** The primary key's word on a channel's subkey: it may sign, until then. */
export function prepareSubkeyBinding(group: OpenpgpGroup, binding: SubkeyBinding): UnfinishedSignature {
  return prepareSignature(
    {
      type: signatureTypes.subkeyBinding,
      issuer: group.primary,
      createdUnixSeconds: binding.createdUnixSeconds,
      subpackets: [
        signOnly,
        keyExpiration(binding.untilUnixSeconds - group.createdUnixSeconds),
        notation(channelNotation, binding.channel),
        embeddedSignature(binding.backSignature),
      ],
    },
    hashedKey(group.primary.body),
    hashedKey(binding.subkey.body),
  );
}

/**
 * The primary key takes a subkey back, for good. The reason is a compromise, whatever it was: for a softer one the tools go on believing
 * signatures that are dated before it, and who has the key chooses their dates.
 */
export function prepareSubkeyRevocation(
  { primary }: OpenpgpGroup,
  { subkey, channel, createdUnixSeconds }: SubkeyRevocation,
): UnfinishedSignature {
  return prepareSignature(
    {
      type: signatureTypes.subkeyRevocation,
      issuer: primary,
      createdUnixSeconds,
      subpackets: [compromised(`${channel} is revoked`)],
    },
    hashedKey(primary.body),
    hashedKey(subkey.body),
  );
}

/** A subkey with one signature on it: a binding or a revocation, a piece of a certificate. */
export function subkeyPart(subkey: OpenpgpKey, signature: Uint8Array): Uint8Array {
  return concatBytes(subkeyPacket(subkey), encodePacket(packetTags.signature, signature));
}

/** The finished signatures that a certificate is put together from. */
export interface CertificateParts {
  /** The finished file of an `openpgp-certificate`. */
  readonly certificate: Uint8Array;
  /** Finished files of `openpgp-subkey`: every one there ever was, for Sequoia judges a signature by the binding of its day. */
  readonly subkeys: readonly Uint8Array[];
  /** These are finished files of `openpgp-revocation`. */
  readonly revocations: readonly Uint8Array[];
}

interface Subkey {
  readonly key: OpenpgpKey;
  readonly revocations: OpenpgpSignature[];
  readonly bindings: OpenpgpSignature[];
}

/**
 * One binary certificate. Without subkeys it is production's alone, which no stock tool lets a channel's signature pass under.
 * The newest binding comes before older ones, revocations after them; the same pieces give the same bytes in whatever order they come.
 * Throws `ProtocolError('bad-document')` for what is no such piece and `('bad-signature')` for a piece of another group.
 */
export function assembleOpenpgpCertificate({ certificate, subkeys, revocations }: CertificateParts): Uint8Array {
  const primary = openCertificate(certificate);
  const found = new Map<string, Subkey>();
  for (const part of subkeys) addPart(found, primary, { part, type: signatureTypes.subkeyBinding });
  for (const part of revocations) addPart(found, primary, { part, type: signatureTypes.subkeyRevocation });
  const sorted = [...found.keys()].sort().flatMap((fingerprint) => found.get(fingerprint) ?? []);
  return concatBytes(
    certificate,
    ...sorted.flatMap(({ key, revocations: revoked, bindings }) => {
      if (bindings.length === 0) throw badPart('a revocation of a subkey that is not among these');
      // Differs from RFC 9580, Section 10.1: revocations come last, because rpm 4.18 imports no certificate where they come first.
      const signatures = [...newestFirst(bindings), ...newestFirst(revoked)];
      return [subkeyPacket(key), ...signatures.map(({ body }) => encodePacket(packetTags.signature, body))];
    }),
  );
}

/** The primary key of a certificate without subkeys. */
function openCertificate(certificate: Uint8Array): OpenpgpKey {
  const [keyPacket, userId, signature] = partsOf(
    certificate,
    packetTags.publicKey,
    packetTags.userId,
    packetTags.signature,
  );
  const primary = openKey(keyPacket.body);
  const signed = [hashedKey(primary.body), hashedUserId(userId.body)];
  const { type } = openSignature(signature.body, primary, ...signed);
  if (type !== signatureTypes.certification) throw badPart('the certificate does not certify itself');
  return primary;
}

/** A finished piece, and the type that its signature has to have. */
interface Piece {
  readonly part: Uint8Array;
  readonly type: SignatureType;
}

function addPart(found: Map<string, Subkey>, primary: OpenpgpKey, { part, type }: Piece): void {
  const [keyPacket, { body }] = partsOf(part, packetTags.publicSubkey, packetTags.signature);
  const key = openKey(keyPacket.body);
  const signature = openSignature(body, primary, hashedKey(primary.body), hashedKey(key.body));
  if (signature.type !== type) throw badPart('a subkey with a signature of another type');
  const fingerprint = bytesToHex(key.fingerprint);
  const subkey = found.get(fingerprint) ?? { key, revocations: [], bindings: [] };
  found.set(fingerprint, subkey);
  const known = type === signatureTypes.subkeyBinding ? subkey.bindings : subkey.revocations;
  if (!known.some((other) => equalBytes(other.body, body))) known.push(signature);
}

/** Of two of one second, the one with the lower bytes first: any rule does that is a rule. */
function newestFirst(signatures: readonly OpenpgpSignature[]): OpenpgpSignature[] {
  const order = ({ body }: OpenpgpSignature): string => bytesToHex(body);
  return signatures.toSorted((a, b) => b.createdUnixSeconds - a.createdUnixSeconds || (order(a) < order(b) ? -1 : 1));
}

/** A key body exactly as we write it. */
function openKey(body: Uint8Array): OpenpgpKey {
  if (body.length !== keyBodyBytes) throw badPart('a key of another length');
  const key = openpgpKey(body.slice(-32), new DataView(body.buffer, body.byteOffset).getUint32(1));
  if (!equalBytes(key.body, body)) throw badPart('a key that is not of ours');
  return key;
}

/** The packets, when they are exactly of these tags. */
function partsOf<Tags extends readonly PacketTag[]>(
  bytes: Uint8Array,
  ...tags: Tags
): { readonly [Place in keyof Tags]: Packet } {
  const packets = decodePackets(bytes);
  if (packets.length !== tags.length || packets.some(({ tag }, index) => tag !== tags[index]))
    throw badPart('not the packets that belong here');
  return packets as { [Place in keyof Tags]: Packet };
}

function badPart(what: string): ProtocolError {
  return new ProtocolError('bad-document', `OpenPGP: ${what}`);
}
