import { defineConfig } from 'tsup';

export default defineConfig({
  // a file directly in src/ is an entry point
  entry: [
    'src/drizzle.ts',
    'src/index.ts',
    'src/kysely.ts',
    'src/mikro-orm.ts',
    'src/mongoose.ts',
    'src/objection.ts',
    'src/prisma.ts',
    'src/sequelize.ts',
    'src/testing.ts',
    'src/testing/matchers.ts',
    'src/tracing.ts',
    'src/tracing/cli.ts',
    'src/typeorm.ts',
  ],
  format: ['esm', 'cjs'],
  // or each CommonJS entry would carry its own copy of the core
  splitting: true,
  // for CommonJS: the other way that tsup has of splitting it makes a closure of each `?.` and `??`, and so a send
  // would allocate
  treeshake: true,
  dts: {
    // tsup 8 sets `baseUrl`, which TypeScript 6 deprecates
    compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true },
    // so that `Disposable` is known under any `lib`
    banner: '/// <reference lib="esnext.disposable" />',
  },
  target: 'node20.19',
  removeNodeProtocol: false,
  sourcemap: true,
  clean: true,
});
