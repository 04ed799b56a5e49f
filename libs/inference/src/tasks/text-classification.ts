import { type JsonValue, type NamedTensors, QuaysideError, tensorOf, viewOf } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { type ScoreRules, bestOf, classScores } from './class-scores';
import { type Schema, document, listOf, objectOf } from './json-schema';
import { optionsSchema, readOptions } from './options';
import { presentTensors } from './raw-tensors';
import { checkOutputs } from './refusals';
import type { EngineSession, Task, TaskInput, TaskOutput } from './task';
import { isOneText, readTexts, textSchemas } from './text-input';
import { type TextDecoder, TextModel, floatOutput, unfit, usageOf } from './text-model';

const OPTIONS = ['top_k', 'temperature', 'truncate', 'int64', 'nonfinite'] as const;
const DEFAULTS = { top_k: 5, temperature: 0.7, truncate: true };
const MAX_CHARACTERS = 10_000;

/**
 * A text to the best of a model's classes, each with its score. An executor gives `class_index` INT32 and `score` FP64
 * [rows, k], best first, ties by index, with `tokens` and `truncated` of each text.
 */
export const textClassification: Task = {
  name: 'text-classification',

  prepare(_version, input, options) {
    const { top_k, temperature, truncate } = { ...DEFAULTS, ...readOptions(options, OPTIONS) };
    if (input.form === 'tensors') checkOutputs(input.outputs ?? [], ['label', 'score']);
    const text = readTexts(input, MAX_CHARACTERS);
    const parameters = { temperature, top_k, truncate };
    return { rows: text.shape[0], splittable: true, tensors: { text }, parameters, outputs: [] };
  },

  present(version, input, output, options) {
    const labels = labelsOf(version, output);
    if (input.form === 'rows') return { form: 'rows', rows: predictionsOf(labels, output) };
    const label = tensorOf('BYTES', output['class_index'].shape, labels);
    const named = { label, score: output['score'] };
    return presentTensors({ output: named, wanted: input.outputs, oneRow: isOneText(input), options });
  },

  usage: usageOf,

  schema: (version) => ({
    ...textSchemas({ maxCharacters: MAX_CHARACTERS, example: 'I still have not received my new card.' }),
    row_output: document(rowOutputSchema(version)),
    outputs: document(outputsSchema(version)),
    options: document(optionsSchema(OPTIONS)),
  }),

  async open(version, session) {
    const decoder = new ScoreDecoder(version, session);
    return TextModel.open({ version, session, decoder, sampleParameters: DEFAULTS });
  },
};

/** The names of the elements of `class_index`; `LABEL_<index>` where the model names none. */
function labelsOf({ text }: ModelVersion, output: TaskOutput): readonly string[] {
  const indexes = viewOf(output['class_index'], 'INT32');
  const labels = new Array<string>(indexes.length);
  for (let at = 0; at < indexes.length; at += 1) labels[at] = text?.classes[indexes[at]] ?? `LABEL_${indexes[at]}`;
  return labels;
}

function predictionsOf(labels: readonly string[], output: TaskOutput): readonly JsonValue[] {
  const indexes = viewOf(output['class_index'], 'INT32');
  const scores = viewOf(output['score'], 'FP64');
  const [tokens, truncated] = [viewOf(output['tokens'], 'INT32'), viewOf(output['truncated'], 'BOOL')];
  const [rows = 0, count = 0] = output['class_index'].shape;
  const answers = new Array<JsonValue>(rows);
  for (let row = 0; row < rows; row += 1) {
    const predictions = new Array<JsonValue>(count);
    for (let rank = 0, at = row * count; rank < count; rank += 1, at += 1) {
      const metadata = { index: indexes[at], tokens: tokens[row], truncated: truncated[row] !== 0 };
      predictions[rank] = { label: labels[at], score: scores[at], metadata };
    }
    answers[row] = { predictions };
  }
  return answers;
}

/** Logits (or probabilities) [rows, classes] to the best classes of each row. */
class ScoreDecoder implements TextDecoder {
  readonly output: string;
  private readonly rules: Omit<ScoreRules, 'temperature'>;

  constructor({ text, manifest }: ModelVersion, session: EngineSession) {
    const output = floatOutput(session.signature, 2, ['logits']);
    if (!output) throw unfit('The model has no output of floats [rows, classes].');
    this.output = output.name;
    // One class alone would always have all of a softmax.
    const independent = text?.multiLabel === true || output.shape[1] === 1;
    this.rules = { activation: independent ? 'sigmoid' : 'softmax', probabilities: manifest.text.probabilities };
  }

  begin({ rows, parameters }: TaskInput): ReturnType<TextDecoder['begin']> {
    const rules = { ...this.rules, temperature: Number(parameters['temperature']) };
    const results = new Array<readonly number[]>(rows);
    const best = new Array<readonly number[]>(rows);
    return {
      take: ({ row, values }) => {
        const scores = scoresOf(values, rules);
        best[row] = bestOf(scores, Number(parameters['top_k']));
        results[row] = best[row].map((index) => scores[index]);
      },
      finish: () => tableOf(best, results),
    };
  }
}

function scoresOf(values: ArrayLike<number>, rules: ScoreRules): readonly number[] {
  const scores = classScores(Array.from(values), rules);
  if (scores) return scores;
  throw new QuaysideError('non_finite_output', 'The model gave values that no score can be made of.');
}

function tableOf(best: readonly (readonly number[])[], scores: readonly (readonly number[])[]): NamedTensors {
  const shape = [best.length, best[0]?.length ?? 0];
  return { class_index: tensorOf('INT32', shape, best.flat()), score: tensorOf('FP64', shape, scores.flat()) };
}

function rowOutputSchema(version: ModelVersion): Schema {
  const metadata = objectOf({
    index: { type: 'integer', minimum: 0, description: 'The index of the class.' },
    tokens: { type: 'integer', minimum: 0, description: 'Tokens that the model read.' },
    truncated: { type: 'boolean', description: 'Whether the text was cut to what the model reads.' },
  });
  return objectOf({ predictions: listOf(objectOf({ label: labelSchema(version), score: SCORE, metadata })) });
}

function outputsSchema(version: ModelVersion): Schema {
  const anyRows = (items: Schema): Schema => ({ anyOf: [listOf(listOf(items)), listOf(items)] });
  return objectOf({ label: anyRows(labelSchema(version)), score: anyRows(SCORE) }, ['label', 'score']);
}

function labelSchema({ text }: ModelVersion): Schema {
  return text?.classes.length ? { enum: text.classes } : { type: 'string', pattern: '^LABEL_[0-9]+$' };
}

const SCORE: Schema = { type: 'number', minimum: 0, maximum: 1 };
