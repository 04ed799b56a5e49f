import { type NamedTensors, type Signature, type TensorSpec, tensorOf, viewOf } from '@app/core';
import type { EngineSession } from '@app/inference';

/** A session without an engine, for specs of tasks: it answers by a function, and remembers what it was asked. */
export class ScriptedSession implements EngineSession {
  readonly asked: { readonly feeds: NamedTensors; readonly outputs: readonly string[] }[] = [];

  constructor(
    readonly signature: Signature,
    readonly answer: (feeds: NamedTensors) => NamedTensors,
  ) {}

  run(feeds: NamedTensors, outputs: readonly string[]): Promise<NamedTensors> {
    this.asked.push({ feeds, outputs });
    return Promise.resolve(this.answer(feeds));
  }
}

/** An input or output of a signature, such as `tensorSpec('x', 'FP32', ['rows', 4])`. */
export function tensorSpec(name: string, dtype: TensorSpec['dtype'], shape: TensorSpec['shape']): TensorSpec {
  return { name, dtype, shape };
}

/** What a text model takes, as most exporters write it. */
export const TEXT_INPUTS: readonly TensorSpec[] = [
  tensorSpec('input_ids', 'INT64', ['rows', 'tokens']),
  tensorSpec('attention_mask', 'INT64', ['rows', 'tokens']),
];

/**
 * A text model of one output `name`, whose values for a row depend on all of the row's own tokens and on nothing else:
 * `rowValues` gets their ids. With `perToken` it gives one vector a token, `[rows, tokens, width]`, and padding gets
 * -1000 everywhere, which shows in any mean that takes it in.
 */
export function textSession(
  rowValues: (ids: readonly number[]) => readonly number[],
  { name = 'logits', perToken = false, inputs = TEXT_INPUTS }: TextSessionParts = {},
): ScriptedSession {
  const width = rowValues([1]).length;
  const shape = perToken ? ['rows', 'tokens', width] : ['rows', width];
  return new ScriptedSession({ inputs, outputs: [tensorSpec(name, 'FP32', shape)] }, (feeds) => {
    const [ids, mask] = [viewOf(feeds['input_ids'], 'INT64'), viewOf(feeds['attention_mask'], 'INT64')];
    const [rows, length] = feeds['input_ids'].shape;
    const rowIndexes = Array.from({ length: rows }, (_, row) => row);
    const values = rowIndexes.flatMap((row) => {
      const tokens = Array.from({ length }, (_, at) => row * length + at);
      const own = tokens.filter((at) => mask[at] === 1n).map((at) => Number(ids[at]));
      if (!perToken) return rowValues(own);
      return tokens.flatMap((at) =>
        mask[at] === 1n ? rowValues([Number(ids[at])]) : new Array<number>(width).fill(-1000),
      );
    });
    return { [name]: tensorOf('FP32', perToken ? [rows, length, width] : [rows, width], values) };
  });
}

interface TextSessionParts {
  readonly name?: string;
  readonly perToken?: boolean;
  readonly inputs?: readonly TensorSpec[];
}
