/** OpenPGP public keys, version 4 with EdDSA: what gpg 2.2 and everything newer takes (RFC 9580, Sections 5.5.2.2 and 5.5.5.5; algorithm 22). */
import { sha1 } from '@noble/hashes/legacy.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { u32 } from '../wire/bytes.ts';
import { encodePacket, packetTags } from './packet.ts';

/** A public key in the forms that OpenPGP knows it by. */
export interface OpenpgpKey {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Packet body, 51 bytes: the same for a primary key and a subkey. */
  readonly body: Uint8Array;
  /** 20 bytes. */
  readonly fingerprint: Uint8Array;
  /** The last 8 bytes of the fingerprint. */
  readonly keyId: Uint8Array;
}

/** Algorithm 22 and the curve's object identifier after its length (RFC 9580, Section 9.2: EdDSALegacy, Ed25519Legacy). */
const algorithm = Uint8Array.of(22, 9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01);
/** An MPI of 263 bits whose first octet 0x40 says that a native point follows (RFC 9580, Section 11.2). */
const nativePoint = Uint8Array.of(0x01, 0x07, 0x40);

/** Version, time, algorithm, curve and point. */
export const keyBodyBytes = 51;

/** The fingerprint depends on the creation time: it is fixed once for a group. `publicKey` is 32 bytes. */
export function openpgpKey(publicKey: Uint8Array, createdUnixSeconds: number): OpenpgpKey {
  const body = concatBytes(Uint8Array.of(4), u32(createdUnixSeconds), algorithm, nativePoint, publicKey);
  // SHA-1 is what version 4 names keys by (RFC 9580, Section 5.5.4.2); nothing here is believed because of it.
  const fingerprint = sha1(hashedKey(body));
  return { publicKey, body, fingerprint, keyId: fingerprint.slice(12) };
}

/** A key as it goes into a hash: 0x99, length in two octets, body (RFC 9580, Section 5.2.4). */
export function hashedKey(body: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0x99, body.length >>> 8, body.length & 255), body);
}

/** A user id as it goes into a hash: 0xB4, length in four octets, text (RFC 9580, Section 5.2.4). */
export function hashedUserId(userId: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0xb4), u32(userId.length), userId);
}

/** The packet of a primary key (RFC 9580, Section 5.5.1.1). */
export function primaryPacket(key: OpenpgpKey): Uint8Array {
  return encodePacket(packetTags.publicKey, key.body);
}

/** The packet of a subkey (RFC 9580, Section 5.5.1.2). */
export function subkeyPacket(key: OpenpgpKey): Uint8Array {
  return encodePacket(packetTags.publicSubkey, key.body);
}
