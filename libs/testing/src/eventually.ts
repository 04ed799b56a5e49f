const DEADLINE_MS = 60_000;
const PAUSE_MS = 10;

/**
 * Calls `check` until it neither throws nor gives `false`, and resolves with what it gave. After a minute it throws the last
 * failure. It is the one place where a test waits for time; where there is an event or a promise, wait for that instead.
 */
export async function eventually<T>(check: () => T | Promise<T>): Promise<Exclude<T, false>> {
  const giveUpAt = performance.now() + DEADLINE_MS;
  for (;;) {
    const attempt = await tried(check);
    if ('value' in attempt) return attempt.value;
    if (performance.now() > giveUpAt) throw attempt.failure;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function tried<T>(check: () => T | Promise<T>): Promise<{ value: Exclude<T, false> } | { failure: unknown }> {
  try {
    const value = await check();
    if (value !== false) return { value: value as Exclude<T, false> };
    return { failure: new Error(`still false after ${DEADLINE_MS} ms: ${check.toString()}`) };
  } catch (failure) {
    return { failure };
  }
}
