/** OpenPGP signatures, version 4 with EdDSA and SHA-512: what is hashed, and the packet around the quorum's 64 bytes (RFC 9580, Sections 5.2.3 and 5.2.4). */
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { verifySignature } from '../../verifier/ed25519.ts';
import { equalBytes, u32 } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import type { OpenpgpKey } from './key.ts';
import { encodeLength } from './packet.ts';

/** RFC 9580, Section 5.2.1. */
export const signatureTypes = {
  binary: 0x00,
  text: 0x01,
  /** Of another's key, without saying how well it was looked at. */
  endorsement: 0x10,
  certification: 0x13,
  subkeyBinding: 0x18,
  primaryKeyBinding: 0x19,
  subkeyRevocation: 0x28,
} as const;
/** One of them. */
export type SignatureType = (typeof signatureTypes)[keyof typeof signatureTypes];

/** What a signature says about itself. */
export interface SignatureFields {
  readonly type: SignatureType;
  readonly issuer: OpenpgpKey;
  readonly createdUnixSeconds: number;
  /** What else is hashed, besides creation time and issuer. */
  readonly subpackets: readonly Uint8Array[];
}

/** A signature packet that lacks R and S. */
export interface UnfinishedSignature {
  /** Version to the end of the hashed subpackets. */
  readonly hashedPart: Uint8Array;
  /** Of the issuer, 8 bytes. */
  readonly keyId: Uint8Array;
  /** 64 bytes: what the quorum signs. */
  readonly digest: Uint8Array;
}

const subpacketTypes = {
  creationTime: 2,
  keyExpiration: 9,
  issuer: 16,
  notation: 20,
  preferredHashes: 21,
  primaryUserId: 25,
  keyFlags: 27,
  revocationReason: 29,
  embeddedSignature: 32,
  issuerFingerprint: 33,
} as const;

/** Whoever does not know a critical subpacket refuses the signature (RFC 9580, Section 5.2.3.7). */
const critical = 0x80;
const version = 4;
/** EdDSA and SHA-512 (RFC 9580, Sections 9.1 and 9.5); they come after version and type. */
export const algorithmNumbers = { publicKey: 22, hash: 10 } as const;
const algorithms = Uint8Array.of(algorithmNumbers.publicKey, algorithmNumbers.hash);

function subpacket(type: number, body: Uint8Array): Uint8Array {
  return concatBytes(encodeLength(body.length + 1), Uint8Array.of(type), body);
}

/** May certify user ids and subkeys, and sign (RFC 9580, Section 5.2.3.29). */
export const certifyAndSign = subpacket(subpacketTypes.keyFlags, Uint8Array.of(0x03));
/** May sign, no more. */
export const signOnly = subpacket(subpacketTypes.keyFlags, Uint8Array.of(0x02));
/** Says that this is the main user id (RFC 9580, Section 5.2.3.27). */
export const primaryUserId = subpacket(subpacketTypes.primaryUserId, Uint8Array.of(1));
/** SHA-512, SHA-384, SHA-256. */
export const preferredHashes = subpacket(subpacketTypes.preferredHashes, Uint8Array.of(10, 9, 8));

/** Seconds after the creation of the key (RFC 9580, Section 5.2.3.13). Never critical: rpm 4.18 does not import a certificate where it is. */
export function keyExpiration(secondsAfterCreation: number): Uint8Array {
  return subpacket(subpacketTypes.keyExpiration, u32(secondsAfterCreation));
}

/** A text for people and programs (RFC 9580, Section 5.2.3.24). Never critical: gpg and Sequoia refuse every critical notation that they do not know. */
export function notation(name: string, value: string): Uint8Array {
  const [nameBytes, valueBytes] = [new TextEncoder().encode(name), new TextEncoder().encode(value)];
  const lengths = [nameBytes, valueBytes].map(({ length }) => Uint8Array.of(length >>> 8, length & 255));
  const humanReadable = Uint8Array.of(0x80, 0, 0, 0);
  return subpacket(subpacketTypes.notation, concatBytes(humanReadable, ...lengths, nameBytes, valueBytes));
}

/** A whole signature body inside another one (RFC 9580, Section 5.2.3.34). */
export function embeddedSignature(body: Uint8Array): Uint8Array {
  return subpacket(subpacketTypes.embeddedSignature, body);
}

/** Key material has been compromised: no signature of the key counts any more, whatever its date (RFC 9580, Section 5.2.3.31). */
export function compromised(text: string): Uint8Array {
  return subpacket(subpacketTypes.revocationReason, concatBytes(Uint8Array.of(2), new TextEncoder().encode(text)));
}

/**
 * What is signed for these fields. `signed` comes before them in the hash: a document, or keys and user id.
 * The hash ends in type, subpackets and their length, so no document can be made to give the digest of another type (RFC 9580, Section 5.2.4).
 */
export function prepareSignature(fields: SignatureFields, ...signed: readonly Uint8Array[]): UnfinishedSignature {
  const hashed = concatBytes(
    subpacket(subpacketTypes.creationTime | critical, u32(fields.createdUnixSeconds)),
    subpacket(subpacketTypes.issuerFingerprint, concatBytes(Uint8Array.of(4), fields.issuer.fingerprint)),
    ...fields.subpackets,
  );
  const hashedPart = concatBytes(Uint8Array.of(version, fields.type), algorithms, u16(hashed.length), hashed);
  return { hashedPart, keyId: fields.issuer.keyId, digest: digestOf(hashedPart, signed) };
}

function digestOf(hashedPart: Uint8Array, signed: readonly Uint8Array[]): Uint8Array {
  return sha512(concatBytes(...signed, hashedPart, Uint8Array.of(version, 0xff), u32(hashedPart.length)));
}

/** The body of the signature packet; `signature` is 64 bytes over the digest. */
export function finishSignature({ hashedPart, keyId, digest }: UnfinishedSignature, signature: Uint8Array): Uint8Array {
  // rpm 4.18 finds a key by its id alone, so the id is there, too, where it is not hashed (RFC 9580, Section 5.2.3.12).
  const unhashed = subpacket(subpacketTypes.issuer, keyId);
  return concatBytes(
    hashedPart,
    u16(unhashed.length),
    unhashed,
    digest.subarray(0, 2),
    encodeMpi(signature.subarray(0, 32)),
    encodeMpi(signature.subarray(32, 64)),
  );
}

/** Native octets as one number without leading zeros: Sequoia refuses those, and one signature in 128 has some (RFC 9580, Sections 3.2 and 5.2.3.3). */
function encodeMpi(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  const stripped = start < 0 ? new Uint8Array() : bytes.subarray(start);
  return concatBytes(u16(bitLength(stripped)), stripped);
}

function bitLength(stripped: Uint8Array): number {
  return stripped.length === 0 ? 0 : stripped.length * 8 - Math.clz32(stripped[0] ?? 0) + 24;
}

/** A signature body of ours, taken apart. */
export interface OpenpgpSignature {
  readonly type: SignatureType;
  readonly createdUnixSeconds: number;
  readonly hashedPart: Uint8Array;
  readonly body: Uint8Array;
  /** R and S, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Version, type, algorithms and length come before the hashed subpackets; ours begin with length, type and four octets of the creation time. */
const subpacketsAt = 6;
const createdAt = subpacketsAt + 2;

/**
 * Reads a signature body exactly as `finishSignature` writes it, and verifies it as the issuer's over `signed`.
 * Throws `ProtocolError('bad-document')` for any other bytes and `('bad-signature')` for another signature.
 */
export function openSignature(
  body: Uint8Array,
  issuer: OpenpgpKey,
  ...signed: readonly Uint8Array[]
): OpenpgpSignature {
  const length = ((body[4] ?? 0) << 8) + (body[5] ?? 0);
  const hashedPart = body.slice(0, subpacketsAt + length);
  const created = body.slice(createdAt, createdAt + 4);
  const type = Object.values(signatureTypes).find((known) => known === body[1]);
  const creation = subpacket(subpacketTypes.creationTime | critical, created);
  if (type === undefined || !equalBytes(body.subarray(subpacketsAt, createdAt + 4), creation)) throw notOurs();
  const digest = digestOf(hashedPart, signed);
  const numbers = body.subarray(hashedPart.length + 2 + subpacket(subpacketTypes.issuer, issuer.keyId).length + 2);
  const signature = decodeMpis(numbers);
  if (!equalBytes(finishSignature({ hashedPart, keyId: issuer.keyId, digest }, signature), body)) throw notOurs();
  if (!verifySignature(issuer.publicKey, digest, signature))
    throw new ProtocolError('bad-signature', 'OpenPGP: the signature is not by the key that it must be by');
  return { type, createdUnixSeconds: new DataView(created.buffer).getUint32(0), hashedPart, body, signature };
}

/** R and S; what is no MPI gives zeros, which are written in no such way. */
function decodeMpis(bytes: Uint8Array): Uint8Array {
  const octetsOf = (at: number): number => Math.min(32, (((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0) + 7) >>> 3);
  const behindR = 2 + octetsOf(0);
  return concatBytes(
    leftPadded(bytes.subarray(2, behindR)),
    leftPadded(bytes.subarray(behindR + 2, behindR + 2 + octetsOf(behindR))),
  );
}

function leftPadded(bytes: Uint8Array): Uint8Array {
  return concatBytes(new Uint8Array(32 - bytes.length), bytes);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}

function notOurs(): ProtocolError {
  return new ProtocolError('bad-document', 'OpenPGP: not a signature as we write it');
}
