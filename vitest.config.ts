import { defineConfig } from 'vitest/config';

/** One worker a core: the end-to-end tests start real processes beside these. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    reporters: ['default'],
    // 683 modules, and every test file loads them.
    deps: { optimizer: { ssr: { enabled: true, include: ['typebox', 'typebox/compile'] } } },
  },
});
