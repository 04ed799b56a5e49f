import { type ErrorCode, isQuaysideError } from '@app/core';
import { ModelGone } from './row-inference';

/** What a failed prediction of rows says. */
export type FailureKind =
  /** A row does not fit the model, or the model failed on it: that is the row's answer, once it failed alone. */
  | 'row'
  /** A row killed its executor or hung in it: the same, but each try costs a process. */
  | 'crash'
  /** Nothing is wrong with the rows: the same will work later, or elsewhere. */
  | 'transient'
  /** No row of the job can be answered. */
  | 'gone';

/** What hits every row alike, whatever is in it. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'database_unavailable',
  'storage_full',
  'storage_unavailable',
  'features_unavailable',
  'feature_view_not_found',
  'feature_view_version_not_found',
  'model_load_failed',
  'model_not_ready',
  'model_unavailable',
  'model_capacity',
  'deadline_exceeded',
  'overloaded',
  'shutting_down',
  'not_ready',
  'client_closed',
] satisfies ErrorCode[]);

const CRASHES: ReadonlySet<string> = new Set(['executor_crashed', 'input_quarantined'] satisfies ErrorCode[]);
const GONE: ReadonlySet<string> = new Set(['model_not_found', 'model_version_not_found'] satisfies ErrorCode[]);

/** What a failure of `RowInference.infer` says of the rows. What is no error of the catalogue is a defect that a row brought to light. */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof ModelGone) return 'gone';
  if (!isQuaysideError(error)) return 'row';
  const { code, stage } = error;
  // The hard timeout of a model, which no row but a hanging one reaches: the deadline itself is far longer.
  if (CRASHES.has(code) || (code === 'deadline_exceeded' && stage === 'executing')) return 'crash';
  if (GONE.has(code)) return 'gone';
  return TRANSIENT.has(code) ? 'transient' : 'row';
}
