/**
 * Lets work run together, or alone. When a process dies, nobody knows which of its chunks it died of; a row that is probed must
 * be the only one under way. Turns to run alone come in order, and before whatever comes after them.
 */
export class RunTurns {
  private readonly together = new Set<Promise<unknown>>();
  private alone: Promise<unknown> | undefined;

  /** Runs it beside others, once nothing runs alone. Throws the signal's reason if that comes first. */
  async runTogether<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    while (this.alone) await orAborted(this.alone, signal);
    signal.throwIfAborted();
    const run = work();
    const ended = settled(run);
    this.together.add(ended);
    try {
      return await run;
    } finally {
      this.together.delete(ended);
    }
  }

  /** Runs it once nothing else runs. Throws the signal's reason if that comes first. */
  async runAlone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = Promise.all([this.alone, ...this.together]);
    const run = orAborted(before, signal).then(work);
    // One that was aborted while it waited ends before those that it waited for.
    const ended = Promise.all([before, settled(run)]);
    this.alone = ended;
    void ended.then(() => {
      if (this.alone === ended) this.alone = undefined;
    });
    return run;
  }
}

function settled(run: Promise<unknown>): Promise<unknown> {
  return run.catch(() => undefined);
}

async function orAborted(wait: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([wait, aborted.promise]);
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
}
