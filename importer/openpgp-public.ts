/** The public half of an OpenPGP key packet, of any kind that can certify a subkey (RFC 9580, Sections 5.5.2 and 5.5.5). */
import { createHash } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { ImporterError } from './errors.ts';

/** Object identifiers without their length (Section 9.2). */
const ed25519Oid = '2b06010401da470f01';
const ecdsaCurves: Readonly<Record<string, string>> = {
  '2a8648ce3d030107': 'P-256',
  '2b81040022': 'P-384',
  '2b81040023': 'P-521',
};
/** Public key algorithms (Section 9.1). */
const algorithms = { ecdh: 18, ecdsa: 19, eddsa: 22, ed25519: 27 } as const;
/** 0x40, then the point (Section 11.2): an MPI of 263 bits. */
const pointBits = 263;

/** How many MPIs the public half of a key has, by algorithm. */
const mpiCounts: Readonly<Record<number, number>> = { 1: 2, 2: 2, 3: 2, 16: 3, 17: 4 };
/** How many bytes it has, where it is just bytes. */
const nativeBytes: Readonly<Record<number, number>> = { 25: 32, 26: 56, 27: 32, 28: 57 };

/** The numbers of a public key, as far as they are needed to verify with it. */
export type PublicMaterial =
  /** `isNative`: under the newer algorithm number, without MPIs. */
  | { readonly kind: 'ed25519'; readonly isNative: boolean; readonly point: Uint8Array }
  | { readonly kind: 'rsa'; readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  | { readonly kind: 'ecdsa'; readonly curve: string; readonly point: Uint8Array }
  /** Signs in a way that is not verified here, or not at all. */
  | { readonly kind: 'other' };

/** A version 4 key packet, with its public half understood. */
export interface PublicPart {
  readonly createdUnixSeconds: number;
  readonly algorithm: number;
  readonly material: PublicMaterial;
  /** 40 hex digits, lower case. */
  readonly fingerprint: string;
  /** The public half of the packet. */
  readonly bytes: Uint8Array;
  /** What comes after it. */
  readonly secretPart: Uint8Array;
}

/** Reads a version 4 packet; `undefined` for an algorithm whose public half has no length that is known. Throws `ImporterError('bad-key-file')`. */
export function readPublicPart(body: Uint8Array): PublicPart | undefined {
  const reader = new ByteReader(body);
  reader.u8();
  const createdUnixSeconds = reader.u32();
  const algorithm = reader.u8();
  const material = readMaterial(reader, algorithm);
  if (material === undefined) return undefined;
  const bytes = body.subarray(0, reader.offset);
  return {
    createdUnixSeconds,
    algorithm,
    material,
    fingerprint: fingerprintOf(bytes),
    bytes,
    secretPart: reader.rest(),
  };
}

function readMaterial(reader: ByteReader, algorithm: number): PublicMaterial | undefined {
  const [mpis, native] = [mpiCounts[algorithm], nativeBytes[algorithm]];
  if (mpis !== undefined) {
    const [modulus, exponent] = Array.from({ length: mpis }, () => reader.mpi());
    const isRsa = mpis === 2 && modulus !== undefined && exponent !== undefined;
    return isRsa ? { kind: 'rsa', modulus, exponent } : { kind: 'other' };
  }
  if (native !== undefined) {
    const point = reader.take(native);
    return algorithm === algorithms.ed25519 ? { kind: 'ed25519', isNative: true, point } : { kind: 'other' };
  }
  const isOnCurve = algorithm === algorithms.ecdh || algorithm === algorithms.ecdsa || algorithm === algorithms.eddsa;
  return isOnCurve ? readCurvePoint(reader, algorithm) : undefined;
}

function readCurvePoint(reader: ByteReader, algorithm: number): PublicMaterial {
  const oid = Buffer.from(reader.take(reader.u8())).toString('hex');
  if (algorithm === algorithms.eddsa && oid === ed25519Oid) return readEd25519(reader);
  const point = reader.mpi();
  // How the shared secret becomes a key.
  if (algorithm === algorithms.ecdh) reader.take(reader.u8());
  const curve = algorithm === algorithms.ecdsa ? ecdsaCurves[oid] : undefined;
  return curve === undefined ? { kind: 'other' } : { kind: 'ecdsa', curve, point };
}

function readEd25519(reader: ByteReader): PublicMaterial {
  const [bits, prefix, point] = [reader.u16(), reader.u8(), reader.take(32)];
  if (bits !== pointBits || prefix !== 0x40)
    throw new ImporterError('bad-key-file', 'the OpenPGP key is damaged: its public half is no Ed25519 point');
  return { kind: 'ed25519', isNative: false, point };
}

/** A key as it goes into a hash: 0x99, its length in 2 bytes, and the public half (RFC 4880, Section 5.2.4). */
export function hashedKeyOf(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x99, bytes.length >> 8, bytes.length & 255), bytes]);
}

/** RFC 4880, Section 12.2. */
function fingerprintOf(bytes: Uint8Array): string {
  return createHash('sha1').update(hashedKeyOf(bytes)).digest('hex');
}
