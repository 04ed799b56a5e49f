import { QuaysideError } from '@app/core';
import type { ModelVersion } from '@app/model-registry';

const NO_ROOM_RETRY_MS = 1_000;

/** What to throw for a version that crashes too often. */
export function unavailable({ model, version }: ModelVersion, retryAfterMs: number): QuaysideError {
  const message = `Model "${model}" version ${version} crashed again and again; it is tried again later.`;
  return new QuaysideError('model_unavailable', message, { retryAfterMs: Math.ceil(retryAfterMs) });
}

/** What to throw once the pool is closing. */
export function shuttingDown(): QuaysideError {
  return new QuaysideError('shutting_down', 'The server is stopping.');
}

/** What to throw when nothing can make room. */
export function noRoom({ model, version }: ModelVersion): QuaysideError {
  const message = `No room to load model "${model}" version ${version}: every resident model is pinned or busy.`;
  return new QuaysideError('model_capacity', message, { retryAfterMs: NO_ROOM_RETRY_MS });
}

/** What to throw when the caller has left. */
export function clientClosed(): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before the answer.');
}

/** What to throw for a batch that ran into the hard timeout of its model. */
export function tooSlow({ model, manifest }: ModelVersion): QuaysideError {
  const message = `Model "${model}" ran longer than ${manifest.execution.hardTimeoutMs} ms and was stopped.`;
  return new QuaysideError('deadline_exceeded', message, { stage: 'executing' });
}

/** What to throw for a batch whose process died twice. */
export function crashed({ model, version }: ModelVersion): QuaysideError {
  const message = `The process that ran model "${model}" version ${version} died, and so did the one that retried.`;
  return new QuaysideError('executor_crashed', message);
}

/** What to throw for a batch with a call that killed two processes lately. */
export function quarantined({ model, version }: ModelVersion): QuaysideError {
  const message = `This input killed two processes of model "${model}" version ${version} lately; it is not tried again for a while.`;
  return new QuaysideError('input_quarantined', message);
}
