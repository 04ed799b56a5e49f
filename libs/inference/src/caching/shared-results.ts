/** An encoded result that other processes may read. */
export interface SharedResult {
  readonly bytes: Uint8Array;
  /** How long it may still be given. */
  readonly ttlMs: number;
}

/** Results that processes share. It is slower than memory and may be away: then nothing is found, and nothing fails. */
export interface SharedResults {
  /** What is kept of each key, in order. Never rejects, and never takes longer than its own short timeout. */
  read(model: string, keys: readonly string[]): Promise<readonly (SharedResult | undefined)[]>;
  /** Keeps results, some time after this returns, or not at all. */
  write(model: string, results: ReadonlyMap<string, SharedResult>): void;
  /** Whether it answers, as far as was seen lately; no I/O. */
  readonly isAnswering: boolean;
  /** Lets go of the connection; safe to call twice. */
  close(): Promise<void>;
}
