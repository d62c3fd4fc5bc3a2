/** Text for a terminal of 80 columns: tables, labelled pages, sizes and times; whatever a stranger wrote is escaped and marked (T36). */
import widthOf from 'fast-string-width';
import { usualColumns } from '../limits.ts';
import { marked } from './look-alikes.ts';

/** Columns of a page: what every terminal has. */
export const pageWidth = usualColumns;

/** Columns before the text of a labelled row. */
const labelWidth = 12;

/** Columns between those of a table. */
const gap = 2;

/**
 * A table with a head that fits so many columns: the column at `shrinks` gives way first, then the widest but the first; a cell that was cut
 * ends in `…`. Every cell is escaped first.
 */
export function table(rows: readonly (readonly string[])[], shrinks: number, width = pageWidth): string {
  const cells = rows.map((row) => row.map(marked));
  const widths = fit(
    (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => widthOf(row[column] ?? '')))),
    shrinks,
    width,
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) => padded(clip(cell, widths[column] ?? 0), widths[column] ?? 0))
        .join(' '.repeat(gap))
        .trimEnd(),
    )
    .join('\n');
}

/** Columns that a cell keeps while others have more. */
const readableWidth = 16;

function fit(widths: number[], shrinks: number, most: number): number[] {
  const excess = (): number => widths.reduce((sum, width) => sum + width, 0) + gap * (widths.length - 1) - most;
  while (excess() > 0) {
    const widest = widths.indexOf(Math.max(...widths.slice(1)), 1);
    const column = (widths[shrinks] ?? 0) > readableWidth || widest === -1 ? shrinks : widest;
    widths[column] = (widths[column] ?? 0) - 1;
  }
  return widths;
}

/** At most `width` columns, the last one `…` if something is missing. */
export function clip(text: string, width: number): string {
  return widthOf(text) <= width ? text : `${chunks(text, Math.max(0, width - 1))[0] ?? ''}…`;
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** The text in pieces of at most `width` columns; a letter of East Asia has two. */
function chunks(text: string, width: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  let columns = 0;
  for (const character of text) {
    const more = widthOf(character);
    if (columns + more > width) {
      pieces.push(piece);
      piece = '';
      columns = 0;
    }
    piece += character;
    columns += more;
  }
  return [...pieces, piece];
}

/** Rows of a label and a text; long texts go on below, and an empty label goes under the one before. */
export class Page {
  readonly #lines: string[] = [];

  /** Escapes the text. A line break in it shows as its escape: nothing can look like a row of its own. A long label has its own line. */
  row(label: string, text: string): this {
    const parts = wrap(marked(text), pageWidth - labelWidth);
    if (label.length >= labelWidth) this.#lines.push(label);
    const first = label.length >= labelWidth ? '' : label;
    parts.forEach((part, index) =>
      this.#lines.push(`${(index === 0 ? first : '').padEnd(labelWidth)}${part}`.trimEnd()),
    );
    return this;
  }

  /** One row for each text, the label before the first. */
  rows(label: string, texts: readonly string[]): this {
    texts.forEach((text, index) => this.row(index === 0 ? label : '', text));
    return this;
  }

  /** Lines of free text, such as a note: the line breaks stay, everything else is escaped. */
  text(label: string, text: string): this {
    return this.rows(label, text.split('\n'));
  }

  gap(): this {
    this.#lines.push('');
    return this;
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}

/** Stays whole, so that it can be compared and copied; in the first column it looks like no row. */
const digest = /^[0-9a-f]{64,128}$/;

/**
 * Breaks at spaces where there are some. A word longer than a line is broken, too: a terminal would go on with it in the first column, where
 * it could look like a row of its own.
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((one) => (digest.test(one) ? [one] : chunks(one, width)))) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const binaryUnits = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `17 bytes`, `2.4 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  let value = bytes;
  let unit: string = 'bytes';
  for (const next of binaryUnits) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

/** `17 bytes`, `2516582 bytes, 2.4 MiB`. */
export function exactSizeText(bytes: number): string {
  return bytes < 1024 ? sizeText(bytes) : `${bytes} bytes, ${sizeText(bytes)}`;
}

/** `3 days`, `71 h`, `12 min`, `8 s`: the two largest units at most. */
export function durationText(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60);
  if (days >= 4) return `${days} days`;
  if (hours >= 10) return `${hours} h`;
  if (hours >= 1) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  if (minutes >= 10) return `${minutes} min`;
  if (minutes >= 1) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

/** `in 71 h` or `12 min ago`. */
export function whenText(unixSeconds: number, nowUnixSeconds: number): string {
  const left = unixSeconds - nowUnixSeconds;
  return left >= 0 ? `in ${durationText(left)}` : `${durationText(-left)} ago`;
}

/** `1 file`, `3 files`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
