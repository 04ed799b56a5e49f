import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { noDateOfText } from './scripts/no-date-of-text.mjs';

const TESTS = ['**/*.spec.ts', 'test/**/*.ts', 'examples/**/*.ts', 'libs/testing/**/*.ts'];

/** ONNX Runtime blocks or aborts the process that loads it, so one file may: `docs/adr` and ARCHITECTURE.md say why. */
const ONNX_RUNTIME = {
  name: 'onnxruntime-node',
  message: 'Only the executor entry may load ONNX Runtime; everything else asks an Executor.',
};

const PROCESS = ['process', 'node:process'].map((name) => ({
  name,
  message: 'Use the global process, whose env is watched by another rule.',
}));

const TIMERS = ['timers/promises', 'node:timers/promises'].map((name) => ({
  name,
  message: 'A sleep. Use eventually() of @app/testing.',
}));

const NEST = {
  group: ['@nestjs/*'],
  message: 'This folder is plain TypeScript: build its classes with useFactory in the module.',
};

const NO_SLEEP = [
  {
    selector: "NewExpression[callee.name='Promise'] CallExpression[callee.name=/^(setTimeout|setInterval)$/]",
    message: 'A sleep. Wait for the event or the promise, or use eventually() of @app/testing.',
  },
];

const NO_FIXED_PORT = [
  {
    selector: "CallExpression[callee.property.name='listen'] > Literal:first-child[value>0]",
    message: 'A fixed port. Listen on 0 and ask for the port you got.',
  },
  {
    selector: "CallExpression[callee.property.name='listen'] Property[key.name='port'] > Literal[value>0]",
    message: 'A fixed port. Listen on 0 and ask for the port you got.',
  },
];

const NO_LATE_ONNX_RUNTIME = {
  selector: "ImportExpression[source.value='onnxruntime-node']",
  message: ONNX_RUNTIME.message,
};

const NO_DEFAULT_EXPORT = { selector: 'ExportDefaultDeclaration', message: 'Export by name.' };
const NO_EXPORT_ALL = { selector: 'ExportAllDeclaration[exported=null]', message: 'Export names one by one.' };

const NO_GLOBAL_PARSER = {
  selector: "CallExpression > MemberExpression.callee[property.name='setTypeParser']",
  message: 'Others in this process read PostgreSQL too. Parsers are set for each connection.',
};

const MODULE_MOCKS = ['mock', 'doMock', 'unstable_mockModule', 'setMock', 'createMockFromModule'].map((property) => ({
  object: 'jest',
  property,
  message: 'Use a fake of @app/testing: a mocked module proves nothing about the real one.',
}));

const EVERYWHERE = [NO_DEFAULT_EXPORT, NO_EXPORT_ALL, NO_LATE_ONNX_RUNTIME, NO_GLOBAL_PARSER];

const ENVIRONMENT = { object: 'process', property: 'env', message: 'Settings are read in libs/config only.' };

const NODE_GLOBALS = Object.fromEntries(
  'Buffer URL URLSearchParams AbortController AbortSignal console fetch performance process setImmediate setTimeout clearTimeout setInterval clearInterval structuredClone'
    .split(' ')
    .map((name) => [name, 'readonly']),
);

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'dist.next/',
      '.build/',
      'bench/.venv/',
      'node_modules/',
      'models/',
      'coverage/',
      '.quayside/',
      'test/chaos/results/',
    ],
  },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: { globals: NODE_GLOBALS },
    rules: { 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }] },
  },
  {
    files: ['**/*.cjs', '**/*.js'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { module: 'writable', require: 'readonly', __dirname: 'readonly', __filename: 'readonly' },
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { quayside: { rules: { 'no-date-of-text': noDateOfText } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Files with decorators are left alone by this rule: `import type` of a DTO or a port would erase what Nest injects.
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { disallowTypeAnnotations: false, fixStyle: 'separate-type-imports' },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-require-imports': ['error', { allow: ['/package\\.json$'] }],
      'no-restricted-syntax': ['error', ...EVERYWHERE],
      'no-restricted-imports': ['error', { paths: [ONNX_RUNTIME, ...PROCESS] }],
      'no-restricted-properties': ['error', ...MODULE_MOCKS],
      'quayside/no-date-of-text': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/config/**', 'libs/testing/**'],
    rules: { 'no-restricted-properties': ['error', ENVIRONMENT, ...MODULE_MOCKS] },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['apps/*/src/main.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['libs/core/src/**/*.ts', 'libs/inference/src/{scheduling,execution,tasks}/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [ONNX_RUNTIME, ...PROCESS], patterns: [NEST] }] },
  },
  {
    files: ['libs/inference/src/execution/executor-entry.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: PROCESS, patterns: [NEST] }] },
  },
  {
    files: TESTS,
    rules: {
      'no-restricted-syntax': ['error', ...EVERYWHERE, ...NO_SLEEP, ...NO_FIXED_PORT],
      'no-restricted-imports': ['error', { paths: [ONNX_RUNTIME, ...PROCESS, ...TIMERS] }],
    },
  },
  {
    files: ['libs/testing/src/eventually.ts', 'libs/testing/src/leak-check.setup.ts'],
    rules: { 'no-restricted-syntax': ['error', ...EVERYWHERE] },
  },
);
