/** Comments keep their word: what they name exists, and whatever a file exports says what it is. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { trackedSources } from '../guards/places.mjs';

const root = join(import.meta.dirname, '../..');
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = trackedSources(root).map((file) => ({ file, text: read(file) }));

const folders = [...new Set(sources.map(({ file }) => dirname(file)))];

const parse = (file: string, text: string): ts.SourceFile =>
  ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);

/** Names that the file exports without a doc comment on the line above. */
function bareExports(file: string, text: string): string[] {
  return parse(file, text)
    .statements.filter((statement) => isExported(statement) && !isSpokenOf(text, statement))
    .flatMap(namesOf);
}

function isExported(statement: ts.Statement): boolean {
  return (
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
  );
}

function isSpokenOf(text: string, statement: ts.Statement): boolean {
  const comment = ts.getLeadingCommentRanges(text, statement.pos)?.at(-1);
  if (comment === undefined || !text.startsWith('/**', comment.pos)) return false;
  return !text.slice(comment.end, statement.getStart()).includes('\n\n');
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  return [(statement as ts.DeclarationStatement).name?.getText() ?? 'something'];
}

/** Where the comments of a file are. */
function commentsOf(file: string, text: string): string[] {
  const found = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ];
    for (const { pos, end } of ranges) found.set(pos, text.slice(pos, end));
    node.getChildren().forEach(visit);
  };
  visit(parse(file, text));
  return [...found.values()];
}

/** A name of code in back-ticks: an identifier, alone, with a bracket, or of something; or a file. */
const named = /`((?:[\w$#-]+\/)*[\w$#][\w$#.-]*?)(?:\(.*?\))?`/g;

const namesIn = (comment: string): string[] => [...comment.matchAll(named)].map(([, name]) => name ?? '');
const strip = (text: string): string => text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');

/** Words of the code itself, of the documents that people read, and parts of paths. */
const words = new Set(
  tracked
    .filter(
      (file) =>
        /\.(?:ts|mjs|js|json|yaml)$|^(?:PROTOCOL(?:-REFERENCE)?|README|SECURITY)\.md$/.test(file) &&
        !/package-lock|^test\/house\//.test(file),
    )
    .flatMap((file) => strip(read(file)).match(/[\w$]+/g) ?? [])
    .concat(tracked.flatMap((file) => file.split(/[/.]/))),
);
/** Names of others: functions of RFC 9591 and bcrypt, a type of SSH, a call of the kernel, a class of ECMAScript, a variable of Node. */
const foreign = new Set(
  [
    'compute_binding_factors derive_interpolating_value nonce_generate polynomial_evaluate secret_share_shard verify_signature_share vss_verify random_bytes',
    'ExpandKey uint64 fdatasync AsyncDisposableStack NODE_OPTIONS',
  ].flatMap((names) => names.split(' ')),
);
const files = new Set(tracked.flatMap((file) => [file, basename(file)]));

function isThere(name: string): boolean {
  if (/\.(?:ts|mjs|md)$/.test(name)) return [...files].some((file) => file === name || file.endsWith(`/${name}`));
  return name.split(/[^\w$]+/).every((word) => word === '' || words.has(word) || foreign.has(word));
}

describe('a comment', () => {
  it('names in back-ticks what there is', () => {
    const gone = sources.flatMap(({ file, text }) =>
      commentsOf(file, text)
        .flatMap(namesIn)
        .filter((name) => !isThere(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(gone).toEqual([]);
  });

  it('is seen to lie', () => {
    expect(
      commentsOf('x.ts', '/** `one`, `two()` and `wire/three.ts`. */\nconst a = 1; // `four`\n').flatMap(namesIn),
    ).toEqual(['one', 'two', 'wire/three.ts', 'four']);
    expect(
      ['open-Envelop', 'wire/noth-ing.ts', 'charter.noth-ingOfIt'].map((lie) => lie.replace('-', '')).filter(isThere),
    ).toEqual([]);
    expect(['sealMessage', 'wire/bytes.ts', 'payload.kind'].filter(isThere)).toHaveLength(3);
  });
});

describe('an exported noun', () => {
  it.each(folders)('of %s has a doc comment', (folder) => {
    const inside = sources.filter(({ file }) => dirname(file) === folder);
    expect(inside.flatMap(({ file, text }) => bareExports(file, text).map((name) => `${file}: ${name}`))).toEqual([]);
  });

  it('is seen to be bare', () => {
    const file = '/** The file. */\n\nexport const a = 1;\n/** B. */\nexport interface B {}\nexport function c() {}\n';
    expect(bareExports('x.ts', file)).toEqual(['a', 'c']);
  });
});
