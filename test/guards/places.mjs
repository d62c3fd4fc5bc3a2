/** Where a guard is in the sources: a function by its name and in it a statement, whatever file it is in and however it is laid out. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * @typedef {object} Guard
 * @property {string} row of SECURITY.md's table
 * @property {string} what it holds, for people
 * @property {string} [in] the function or method that has it; there may be several of that name
 * @property {string} [file] where to look, if there is no such function or it is not enough
 * @property {string} from the statement, or as much of it as there is once
 * @property {string} to what it becomes without the guard
 * @property {string} test file that must fail then
 * @property {string} [name] of the test in it
 * @property {boolean} [built] the test runs what is built
 *
 * @typedef {{ readonly file: string, readonly text: string, readonly start: number, readonly end: number }} Place
 * @typedef {{ readonly file: string, readonly text: string, readonly functions: ReadonlyMap<string, readonly Place[]> }} Source
 */

/** Every source file that git knows, but no test. @param {string} root */
export function trackedSources(root) {
  const files = execFileSync('git', ['ls-files', '-z', '--', '*/*.ts'], { cwd: root, encoding: 'utf8' });
  return files.split('\0').filter((file) => file !== '' && !/^test\/|\.d\.ts$/.test(file));
}

/** @param {string} root @param {readonly string[]} files */
export function readSources(root, files) {
  return files.map((file) => toSource(file, readFileSync(join(root, file), 'utf8')));
}

/** @param {string} file @param {string} text @returns {Source} */
export function toSource(file, text) {
  return { file, text, functions: functionsOf(file, text) };
}

/** Every place where the guard's statement is: one, if the row is not stale. @param {Guard} guard @param {readonly Source[]} sources @returns {Place[]} */
export function placesOf(guard, sources) {
  const pattern = patternOf(guard.from);
  const found = sources
    .filter(({ file }) => guard.file === undefined || guard.file === file)
    .flatMap((source) => roomsOf(guard, source).flatMap((room) => matchesIn(room, pattern)));
  // A function in another of the same name has the statement twice.
  return [...new Map(found.map((place) => [`${place.file}:${place.start}`, place])).values()];
}

/**
 * Names that a row uses instead of its guard and that its file has nowhere: what is left does not run, and a test that fails for that shows nothing.
 * One that the file has somewhere else is found when the test runs. @param {Place} place @param {Pick<Guard, 'to'>} guard @returns {string[]}
 */
export function unknownNames({ text }, { to }) {
  const known = new Set(text.match(/[\w$]+/g));
  /** @type {Set<string>} */
  const used = new Set();
  /** @param {ts.Node} node */
  const visit = (node) => {
    const { parent } = node;
    if (ts.isIdentifier(node)) {
      const isNamed = 'name' in parent && parent.name === node;
      if (isNamed && !ts.isPropertyAccessExpression(parent)) known.add(node.text);
      if (!isNamed) used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  // An object, not a block.
  const code = to.startsWith('{') ? `(${to})` : to;
  visit(ts.createSourceFile('to.ts', code, ts.ScriptTarget.Latest, true));
  return [...used].filter((name) => name !== '' && !known.has(name) && !(name in globalThis));
}

/** @param {Guard} guard @param {Source} source @returns {readonly Place[]} */
function roomsOf(guard, { file, text, functions }) {
  return guard.in === undefined ? [{ file, text, start: 0, end: text.length }] : (functions.get(guard.in) ?? []);
}

/** @param {Place} room @param {RegExp} pattern @returns {Place[]} */
function matchesIn({ file, text, start, end }, pattern) {
  return [...text.slice(start, end).matchAll(pattern)].map((match) => ({
    file,
    text,
    start: start + match.index,
    end: start + match.index + match[0].length,
  }));
}

/** Blanks between two words or signs may be any, and a comma may end what was broken into lines. @param {string} statement */
function patternOf(statement) {
  const tokens = statement.match(/[\w$#]+|[^\s\w$#]/g) ?? [];
  const escaped = tokens.map((token) => token.replace(/[^\w]/, '\\$&').replace(/^\\[)\]}]$/, '(?:,\\s*)?$&'));
  return new RegExp(escaped.join('\\s*'), 'g');
}

/** @param {string} file @param {string} text @returns {Map<string, Place[]>} */
function functionsOf(file, text) {
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  /** @type {Map<string, Place[]>} */
  const functions = new Map();
  /** @param {ts.Node} node */
  const visit = (node) => {
    const name = functionName(node);
    if (name !== undefined)
      functions.set(name, [...(functions.get(name) ?? []), { file, text, start: node.getStart(), end: node.end }]);
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return functions;
}

/** The name of a function, a method, or a constant, field or property that holds a function. @param {ts.Node} node */
function functionName(node) {
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const isNamed = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node);
  const holds =
    (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)) &&
    node.initializer;
  const isFunction = holds && (ts.isArrowFunction(holds) || ts.isFunctionExpression(holds));
  return (isNamed || isFunction) && node.name !== undefined ? node.name.getText() : undefined;
}
