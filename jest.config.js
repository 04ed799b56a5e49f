/** One configuration for every suite; `npm test -- libs/core` narrows it, `npm test -- --seed=<n>` repeats an order. */
module.exports = {
  rootDir: '.',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/examples'],
  testMatch: [
    '<rootDir>/{apps,libs}/**/*.spec.ts',
    '<rootDir>/test/**/*.{contract-spec,int-spec,e2e-spec}.ts',
    '<rootDir>/examples/**/*.spec.ts',
  ],
  testEnvironment: '<rootDir>/test/jest/environment.cjs',
  setupFilesAfterEnv: [
    '<rootDir>/libs/testing/src/leak-check.setup.ts',
    '<rootDir>/libs/testing/src/unit-walls.setup.ts',
  ],
  globalSetup: '<rootDir>/test/jest/global-setup.cjs',
  globalTeardown: '<rootDir>/test/jest/global-teardown.cjs',
  testSequencer: '<rootDir>/test/jest/random-order.cjs',
  reporters: ['default', '<rootDir>/test/jest/count-reporter.cjs'],
  showSeed: true,
  // Many tests wait for processes of their own.
  maxWorkers: 3,
  // A deadline for tests that hang, not an expectation: on a busy machine everything takes longer.
  testTimeout: 180_000,
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'commonjs', ignoreDynamic: true },
      },
    ],
  },
  moduleNameMapper: { '^@app/(.*)$': '<rootDir>/libs/$1/src' },
};
