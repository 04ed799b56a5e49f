/** Adds up where the time of one call in an executor goes, in milliseconds. */
export class Stopwatch {
  private readonly spent = { input: 0, infer: 0, output: 0 };

  /** Counts the time of `work` to a stage. */
  measure<T>(stage: 'input' | 'output', work: () => T): T {
    const start = performance.now();
    const result = work();
    this.spent[stage] += performance.now() - start;
    return result;
  }

  /** Counts the time of a run of the engine, until it settles. */
  async measureRun<T>(run: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await run();
    this.spent.infer += performance.now() - start;
    return result;
  }

  /** What was spent so far, by stage. */
  times(): { readonly inputMs: number; readonly inferMs: number; readonly outputMs: number } {
    return { inputMs: this.spent.input, inferMs: this.spent.infer, outputMs: this.spent.output };
  }
}
