/** Plain text: what is of no other kind, and looks to no tool as if it were (`readings.ts`). */
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
];

function decodeText(bytes: Uint8Array): DocumentView {
  const text = readableText(bytes, 'text');
  // Whatever has the length of a digest may be one (T10).
  if (bytes.length < minTextBytes) refuseDocument('text', `less than ${minTextBytes} bytes`);
  const beginning = beginnings.find(([pattern]) => pattern.test(text));
  if (beginning !== undefined) refuseDocument('text', `begins like ${beginning[1]}`);
  const armor = text.split('\n').findIndex((line) => line.startsWith('-----BEGIN '));
  if (armor >= 0) refuseDocument('text', `line ${armor + 1} reads as armor`);
  return { fields: [], text };
}

/** Has no fields: all of it is read. */
export const text: DocumentKind = {
  kind: 'text',
  maxBytes: maxTextBytes,
  readings: [],
  namespace: 'file',
  decode: decodeText,
};
