/** OpenPGP packets as a secret key export holds them (RFC 4880, Section 4), split and not yet understood. */
import { ByteReader } from './byte-reader.ts';
import { ImporterError } from './errors.ts';

/** One packet of a file. */
export interface Packet {
  readonly tag: number;
  /** A view into the file. */
  readonly body: Uint8Array;
}

/** Packet tags (RFC 4880, Section 4.3). */
export const tags = {
  signature: 2,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  /** GnuPG's own notes. */
  trust: 12,
  userId: 13,
  publicSubkey: 14,
} as const;

/** Every packet of the file in order. Throws `ImporterError('bad-key-file')`. */
export function readPackets(file: Uint8Array): Packet[] {
  const reader = new ByteReader(file);
  const packets: Packet[] = [];
  while (!reader.isAtEnd) {
    const first = reader.u8();
    if ((first & 0x80) === 0) throw new ImporterError('bad-key-file', 'the file is no OpenPGP key, or it is damaged');
    const isNew = (first & 0x40) !== 0;
    const length = isNew ? newLength(reader) : oldLength(reader, first & 3);
    packets.push({ tag: isNew ? first & 63 : (first >> 2) & 15, body: reader.take(length) });
  }
  return packets;
}

/** RFC 4880, Section 4.2.2. */
function newLength(reader: ByteReader): number {
  const first = reader.u8();
  if (first < 192) return first;
  if (first < 224) return (first - 192) * 256 + reader.u8() + 192;
  if (first === 255) return reader.u32();
  throw new ImporterError('bad-key-file', 'the OpenPGP file has a packet in pieces, which no key has');
}

/** RFC 4880, Section 4.2.1. */
function oldLength(reader: ByteReader, type: number): number {
  if (type === 0) return reader.u8();
  if (type === 1) return reader.u16();
  if (type === 2) return reader.u32();
  throw new ImporterError('bad-key-file', 'the OpenPGP file has a packet without a length, which no key has');
}
