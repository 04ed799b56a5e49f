import { type NamedTensors, type Tensor, type TensorSpec, tensorOf } from '@app/core';
import type { Encoding, TokenizerSettings } from './tokenizer';

/**
 * Most tokens of one run, padding included. On a CPU larger runs are slower, as what they hold leaves the caches: measured, 350 rows a
 * second in runs of 4 texts, 207 in runs of 32.
 */
export const MAX_RUN_TOKENS = 512;

/** How much of a run may be padding that a run with fewer rows would not have, as a share of what is not. */
const MAX_EXTRA_PADDING = 0.25;

/** What a model's signature says of its sequences. */
export interface SequenceLimits {
  /** Most rows of one run. */
  readonly maxRows: number;
  /** Most tokens of a row. */
  readonly maxTokens: number;
  /** Most tokens of a run, padding included. */
  readonly maxRunTokens: number;
  /** The length of every row, where the model has no other. */
  readonly fixedLength: number | undefined;
}

/** Texts of a call that run together. */
export interface TextGroup {
  /** Which rows of the call. */
  readonly rows: readonly number[];
  /** Their tokens, in the same order. */
  readonly encodings: readonly Encoding[];
  /** Tokens of each row with its padding. */
  readonly length: number;
}

/**
 * Groups texts of like length, shortest first: padding costs as much as tokens do. Every row is in exactly one group;
 * a row that is longer than a run should be runs alone.
 */
export function planRuns(encodings: readonly Encoding[], limits: SequenceLimits): readonly TextGroup[] {
  const lengthOf = (row: number): number => paddedLength(encodings[row].ids.length, limits);
  const groups: number[][] = [];
  let ownTokens = 0;
  for (const row of encodings.map((_, index) => index).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b)) {
    const length = lengthOf(row);
    const group = groups.at(-1);
    const tokens = length * ((group?.length ?? 0) + 1);
    const fits = group && group.length < limits.maxRows && tokens <= limits.maxRunTokens;
    if (fits && tokens <= (1 + MAX_EXTRA_PADDING) * (ownTokens + length)) group.push(row);
    else groups.push([row]);
    ownTokens = groups.at(-1)!.length === 1 ? length : ownTokens + length;
  }
  return groups.map((rows) => ({
    rows,
    encodings: rows.map((row) => encodings[row]),
    length: lengthOf(rows.at(-1)!),
  }));
}

/** How many of a row's tokens are padding that stands before its own. */
export function paddingBefore(encoding: Encoding, length: number, side: TokenizerSettings['paddingSide']): number {
  return side === 'left' ? length - encoding.ids.length : 0;
}

/** How one input of a text model is filled, a token at a time; `undefined`: it does not come from a text. */
type Filler = (encoding: Encoding, token: number) => number;

const FILLERS: Readonly<Record<string, { readonly own: Filler; readonly padding: (padId: number) => number }>> = {
  input_ids: { own: (encoding, token) => encoding.ids[token], padding: (padId) => padId },
  attention_mask: { own: () => 1, padding: () => 0 },
  token_type_ids: { own: (encoding, token) => encoding.typeIds[token], padding: () => 0 },
  position_ids: { own: (_, token) => token, padding: () => 0 },
};

/** Whether an input is one that token ids can fill: a known name, INT64 or INT32, [rows, tokens]. */
export function isTextFeed({ name, dtype, shape }: TensorSpec): boolean {
  return Object.hasOwn(FILLERS, name) && (dtype === 'INT64' || dtype === 'INT32') && shape.length === 2;
}

/** The tensors of one run, [rows, length] each, for those inputs that the model has. */
export function feedsOf(group: TextGroup, inputs: readonly TensorSpec[], settings: TokenizerSettings): NamedTensors {
  return Object.fromEntries(inputs.map((input) => [input.name, feedOf(group, input, settings)]));
}

function feedOf(group: TextGroup, { name, dtype }: TensorSpec, settings: TokenizerSettings): Tensor {
  const { own, padding } = FILLERS[name];
  const { encodings, length } = group;
  const values = new Array<number>(encodings.length * length).fill(padding(settings.padId));
  encodings.forEach((encoding, row) => {
    const start = row * length + paddingBefore(encoding, length, settings.paddingSide);
    for (let token = 0; token < encoding.ids.length; token += 1) values[start + token] = own(encoding, token);
  });
  const data = dtype === 'INT64' ? bigIntsOf(values) : Int32Array.from(values);
  return tensorOf(dtype, [encodings.length, length], data);
}

/** Filled in a loop: `BigInt64Array.from` takes several times as long. */
function bigIntsOf(values: readonly number[]): BigInt64Array {
  const ids = new BigInt64Array(values.length);
  for (let index = 0; index < values.length; index += 1) ids[index] = BigInt(values[index]);
  return ids;
}

function paddedLength(tokens: number, { maxTokens, fixedLength }: SequenceLimits): number {
  if (fixedLength !== undefined) return fixedLength;
  return Math.min(Math.max(tokens, 1), maxTokens);
}
