import { QuaysideError } from '@app/core';

/** Why an executor process ended, and what that says of a version which it was opening. */
const DEATHS = {
  /** By itself: a fault in the engine, or in what it was given. */
  crashed: 'The process that opened it crashed.',
  /** By a SIGKILL from outside: an operator, or the kernel that ran out of memory. */
  killed: 'The process that opened it was killed, perhaps because memory ran out.',
  broken_stream: 'The process that opened it broke off.',
  no_hello: 'The process that should open it did not start.',
  no_pong: 'The process that should open it did not answer.',
  load_timeout: 'It did not load in time.',
  hard_timeout: 'It did not run in time.',
  memory: 'It takes more memory than one process may have.',
  replaced: 'The process that opened it was stopped.',
} as const satisfies Record<string, string>;

/** Why an executor process ended. */
export type DeathCause = keyof typeof DEATHS;

/** Whether what the process ran or loaded may be the reason: it is not where the process never began with it. */
export function mayBlame(cause: DeathCause): boolean {
  return cause !== 'replaced' && cause !== 'no_pong';
}

/** The process died while it had something to do. */
export class SlotDeath extends Error {
  override readonly name = 'SlotDeath';

  constructor(readonly deathCause: DeathCause) {
    super(`The executor process ended: ${deathCause}.`);
  }
}

/** Why a version could not be opened, for those who asked for it. */
export function loadFailure(error: unknown): unknown {
  if (!(error instanceof SlotDeath)) return error;
  return new QuaysideError('model_load_failed', DEATHS[error.deathCause], { cause: error });
}
