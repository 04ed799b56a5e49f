import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_MANIFEST, describeManifest, parseManifest, toManifest } from './manifest-schema';

const parse = (yaml: string) => toManifest(parseManifest(yaml, 'model'));

describe(parseManifest.name, () => {
  it('reads every key', () => {
    const manifest = parse(`
      task: tabular
      description: Rates a request.
      versions: { specific: [3, "1.4.0"] }
      labels: { stable: 3 }
      pinned: true
      batching: { mode: off, max_rows: 16, max_tokens: 4096, delay_ms: 5, tolerance: 0.01 }
      execution: { threads: 2, instances: 3, hard_timeout_ms: 5000 }
      cache: { ttl_s: 60 }
      deadline_ms: 800
      text: { max_tokens: 64, pooling: cls, dimensions: [128, 64], classes: [a, b], multi_label: true, probabilities: true }
      tabular: { columns: [age, { name: job, default: none, null_as_nan: true }], classes: [bad, good] }
      entities: { user_id: request.user }
      inputs: { x: { coerce: true, on_non_finite: reject } }
      log: { payload: none, sampling_rate: 0.5, sampling_key: age, fields: { job: truncate(3), age: hash } }
      sha256: { model.onnx: "${'AB'.repeat(32)}" }
    `);
    expect(manifest).toEqual({
      task: 'tabular',
      description: 'Rates a request.',
      versions: { specific: ['3', '1.4.0'] },
      labels: { stable: '3' },
      pinned: true,
      batching: { mode: 'off', maxRows: 16, maxTokens: 4096, delayMs: 5, tolerance: 0.01 },
      execution: { threads: 2, instances: 3, hardTimeoutMs: 5000 },
      cache: { ttlMs: 60_000 },
      deadlineMs: 800,
      text: {
        maxTokens: 64,
        pooling: 'cls',
        dimensions: [128, 64],
        classes: ['a', 'b'],
        multiLabel: true,
        probabilities: true,
      },
      tabular: {
        columns: [{ name: 'age' }, { name: 'job', default: 'none', nullAsNan: true }],
        classes: ['bad', 'good'],
      },
      entities: { user_id: 'user' },
      inputs: { x: { coerce: true, onNonFinite: 'reject' } },
      log: { payload: 'none', samplingRate: 0.5, samplingKey: 'age', fields: { job: { truncate: 3 }, age: 'hash' } },
      sha256: { 'model.onnx': 'ab'.repeat(32) },
    });
  });

  it.each(['', '# nothing yet', '---', 'execution:', '{}'])(
    'takes defaults where nothing is said, as in %j',
    (yaml) => {
      expect(parse(yaml)).toEqual(DEFAULT_MANIFEST);
    },
  );

  it.each([
    ['batchign: {}', 'unknown key "batchign"'],
    ['execution: { thread: 1 }', 'unknown key "execution.thread"'],
    ['execution.threads: 1', 'unknown key "execution.threads"'],
    ['tabular: { columns: [{ name: a, type: b }] }', 'unknown key "tabular.columns[0].type"'],
    ['inputs: { x: { coerc: true } }', 'unknown key "inputs.x.coerc"'],
    ['__proto__: { pinned: true }', 'unknown key "__proto__"'],
    ['constructor: 1', 'unknown key "constructor"'],
  ])('names an unknown key in %j', (yaml, reason) => {
    expect(() => parse(yaml)).toThrow(reason);
  });

  it.each([
    ['task: sentiment', '"task" must be one of text-classification, embedding, tabular, tensors'],
    ['pinned: "false"', '"pinned" must be true or false'],
    ['pinned: yes', '"pinned" must be true or false'],
    ['execution: { threads: 0 }', '"execution.threads" must be a whole number from 1 to 64'],
    ['execution: { threads: 1.5 }', 'whole number'],
    ['execution: { instances: many }', 'whole number'],
    ['execution: [1]', '"execution" must be a mapping'],
    ['versions: latest', '"versions" must be all, { latest: N } or { specific: ["3"] }'],
    ['versions: { latest: 1, specific: ["1"] }', '"versions" must be'],
    ['versions: { specific: [1.10] }', '"versions.specific[0]" must be the name of a version, in quotes'],
    ['labels: { "a@b": "1" }', 'the name of a version'],
    ['text: { classes: [1] }', '"text.classes[0]" must be a text'],
    ['tabular: { columns: [{ default: 1 }] }', '"tabular.columns[0].name" must be given'],
    ['tabular: { columns: [{ name: a, default: 12345678901234567890 }] }', 'quote a larger one'],
    ['tabular: { columns: [{ name: a, default: .nan }] }', 'a finite number'],
    ['sha256: { model.onnx: abc }', '64 hex digits'],
    ['- a', 'must be a mapping'],
    ['just text', 'must be a mapping'],
  ])('says what is wrong with %j', (yaml, reason) => {
    expect(() => parse(yaml)).toThrow(reason);
  });

  it.each([
    ['a file that is no YAML', 'task: [unclosed'],
    ['a key twice', 'pinned: true\npinned: false'],
    ['an alias', 'description: &a text\ntask: *a'],
    ['a bomb of aliases', 'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ntask: *c'],
    ['a custom tag', 'task: !!js/function x'],
    ['a key that is not text', '? [a]\n: b'],
    ['deep nesting', '['.repeat(50_000)],
    ['two documents', 'pinned: true\n---\npinned: false'],
  ])('refuses %s with a reason', (_, yaml) => {
    expect(() => parse(yaml)).toThrow(expect.objectContaining({ code: 'model_load_failed' }));
  });

  it('reads what the prediction log keeps of the model', () => {
    const yaml =
      'log: { payload: outputs, sampling_rate: 0.1, sampling_key: user, fields: { ssn: drop, name: truncate(3) } }';
    expect(parse(yaml).log).toEqual({
      payload: 'outputs',
      samplingRate: 0.1,
      samplingKey: 'user',
      fields: { ssn: 'drop', name: { truncate: 3 } },
    });
    expect(() => parse('log: { fields: { ssn: erase } }')).toThrow('"log.fields.ssn" must be one of keep');
  });

  it.each(['versions: all', 'labels: { a: "1" }'])('takes %j only where it concerns all versions', (yaml) => {
    expect(() => parseManifest(yaml, 'version')).toThrow("write it in the model's own model.yaml");
  });
});

describe('docs/model-manifest.md', () => {
  const page = readFileSync(join(__dirname, '../../../docs/model-manifest.md'), 'utf8');
  const [, keys = ''] = /^## Keys\n(.*?)^## /ms.exec(page) ?? [];
  const rows = keys.split('\n').filter((line) => line.startsWith('| `'));

  it('lists every key with what it takes, its default and its sentence, and no other', () => {
    const wanted = describeManifest().map(({ path, takes, default: otherwise, says, modelOnly }) => {
      const place = modelOnly ? ' Only in the file of the model.' : '';
      return `| \`${path}\` | ${takes} | ${otherwise} | ${says}${place} |`;
    });
    expect(rows).toEqual(wanted);
  });

  it('shows examples that are read', () => {
    const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => yaml);
    expect(examples.length).toBeGreaterThan(0);
    for (const yaml of examples) expect(() => parse(yaml)).not.toThrow();
  });
});
