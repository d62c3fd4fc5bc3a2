/** Lint rules: strict types, and the import table of ARCHITECTURE.md, which runs one way. */
import tseslint from 'typescript-eslint';

const rooms = [
  'verifier',
  'protocol',
  'home',
  'client',
  'coordinator',
  'participant',
  'requester',
  'importer',
  'cli',
  'demo',
  'bench',
  'test',
];

/** What each folder may import from; everything else in `rooms` is refused. */
const mayImport = {
  verifier: [],
  protocol: ['verifier'],
  home: ['verifier', 'protocol'],
  client: ['verifier', 'protocol'],
  coordinator: ['verifier', 'protocol', 'home', 'client'],
  participant: ['verifier', 'protocol', 'home', 'client'],
  requester: ['verifier', 'protocol', 'home', 'client'],
  importer: ['verifier', 'protocol', 'home'],
  cli: ['verifier', 'protocol', 'home', 'client', 'coordinator', 'participant', 'requester', 'importer'],
  demo: ['verifier', 'protocol', 'home', 'client', 'cli'],
  // The demo's company of processes is what a round is measured on.
  bench: rooms.filter((room) => room !== 'test'),
};

const packages = [
  '@noble/*',
  '@noble/*/*',
  'libsodium-sumo',
  'ws',
  'fastify',
  'level',
  'age-encryption',
  'yaml',
  'typebox',
  'typebox/*',
  'commander',
  '@clack/*',
  'esbuild',
];
const onlyNode = {
  verifier: packages,
  protocol: [
    'ws',
    'fastify',
    'level',
    'age-encryption',
    'commander',
    '@clack/*',
    'node:fs',
    'node:fs/*',
    'node:net',
    'node:http',
    'node:https',
    'node:child_process',
    'node:timers',
    'node:timers/*',
  ],
};

const table = Object.entries(mayImport).map(([room, allowed]) => ({
  files: [`${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: rooms.filter((other) => other !== room && !allowed.includes(other)).map((other) => `**/${other}/**`),
            message: `${room}/ may import only ${allowed.join(', ') || 'itself'} (ARCHITECTURE.md).`,
          },
          ...(onlyNode[room] === undefined
            ? []
            : [{ group: onlyNode[room], message: `${room}/ is pure (ARCHITECTURE.md).` }]),
        ],
      },
    ],
  },
}));

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
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'No default exports.' }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  ...table,
  { files: ['*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'demo/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-console': 'off' },
  },
);
