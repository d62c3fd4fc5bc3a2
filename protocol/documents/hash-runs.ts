/**
 * Hashes in any bytes, and what is around each: everything that tools take for a list of files has one in every line. Written out byte by byte with
 * steps as long as the shortest hash, because it looks at documents of many megabytes (T41).
 */

/** Digits in hex or in base64, with its padding, that are no part of a longer word of such digits. */
export interface HashRun {
  readonly start: number;
  /** After the last digit or the padding. */
  readonly end: number;
}

/** Digits of MD5 in hex and in base64: what is shorter is no hash. */
const [minHexDigits, minBase64Digits] = [32, 22];
const [newline, carriageReturn, space, dash] = [0x0a, 0x0d, 0x20, 0x2d];
const [star, backslash, colon, equals, bracket] = [0x2a, 0x5c, 0x3a, 0x3d, 0x29];

const [hexDigit, base64Digit, decimalDigit, blank] = [1, 2, 4, 8];
const classes = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[0-9]/.test(character)) return hexDigit | base64Digit | decimalDigit;
  if (/[a-f]/i.test(character)) return hexDigit | base64Digit;
  if (/[g-z+/]/i.test(character)) return base64Digit;
  return /[^\S\n\r]/.test(character) ? blank : 0;
});

function isOf(kind: number, byte: number | undefined): boolean {
  return byte !== undefined && ((classes[byte] ?? 0) & kind) !== 0;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === undefined || byte === newline || byte === carriageReturn;
}

/** Where bytes of this class end that begin at `from`. */
function runEnd(bytes: Uint8Array, from: number, kind: number): number {
  let at = from;
  while (isOf(kind, bytes[at])) at += 1;
  return at;
}

/** Where bytes of this class begin that end at `end`. */
function runStart(bytes: Uint8Array, end: number, kind: number): number {
  let at = end;
  while (isOf(kind, bytes[at - 1])) at -= 1;
  return at;
}

/** All of them, in order. */
export function* hashRuns(bytes: Uint8Array): Generator<HashRun> {
  let at = minBase64Digits - 1;
  while (at < bytes.length) {
    if (isOf(base64Digit, bytes[at])) {
      const [start, digits] = [runStart(bytes, at, base64Digit), runEnd(bytes, at, base64Digit)];
      const end = hashEnd(bytes, start, digits);
      if (end !== undefined) yield { start, end };
      at = digits;
    }
    at += minBase64Digits;
  }
}

function hashEnd(bytes: Uint8Array, start: number, end: number): number | undefined {
  const digits = end - start;
  if (digits < minBase64Digits) return undefined;
  if (bytes[end] === equals) return bytes[end + 1] === equals ? end + 2 : end + 1;
  // Hashes of whole groups of three bytes, such as SHA-384 and BLAKE2b-192, have no padding.
  if (digits % 4 === 0) return end;
  return digits >= minHexDigits && runEnd(bytes, start, hexDigit) === end ? end : undefined;
}

/** Tools pass over blanks before a checksum, over the dashes of a clear-signed line, and over the backslash before an escaped name. */
export function isChecksumLine(bytes: Uint8Array, { start, end }: HashRun): boolean {
  if (!isOf(blank, bytes[end])) return false;
  const escaped = bytes[start - 1] === backslash ? start - 1 : start;
  let at = escaped;
  while (bytes[at - 1] === space && bytes[at - 2] === dash) at -= 2;
  const isDashed = at < escaped;
  if (!isLineEnd(bytes[runStart(bytes, at, blank) - 1])) return false;
  // After dashes only as people write a list of files: a list of commits is none.
  return !isDashed || bytes[end + 1] === space || bytes[end + 1] === star;
}

/** Where a line that begins at `line` begins for such tools. */
export function lineContent(bytes: Uint8Array, line: number): number {
  let at = runEnd(bytes, line, blank);
  while (bytes[at] === dash && bytes[at + 1] === space) at += 2;
  return bytes[at] === backslash ? at + 1 : at;
}

/** Whether nothing but white space is between `from` and a colon. */
export function isBeforeColon(bytes: Uint8Array, from: number): boolean {
  let at = from;
  while (at < bytes.length && (isOf(blank, bytes[at]) || isLineEnd(bytes[at]))) at += 1;
  return bytes[at] === colon;
}

/** ` hash size name` in a line of its own: sha256sum would look for a file `size name`. */
export function isListingLine(bytes: Uint8Array, { start, end }: HashRun): boolean {
  const line = runStart(bytes, start, blank);
  if (line === start || !isLineEnd(bytes[line - 1])) return false;
  const size = runEnd(bytes, end, blank);
  const digits = runEnd(bytes, size, decimalDigit);
  const name = runEnd(bytes, digits, blank);
  return size > end && digits > size && name > digits && !isLineEnd(bytes[name]);
}

/** `) = hash`, as BSD, cksum and openssl write it after the names of hash and file; where the bracket is. */
export function taggedBracket(bytes: Uint8Array, { start }: HashRun): number | undefined {
  const sign = runStart(bytes, start, blank) - 1;
  if (bytes[sign] !== equals) return undefined;
  const at = runStart(bytes, sign, blank) - 1;
  return bytes[at] === bracket ? at : undefined;
}

/** The first of three words that apt reads as hash, size and name: it begins a line or a value, and the second may go on over lines. */
export function isTriple(bytes: Uint8Array, { start, end }: HashRun): boolean {
  const before = bytes[start - 1];
  if (!isOf(blank, bytes[end]) || !(isLineEnd(before) || before === colon || isOf(blank, before))) return false;
  const second = runEnd(bytes, end, blank);
  let at = second;
  while (at < bytes.length && !isOf(blank, bytes[at])) at += 1;
  return at > second && runEnd(bytes, at, blank) < bytes.length;
}
