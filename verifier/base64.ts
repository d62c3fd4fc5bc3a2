/** Base64 and base64url, strict: only the one encoding of some bytes decodes (RFC 4648, Sections 3.5, 4 and 5). */
import { Buffer } from 'node:buffer';

import { VerifyError } from './errors.ts';

/** Standard alphabet, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64');
}

/** Inverse of `encodeBase64`; refuses whatever does not re-encode to the same text. Throws `bad-base64`. */
export function decodeBase64(text: string): Uint8Array {
  return decode(text, 'base64');
}

/** URL-safe alphabet, without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url');
}

/** Inverse of `encodeBase64Url`; refuses whatever does not re-encode to the same text, padding included. Throws `bad-base64`. */
export function decodeBase64Url(text: string): Uint8Array {
  return decode(text, 'base64url');
}

// Buffer skips what it does not know and ignores stray trailing bits, so only the comparison makes this strict (RFC 4648, Section 3.5).
function decode(text: string, encoding: 'base64' | 'base64url'): Uint8Array {
  const bytes = Buffer.from(text, encoding);
  if (bytes.toString(encoding) !== text) throw new VerifyError('bad-base64', `not strict ${encoding}`);
  return new Uint8Array(bytes);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
