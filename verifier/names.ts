/** What a name, a line of text or a digest may look like in anything that gets signed. */
import { Buffer } from 'node:buffer';

import { maxSubjectNameBytes } from './limits.ts';
import { isWellFormed } from './well-formed.ts';

/** The channel that signs under the group public key itself. */
export const productionChannel = 'production';

/** A group or channel: 1 to 64 lower-case letters, digits, `.`, `_`, `-`, the first a letter or digit. */
export function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);
}

/** A file's base name: 1 to 255 bytes of UTF-8, no separator of any system, no control character, neither `.` nor `..`. */
export function isSubjectName(text: string): boolean {
  return isText(text, maxSubjectNameBytes) && !/[/\\]/.test(text) && text !== '.' && text !== '..';
}

/** One line of text: well-formed, 1 to `maxBytes` bytes of UTF-8, no control character. */
export function isText(text: string, maxBytes: number): boolean {
  if (text === '' || !isWellFormed(text) || /\p{Cc}/u.test(text)) return false;
  return Buffer.byteLength(text, 'utf8') <= maxBytes;
}

/** A SHA-256 digest: 64 lower-case hexadecimal digits. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** A commit of git: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(text);
}
