/** The cleartext signature framework: a text that people read, with its signature below (RFC 9580, Section 7). */
import { utf8ToBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { maxCleartextLineBytes } from '../limits.ts';

/**
 * The lines of a text that every stock tool reads the same way. Throws `ProtocolError('bad-document')` for an unfinished last line, a line
 * past gpg's buffer, and every control character but tab: a lone carriage return ends a line for some readers only.
 */
export function cleartextLines(text: string): string[] {
  if (!text.endsWith('\n')) throw new ProtocolError('bad-document', 'clear text: the last line has no newline');
  const lines = text.slice(0, -1).split('\n');
  lines.forEach((line, index) => {
    if (/(?!\t)\p{Cc}/u.test(line))
      throw new ProtocolError('bad-document', `clear text: line ${index + 1} has a control character`);
    if (utf8ToBytes(line).length > maxCleartextLineBytes)
      throw new ProtocolError('bad-document', `clear text: line ${index + 1} has over ${maxCleartextLineBytes} bytes`);
  });
  return lines;
}

/** What is hashed: lines without spaces and tabs at their ends, joined by CRLF, no line ending behind the last (RFC 9580, Section 7.2). */
export function canonicalCleartext(lines: readonly string[]): Uint8Array {
  return utf8ToBytes(lines.map((line) => line.replace(/[ \t]+$/, '')).join('\r\n'));
}

/** The whole file: header, escaped lines (RFC 9580, Section 7.1), armored signature. */
export function cleartextFile(lines: readonly string[], armoredSignature: string): string {
  const escaped = lines.map((line) => (line.startsWith('-') ? `- ${line}` : line));
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${escaped.join('\n')}\n${armoredSignature}`;
}
