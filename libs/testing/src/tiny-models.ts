import type { Dimension } from '@app/core';
import { type OnnxDtype, type OnnxModel, type OnnxValue, floats, int64s } from './onnx-model';
import { TINY_VOCABULARY, tinyTokenizer, tinyTokenizerConfig } from './tiny-tokenizer';

/** A model ready to be written: its graph, and the files that stand beside it; objects are written as JSON. */
export interface TinyModel {
  readonly onnx: OnnxModel;
  readonly files?: Readonly<Record<string, object | string | Uint8Array>>;
}

/** `x` of any one dtype comes back as `y`. What it gets is what it gives: proves codecs and frames. */
export function identity(dtype: OnnxDtype, shape: readonly Dimension[] = ['rows', 'columns']): TinyModel {
  return {
    onnx: {
      inputs: [{ name: 'x', dtype, shape }],
      outputs: [{ name: 'y', dtype, shape }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    },
  };
}

/** `sum = a + b`, FP32 `[rows, 2]`: two inputs whose rows must stay together. */
export function add(): TinyModel {
  return {
    onnx: {
      inputs: [float('a', ['rows', 2]), float('b', ['rows', 2])],
      outputs: [float('sum', ['rows', 2])],
      nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
    },
  };
}

/** `y = x + amount`, FP32 `[rows, 1]`: an answer that names the version it came from. */
export function adds(amount: number): TinyModel {
  return {
    onnx: {
      inputs: [float('x', ['rows', 1])],
      outputs: [float('y', ['rows', 1])],
      nodes: [{ op: 'Add', inputs: ['x', 'amount'], outputs: ['y'] }],
      constants: [floats('amount', [1], [amount])],
    },
  };
}

/**
 * Runs as long as it is told: `trips` INT64 `[rows, 1]` comes back as `done`, after as many products of a 64 x 64
 * matrix as the largest of them says, which cannot be cancelled. A trip takes some ten microseconds; 0 trips take none.
 */
export function slow(): TinyModel {
  const side = 64;
  const eye = Array.from({ length: side * side }, (_, at) => (at % (side + 1) === 0 ? 1 : 0));
  const body = {
    inputs: [int64('trip', []), bool('go', []), float('state', [side, side])],
    outputs: [bool('goes_on', []), float('next', [side, side])],
    nodes: [
      { op: 'Identity', inputs: ['go'], outputs: ['goes_on'] },
      { op: 'MatMul', inputs: ['state', 'eye'], outputs: ['next'] },
    ],
  };
  return {
    onnx: {
      inputs: [int64('trips', ['rows', 1])],
      outputs: [int64('done', ['rows', 1])],
      nodes: [
        { op: 'ReduceMax', inputs: ['trips'], outputs: ['most'], attributes: { keepdims: { int: 0 } } },
        { op: 'Loop', inputs: ['most', '', 'eye'], outputs: ['last'], attributes: { body: { graph: body } } },
        { op: 'ReduceSum', inputs: ['last'], outputs: ['trace'], attributes: { keepdims: { int: 0 } } },
        { op: 'Cast', inputs: ['trace'], outputs: ['whole'], attributes: { to: { int: 7 } } },
        { op: 'Sub', inputs: ['whole', 'side'], outputs: ['nothing'] },
        { op: 'Add', inputs: ['trips', 'nothing'], outputs: ['done'] },
      ],
      constants: [floats('eye', [side, side], eye), int64s('side', [], [side])],
    },
  };
}

/** `value = [10, 20, 30, 40][index]`, `[rows, 1]`: an `index` that is not -4 to 3 passes every check and fails inside the run. */
export function failsOnInput(): TinyModel {
  return {
    onnx: {
      inputs: [int64('index', ['rows', 1])],
      outputs: [float('value', ['rows', 1])],
      nodes: [{ op: 'Gather', inputs: ['table', 'index'], outputs: ['value'] }],
      constants: [floats('table', [4], [10, 20, 30, 40])],
    },
  };
}

/** `y = x - mean over the rows`, FP32 `[rows, 2]`: a row's answer depends on its neighbours, so it must not be batched. */
export function mixesRows(): TinyModel {
  return {
    onnx: {
      inputs: [float('x', ['rows', 2])],
      outputs: [float('y', ['rows', 2])],
      nodes: [
        { op: 'ReduceMean', inputs: ['x', 'axis'], outputs: ['mean'], attributes: { keepdims: { int: 1 } } },
        { op: 'Sub', inputs: ['x', 'mean'], outputs: ['y'] },
      ],
      constants: [int64s('axis', [1], [0])],
    },
  };
}

/** As scikit-learn exports a classifier by default: a `label` tensor, and `probabilities` as a list of maps. */
export function zipmap(): TinyModel {
  return {
    onnx: {
      inputs: [float('x', ['rows', 2])],
      outputs: [int64('label', ['rows']), { name: 'probabilities', sequenceOfMaps: { key: 'INT64', value: 'FP32' } }],
      nodes: [
        { op: 'Softmax', inputs: ['x'], outputs: ['share'], attributes: { axis: { int: 1 } } },
        argmax('share', 'label'),
        {
          op: 'ZipMap',
          domain: 'ai.onnx.ml',
          inputs: ['share'],
          outputs: ['probabilities'],
          attributes: { classlabels_int64s: { ints: [0, 1] } },
        },
      ],
      opsets: { '': 21, 'ai.onnx.ml': 3 },
    },
  };
}

/** `y = x + weights`, FP32 `[rows, 4]`, where the weights 1, 2, 3, 4 stand in another file; `location` is what the model calls it. */
export function externalData(location = 'weights.bin'): TinyModel {
  return {
    onnx: {
      inputs: [float('x', ['rows', 4])],
      outputs: [float('y', ['rows', 4])],
      nodes: [{ op: 'Add', inputs: ['x', 'weights'], outputs: ['y'] }],
      constants: [
        { name: 'weights', dtype: 'FP32', shape: [4], content: { file: location, offsetBytes: 0, lengthBytes: 16 } },
      ],
    },
    files: { 'weights.bin': new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) },
  };
}

/** Answers far more than it is asked: `x` FP32 `[rows, 1]`, repeated over `[rows, columns]`. */
export function bigOutput(columns = 1_000_000): TinyModel {
  return {
    onnx: {
      inputs: [float('x', ['rows', 1])],
      outputs: [float('y', ['rows', columns])],
      nodes: [{ op: 'Expand', inputs: ['x', 'shape'], outputs: ['y'] }],
      constants: [int64s('shape', [2], [1, columns])],
    },
  };
}

/** `price = 2 rooms + 3 area + 5`: two FP32 columns `[rows, 1]`, an input each. */
export function regressorTiny(): TinyModel {
  return {
    onnx: {
      inputs: [float('rooms', ['rows', 1]), float('area', ['rows', 1])],
      outputs: [float('price', ['rows', 1])],
      nodes: [
        { op: 'Concat', inputs: ['rooms', 'area'], outputs: ['both'], attributes: { axis: { int: 1 } } },
        { op: 'Gemm', inputs: ['both', 'weights', 'bias'], outputs: ['price'] },
      ],
      constants: [floats('weights', [2, 1], [2, 3]), floats('bias', [1], [5])],
    },
  };
}

/** One FP32 matrix `features [rows, 3]` in; `label` INT64 `[rows]` (its largest column) and `probabilities` FP32 `[rows, 3]` out. */
export function tabularClassifierTiny(): TinyModel {
  return {
    onnx: {
      inputs: [float('features', ['rows', 3])],
      outputs: [int64('label', ['rows']), float('probabilities', ['rows', 3])],
      nodes: [
        { op: 'Softmax', inputs: ['features'], outputs: ['probabilities'], attributes: { axis: { int: 1 } } },
        argmax('probabilities', 'label'),
      ],
    },
  };
}

/**
 * Sentiment by counting: `logits` FP32 `[rows, 3]` for `negative`, `neutral`, `positive`. Each `good great love
 * wonderful` adds 1 to positive, each `bad boring hate sad` 1 to negative; neutral is always 0.5. Padding counts nothing.
 */
export function classifierTiny(): TinyModel {
  const weight = (words: readonly string[]) => (token: string) => (words.includes(token) ? 1 : 0);
  const negative = weight(['bad', 'boring', 'hate', 'sad']);
  const positive = weight(['good', 'great', 'love', 'wonderful']);
  const table = TINY_VOCABULARY.flatMap((token) => [negative(token), 0, positive(token)]);
  return {
    onnx: {
      inputs: textInputs(),
      outputs: [float('logits', ['rows', 3])],
      nodes: [
        { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['scores'] },
        { op: 'Cast', inputs: ['attention_mask'], outputs: ['mask'], attributes: { to: { int: 1 } } },
        { op: 'Unsqueeze', inputs: ['mask', 'last'], outputs: ['column'] },
        { op: 'Mul', inputs: ['scores', 'column'], outputs: ['counted'] },
        { op: 'ReduceSum', inputs: ['counted', 'sequence'], outputs: ['total'], attributes: { keepdims: { int: 0 } } },
        { op: 'Add', inputs: ['total', 'bias'], outputs: ['logits'] },
      ],
      constants: [
        floats('table', [TINY_VOCABULARY.length, 3], table),
        floats('bias', [3], [0, 0.5, 0]),
        int64s('last', [1], [2]),
        int64s('sequence', [1], [1]),
      ],
    },
    files: textFiles({ id2label: { 0: 'negative', 1: 'neutral', 2: 'positive' } }),
  };
}

/** `last_hidden_state` FP32 `[rows, tokens, 4]`; a token's vector is `[id, 1, id % 2, -id]`, whatever stands around it. */
export function embedderTiny(): TinyModel {
  const table = TINY_VOCABULARY.flatMap((_, id) => [id, 1, id % 2, -id]);
  return {
    onnx: {
      inputs: textInputs(),
      outputs: [float('last_hidden_state', ['rows', 'tokens', 4])],
      nodes: [{ op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['last_hidden_state'] }],
      constants: [floats('table', [TINY_VOCABULARY.length, 4], table)],
    },
    files: textFiles({ hidden_size: 4 }),
  };
}

/**
 * `y = mean of x` in every column, FP32 `[rows, 1024]`, by layers of 4 MB of inline weights, about `sizeBytes` in all.
 * Many middling blocks and no giant one, since that is what an allocator keeps after they are freed.
 */
export function large(sizeBytes = 100_000_000): TinyModel {
  const side = 1024;
  const layers = Math.ceil(sizeBytes / (side * side * 4));
  // Equal layers would share one block in the engine: each has another power of two, and two of them undo each other.
  const scale = (layer: number): number =>
    layer + 1 === layers && layer % 2 === 0 ? 1 : 2 ** ((layer % 2 === 0 ? 1 : -1) * (Math.floor(layer / 2) + 1));
  const step = (layer: number): string => (layer === 0 ? 'x' : layer === layers ? 'y' : `after_${layer}`);
  return {
    onnx: {
      inputs: [float('x', ['rows', side])],
      outputs: [float('y', ['rows', side])],
      nodes: Array.from({ length: layers }, (_, layer) => ({
        op: 'MatMul',
        inputs: [step(layer), `weights_${layer}`],
        outputs: [step(layer + 1)],
      })),
      constants: Array.from({ length: layers }, (_, layer) => ({
        name: `weights_${layer}`,
        dtype: 'FP32',
        shape: [side, side],
        content: { bytes: new Uint8Array(new Float32Array(side * side).fill(scale(layer) / side).buffer) },
      })),
    },
  };
}

const float = (name: string, shape: readonly Dimension[]): OnnxValue => ({ name, dtype: 'FP32', shape });
const int64 = (name: string, shape: readonly Dimension[]): OnnxValue => ({ name, dtype: 'INT64', shape });
const bool = (name: string, shape: readonly Dimension[]): OnnxValue => ({ name, dtype: 'BOOL', shape });

const argmax = (input: string, output: string) => ({
  op: 'ArgMax',
  inputs: [input],
  outputs: [output],
  attributes: { axis: { int: 1 }, keepdims: { int: 0 } },
});

const textInputs = (): readonly OnnxValue[] => [
  int64('input_ids', ['rows', 'tokens']),
  int64('attention_mask', ['rows', 'tokens']),
];

const textFiles = (config: object): TinyModel['files'] => ({
  'tokenizer.json': tinyTokenizer(),
  'tokenizer_config.json': tinyTokenizerConfig(),
  'config.json': { model_type: 'tiny', vocab_size: TINY_VOCABULARY.length, ...config },
});
