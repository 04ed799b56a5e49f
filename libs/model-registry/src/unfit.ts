import { QuaysideError } from '@app/core';

/** What is thrown when a version's files cannot be served. The reason names files of the model's folder, never paths. */
export function unfit(reason: string): QuaysideError {
  return new QuaysideError('model_load_failed', reason);
}
