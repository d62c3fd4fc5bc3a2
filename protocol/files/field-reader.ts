/** The fields of a file that people write, one by one, each refused with its file and line. */
import { printableJson } from '../../verifier/printable.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import type { YamlFile, YamlPath } from './yaml.ts';

/** What a file is called when it is refused. */
interface ReaderOptions {
  readonly file: string;
  readonly code: ProtocolErrorCode;
  /** The whole of it, such as `the charter`. */
  readonly what: string;
}

/** Reads one parsed file. What does not fit is refused by `ProtocolError(code)` with file and line. */
export class FieldReader {
  readonly #yaml: YamlFile;
  readonly #options: ReaderOptions;

  constructor(yaml: YamlFile, options: ReaderOptions) {
    this.#yaml = yaml;
    this.#options = options;
  }

  fail(path: YamlPath, message: string): never {
    const { file, code } = this.#options;
    throw new ProtocolError(code, message, { file, line: this.line(path) });
  }

  /** As an error names it. */
  shown(path: YamlPath): string {
    return path.length === 0 ? this.#options.what : path.join('.');
  }

  /** 1-based line of the value, or of its nearest parent. */
  line(path: YamlPath): number {
    return this.#yaml.lineOf(path);
  }

  /** Where it is, as `FILE:LINE`. */
  place(path: YamlPath): string {
    return `${this.#options.file}:${this.line(path)}`;
  }

  /** A mapping with no other fields than these. */
  record(value: unknown, path: YamlPath, allowed: readonly string[] | 'any'): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(path, `${this.shown(path)} must be a mapping`);
    const fields = value as Record<string, unknown>;
    if (allowed === 'any') return fields;
    const unknown = Object.keys(fields).find((name) => !allowed.includes(name));
    if (unknown !== undefined)
      this.fail([...path, unknown], `unknown field ${printableJson(unknown)}; known are ${allowed.join(', ')}`);
    return fields;
  }
}
