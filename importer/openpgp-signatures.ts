/** OpenPGP signatures that a key made about itself and its subkeys, taken apart and verified (RFC 9580, Section 5.2; RFC 4880 has the same). */
import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { encodeBase64Url } from '../verifier/base64.ts';
import { verifySignature } from '../verifier/ed25519.ts';
import { ByteReader } from './byte-reader.ts';
import { ImporterError } from './errors.ts';
import type { PublicPart } from './openpgp-public.ts';

/** Section 5.2.1. */
export const signatureTypes = {
  /** Four kinds of certification, which differ in what nobody judges. */
  certifications: [0x10, 0x11, 0x12, 0x13] as readonly number[],
  directKey: 0x1f,
  subkeyBinding: 0x18,
  primaryKeyBinding: 0x19,
  keyRevocation: 0x20,
  subkeyRevocation: 0x28,
  certificationRevocation: 0x30,
} as const;

/** Section 5.2.3.7. */
const subpackets = {
  creationTime: 2,
  keyExpiration: 9,
  revocationKey: 12,
  issuer: 16,
  keyFlags: 27,
  embeddedSignature: 32,
  issuerFingerprint: 33,
} as const;

const hashNames: Readonly<Record<number, string>> = {
  1: 'md5',
  2: 'sha1',
  3: 'ripemd160',
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
  12: 'sha3-256',
  14: 'sha3-512',
};

/** What a signature says; only the hashed part is believed, but for who made it and a signature that proves itself. */
export interface SelfSignature {
  readonly type: number;
  /** Unix seconds; 0 where it is not said. */
  readonly created: number;
  /** Seconds after the creation of the key; 0 for never. */
  readonly expiresAfter: number;
  /** The first octet of the key flags (Section 5.2.3.29); `undefined` where nothing is said. */
  readonly flags: number | undefined;
  /** Fingerprints of other keys that may revoke this one, hex (Section 5.2.3.23). */
  readonly revokers: readonly string[];
  /** Fingerprints and key ids of whoever made it, hex. */
  readonly issuers: readonly string[];
  /** Bodies of signatures inside. */
  readonly embedded: readonly Uint8Array[];
  /** `undefined` for what is no signature of version 4, of which nothing but the type is known. */
  readonly signed: SignedPart | undefined;
}

interface SignedPart {
  readonly algorithm: number;
  readonly hash: number;
  /** Version to the end of the hashed subpackets. */
  readonly hashedPart: Uint8Array;
  readonly numbers: Uint8Array;
}

/** Reads the body of a signature packet; of one that is cut off or not of version 4, nothing but the type is believed. */
export function readSelfSignature(body: Uint8Array): SelfSignature {
  const [version, first = 0, second = 0] = body;
  const unknown = { ...nothingSaid, type: version === 3 ? second : first };
  if (version !== 4) return unknown;
  try {
    return readVersion4(body);
  } catch (error) {
    if (error instanceof ImporterError) return unknown;
    throw error;
  }
}

function readVersion4(body: Uint8Array): SelfSignature {
  const reader = new ByteReader(body);
  reader.u8();
  const [type, algorithm, hash] = [reader.u8(), reader.u8(), reader.u8()];
  const hashed = readSubpackets(reader.take(reader.u16()));
  const hashedPart = body.subarray(0, reader.offset);
  const unhashed = readSubpackets(reader.take(reader.u16()));
  reader.u16();
  const all = [...hashed, ...unhashed];
  return {
    type,
    created: numberIn(hashed, subpackets.creationTime) ?? 0,
    expiresAfter: numberIn(hashed, subpackets.keyExpiration) ?? 0,
    flags: bodiesOf(hashed, subpackets.keyFlags)[0]?.[0],
    revokers: bodiesOf(hashed, subpackets.revocationKey).map((key) => hex(key.subarray(2))),
    issuers: [
      ...bodiesOf(all, subpackets.issuer),
      ...bodiesOf(all, subpackets.issuerFingerprint).map((key) => key.subarray(1)),
    ].map(hex),
    embedded: bodiesOf(all, subpackets.embeddedSignature),
    signed: { algorithm, hash, hashedPart, numbers: reader.rest() },
  };
}

const nothingSaid = {
  created: 0,
  expiresAfter: 0,
  flags: undefined,
  revokers: [],
  issuers: [],
  embedded: [],
  signed: undefined,
} as const;

interface Subpacket {
  readonly type: number;
  readonly body: Uint8Array;
}

function readSubpackets(area: Uint8Array): Subpacket[] {
  const reader = new ByteReader(area);
  const found: Subpacket[] = [];
  while (!reader.isAtEnd) {
    const first = reader.u8();
    const length = first < 192 ? first : first < 255 ? (first - 192) * 256 + reader.u8() + 192 : reader.u32();
    const whole = reader.take(length);
    found.push({ type: (whole[0] ?? 0) & 0x7f, body: whole.subarray(1) });
  }
  return found;
}

function bodiesOf(found: readonly Subpacket[], type: number): Uint8Array[] {
  return found.filter((one) => one.type === type).map(({ body }) => body);
}

function numberIn(found: readonly Subpacket[], type: number): number | undefined {
  const [body] = bodiesOf(found, type);
  return body === undefined ? undefined : new ByteReader(body).u32();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Whether `key` may have made it, by what it says of its maker; who made it may also be left out. */
export function mayBeBy({ issuers }: SelfSignature, fingerprint: string): boolean {
  return issuers.length === 0 || issuers.some((issuer) => issuer !== '' && fingerprint.endsWith(issuer));
}

/** Whether `key` made it over `context`, keys and user id as they are hashed (Section 5.2.4). Answers false for what cannot be checked here. */
export function isSelfSignedBy({ signed }: SelfSignature, key: PublicPart, ...context: readonly Uint8Array[]): boolean {
  const hash = hashNames[signed?.hash ?? 0];
  if (signed === undefined || hash === undefined || signed.algorithm !== key.algorithm) return false;
  const { hashedPart, numbers } = signed;
  const trailer = Buffer.alloc(6, 4);
  trailer[1] = 0xff;
  trailer.writeUInt32BE(hashedPart.length, 2);
  try {
    const data = Buffer.concat([...context, hashedPart, trailer]);
    return verifyNumbers(key, { hash, data, numbers: new ByteReader(numbers) });
  } catch {
    // Cut off, or on a curve that Node does not have.
    return false;
  }
}

/** What was signed: the name of the hash, the bytes that enter it, and the numbers of the signature. */
interface SignedData {
  readonly hash: string;
  readonly data: Uint8Array;
  readonly numbers: ByteReader;
}

function verifyNumbers({ material }: PublicPart, { hash, data, numbers }: SignedData): boolean {
  switch (material.kind) {
    case 'ed25519': {
      const signature = material.isNative ? numbers.take(64) : readPair(numbers, 32);
      return verifySignature(material.point, createHash(hash).update(data).digest(), signature);
    }
    case 'rsa': {
      const signature = padded(numbers.mpi(), material.modulus.length);
      return verify(hash, data, rsaKey(material.modulus, material.exponent), signature);
    }
    case 'ecdsa': {
      const key = ecKey(material.curve, material.point);
      return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, readPair(numbers, (material.point.length - 1) / 2));
    }
    case 'other':
      return false;
  }
}

function rsaKey(n: Uint8Array, e: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'RSA', n: encodeBase64Url(n), e: encodeBase64Url(e) }, format: 'jwk' });
}

function ecKey(crv: string, point: Uint8Array): KeyObject {
  const half = (point.length - 1) / 2;
  const [x, y] = [encodeBase64Url(point.subarray(1, 1 + half)), encodeBase64Url(point.subarray(1 + half))];
  return createPublicKey({ key: { kty: 'EC', crv, x, y }, format: 'jwk' });
}

/** Two MPIs, each of this many bytes. */
function readPair(numbers: ByteReader, bytes: number): Uint8Array {
  return Buffer.concat([padded(numbers.mpi(), bytes), padded(numbers.mpi(), bytes)]);
}

function padded(value: Uint8Array, bytes: number): Uint8Array {
  return Buffer.concat([Buffer.alloc(Math.max(0, bytes - value.length)), value]);
}
