/** Where a command writes: results to stdout, talk to stderr, colours only for a person. */
import { printableJson } from '../verifier/printable.ts';
import { fewestColumns, mostColumns, usualColumns } from './limits.ts';

/** A stream as a command sees it. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** Where to write, and for whom. */
export interface OutputOptions {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly json: boolean;
  /** `NO_COLOR` and `TERM` are looked at (no-color.org). */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const styles = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const;
/** How a word can be set off on a terminal. */
export type Style = keyof typeof styles;

/** The one way to write for a command. */
export class Output {
  readonly json: boolean;
  readonly stderr: TextStream;
  readonly #stdout: TextStream;
  readonly #colours: boolean;

  constructor({ stdout, stderr, json, environment }: OutputOptions) {
    this.json = json;
    this.stderr = stderr;
    this.#stdout = stdout;
    // An empty NO_COLOR counts as not set (no-color.org).
    this.#colours = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
  }

  /** Whether a person watches the talk: only then lines may be redrawn. */
  get isLive(): boolean {
    return this.stderr.isTTY === true && !this.json;
  }

  /** Columns for tables: those of the terminal, and what every terminal has where results go somewhere else. */
  get width(): number {
    return widthOf(this.#stdout);
  }

  /** The result: text for people, or the value as one line of JSON. `text` ends without a newline. */
  result(text: string, value: unknown): void {
    this.#stdout.write(`${this.json ? printableJson(value) : text}\n`);
  }

  /** One event of a stream: only with `--json`, one line. */
  event(value: unknown): void {
    if (this.json) this.#stdout.write(`${printableJson(value)}\n`);
  }

  /** Progress, advice, warnings: for people only. */
  talk(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  warn(text: string): void {
    this.talk(`${this.toTalk('yellow', 'warning:')} ${text}`);
  }

  /** Styled if results go to a terminal. */
  toResult(style: Style, text: string): string {
    return this.#colours && !this.json && this.#stdout.isTTY === true ? styled(style, text) : text;
  }

  /** Styled if talk goes to a terminal. */
  toTalk(style: Style, text: string): string {
    return this.#colours && this.stderr.isTTY === true ? styled(style, text) : text;
  }
}

/** Columns of a stream, within what can be read. */
export function widthOf({ isTTY, columns }: TextStream): number {
  if (isTTY !== true || columns === undefined || columns === 0) return usualColumns;
  return Math.min(mostColumns, Math.max(fewestColumns, columns));
}

function styled(style: Style, text: string): string {
  return `\u001b[${styles[style]}m${text}\u001b[0m`;
}
