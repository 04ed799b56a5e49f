import type { Dtype } from '@app/core';
import { type ColumnSettings, DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
import { aModelVersion } from './fake-model-registry';

/** A column of a model to be made up: the dtype of its input, and what the manifest says of it. */
export type ColumnToMake = Omit<ColumnSettings, 'name' | 'dtype'> & {
  /** Of the model's input. */
  readonly takes: Dtype;
  /** Of a request's value, where that is another. */
  readonly dtype?: ColumnSettings['dtype'];
};

/**
 * A version of a tabular model with an input `[rows, 1]` per column, whose manifest binds them:
 *
 *     aBoundVersion({ age: { takes: 'FP32', from: 'feature:people@1:age' } }, { person: 'person_id' });
 */
export function aBoundVersion(
  columns: Readonly<Record<string, ColumnToMake>>,
  entities: Readonly<Record<string, string>> = {},
): ModelVersion {
  const made = Object.entries(columns);
  return aModelVersion({
    model: 'bound',
    task: 'tabular',
    signature: {
      inputs: made.map(([name, { takes }]) => ({ name, dtype: takes, shape: ['rows', 1] })),
      outputs: [{ name: 'y', dtype: 'FP32', shape: ['rows', 1] }],
    },
    manifest: {
      ...DEFAULT_MANIFEST,
      entities,
      tabular: { columns: made.map(([name, { takes: _, ...settings }]) => ({ name, ...settings })) },
    },
  });
}
