/** OpenPGP packets: a tag and a body, in the OpenPGP (new) format (RFC 9580, Section 4.2). Written by us, and read only as we write them. */
import { concatBytes } from '@noble/hashes/utils.js';
import { u32 } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';

/** RFC 9580, Section 5: the packets a certificate and a signature are made of. */
export const packetTags = { signature: 2, publicKey: 6, userId: 13, publicSubkey: 14 } as const;
/** One of them. */
export type PacketTag = (typeof packetTags)[keyof typeof packetTags];

/** One packet; its length is that of the body. */
export interface Packet {
  readonly tag: PacketTag;
  readonly body: Uint8Array;
}

const knownTags: readonly number[] = Object.values(packetTags);

/** Header and body. */
export function encodePacket(tag: PacketTag, body: Uint8Array): Uint8Array {
  // The two highest bits say: a packet, of the OpenPGP format.
  return concatBytes(Uint8Array.of(0xc0 | tag), encodeLength(body.length), body);
}

/** A length in one, two or five octets, the shortest that holds it (RFC 9580, Section 4.2.1; for subpackets Section 5.2.3.7, which agrees below 8384). */
export function encodeLength(length: number): Uint8Array {
  if (length < 192) return Uint8Array.of(length);
  if (length < 8384) return Uint8Array.of(((length - 192) >>> 8) + 192, (length - 192) & 255);
  return concatBytes(Uint8Array.of(255), u32(length));
}

/**
 * All packets of `bytes`, exactly as `encodePacket` writes them: no old format, no partial or longer lengths, nothing after the last one.
 * Throws `ProtocolError('bad-document')`.
 */
export function decodePackets(bytes: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const packet = decodeFirst(rest);
    packets.push(packet);
    rest = rest.subarray(1 + encodeLength(packet.body.length).length + packet.body.length);
  }
  return packets;
}

function decodeFirst(bytes: Uint8Array): Packet {
  const [header = 0, first = 0, second = 0] = bytes;
  const tag = header & 0x3f;
  if ((header & 0xc0) !== 0xc0 || !knownTags.includes(tag)) throw badPacket('not a packet that we write');
  if (first >= 224) throw badPacket('a length that we do not write');
  const [length, from] = first < 192 ? [first, 2] : [((first - 192) << 8) + second + 192, 3];
  if (bytes.length < from + length) throw badPacket('a packet is cut off');
  return { tag: tag as PacketTag, body: bytes.slice(from, from + length) };
}

function badPacket(what: string): ProtocolError {
  return new ProtocolError('bad-document', `OpenPGP: ${what}`);
}
