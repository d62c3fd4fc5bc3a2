/** The cleartext signature framework: a text that people read, with its signature below (RFC 9580, Section 7). */
import { utf8ToBytes } from '../wire/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { maxCleartextLineBytes, maxCleartextLines } from '../limits.ts';

/**
 * The lines of a text that every stock tool reads the same way. Throws `ProtocolError('bad-document')` for an unfinished last line, more than
 * a million lines, a line past gpg's buffer, and every control character but tab: a lone carriage return ends a line for some readers only.
 */
export function cleartextLines(text: string): string[] {
  if (!text.endsWith('\n')) throw new ProtocolError('bad-document', 'clear text: the last line has no newline');
  const lines = text.slice(0, -1).split('\n', maxCleartextLines + 1);
  if (lines.length > maxCleartextLines)
    throw new ProtocolError('bad-document', `clear text: there are over ${maxCleartextLines} lines`);
  const refuse = (index: number, what: string): never => {
    throw new ProtocolError('bad-document', `clear text: line ${index + 1} has ${what}`);
  };
  const controls = lines.findIndex((line) => line !== '' && /(?!\t)\p{Cc}/u.test(line));
  if (controls >= 0) refuse(controls, 'a control character');
  // A character takes three bytes at most, and only lines that may be too long are encoded.
  const long = lines.findIndex(
    (line) => 3 * line.length > maxCleartextLineBytes && utf8ToBytes(line).length > maxCleartextLineBytes,
  );
  if (long >= 0) refuse(long, `over ${maxCleartextLineBytes} bytes`);
  return lines;
}

/** What is hashed: lines without spaces and tabs at their ends, joined by CRLF, no line ending after the last (RFC 9580, Section 7.2). */
export function canonicalCleartext(lines: readonly string[]): Uint8Array {
  return utf8ToBytes(lines.map(withoutBlanksAtItsEnd).join('\r\n'));
}

/** The whole file: header, escaped lines (RFC 9580, Section 7.1), armored signature. */
export function cleartextFile(lines: readonly string[], armoredSignature: string): string {
  const escaped = lines.map((line) => (line.startsWith('-') ? `- ${line}` : line));
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${escaped.join('\n')}\n${armoredSignature}`;
}

/** By hand: a pattern for blanks at an end looks at every run of blanks from each of its places. */
function withoutBlanksAtItsEnd(line: string): string {
  let end = line.length;
  while (line[end - 1] === ' ' || line[end - 1] === '\t') end -= 1;
  return line.slice(0, end);
}
