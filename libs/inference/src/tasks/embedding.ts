import { type NamedTensors, QuaysideError, type Signature, type TensorSpec, encodeNested, tensorOf } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { rowOf } from './batch-layout';
import { type Schema, document, listOf, objectOf } from './json-schema';
import { optionsSchema, readOptions, unsupportedOption } from './options';
import { firstOf, meanOf, unitOf } from './pooling';
import { presentTensors } from './raw-tensors';
import { checkOutputs } from './refusals';
import type { EngineSession, Task, TaskInput } from './task';
import { isOneText, readTexts, textSchemas } from './text-input';
import { type TextDecoder, TextModel, type TextRow, floatOutput, unfit, usageOf } from './text-model';

const OPTIONS = ['normalize', 'dimensions', 'truncate', 'int64', 'nonfinite'] as const;
const DEFAULTS = { normalize: true, truncate: true };
const MAX_CHARACTERS = 100_000;

/** `dimensions` where the whole embedding is wanted. */
const ALL = 0;

/**
 * A text to a vector: pooled, cut to `dimensions`, scaled to unit length, in this order and in double precision, then
 * rounded to float32. An executor gives `embedding` FP32 [rows, dimensions], with `tokens` and `truncated` of each text.
 */
export const embedding: Task = {
  name: 'embedding',

  prepare(version, input, options) {
    const { normalize, truncate, dimensions = ALL } = { ...DEFAULTS, ...readOptions(options, OPTIONS) };
    if (dimensions !== ALL) checkDimensions(version, dimensions);
    if (input.form === 'tensors') checkOutputs(input.outputs ?? [], ['embedding']);
    const text = readTexts(input, MAX_CHARACTERS);
    const parameters = { normalize, dimensions, truncate };
    return { rows: text.shape[0], splittable: true, tensors: { text }, parameters, outputs: [] };
  },

  present(_version, input, output, options) {
    const vectors = output['embedding'];
    if (input.form === 'tensors') {
      const named = { embedding: vectors };
      return presentTensors({ output: named, wanted: input.outputs, oneRow: isOneText(input), options });
    }
    const rows = input.rows.map((_, row) => ({ embedding: encodeNested(rowOf(vectors, row), options) }));
    return { form: 'rows', rows };
  },

  usage: usageOf,

  schema: (version) => ({
    ...textSchemas({ maxCharacters: MAX_CHARACTERS, example: 'The weather is lovely today.' }),
    row_output: document(objectOf({ embedding: vectorSchema(version) })),
    outputs: document(objectOf({ embedding: { anyOf: [listOf(vectorSchema(version)), vectorSchema(version)] } })),
    options: document(embeddingOptionsSchema(version)),
  }),

  async open(version, session) {
    const decoder = new VectorDecoder(version, session);
    return TextModel.open({ version, session, decoder, sampleParameters: { ...DEFAULTS, dimensions: ALL } });
  },
};

function checkDimensions({ manifest }: ModelVersion, dimensions: number): void {
  const allowed = manifest.text.dimensions;
  if (allowed.includes(dimensions)) return;
  const hint =
    allowed.length > 0 ? `It takes ${allowed.join(', ')}.` : 'Leave it out, or list the lengths in model.yaml.';
  throw unsupportedOption('dimensions', hint);
}

/** Where an embedding comes from: token vectors [rows, tokens, width], or the model's own [rows, width]. */
function sourceOf({ manifest }: ModelVersion, signature: Signature): TensorSpec | undefined {
  const tokens = floatOutput(signature, 3, ['last_hidden_state', 'token_embeddings']);
  const pooled = floatOutput(signature, 2, ['sentence_embedding', 'pooler_output']);
  return manifest.text.pooling === 'none' ? pooled : (tokens ?? pooled);
}

class VectorDecoder implements TextDecoder {
  readonly output: string;
  private readonly pool: (row: TextRow) => Float64Array;

  constructor(version: ModelVersion, session: EngineSession) {
    const source = sourceOf(version, session.signature);
    if (!source) throw unfit('The model has no output of floats [rows, tokens, width] or [rows, width] to pool.');
    this.output = source.name;
    const pooling = version.manifest.text.pooling === 'cls' ? firstOf : meanOf;
    this.pool = source.shape.length === 3 ? pooledBy(pooling) : ({ values }) => Float64Array.from(values);
  }

  begin({ rows, parameters }: TaskInput): ReturnType<TextDecoder['begin']> {
    const { normalize, dimensions } = parameters as { normalize: boolean; dimensions: number };
    const vectors = new Array<Float64Array>(rows);
    return {
      take: (row) => {
        const pooled = this.pool(row);
        const cut = dimensions === ALL ? pooled : pooled.subarray(0, dimensions);
        vectors[row.row] = finite(normalize ? unitOf(cut) : cut);
      },
      finish: () => tableOf(vectors),
    };
  }
}

/** Pools a row's own tokens; those of padding are left out. */
function pooledBy(pool: typeof meanOf): (row: TextRow) => Float64Array {
  return ({ values, length, tokens, paddingBefore }) => {
    const width = values.length / length;
    return pool({ values, start: paddingBefore * width, length: tokens, width });
  };
}

function finite(vector: Float64Array): Float64Array {
  if (vector.every((value) => Number.isFinite(Math.fround(value)))) return vector;
  throw new QuaysideError('non_finite_output', 'The model gave an embedding with NaN or an infinity.');
}

function tableOf(vectors: readonly Float64Array[]): NamedTensors {
  const width = vectors[0]?.length ?? 0;
  const table = new Float32Array(vectors.length * width);
  vectors.forEach((vector, row) => table.set(vector, row * width));
  return { embedding: tensorOf('FP32', [vectors.length, width], table) };
}

function vectorSchema(version: ModelVersion): Schema {
  const width = sourceOf(version, version.signature)?.shape.at(-1);
  const shortest = Math.min(...version.manifest.text.dimensions, Number(width));
  const lengths: Schema = typeof width === 'number' ? { minItems: shortest, maxItems: width } : {};
  return { ...listOf({ type: 'number' }), ...lengths };
}

/** `dimensions` is an option only where the manifest lists some. */
function embeddingOptionsSchema({ manifest }: ModelVersion): Schema {
  const { dimensions } = manifest.text;
  if (dimensions.length === 0) return optionsSchema(OPTIONS.filter((name) => name !== 'dimensions'));
  return optionsSchema(OPTIONS);
}
