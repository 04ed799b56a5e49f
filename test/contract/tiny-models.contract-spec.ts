import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { TINY_VOCABULARY, type TinyModel, temporaryDirectory, tiny, writeModel } from '@app/testing';

type Values = Readonly<Record<string, readonly [shape: readonly number[], data: readonly number[]]>>;

interface Case {
  readonly model: TinyModel;
  readonly feeds: Values;
  readonly answers: Values;
}

const TEXT_FEEDS: Values = {
  input_ids: [
    [1, 3],
    [2, 18, 0],
  ],
  attention_mask: [
    [1, 3],
    [1, 1, 0],
  ],
};
const GREAT = TINY_VOCABULARY.indexOf('great');

/** Every tiny model on one input, as its own comment promises. */
const CASES: Readonly<Record<string, Case>> = {
  add: {
    model: tiny.add(),
    feeds: {
      a: [
        [2, 2],
        [1, 2, 3, 4],
      ],
      b: [
        [2, 2],
        [10, 20, 30, 40],
      ],
    },
    answers: {
      sum: [
        [2, 2],
        [11, 22, 33, 44],
      ],
    },
  },
  adds: { model: tiny.adds(7), feeds: { x: [[1, 1], [1]] }, answers: { y: [[1, 1], [8]] } },
  slow: {
    model: tiny.slow(),
    feeds: {
      trips: [
        [2, 1],
        [0, 5],
      ],
    },
    answers: {
      done: [
        [2, 1],
        [0, 5],
      ],
    },
  },
  'fails-on-input': {
    model: tiny.failsOnInput(),
    feeds: {
      index: [
        [2, 1],
        [0, 3],
      ],
    },
    answers: {
      value: [
        [2, 1],
        [10, 40],
      ],
    },
  },
  'mixes-rows': {
    model: tiny.mixesRows(),
    feeds: {
      x: [
        [2, 2],
        [1, 2, 3, 6],
      ],
    },
    answers: {
      y: [
        [2, 2],
        [-1, -2, 1, 2],
      ],
    },
  },
  zipmap: {
    model: tiny.zipmap(),
    feeds: {
      x: [
        [1, 2],
        [1, 2],
      ],
    },
    answers: { label: [[1], [1]] },
  },
  'external-data': {
    model: tiny.externalData(),
    feeds: {
      x: [
        [1, 4],
        [1, 1, 1, 1],
      ],
    },
    answers: {
      y: [
        [1, 4],
        [2, 3, 4, 5],
      ],
    },
  },
  'big-output': {
    model: tiny.bigOutput(12),
    feeds: { x: [[1, 1], [7]] },
    answers: { y: [[1, 12], Array.from({ length: 12 }, () => 7)] },
  },
  'regressor-tiny': {
    model: tiny.regressorTiny(),
    feeds: { rooms: [[1, 1], [4]], area: [[1, 1], [100]] },
    answers: { price: [[1, 1], [313]] },
  },
  'tabular-classifier-tiny': {
    model: tiny.tabularClassifierTiny(),
    feeds: {
      features: [
        [1, 3],
        [0, 1000, 0],
      ],
    },
    answers: {
      label: [[1], [1]],
      probabilities: [
        [1, 3],
        [0, 1, 0],
      ],
    },
  },
  'classifier-tiny': {
    model: tiny.classifierTiny(),
    feeds: {
      ...TEXT_FEEDS,
      input_ids: [
        [1, 3],
        [2, GREAT, GREAT],
      ],
    },
    answers: {
      logits: [
        [1, 3],
        [0, 0.5, 1],
      ],
    },
  },
  'embedder-tiny': {
    model: tiny.embedderTiny(),
    feeds: TEXT_FEEDS,
    answers: {
      last_hidden_state: [
        [1, 3, 4],
        [2, 1, 0, -2, 18, 1, 0, -18, 0, 1, 0, -0],
      ],
    },
  },
  large: {
    model: tiny.large(9_000_000),
    feeds: { x: [[1, 1024], Array.from({ length: 1024 }, () => 3)] },
    answers: { y: [[1, 1024], Array.from({ length: 12 }, () => 3)] },
  },
};

describe('the tiny models', () => {
  let seen: Readonly<Record<string, Values>>;

  beforeAll(async () => {
    const models = await temporaryDirectory();
    for (const [name, { model }] of Object.entries(CASES)) await writeModel(models, { name, model });
    const experiment = join(__dirname, 'onnxruntime', 'experiment.cjs');
    const feeds = JSON.stringify(Object.fromEntries(Object.entries(CASES).map(([name, one]) => [name, one.feeds])));
    const run = spawnSync(process.execPath, [experiment, models, 'answers', feeds], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    seen = JSON.parse(run.stdout) as typeof seen;
  });

  it.each(Object.entries(CASES))('%s answers as it promises', (name, { answers }) => {
    for (const [output, [shape, data]] of Object.entries(answers)) {
      expect(seen[name]?.[output]).toEqual([shape, data.map((element) => element + 0)]);
    }
  });

  it('has a test for each of them', () => {
    const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    expect(Object.keys(CASES).sort()).toEqual(
      Object.keys(tiny)
        .filter((name) => name !== 'identity')
        .map(kebab)
        .sort(),
    );
  });
});
