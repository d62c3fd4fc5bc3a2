/** Text that reads the same to an approver, to a terminal and to the tool that verifies it. */
import { ProtocolError } from '../errors.ts';
import { textOf } from './document.ts';
import { present } from '../wire/present.ts';

// Controls but newline and tab, what turns the line around, and the line separators that no Unix tool counts as such.
const unreadable = /[^\P{Cc}\n\t]|[\p{Bidi_Control}\u2028\u2029]/u;

/** Throws `ProtocolError('bad-document')`: the kind, and what is wrong with it. */
export function refuseDocument(kind: string, what: string): never {
  throw new ProtocolError('bad-document', `${kind}: ${what}`);
}

/**
 * UTF-8 text of whole lines: no control characters but newline and tab, no bidirectional controls. A carriage return is refused with them:
 * tools differ on whether it ends a line. Throws `ProtocolError('bad-document')` naming the line.
 */
export function readableText(bytes: Uint8Array, kind: string): string {
  const text = textOf(bytes, kind);
  const at = text.search(unreadable);
  if (at >= 0) {
    const code = present(text.codePointAt(at), 'the character').toString(16).toUpperCase().padStart(4, '0');
    const remedy = code === '000D' ? ': write it with the line ends of Unix' : '';
    refuseDocument(kind, `line ${text.slice(0, at).split('\n').length} has the character U+${code}${remedy}`);
  }
  if (!text.endsWith('\n')) refuseDocument(kind, 'the last line does not end with a newline');
  return text;
}
