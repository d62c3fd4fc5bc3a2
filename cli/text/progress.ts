/** One line on a terminal that is written over as work goes on; nothing at all where nobody watches. */
import { printable } from '../../verifier/printable.ts';
import { redrawIntervalMs, usualRows } from '../limits.ts';
import type { Output, TextStream } from '../output.ts';
import { clip, pageWidth } from './page.ts';

const clearLine = '\r\u001b[2K';

/** A block of lines that is drawn again in place of itself. */
export class LiveBlock implements Disposable {
  readonly #stream: TextStream;
  #drawn = 0;

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  /** Lines are cut at the width of the terminal, and the block at its height: what wraps or is scrolled away could not be taken back. */
  draw(lines: readonly string[]): void {
    const width = (this.#stream.columns ?? pageWidth) - 1;
    const shown = fitted(lines, (this.#stream.rows ?? usualRows) - 1);
    this.clear();
    this.#stream.write(shown.map((line) => `${clip(line, width)}\n`).join(''));
    this.#drawn = shown.length;
  }

  clear(): void {
    if (this.#drawn > 0) this.#stream.write(`\u001b[${this.#drawn}A\r\u001b[0J`);
    this.#drawn = 0;
  }

  /** What is drawn stays where it is. */
  [Symbol.dispose](): void {
    this.#drawn = 0;
  }
}

/** The first lines, and how many more there are; the cursor needs a row of its own. */
function fitted(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const kept = lines.slice(0, Math.max(1, rows - 1));
  return [...kept, `… and ${lines.length - kept.length} more lines`];
}

/** Shows how far the hashing of `path` is; the line is gone when disposed. */
export class HashLine implements Disposable {
  readonly #output: Output;
  #nextMs = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(path: string, hashedBytes: number, totalBytes: number): void {
    if (!this.#output.isLive || Date.now() < this.#nextMs) return;
    this.#nextMs = Date.now() + redrawIntervalMs;
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * hashedBytes) / totalBytes);
    const width = (this.#output.stderr.columns ?? pageWidth) - 1;
    this.#output.stderr.write(clearLine + clip(`hashing ${percent} %  ${printable(path)}`, width));
  }

  [Symbol.dispose](): void {
    if (this.#nextMs > 0) this.#output.stderr.write(clearLine);
  }
}

/** Shows how many of so many things are done; the line is gone when disposed. */
export class CountLine implements Disposable {
  readonly #output: Output;
  readonly #verb: string;
  #nextMs = 0;

  constructor(output: Output, verb: string) {
    this.#output = output;
    this.#verb = verb;
  }

  show(done: number, all: number): void {
    if (!this.#output.isLive || Date.now() < this.#nextMs) return;
    this.#nextMs = Date.now() + redrawIntervalMs;
    this.#output.stderr.write(`${clearLine}${this.#verb} ${done} of ${all}`);
  }

  [Symbol.dispose](): void {
    if (this.#nextMs > 0) this.#output.stderr.write(clearLine);
  }
}
