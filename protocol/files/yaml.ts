/**
 * YAML for people: one document, no aliases, unique keys, and the line of every field for the error that names it. Tokens and nesting are counted
 * before anything is made of them: past that a parser's work grows faster than the file (T41).
 */
import { CST, Composer, Lexer, LineCounter, Parser, isMap, isNode, isScalar, isSeq, visit, type Document } from 'yaml';
import { printable } from '../../verifier/printable.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import { maxYamlDepth, maxYamlIndent, maxYamlTokens } from '../limits.ts';

/** A parsed file: plain values, and the lines they are on. */
export interface YamlFile {
  readonly value: unknown;
  /** 1-based line of the value at `path`, or of its nearest parent. */
  lineOf(path: YamlPath): number;
}

/** Where a value is: names of fields, and places in lists from 0. */
export type YamlPath = readonly (string | number)[];

/** What a file may cost, and how it is refused. */
interface YamlSource {
  readonly text: string;
  readonly file: string;
  readonly code: ProtocolErrorCode;
  readonly maxTokens: number;
}

/** Throws `ProtocolError(code)` with file and line; `too-large` for more than `maxTokens` words, marks, gaps and line ends. */
export function parseYaml(
  bytes: Uint8Array,
  file: string,
  code: ProtocolErrorCode,
  maxTokens = maxYamlTokens,
): YamlFile {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const source = { text: decodeText(bytes, file, code), file, code, maxTokens };
  const document = composeOne(source, lines);
  const lineAt = (offset: number | undefined): number => (offset === undefined ? 1 : lines.linePos(offset).line);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined)
    throw new ProtocolError(code, printable(problem.message), { file, line: lineAt(problem.pos[0]) });
  assertPlain(document, (offset, message) => {
    throw new ProtocolError(code, message, { file, line: lineAt(offset) });
  });
  return { value: document.toJS({ maxAliasCount: 0 }), lineOf: (path) => lineAt(offsetOf(document, path)) };
}

type YamlDocument = Document.Parsed;

/** The document of the file, with the errors that the parser found. */
function composeOne(source: YamlSource, lines: LineCounter): YamlDocument {
  const { text, file, code } = source;
  const composer = new Composer({ merge: false, schema: 'core', uniqueKeys: false, prettyErrors: false });
  const parser = new Parser(lines.addNewLine);
  const tokens = function* (): Generator<CST.Token> {
    for (const lexeme of boundedLexemes(source)) yield* withoutErrors(parser.next(lexeme), source, lines);
    yield* withoutErrors(parser.end(), source, lines);
  };
  const documents = composer.compose(tokens(), true, text.length);
  const first = documents.next();
  if (first.done === true) throw new ProtocolError(code, 'has no document', { file, line: 1 });
  const second = documents.next();
  if (second.done === true) return first.value;
  const { line } = lines.linePos(second.value.range[0]);
  throw new ProtocolError(code, 'there are several documents: remove what is after the first', { file, line });
}

/** The first error ends it: a file may have one in every second character. */
function* withoutErrors(
  tokens: Iterable<CST.Token>,
  { file, code }: YamlSource,
  lines: LineCounter,
): Generator<CST.Token> {
  for (const token of tokens) {
    if (token.type === 'error')
      throw new ProtocolError(code, printable(token.message), { file, line: lines.linePos(token.offset).line });
    yield token;
  }
}

/** The lexer's words one after the other, as long as there are not too many of them or too deep. */
function* boundedLexemes({ text, file, code, maxTokens }: YamlSource): Generator<string> {
  const meter = new Meter();
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    count += 1;
    if (count > maxTokens)
      throw new ProtocolError('too-large', `has over ${maxTokens} words and marks`, { file, line: meter.line });
    const fault = meter.faultOf(lexeme);
    if (fault !== undefined) throw new ProtocolError(code, fault, { file, line: meter.line });
    yield lexeme;
  }
}

const opening: readonly (string | null)[] = ['flow-map-start', 'flow-seq-start'];
const closing: readonly (string | null)[] = ['flow-map-end', 'flow-seq-end'];
/** What makes one file read as another, or asks a parser to do more than read. */
const refused: Readonly<Record<string, string>> = {
  alias: 'aliases (*name) are not allowed',
  tag: 'tags (!name) are not allowed',
  'directive-line': 'directives (%NAME) are not allowed',
};
/** Each of them on one line is one level more. */
const nesting: readonly (string | null)[] = ['seq-item-ind', 'explicit-key-ind', 'map-value-ind'];
/** YAML 1.2, Section 5.7. */
const escapes = /\\(?:[0abtnvfre "/\\N_LP\t\n]|\r\n|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})/g;

/** Where the lexer is, and how deep. */
class Meter {
  line = 1;
  #depth = 0;
  #marks = 0;
  #isLineStart = true;

  /** Of the next word: what is wrong with it. */
  faultOf(lexeme: string): string | undefined {
    const type = CST.tokenType(lexeme);
    if (opening.includes(type)) this.#depth += 1;
    if (closing.includes(type)) this.#depth = Math.max(0, this.#depth - 1);
    if (this.#depth === 0 && nesting.includes(type)) this.#marks += 1;
    if (Math.max(this.#depth, this.#marks) > maxYamlDepth) return `is nested over ${maxYamlDepth} deep`;
    if (type !== null && Object.hasOwn(refused, type)) return refused[type];
    if (type === 'space' && this.#isLineStart && lexeme.length > maxYamlIndent)
      return `is indented by over ${maxYamlIndent} blanks`;
    // The library makes an error of each wrong escape, and there may be one in every second character.
    if (type === 'double-quoted-scalar' && !isQuoted(lexeme))
      return 'has a text in double quotes that does not end or has a wrong escape';
    this.#isLineStart = type === 'newline';
    if (this.#isLineStart) this.#marks = 0;
    this.line += newlinesIn(lexeme);
    return undefined;
  }
}

function isQuoted(lexeme: string): boolean {
  const rest = lexeme.replaceAll(escapes, '');
  return rest.length > 1 && rest.endsWith('"') && !rest.includes('\\');
}

function newlinesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** No key twice: the library compares every key with all before it. */
function assertPlain(document: YamlDocument, refuse: (offset: number | undefined, message: string) => never): void {
  visit(document, {
    Map: (_key, { items }) => {
      const keys = new Set<string>();
      for (const { key } of items) {
        const name = isScalar(key) ? String(key.value) : undefined;
        const at = isNode(key) ? key.range?.[0] : undefined;
        if (name === undefined) refuse(at, 'a key must be one word');
        if (keys.has(name)) refuse(at, `Map keys must be unique: ${printable(name.slice(0, 80))} is there twice`);
        keys.add(name);
      }
    },
  });
}

function offsetOf(document: YamlDocument, path: YamlPath): number | undefined {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isNode(item.key) && String(item.key) === String(step));
      node = pair?.value;
      if (pair !== undefined && isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

function decodeText(bytes: Uint8Array, file: string, code: ProtocolErrorCode): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProtocolError(code, 'is not UTF-8 text', { file, cause });
  }
}
