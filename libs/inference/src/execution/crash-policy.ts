/** When the next of a row of replacements may start. */
export class RespawnDelay {
  private inARow = 0;

  constructor(private readonly options: { readonly respawnMs: readonly number[]; readonly healthyMs: number }) {}

  /** The delay before the process is replaced that just died after `livedMs`. */
  next(livedMs: number): number {
    const { respawnMs, healthyMs } = this.options;
    if (livedMs >= healthyMs) this.inARow = 0;
    const delay = respawnMs[Math.min(this.inARow, respawnMs.length - 1)] ?? 0;
    this.inARow += 1;
    return delay;
  }
}

/** What a breaker obeys; see `ExecutorTimings`. */
export interface BreakerLimits {
  readonly crashLimit: number;
  readonly crashWindowMs: number;
  readonly crashPauseMs: number;
  readonly crashLongestPauseMs: number;
}

/** How a version behaved. */
interface Record {
  deathsAtMs: readonly number[];
  /** How often it was paused, one pause soon after the other. */
  trips: number;
  pausedUntilMs: number;
}

/**
 * Stops a version whose processes die again and again, so that it does not take the others' processes with it: closed →
 * (`crashLimit` deaths in `crashWindowMs`) → paused → (a pause, longer each time) → a trial may begin → closed.
 */
export class CrashBreaker {
  private readonly records = new Map<string, Record>();

  constructor(private readonly limits: BreakerLimits) {}

  /** Counts a death against a version; true when that was one too many, and it is paused from now on. */
  died(key: string, nowMs: number): boolean {
    const record = this.records.get(key) ?? { deathsAtMs: [], trips: 0, pausedUntilMs: 0 };
    this.records.set(key, record);
    record.deathsAtMs = [...record.deathsAtMs, nowMs].filter((at) => at > nowMs - this.limits.crashWindowMs);
    if (record.deathsAtMs.length < this.limits.crashLimit) return false;
    this.pause(record, nowMs);
    return true;
  }

  /** How long the version stays paused, in milliseconds; 0 when it is not, or no longer. */
  pausedForMs(key: string, nowMs: number): number {
    return Math.max(0, (this.records.get(key)?.pausedUntilMs ?? 0) - nowMs);
  }

  /** True from the pause on until a trial was passed. */
  isOpen(key: string): boolean {
    return (this.records.get(key)?.pausedUntilMs ?? 0) > 0;
  }

  /** The version passed a trial: it may run again. That it was paused is remembered, for the length of the next pause. */
  passed(key: string): void {
    const record = this.records.get(key);
    if (record) record.pausedUntilMs = 0;
  }

  private pause(record: Record, nowMs: number): void {
    const { crashPauseMs, crashLongestPauseMs } = this.limits;
    record.pausedUntilMs = nowMs + Math.min(crashPauseMs * 2 ** record.trips, crashLongestPauseMs);
    record.trips += 1;
    record.deathsAtMs = [];
  }
}
