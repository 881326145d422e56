import { defineConfig } from 'vitest/config';

/**
 * What strangers may run tocsin with: `npm run check:installed`. Apart from `npm test`, for it downloads a gigabyte.
 */
export default defineConfig({
  test: {
    name: 'installed',
    include: ['test/installed/*.check.ts'],
    globalSetup: ['test/installed/setup.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
