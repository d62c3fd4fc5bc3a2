/** Plain text: what is of no other kind, and looks to no tool as if it were. */
import { maxTextBytes, minTextBytes } from '../limits.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { readableText, refuseDocument } from './readable.ts';

/**
 * How signed things and their containers begin. What is binary among them (SSH certificates, DER, OpenPGP packets, package headers)
 * has control characters or is not UTF-8, and is refused as such.
 */
const beginnings: readonly (readonly [RegExp, string])[] = [
  [/^SSHSIG/, 'an SSH signature'],
  [/^DSSEv1 /, 'a DSSE message'],
  [/^eyJ/, 'a JSON Web Signature'],
  [/^(?:un)?trusted comment:/, 'a minisign file'],
  [/^(?:tree|object) [0-9a-f]{40}/, 'a git object'],
];

/** Lines that make a tool read more into a file than text, wherever they stand. */
const lines: readonly (readonly [RegExp, string])[] = [
  [/^-----BEGIN /, 'armor'],
  // `sha256sum -c` skips every other line and exits 0; apt's index lines look the same. Such a list is a manifest.
  [/^\s*\\?(?:[0-9a-f]{32,}|[0-9a-z+/]{22,}={1,2})[ \t]/i, 'a checksum'],
  [/^\s*\\?(?:MD5|SHA|BLAKE|SM3)[^\s(]*\s*\(/i, 'a checksum'],
];

function decodeText(bytes: Uint8Array): DocumentView {
  const text = readableText(bytes, 'text');
  // Whatever has the length of a digest may be one (T10).
  if (bytes.length < minTextBytes) refuseDocument('text', `less than ${minTextBytes} bytes`);
  const beginning = beginnings.find(([pattern]) => pattern.test(text));
  if (beginning !== undefined) refuseDocument('text', `begins like ${beginning[1]}`);
  text.split('\n').forEach((one, index) => {
    const found = lines.find(([pattern]) => pattern.test(one));
    if (found !== undefined) refuseDocument('text', `line ${index + 1} reads as ${found[1]}`);
  });
  return { fields: [], text };
}

export const text: DocumentKind = { kind: 'text', maxBytes: maxTextBytes, decode: decodeText };
