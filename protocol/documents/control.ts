/**
 * One paragraph of Debian's control format (deb822(5)), read so strictly that apt, dpkg and a person find the same in it: whole lines, each field
 * once, no comments, nothing before or after.
 */
import { maxControlFields } from '../limits.ts';
import { readableText, refuseDocument } from './readable.ts';

/** A field with all lines that belong to it. */
export interface ControlField {
  readonly name: string;
  /** What is on the line of the name, without blanks around it; may be empty. */
  readonly value: string;
  /** The lines after it, without the blanks at their ends: they begin with a blank. */
  readonly lines: readonly ControlLine[];
  /** 1-based line of the name. */
  readonly line: number;
}

/** A line that goes on with a field; it begins with a blank. */
export interface ControlLine {
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

/** A file as a list of hashes names it: hash in lower-case hex, size in bytes as decimal digits. */
export interface ListedFile {
  readonly hash: string;
  readonly size: string;
  readonly path: string;
}

/** What names the fields: printable ASCII but the colon, and no dash or comment at the beginning. */
const fieldLine = /^([!"$-,.-9;-~][!-9;-~]*):(.*)$/u;

/** Fields in their order. Throws `ProtocolError('bad-document')` naming the line. */
export function decodeControl(bytes: Uint8Array, kind: string): ControlField[] {
  const fields: (ControlField & { readonly lines: ControlLine[] })[] = [];
  const names = new Set<string>();
  const texts = readableText(bytes, kind).slice(0, -1).split('\n');
  for (const [index, text] of texts.entries()) {
    const line = index + 1;
    if (text.trim() === '') refuseDocument(kind, `line ${line} is empty: the document is one paragraph`);
    if (/^[ \t]/.test(text)) {
      const field = fields.at(-1) ?? refuseDocument(kind, `line ${line} goes on with a field that there is not`);
      field.lines.push({ text: text.trimEnd(), line });
      continue;
    }
    const [, name, value = ''] = fieldLine.exec(text) ?? [];
    if (name === undefined) refuseDocument(kind, `line ${line} is not of the form "Name: value"`);
    // Names differ in capitals for nobody but a careless reader.
    if (names.has(name.toLowerCase())) refuseDocument(kind, `line ${line} has the field ${name} for the second time`);
    names.add(name.toLowerCase());
    if (fields.length >= maxControlFields)
      refuseDocument(kind, `line ${line} is one field more than ${maxControlFields}`);
    fields.push({ name, value: value.trim(), lines: [], line });
  }
  return fields;
}

/** A field of one line. */
export function isOneLine({ lines }: ControlField): boolean {
  return lines.length === 0;
}

/** The field as it is in the document, for what goes on over lines. */
export function wholeField({ name, value, lines }: ControlField): string {
  return `${name}:${value === '' ? '' : ` ${value}`}\n${lines.map(({ text }) => `${text}\n`).join('')}`;
}

/** Two lists of a document must be of the same files: nobody approves what only a broken hash vouches for. */
export function areOfSameFiles(one: readonly ListedFile[], other: readonly ListedFile[]): boolean {
  const summary = (files: readonly ListedFile[]): string =>
    files
      .map(({ path, size }) => `${path} ${size}`)
      .sort()
      .join('\n');
  return summary(one) === summary(other);
}
