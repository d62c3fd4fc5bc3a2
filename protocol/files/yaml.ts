/** YAML for people: no aliases, unique keys, and the line of every field for the error that names it. */
import { LineCounter, isMap, isNode, isSeq, parseDocument, visit } from 'yaml';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';

export interface YamlFile {
  readonly value: unknown;
  /** 1-based line of the value at `path`, or of its nearest parent. */
  lineOf(path: readonly (string | number)[]): number;
}

/** Throws `ProtocolError(code)` with file and line. */
export function parseYaml(bytes: Uint8Array, file: string, code: ProtocolErrorCode): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(decodeText(bytes, file, code), {
    lineCounter: lines,
    uniqueKeys: true,
    merge: false,
    schema: 'core',
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    throw new ProtocolError(code, (problem.message.split('\n')[0] ?? '').replace(/ at line.*$/, ''), {
      file,
      line: lines.linePos(problem.pos[0]).line,
    });
  }
  const lineAt = (offset: number | undefined): number => (offset === undefined ? 1 : lines.linePos(offset).line);
  visit(document, {
    Alias: (_key, node) => {
      throw new ProtocolError(code, 'aliases (*name) are not allowed', { file, line: lineAt(node.range?.[0]) });
    },
  });
  return {
    value: document.toJS({ maxAliasCount: 0 }),
    lineOf: (path) => {
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
        } else break;
      }
      return lineAt(offset);
    },
  };
}

function decodeText(bytes: Uint8Array, file: string, code: ProtocolErrorCode): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProtocolError(code, 'is not UTF-8 text', { file, cause });
  }
}
