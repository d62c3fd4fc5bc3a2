/** A kind of document that a quorum may sign whole: a strict grammar, a bound, and what an approver reads. */
import { ProtocolError } from '../errors.ts';
import type { Reading } from './readings.ts';

/** One line of what an approver reads. Texts are as they are in the document: whoever prints them escapes them. */
export interface DocumentField {
  readonly name: string;
  readonly value: string;
  /** False for what no signer can check, such as the hash of a git tree. */
  readonly isChecked: boolean;
}

/** All that an approver reads of a document. */
export interface DocumentView {
  readonly fields: readonly DocumentField[];
  /** What follows the fields, such as a tag's message. */
  readonly text: string | null;
}

/** What the closed list in `documents/index.ts` knows of a kind. */
export interface DocumentKind {
  readonly kind: string;
  readonly maxBytes: number;
  /** What tools take a document of this kind for, and rightly. */
  readonly readings: readonly Reading[];
  /** What an SSH signature over it says it is of (T10). */
  readonly namespace: 'git' | 'file';
  /** Reads the document by its whole grammar. Throws `ProtocolError('bad-document')` naming the line at fault. */
  decode(bytes: Uint8Array): DocumentView;
}

/** By which people know a document: the name of a tag, the suite of a repository, the name of a package, the first line of a message. */
const titleFields: readonly string[] = ['tag', 'Suite', 'Codename', 'name', 'Source'];

/** The title of a document by its own grammar; `null` for one that has none, or is not here. */
export function titleOf(view: DocumentView | undefined): string | null {
  if (view === undefined) return null;
  const field = titleFields
    .map((name) => view.fields.find((one) => one.name === name))
    .find((one) => one !== undefined);
  return field?.value ?? view.text?.split('\n')[0] ?? null;
}

/** UTF-8 without a byte order mark, NUL or lone surrogates. Throws `ProtocolError('bad-document')`. */
export function textOf(bytes: Uint8Array, kind: string): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.startsWith('\uFEFF') && !text.includes('\0')) return text;
  } catch {
    // It is told below, as one kind of wrong.
  }
  throw new ProtocolError('bad-document', `${kind}: not plain UTF-8 text`);
}
