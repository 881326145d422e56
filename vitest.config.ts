import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/support/services.ts'],
    projects: [
      {
        test: {
          name: 'tocsin',
          include: ['test/**/*.test.ts'],
          exclude: ['test/decorators/legacy/**'],
          setupFiles: ['test/support/clean-signals.ts'],
          // lifetimes are proved under real garbage collection
          execArgv: ['--expose-gc'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], tsconfig: 'test/tsconfig.json' },
        },
      },
      {
        // the same adapter and the same tests on the release to come
        resolve: { alias: [{ find: /^drizzle-orm(?=\/|$)/, replacement: 'drizzle-orm-1' }] },
        test: {
          name: 'Drizzle 1.0',
          include: ['test/orm/drizzle*.test.ts', 'test/orm/{commits,equivalence}/drizzle.test.ts'],
          setupFiles: ['test/support/clean-signals.ts'],
          execArgv: ['--expose-gc'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'experimentalDecorators',
          include: ['test/decorators/legacy/**/*.test.ts'],
          setupFiles: ['test/support/clean-signals.ts'],
          execArgv: ['--expose-gc'],
        },
      },
    ],
  },
});
