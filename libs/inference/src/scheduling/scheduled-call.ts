import { type CallContext, QuaysideError } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { TaskInput, TaskOutput } from '../tasks/task';
import type { Priority } from './batch-policy';

/** One call for one version, with its input already made tensors. */
export interface ScheduledCall {
  readonly version: ModelVersion;
  readonly input: TaskInput;
  readonly context: CallContext;
  /** Default online. */
  readonly priority?: Priority;
}

/** What a call gave, and where its time went, in milliseconds. */
export interface ScheduledResult {
  readonly output: TaskOutput;
  /** From submission until a process began with its first rows. */
  readonly queueMs: number;
  /** Inside executors, summed over the batches that its rows were in. */
  readonly computeMs: number;
  /** Rows of the largest batch that rows of it were in. */
  readonly batchSize: number;
}

/** What a call ends with at its deadline. */
export function deadlineError(version: ModelVersion, stage: 'queued' | 'executing'): QuaysideError {
  const where = stage === 'queued' ? 'before the model was free' : 'while the model was running';
  return new QuaysideError('deadline_exceeded', `The deadline passed ${where} ("${version.model}").`, { stage });
}

/** What a call ends with that is not let in. */
export function overloadedError(version: ModelVersion, retryAfterMs: number): QuaysideError {
  const message = `Too much work is waiting for model "${version.model}". Try again later.`;
  return new QuaysideError('overloaded', message, { retryAfterMs });
}

/** Whether the calls of a batch that failed with this code may be told apart by running each by itself. */
export function mayRerun(code: QuaysideError['code'] | undefined): boolean {
  return code === undefined || !FATAL.has(code);
}

/** What fails every call of the version alike, or says that time is up. */
const FATAL: ReadonlySet<string> = new Set([
  'deadline_exceeded',
  'model_unavailable',
  'model_load_failed',
  'model_capacity',
  'shutting_down',
  'client_closed',
] satisfies QuaysideError['code'][]);
