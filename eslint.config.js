/** Lint rules: strict types, the import table of ARCHITECTURE.md, which runs one way, and what keeps `protocol/` and `verifier/` pure. */
import tseslint from 'typescript-eslint';
import { walls } from './packaging/import-table.mjs';

const syntax = [
  { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
  {
    selector: 'TSEnumDeclaration, TSModuleDeclaration[kind!="global"]:not([declare=true])',
    message: 'No enums and namespaces.',
  },
  {
    selector:
      ':matches(NewExpression[callee.name=/Error$/], CallExpression[callee.property.name="fail"]) TemplateLiteral > .expressions CallExpression[callee.object.name="JSON"]',
    message: 'What a stranger wrote is quoted with printableJson: people read errors (T36).',
  },
];

/** Globals through which clock, randomness, process, network and every global by another name come in. */
const impureGlobals = [
  'process',
  'performance',
  'crypto',
  'fetch',
  'XMLHttpRequest',
  'WebSocket',
  'EventSource',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
  'navigator',
  'globalThis',
  'global',
  'require',
  'module',
  'eval',
  'Function',
];

/** In `protocol/`: an empty text in the place of a hash that is missing could be signed. */
const asserted = {
  selector: 'LogicalExpression[operator="??"] > Literal[value=""].right',
  message: 'What cannot be absent is asserted (wire/present.ts), and what may be absent has a branch of its own.',
};

/** Ways to a clock, and to a place on disk, that have no name of their own. */
const clocks = [
  {
    selector: ':matches(NewExpression[arguments.length=0], CallExpression)[callee.name="Date"]',
    message: 'This room has no clock: time comes in as an argument.',
  },
  {
    selector: 'VariableDeclarator > Identifier[name=/^(Date|Math)$/].init',
    message: 'A clock under another name is a clock.',
  },
  { selector: 'MetaProperty', message: 'A pure room does not know where it is on disk.' },
];

/** @type {Partial<import('eslint').Linter.RulesRecord>} */
const pure = {
  'no-restricted-globals': [
    'error',
    ...impureGlobals.map((name) => ({
      name,
      message: 'This room is pure: it comes in as an argument (ARCHITECTURE.md).',
    })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'This room has no clock: time comes in as an argument.' },
    { object: 'Math', property: 'random', message: 'This room has no randomness of its own.' },
    { object: 'AbortSignal', property: 'timeout', message: 'This room has no timers.' },
    { object: 'Atomics', property: 'wait', message: 'This room does not wait.' },
  ],
  'no-restricted-syntax': ['error', ...syntax, ...clocks],
};

/** The verifier as a command: it has a clock, an exit code, and something that runs it. */
const verifierCommand = ['verifier/main.ts', 'verifier/command.ts', 'verifier/runtime.ts'];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'demo-run/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: false }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-syntax': ['error', ...syntax],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    plugins: { house: { rules: { walls } } },
    rules: { 'house/walls': 'error' },
  },
  { files: ['verifier/**/*.ts', 'protocol/**/*.ts'], ignores: [...verifierCommand, '**/*.d.ts'], rules: pure },
  {
    files: ['protocol/**/*.ts'],
    ignores: ['**/*.d.ts'],
    rules: { 'no-restricted-syntax': ['error', ...syntax, ...clocks, asserted] },
  },
  { files: ['test/**/programs/*.js'], rules: { 'house/walls': 'off' } },
  { files: ['*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'demo/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-console': 'off' },
  },
);
