/**
 * JSON that has one spelling: what `JSON.stringify` writes and nothing else (ECMA-262, Section 25.5; UTF-8 as RFC 8259, Section 8.1).
 *
 * Refused are duplicate keys, spaces, other spellings of a number or string, lone surrogates, and a byte order mark. The order of keys is kept.
 */
import { decodeBase64Url } from './base64.ts';
import { VerifyError, type VerifyErrorCode } from './errors.ts';
import { maxJsonValues } from './limits.ts';
import { isWellFormed } from './well-formed.ts';

/** What the text may cost before anything parses it. */
export interface JsonBounds {
  /** Bytes of UTF-8. */
  readonly maxBytes: number;
  /** Levels of objects and arrays; a bare value has none. */
  readonly maxDepth: number;
  /** Values; `maxJsonValues` where it is not given. */
  readonly maxValues?: number;
}

/** How much there is to make, as far as brackets and commas outside strings say it. */
interface JsonSize {
  readonly depth: number;
  /** No fewer than there are values, and no more than twice as many. */
  readonly values: number;
}

const maxEncodedDepth = 64;
const newline = 0x0a;

/**
 * The bytes that `decodeCanonicalJson` accepts for a value made of plain objects, arrays, well-formed strings, finite numbers, booleans and null.
 * Throws `bad-json` for anything else, such as undefined, a lone surrogate, a Date or a key `__proto__`.
 */
export function encodeCanonicalJson(value: unknown): Uint8Array {
  assertPlain(value, maxEncodedDepth);
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Inverse of `encodeCanonicalJson`, within bounds. Throws `too-large` for the bounds and `bad-json` for the text. */
export function decodeCanonicalJson(bytes: Uint8Array, bounds: JsonBounds): unknown {
  if (bytes.length > bounds.maxBytes) {
    throw new VerifyError('too-large', `JSON of ${bytes.length} bytes, at most ${bounds.maxBytes} are allowed`);
  }
  const { depth, values } = sizeOf(bytes);
  if (depth > bounds.maxDepth) {
    throw new VerifyError('too-large', `JSON nested deeper than ${bounds.maxDepth} levels`);
  }
  const { maxValues = maxJsonValues } = bounds;
  if (values > maxValues) throw new VerifyError('too-large', `JSON of over ${maxValues} values`);
  const text = decodeUtf8(bytes);
  const value = parse(text);
  assertPlain(value, bounds.maxDepth);
  if (JSON.stringify(value) !== text)
    throw new VerifyError('bad-json', 'JSON that is not spelled as JSON.stringify spells it');
  return value;
}

/**
 * The values of a file that has one on each line, each as `decodeCanonicalJson` reads it; `maxBytes` is of the whole file. Throws `code` for a
 * file of more lines, or that does not end with a newline, and what `decodeCanonicalJson` does.
 */
export function decodeJsonLines(
  bytes: Uint8Array,
  bounds: JsonBounds & { readonly maxLines: number },
  code: VerifyErrorCode,
): unknown[] {
  const { maxBytes, maxLines } = bounds;
  if (bytes.length > maxBytes) throw new VerifyError('too-large', `it has over ${maxBytes} bytes`);
  if (bytes.at(-1) !== newline) throw new VerifyError(code, 'it does not end with a newline: is it complete?');
  const values: unknown[] = [];
  for (let from = 0; from < bytes.length;) {
    if (values.length === maxLines) throw new VerifyError(code, `it has over ${maxLines} lines`);
    const end = bytes.indexOf(newline, from);
    values.push(decodeCanonicalJson(bytes.subarray(from, end), bounds));
    from = end + 1;
  }
  return values;
}

/**
 * Reads an object that has exactly these fields, in any order, and throws `code` for anything else.
 * `what` names the object in the message.
 */
export function readFields<Name extends string>(
  value: unknown,
  names: readonly Name[],
  code: VerifyErrorCode,
  what: string,
): Readonly<Record<Name, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new VerifyError(code, `${what} is not an object`);
  const keys = Object.keys(value);
  for (const name of names) {
    if (!keys.includes(name)) throw new VerifyError(code, `${what} has no ${name}`);
  }
  if (keys.length !== names.length) throw new VerifyError(code, `${what} has a field besides ${names.join(', ')}`);
  return value as Record<Name, unknown>;
}

/** Refuses with `code` unless the value is a string that passes `is`. */
export function readString(value: unknown, is: (text: string) => boolean, code: VerifyErrorCode, what: string): string {
  if (typeof value !== 'string' || !is(value)) throw new VerifyError(code, `${what} is malformed`);
  return value;
}

/** 32 bytes in base64url: 43 characters are never more or less. Refuses with `code`, or `bad-base64`; whether it is a key is not judged. */
export function readKey(value: unknown, code: VerifyErrorCode, what: string): Uint8Array {
  return decodeBase64Url(readString(value, (it) => it.length === 43, code, what));
}

// JSON.parse takes any depth, and what walks its result afterwards does not; and it makes 4 million empty lists of 11 MiB.
function sizeOf(bytes: Uint8Array): JsonSize {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      deepest = Math.max(deepest, ++depth);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return { depth: deepest, values };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new VerifyError('bad-json', 'not UTF-8', { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new VerifyError('bad-json', 'not JSON', { cause });
  }
}

function assertPlain(value: unknown, levels: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    assertWellFormed(value);
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new VerifyError('bad-json', 'a number that JSON cannot hold');
    return;
  }
  if (typeof value !== 'object') throw new VerifyError('bad-json', `a value of type ${typeof value}`);
  if (levels === 0) throw new VerifyError('bad-json', 'a value nested too deeply');
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) assertPlain(item, levels - 1);
    return;
  }
  if (!isPlainObject(value)) throw new VerifyError('bad-json', 'an object that is not plain');
  for (const [key, item] of Object.entries(value)) {
    assertWellFormed(key);
    // JSON.parse makes it an ordinary own field, but the next copy by assignment would set a prototype.
    if (key === '__proto__') throw new VerifyError('bad-json', 'a field named __proto__');
    assertPlain(item, levels - 1);
  }
}

// A lone surrogate written as an escape survives parsing and printing, so the comparison of texts does not see it.
function assertWellFormed(text: string): void {
  if (!isWellFormed(text)) throw new VerifyError('bad-json', 'a string with a lone surrogate');
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    (prototype === Object.prototype || prototype === null) &&
    typeof (value as { toJSON?: unknown }).toJSON !== 'function'
  );
}
