/** OpenPGP's text form of packets: base64 between two lines, with a CRC-24 (RFC 9580, Section 6). */
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { equalBytes, utf8ToBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';

/** What the two lines say. */
export type ArmorKind = 'PGP SIGNATURE' | 'PGP PUBLIC KEY BLOCK';

const columns = 64;

/** Packets as text; ends in a newline. */
export function armor(kind: ArmorKind, packets: Uint8Array): string {
  const lines = encodeBase64(packets).match(new RegExp(`.{1,${columns}}`, 'g')) ?? [];
  // Readers may ignore the checksum (Section 6.1), rpm and older gpg expect it.
  return [
    `-----BEGIN ${kind}-----`,
    '',
    ...lines,
    `=${encodeBase64(crc24(packets))}`,
    `-----END ${kind}-----`,
    '',
  ].join('\n');
}

/** The packets inside a text exactly as `armor` writes it. Throws `ProtocolError('bad-document')`. */
export function dearmor(kind: ArmorKind, text: Uint8Array): Uint8Array {
  const lines = new TextDecoder().decode(text).split('\n');
  const packets = packetsIn(lines.slice(2, -3).join(''));
  if (packets === undefined || !equalBytes(utf8ToBytes(armor(kind, packets)), text))
    throw new ProtocolError('bad-document', `OpenPGP: not a ${kind} as we write it`);
  return packets;
}

function packetsIn(base64: string): Uint8Array | undefined {
  try {
    return decodeBase64(base64);
  } catch {
    return undefined;
  }
}

/** The CRC-24 of RFC 9580, Section 6.1.1, in three bytes, big-endian. */
export function crc24(bytes: Uint8Array): Uint8Array {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ ((crc & 0x800000) === 0 ? 0 : 0x1864cfb);
  }
  return Uint8Array.of((crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255);
}
