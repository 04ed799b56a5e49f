import { type Clock, QuaysideError } from '@app/core';
import type { JobStore } from '../records/job-store';

/** What one caller waits for. */
export interface Awaited {
  readonly id: string;
  /** What it knows: any other is news, and so is that the job is gone. */
  readonly version: number;
  readonly timeoutMs: number;
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
}

interface Watcher {
  readonly id: string;
  readonly version: number;
  wake(): void;
  fail(fault: unknown): void;
}

const EVERY_MS = 1000;

/** Sees changes of jobs for all who wait in this process: one query a second as long as anybody does. `idle ⇄ looking`. */
export class JobWatch {
  private readonly watchers = new Set<Watcher>();
  private isLooking = false;
  private hasClosed = false;

  constructor(
    private readonly store: Pick<JobStore, 'versionsOf'>,
    private readonly clock: Clock,
  ) {}

  /** Whether nobody can wait any more. */
  get isClosed(): boolean {
    return this.hasClosed;
  }

  /** Resolves with news, when the time is over, or when this process stops. Throws database_unavailable, client_closed. */
  async whenNews({ id, version, timeoutMs, signal }: Awaited): Promise<void> {
    if (signal.aborted) throw left(signal);
    if (this.hasClosed || timeoutMs <= 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher: Watcher = { id, version, wake: resolve, fail: reject };
    const leave = (): void => reject(left(signal));
    const timer = this.clock.setTimer(timeoutMs, resolve);
    signal.addEventListener('abort', leave);
    this.watchers.add(watcher);
    if (!this.isLooking) void this.look();
    try {
      await promise;
    } finally {
      this.watchers.delete(watcher);
      signal.removeEventListener('abort', leave);
      timer.cancel();
    }
  }

  /** Nobody waits any longer: all who do get what there is. */
  close(): void {
    this.hasClosed = true;
    for (const { wake } of this.watchers) wake();
  }

  private async look(): Promise<void> {
    this.isLooking = true;
    while (this.watchers.size > 0) {
      await this.lookOnce();
      await new Promise<void>((resolve) => this.clock.setTimer(EVERY_MS, resolve));
    }
    this.isLooking = false;
  }

  private async lookOnce(): Promise<void> {
    const asked = [...this.watchers];
    try {
      const versions = await this.store.versionsOf([...new Set(asked.map(({ id }) => id))]);
      for (const { id, version, wake } of asked) if (versions.get(id) !== version) wake();
    } catch (fault) {
      for (const { fail } of asked) fail(fault);
    }
  }
}

function left(signal: AbortSignal): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before there was news of the job.', {
    cause: signal.reason,
  });
}
