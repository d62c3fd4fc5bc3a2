import { defineConfig } from 'vitest/config';

/** Rooms without processes, umask and sockets: their tests share a thread and its modules, file after file. */
const pure = ['verifier', 'protocol', 'importer', 'house'].map((room) => `test/${room}/**/*.test.ts`);

/** What `npm run interop` runs: other people's programs judge our files. They need what a machine that runs `npm test` may lack. */
const judges = ['test/interop/**/*.test.ts', 'test/interop-go/**/*.test.ts'];

/** What `npm run soak` runs: hours of simulated networks. */
const soak = 'test/soak/**/*.test.ts';

/** Three workers for two cores: some tests wait for a real clock, and the end-to-end tests start real processes beside these. Files of a worker share its modules: half of the time went into loading them again. */
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 3,
    isolate: false,
    reporters: ['default'],
    // 683 modules, and every worker loads them.
    deps: { optimizer: { ssr: { enabled: true, include: ['typebox', 'typebox/compile'] } } },
    projects: [
      { extends: true, test: { name: 'pure', include: pure, pool: 'threads' } },
      {
        extends: true,
        test: {
          name: 'roles',
          include: ['test/**/*.test.ts'],
          exclude: [...pure, ...judges, soak],
          pool: 'forks',
          setupFiles: ['test/harness/umask.ts'],
        },
      },
      { extends: true, test: { name: 'soak', include: [soak], pool: 'threads' } },
      {
        extends: true,
        test: {
          name: 'judges',
          include: judges,
          pool: 'forks',
          setupFiles: ['test/harness/umask.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
