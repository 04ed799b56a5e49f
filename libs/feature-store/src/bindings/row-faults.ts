import { type ErrorCode, type ErrorDetail, QuaysideError } from '@app/core';

/** What a row's values can end in. */
export type RowFaultCode = Extract<
  ErrorCode,
  'invalid_input' | 'feature_missing' | 'feature_stale' | 'feature_cast' | 'features_unavailable'
>;

/** One value that cannot be had. Thrown while a row is filled, and collected. */
export class RowFault extends Error {
  constructor(
    readonly code: RowFaultCode,
    readonly detail: ErrorDetail,
  ) {
    super(detail.message);
  }
}

/** Details beyond this many are left out: the first ones are what a caller fixes. */
const MAX_DETAILS = 10;

/** Collects what is wrong with the rows of one call, and throws it as one error. */
export class RowFaults {
  private readonly found: RowFault[] = [];

  /** Runs a step; a fault of it is noted, and the step then gives undefined. */
  attempt<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      this.note(error);
      return undefined;
    }
  }

  /** Notes a fault. Throws what is none. */
  note(error: unknown): void {
    if (!(error instanceof RowFault)) throw error;
    this.found.push(error);
  }

  /**
   * Throws where anything was noted. Of several codes the first decides, unless something could not be read: then
   * nothing is known about the rest. The details are those of that code.
   */
  throwIfAny(): void {
    const decisive = this.found.find(({ code }) => code === 'features_unavailable') ?? this.found[0];
    if (!decisive) return;
    const details = this.found.filter(({ code }) => code === decisive.code).map(({ detail }) => detail);
    const others = details.length > 1 ? ` (and ${details.length - 1} more)` : '';
    throw new QuaysideError(decisive.code, `${decisive.message}${others}`, { details: details.slice(0, MAX_DETAILS) });
  }
}
