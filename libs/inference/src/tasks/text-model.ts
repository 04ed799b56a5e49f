import {
  type NamedTensors,
  QuaysideError,
  type Signature,
  type Tensor,
  type TensorSpec,
  floatsOf,
  isFloat,
  tensorOf,
  textsOf,
  viewOf,
} from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { batchLayoutOf, checkOutputRows } from './batch-layout';
import { Stopwatch } from './stopwatch';
import type { EngineSession, Executed, OpenModel, TaskInput, Usage } from './task';
import {
  MAX_RUN_TOKENS,
  type SequenceLimits,
  type TextGroup,
  feedsOf,
  isTextFeed,
  paddingBefore,
  planRuns,
} from './text-runs';
import { type Encoding, Tokenizer } from './tokenizer';

/** One row of what a run gave. */
export interface TextRow {
  /** Which row of the call. */
  readonly row: number;
  /** Tokens of the text, special ones included. */
  readonly tokens: number;
  /** How many tokens of padding stand before them in the run. */
  readonly paddingBefore: number;
  /** Tokens of every row of the run, padding included. */
  readonly length: number;
  /** The row's part of the output, `[length, width]` or `[width]`. */
  readonly values: ArrayLike<number>;
}

/** What a text task makes of a model's output. */
export interface TextDecoder {
  /** The name of the output that it reads. */
  readonly output: string;
  /** Begins the results of one call: takes each row once, in any order, then gives them all. Throws non_finite_output. */
  begin(input: TaskInput): { take(row: TextRow): void; finish(): NamedTensors };
}

/** What opens a text model. */
export interface TextModelParts {
  readonly version: ModelVersion;
  readonly session: EngineSession;
  readonly decoder: TextDecoder;
  /** Parameters of the warm-up. */
  readonly sampleParameters: TaskInput['parameters'];
}

/** What warms a text model up. */
const SAMPLE_TEXT = 'A quick check that everything is in its place.';

/** What texts of several lengths are made of, to see whether texts may run together; and their lengths in words. */
const SAMPLE_WORDS =
  'the old ship came in late and all who stood on the quay saw that two of her sails were torn'.split(' ');
const SAMPLE_LENGTHS = [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20];

/**
 * A text model in an executor: encodes the texts of a call, runs them in groups of like length, and lets the task's
 * decoder make rows of what comes out. Outputs have the rows in the call's order, whatever ran with what.
 */
export class TextModel implements OpenModel {
  private constructor(
    private readonly parts: TextModelParts,
    private readonly tokenizer: Tokenizer,
    private readonly limits: SequenceLimits,
  ) {}

  /** Throws model_load_failed when there is no tokenizer, or the model asks for more than a tokenizer gives. */
  static async open(parts: TextModelParts): Promise<TextModel> {
    const { version, session } = parts;
    const limits = limitsOf(session, version);
    return new TextModel(parts, await Tokenizer.open(version.files, limits.maxTokens), limits);
  }

  /**
   * `text` BYTES [rows] of each call to the decoder's tensors, with `tokens` INT32 [rows] and `truncated` BOOL [rows]. The parameter
   * `truncate` false refuses a text that is too long with context_length_exceeded.
   */
  async execute(calls: readonly TaskInput[]): Promise<Executed> {
    const watch = new Stopwatch();
    const encodings = watch.measure('input', () => calls.map((call) => this.encode(call)));
    const results = calls.map((call) => this.parts.decoder.begin(call));
    const owners = encodings.flatMap((ofCall, call) => ofCall.map((_, row) => ({ call, row })));
    for (const group of planRuns(encodings.flat(), this.limits)) {
      const output = await this.run(group, watch);
      watch.measure('output', () => {
        for (const values of this.rowsOf(group, output)) {
          const { call, row } = owners[values.row];
          results[call].take({ ...values, row });
        }
      });
    }
    const outputs = watch.measure('output', () =>
      results.map((result, call) => ({ ...result.finish(), ...countsOf(encodings[call]) })),
    );
    return { outputs, ...watch.times() };
  }

  sample(): TaskInput {
    return this.callOf(SAMPLE_TEXT);
  }

  /** A short text and a long one, as unlike in length as texts can be that still run together. */
  pairs(): ReturnType<OpenModel['pairs']> {
    const texts = SAMPLE_LENGTHS.map((words) => SAMPLE_WORDS.slice(0, words).join(' '));
    const lengthOf = (text: string): number => this.tokenizer.encode(text).ids.length;
    const together = (pair: readonly string[]): boolean =>
      planRuns(
        pair.map((text) => this.tokenizer.encode(text)),
        this.limits,
      ).length === 1;
    const pairs = texts.flatMap((short, at) => texts.slice(at + 1).map((long) => [short, long] as const));
    const unlike = ([short, long]: readonly [string, string]): number => lengthOf(long) / lengthOf(short);
    const best = pairs.filter(together).toSorted((a, b) => unlike(b) - unlike(a))[0];
    return best ? [[this.callOf(best[0]), this.callOf(best[1])]] : [];
  }

  private callOf(of: string): TaskInput {
    const text = tensorOf('BYTES', [1], [of]);
    return { rows: 1, splittable: true, tensors: { text }, parameters: this.parts.sampleParameters, outputs: [] };
  }

  private encode({ tensors, parameters }: TaskInput): readonly Encoding[] {
    const encodings = textsOf(tensors['text']).map((text) => this.tokenizer.encode(text));
    if (parameters['truncate'] !== false || !encodings.some(({ truncated }) => truncated)) return encodings;
    const message = `A text is longer than the ${this.limits.maxTokens} tokens that the model reads. Shorten it, or send truncate: true.`;
    throw new QuaysideError('context_length_exceeded', message);
  }

  private async run(group: TextGroup, watch: Stopwatch): Promise<Tensor> {
    const { session, decoder } = this.parts;
    const feeds = watch.measure('input', () => feedsOf(group, session.signature.inputs, this.tokenizer.settings));
    const outputs = await watch.measureRun(() => session.run(feeds, [decoder.output]));
    const output = outputs[decoder.output];
    checkOutputRows(decoder.output, output, group.rows.length);
    return output;
  }

  private rowsOf({ rows, encodings, length }: TextGroup, output: Tensor): readonly TextRow[] {
    const values = floatsOf(output);
    const size = values.length / rows.length;
    return rows.map((row, index) => ({
      row,
      length,
      tokens: encodings[index].ids.length,
      paddingBefore: paddingBefore(encodings[index], length, this.tokenizer.settings.paddingSide),
      values: values.subarray(index * size, (index + 1) * size),
    }));
  }
}

/** Sums what `TextModel` counts: `tokens` and `truncated`. */
export function usageOf(output: NamedTensors): Usage {
  return { tokens: sum(viewOf(output['tokens'], 'INT32')), truncated: sum(viewOf(output['truncated'], 'BOOL')) };
}

function sum(values: Int32Array | Uint8Array): number {
  let total = 0;
  for (let at = 0; at < values.length; at += 1) total += values[at];
  return total;
}

/** The output a text task reads: the one of that name, else the first of floats with that many dimensions. */
export function floatOutput(
  { outputs }: Signature,
  rank: number,
  preferred: readonly string[],
): TensorSpec | undefined {
  const fitting = outputs.filter(({ dtype, shape }) => isFloat(dtype) && shape.length === rank);
  return fitting.find(({ name }) => preferred.includes(name)) ?? fitting[0];
}

/** The error for an output that is not there. */
export function unfit(message: string): QuaysideError {
  return new QuaysideError('model_load_failed', message);
}

function limitsOf({ signature }: EngineSession, { text, manifest }: ModelVersion): SequenceLimits {
  const foreign = signature.inputs.find((input) => !isTextFeed(input));
  if (foreign) throw unfit(`The input "${foreign.name}" cannot be made from a text.`);
  const length = signature.inputs[0]?.shape[1];
  const fixedLength = typeof length === 'number' ? length : undefined;
  return {
    maxRows: batchLayoutOf(signature) === 'stacked' ? Infinity : 1,
    maxTokens: Math.min(text?.maxTokens ?? 0, fixedLength ?? Infinity),
    maxRunTokens: Math.min(MAX_RUN_TOKENS, manifest.batching.maxTokens),
    fixedLength,
  };
}

function countsOf(encodings: readonly Encoding[]): NamedTensors {
  return {
    tokens: tensorOf(
      'INT32',
      [encodings.length],
      encodings.map(({ ids }) => ids.length),
    ),
    truncated: tensorOf(
      'BOOL',
      [encodings.length],
      encodings.map(({ truncated }) => truncated),
    ),
  };
}
