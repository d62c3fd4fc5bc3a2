import { defineConfig } from 'vitest/config';

/** Judges in other languages: what they need is more than a machine that runs `npm test` has. */
export default defineConfig({
  test: {
    include: ['test/interop-go/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters: ['default'],
  },
});
