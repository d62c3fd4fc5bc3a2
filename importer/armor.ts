/** Text around binary key files: PEM (RFC 7468) and OpenPGP's armor (RFC 4880, Section 6.2), decoded without a string ever holding the key. */
import { ImporterError } from './errors.ts';
import { maxLabelCharacters } from './limits.ts';

/** One armored block. */
export interface Armor {
  /** `PRIVATE KEY`, `PGP PRIVATE KEY BLOCK`, … */
  readonly label: string;
  /** What is between the BEGIN and END lines. */
  readonly body: Uint8Array;
}

/** The first armored block; `undefined` if there is none. Throws `ImporterError('bad-key-file')` for one without an end. */
export function findArmor(file: Uint8Array): Armor | undefined {
  const text = Buffer.from(file.buffer, file.byteOffset, file.length);
  const begin = text.indexOf('-----BEGIN ');
  const labelAt = begin + '-----BEGIN '.length;
  const labelEnd = text.indexOf('-----', labelAt);
  if (begin < 0 || labelEnd < 0 || labelEnd - labelAt > maxLabelCharacters) return undefined;
  const label = text.toString('latin1', labelAt, labelEnd);
  const end = text.indexOf(`-----END ${label}-----`, labelEnd);
  if (end < 0) throw new ImporterError('bad-key-file', `the file is cut off: the END line of its ${label} is missing`);
  return { label, body: text.subarray(labelEnd + '-----'.length, end) };
}

/** OpenPGP: without the header lines up to the first empty one, and without the checksum, which RFC 9580, Section 6.1, wants ignored. */
export function decodeOpenpgpArmor(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length);
  const lines = lineStarts(text);
  const blank = lines.findIndex((start, index) => index > 0 && isBlank(text.subarray(start, lines[index + 1])));
  const checksum = lines.find((start, index) => index > blank && text[start] === 0x3d);
  if (blank < 0) throw new ImporterError('bad-key-file', 'the OpenPGP armor has no empty line before its data');
  return decodeBase64Bytes(text.subarray(lines[blank], checksum));
}

function lineStarts(text: Uint8Array): number[] {
  const starts = [0];
  for (let at = text.indexOf(0x0a); at >= 0; at = text.indexOf(0x0a, at + 1)) starts.push(at + 1);
  return starts;
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte <= 0x20);
}

/** Base64 (RFC 4648, Section 4) in lines, from bytes to bytes. Throws `ImporterError('bad-key-file')`. */
export function decodeBase64Bytes(text: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil((text.length * 3) / 4));
  let [bits, count, length, padding] = [0, 0, 0, 0];
  for (const byte of text) {
    if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) continue;
    const value = sextetOf(byte);
    if (byte === 0x3d) padding++;
    else if (value < 0 || padding > 0) throw badBase64(out);
    else {
      bits = ((bits << 6) | value) & 0xffff;
      count++;
      if (count % 4 !== 1) out[length++] = (bits >> (6 - 2 * ((count + 3) % 4))) & 255;
    }
  }
  if ((count + padding) % 4 !== 0 || padding > 2) throw badBase64(out);
  const decoded = out.slice(0, length);
  out.fill(0);
  return decoded;
}

function badBase64(out: Uint8Array): ImporterError {
  out.fill(0);
  return new ImporterError('bad-key-file', 'the text of the file is not base64: it is damaged or cut off');
}

/** -1 for what is no digit of base64. */
function sextetOf(byte: number): number {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b) return 62;
  return byte === 0x2f ? 63 : -1;
}
