/** The libraries in order: one imports only those that stand above it. ARCHITECTURE.md has the same list. */
const LIBRARIES = [
  'core',
  'config',
  'observability',
  'database',
  'blob-store',
  'model-registry',
  'feature-store',
  'inference',
  'prediction-log',
  'batch-jobs',
  'access',
  'health',
  'testing',
];

const SPEC = '\\.spec\\.ts$';

/** A library that is not in the list would be free of every rule. */
const unlisted = {
  name: 'library-is-not-listed',
  comment: 'Add the library to the list in .dependency-cruiser.cjs and in ARCHITECTURE.md.',
  severity: 'error',
  from: { path: '^(apps|libs)/' },
  to: { path: '^libs/', pathNot: `^libs/(${LIBRARIES.join('|')})/` },
};

/** `testing` stands last, so all but specs are kept from it by the order; specs may use it. */
const order = LIBRARIES.slice(0, -1).map((library, at) => ({
  name: `${library}-imports-only-what-stands-above`,
  severity: 'error',
  from: { path: `^libs/${library}/` },
  to: { path: `^libs/(${LIBRARIES.slice(at + 1, -1).join('|') || 'none'})/` },
}));

module.exports = {
  forbidden: [
    unlisted,
    ...order,
    {
      name: 'only-specs-import-testing',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: [SPEC, '^libs/testing/'] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'nothing-past-an-index',
      comment: 'Import @app/<library>; what it does not export is its own business.',
      severity: 'error',
      from: { path: '^libs/([^/]+)/' },
      to: { path: '^libs/[^/]+/src/', pathNot: ['^libs/$1/', '^libs/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'nothing-past-an-index-from-outside',
      severity: 'error',
      from: { path: '^(apps|examples)/' },
      to: { path: '^libs/[^/]+/src/', pathNot: '^libs/[^/]+/src/index\\.ts$' },
    },
    {
      name: 'only-apps-import-config',
      comment: 'An app passes each module its slice of the configuration.',
      severity: 'error',
      from: { path: '^libs/', pathNot: '^libs/(config|testing)/' },
      to: { path: '^libs/config/' },
    },
    { name: 'no-library-imports-an-app', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'no-app-imports-another',
      comment: 'What several apps are made of is in apps/common, which itself is none.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: ['^apps/$1/', '^apps/common/'] },
    },
    {
      name: 'plain-folders-know-no-nest',
      severity: 'error',
      from: { path: '^libs/(core|inference/src/(scheduling|execution|tasks))/' },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'only-the-executor-entry-loads-onnx-runtime',
      severity: 'error',
      from: { path: '^(apps|libs|test|examples)/', pathNot: '^libs/inference/src/execution/executor-entry\\.ts$' },
      to: { path: 'node_modules/onnxruntime-node/' },
    },
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-import-resolves',
      severity: 'error',
      from: { path: '^(apps|libs)/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['require', 'node', 'default', 'types'] },
  },
};
