import js from '@eslint/js';
import stylistic from '@stylistic/eslint-plugin';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  // the last: programs of users, whose types are those of the built package; npm run check:types compiles them
  {
    ignores: [
      'dist/',
      'coverage/',
      'examples/shop/data/',
      'test/orm/prisma/*/client/',
      'test/installed/fixtures/**/*.ts',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    // Prettier breaks code and leaves comments as they are. Rows of tables cannot be broken.
    plugins: { '@stylistic': stylistic },
    ignores: ['src/tracing/page.ts'],
    rules: {
      '@stylistic/max-len': [
        'error',
        {
          code: 120,
          ignoreStrings: true,
          ignoreTemplateLiterals: true,
          ignoreRegExpLiterals: true,
          ignoreUrls: true,
          ignorePattern: '^ \\* \\||eslint-(disable|enable)',
        },
      ],
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['*.config.ts'] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `void` is what `this` is in a receiver without an owner
      '@typescript-eslint/no-invalid-void-type': [
        'error',
        { allowAsThisParameter: true, allowInGenericTypeArguments: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // a plain cast says the same without asserting that the code is wrong about undefined
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // whatever was thrown is passed on as it is
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // a getter keeps such constants off the instances
      '@typescript-eslint/class-literal-property-style': ['error', 'getters'],
    },
  },
  {
    files: ['test/**/*.ts', 'examples/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/ban-ts-comment': ['error', { minimumDescriptionLength: 3 }],
      '@typescript-eslint/class-literal-property-style': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-unused-private-class-members': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-unsafe-type-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    // plain programs: of users, each for several runtimes with globals of their own; and what is measured without a
    // compiler in between
    files: ['test/installed/fixtures/*.{mjs,cjs}', 'bench/**/*.mjs'],
    rules: { 'no-undef': 'off', 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }] },
  },
  // the architecture: dependencies point one way, from the entry points inwards
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: '^\\.\\./', message: 'core/ imports only core/' }] }],
    },
  },
  {
    files: ['src/orm/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex:
                '^(\\.\\./)+(index|drizzle|kysely|mikro-orm|mongoose|objection|prisma|sequelize|testing|tracing|typeorm)\\.ts$',
              message: 'only an entry point imports an entry point',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['src/core/**/*.ts', 'src/index.ts', 'src/models.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^node:/]',
          message: 'the core runs everywhere: nothing from node:',
        },
      ],
    },
  },
);
