import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryDirectory } from '@app/testing';

const ROOT = join(__dirname, '..', '..');

/** A small repository that breaks every arrow once: which rule, in which file, by importing what. */
const BROKEN = [
  ['core-imports-only-what-stands-above', 'libs/core/src/low.ts', '../../health/src/index'],
  ['inference-imports-only-what-stands-above', 'libs/inference/src/low.ts', '../../health/src/index'],
  ['library-is-not-listed', 'libs/core/src/unlisted.ts', '../../stray/src/index'],
  ['only-specs-import-testing', 'libs/health/src/fake.ts', '../../testing/src/index'],
  ['nothing-past-an-index', 'libs/health/src/deep.ts', '../../core/src/inner'],
  ['nothing-past-an-index-from-outside', 'apps/api/src/deep.ts', '../../../libs/core/src/inner'],
  ['only-apps-import-config', 'libs/health/src/settings.ts', '../../config/src/index'],
  ['no-library-imports-an-app', 'libs/health/src/up.ts', '../../../apps/api/src/main'],
  ['no-app-imports-another', 'apps/worker/src/main.ts', '../../api/src/main'],
  ['plain-folders-know-no-nest', 'libs/inference/src/tasks/nest.ts', '@nestjs/common'],
  ['only-the-executor-entry-loads-onnx-runtime', 'libs/health/src/engine.ts', 'onnxruntime-node'],
  ['no-cycle', 'libs/core/src/inner.ts', './round'],
  ['every-import-resolves', 'libs/core/src/missing.ts', './not-there'],
] as const;

/** What the small repository needs beside, and no rule forbids. */
const FINE: Readonly<Record<string, string>> = {
  'libs/core/src/round.ts': "import './inner';\n",
  'libs/core/src/index.ts': "import './round';\n",
  'libs/config/src/index.ts': "import '../../core/src/index';\n",
  'libs/health/src/index.ts': "import '../../core/src/index';\n",
  'libs/health/src/index.spec.ts': "import '../../testing/src/index';\n",
  'libs/stray/src/index.ts': 'export {};\n',
  'libs/testing/src/index.ts': "import '../../health/src/index';\n",
  'libs/inference/src/execution/executor-entry.ts': "import 'onnxruntime-node';\n",
  'apps/api/src/main.ts': "import '../../../libs/config/src/index';\n",
  'apps/api/src/shared.ts': "import '../../common/src/parts';\n",
  'apps/common/src/parts.ts': 'export {};\n',
  'node_modules/@nestjs/common/index.js': '',
  'node_modules/onnxruntime-node/index.js': '',
  'tsconfig.json': '{}',
};

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

describe('the arrow check', () => {
  let violations: readonly Violation[];

  beforeAll(async () => {
    const folder = await temporaryDirectory();
    const files = { ...FINE, ...Object.fromEntries(BROKEN.map(([, file, target]) => [file, `import '${target}';\n`])) };
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    }
    violations = cruise(folder);
  });

  it.each(BROKEN)('reports %s', (rule, file) => {
    expect(violations).toContainEqual(
      expect.objectContaining({ from: file, rule: expect.objectContaining({ name: rule }) }),
    );
  });

  it('lets every other import pass', () => {
    const broken = new Set<string>([...BROKEN.map(([, file]) => file), 'libs/core/src/round.ts']);
    expect(violations.filter(({ from }) => !broken.has(from))).toEqual([]);
  });
});

function cruise(folder: string): readonly Violation[] {
  const cruiser = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruiser.mjs');
  const config = join(ROOT, '.dependency-cruiser.cjs');
  const run = spawnSync(process.execPath, [cruiser, '--config', config, '--output-type', 'json', 'apps', 'libs'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return (JSON.parse(run.stdout) as { summary: { violations: Violation[] } }).summary.violations;
}
