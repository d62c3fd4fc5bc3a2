/**
 * The import table of ARCHITECTURE.md, and the lint rule that holds it: for static, re-exporting, dynamic and type imports alike. Paths are relative
 * to the project.
 */
import { dirname, join, relative } from 'node:path';

/** @typedef {Readonly<Record<string, readonly string[]>>} Table */

const root = join(import.meta.dirname, '..');
const everything = [
  'verifier',
  'protocol',
  'home',
  'client',
  'coordinator',
  'participant',
  'requester',
  'importer',
  'cli',
];

/** Every folder of sources: what `npm run build` makes JavaScript of. */
export const folders = [...everything, 'demo', 'bench'];

/** Which other rooms a room may import. @type {Table} */
const rooms = {
  verifier: [],
  protocol: ['verifier'],
  home: ['protocol', 'verifier'],
  client: ['protocol', 'verifier'],
  coordinator: ['home', 'client', 'protocol', 'verifier'],
  participant: ['home', 'client', 'protocol', 'verifier'],
  requester: ['home', 'client', 'protocol', 'verifier'],
  importer: ['home', 'protocol', 'verifier'],
  cli: everything,
  demo: ['cli', 'client', 'home', 'protocol', 'verifier'],
  // The demo's company of processes is what a round is measured on.
  bench: [...everything, 'demo'],
  test: [...everything, 'demo', 'bench', 'packaging', 'package.json'],
  packaging: [],
};

/** The chapters of `protocol/`, bottom to top: each may import those before its own line. @type {readonly (readonly string[])[]} */
const chapters = [
  ['errors', 'limits', 'frost'],
  ['wire'],
  ['files'],
  ['documents'],
  ['ceremony'],
  ['succession'],
  ['request'],
  ['openpgp', 'ssh'],
  ['formats'],
  ['signing'],
  ['evidence', 'group-documents'],
  ['chain'],
  ['record'],
];

/** Who may import a package, or a file that works on secrets, as starts of paths. Tests, tools and measurements may import any. @type {Table} */
export const owners = {
  '@noble/curves': ['protocol/frost/group-noble.ts'],
  '@noble/hashes': ['protocol/'],
  'libsodium-sumo': ['protocol/frost/libsodium.ts'],
  typebox: ['protocol/wire/schema.ts'],
  yaml: ['protocol/files/yaml.ts'],
  'age-encryption': ['home/age-child.ts'],
  ws: ['coordinator/connection.ts', 'participant/connection.ts'],
  fastify: ['coordinator/app.ts', 'coordinator/routes.ts'],
  level: ['coordinator/level.ts'],
  commander: ['cli/program.ts'],
  '@clack/prompts': ['cli/prompt.ts'],
  'fast-string-width': ['cli/text/page.ts'],
  'protocol/frost/arena.ts': ['protocol/frost/'],
  'protocol/frost/libsodium.ts': ['protocol/frost/'],
};

/** Names that a pure room may take from `node:`; every other room takes what it likes. @type {Readonly<Record<string, Table>>} */
const nodeModules = {
  verifier: {
    'node:buffer': ['Buffer'],
    'node:crypto': ['createHash', 'createPublicKey', 'verify', 'KeyObject'],
    'node:fs': ['constants', 'promises', 'BigIntStats'],
    'node:fs/promises': ['FileHandle'],
    'node:path': ['basename'],
    // As a whole: an old Node has no parseArgs, and the verifier has to load to say so.
    'node:util': ['*'],
  },
  protocol: { 'node:crypto': ['createHash', 'hash'] },
};

/** Rooms of people who build and measure. */
const workshops = ['test', 'bench', 'packaging'];

/** Why the file `from` may not take `names` from `source`, or undefined when it may. @param {string} from @param {string} source @param {readonly string[]} names */
function objection(from, source, names) {
  if (source.startsWith('node:')) return objectionToNode(roomOf(from), source, names);
  const isFile = source.startsWith('.');
  const to = isFile ? join(dirname(from), source) : source.split('/', source.startsWith('@') ? 2 : 1).join('/');
  return (isFile ? objectionToRoom(from, to) : undefined) ?? objectionToOwned(from, to, isFile);
}

/** @param {string} from @param {string} to */
function objectionToRoom(from, to) {
  const [room, other] = [roomOf(from), roomOf(to)];
  const allowed = rooms[room];
  if (room !== other && allowed?.includes(other) === false)
    return `${room}/ may import only ${allowed.join(', ') || 'itself'}`;
  if (room !== 'protocol' || other !== room || isBelow(chapterOf(to), chapterOf(from))) return undefined;
  return `protocol/${chapterOf(from)} may not import ${chapterOf(to)}: a chapter imports those before it`;
}

/** @param {string} room @param {string} source @param {readonly string[]} names */
function objectionToNode(room, source, names) {
  const modules = nodeModules[room];
  const allowed = modules?.[source];
  if (modules === undefined || (allowed !== undefined && names.every((name) => allowed.includes(name))))
    return undefined;
  return `${room}/ is pure: it takes no ${names.join(', ')} from ${source}`;
}

/** @param {string} from @param {string} to @param {boolean} isFile */
function objectionToOwned(from, to, isFile) {
  const starts = owners[to] ?? [];
  const isFree = isFile && owners[to] === undefined;
  if (isFree || workshops.includes(roomOf(from)) || !from.includes('/')) return undefined;
  if (starts.some((start) => from.startsWith(start))) return undefined;
  return `${to} belongs to ${starts.join(' and ') || 'nobody'}`;
}

/** @param {string} path */
const roomOf = (path) => path.split('/')[0] ?? '';
/** @param {string} path */
const chapterOf = (path) => path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
/** @param {string} chapter */
const floorOf = (chapter) => chapters.findIndex((names) => names.includes(chapter));
/** @param {string} lower @param {string} upper */
const isBelow = (lower, upper) => lower === upper || (floorOf(lower) !== -1 && floorOf(lower) < floorOf(upper));

/** The name that a part of an import takes; `*` is the whole module. @param {{ type: string, imported?: object }} specifier */
const nameOf = ({ imported = {} }) => ('name' in imported ? String(imported.name) : '*');

/** The rule `house/walls`. @type {import('eslint').Rule.RuleModule} */
export const walls = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const from = relative(root, context.filename);
    /** @param {import('eslint').Rule.Node} node @param {unknown} source @param {readonly string[]} names */
    const check = (node, source, names = ['*']) => {
      const found =
        typeof source === 'string'
          ? objection(from, source, names)
          : 'an import names its file, so that this table can be held';
      if (found !== undefined) context.report({ node, message: `${found} (ARCHITECTURE.md).` });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value, node.specifiers.map(nameOf)),
      ExportNamedDeclaration: (node) => node.source && check(node, node.source.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ImportExpression: (node) => check(node, 'value' in node.source && node.source.value),
      TSImportType: (/** @type {any} */ node) => check(node, node.source.value),
    };
  },
};
