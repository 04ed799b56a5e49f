import { type ModelVersion, versionKey } from '@app/model-registry';

/** Counts the calls under way per version, so that a version is released only when the last of them has ended. */
export class InFlight {
  private readonly counts = new Map<string, number>();
  private readonly waiters = new Map<string, (() => void)[]>();

  /** Counts one call; the function that it returns uncounts it, once. */
  enter(version: ModelVersion): () => void {
    const key = versionKey(version);
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave(key);
    };
  }

  /** Resolves when no call for the version is under way. */
  whenIdle(version: ModelVersion): Promise<void> {
    const key = versionKey(version);
    if (!this.counts.has(key)) return Promise.resolve();
    return new Promise((resolve) => this.waiters.set(key, [...(this.waiters.get(key) ?? []), resolve]));
  }

  private leave(key: string): void {
    const count = this.counts.get(key)! - 1;
    if (count > 0) return void this.counts.set(key, count);
    this.counts.delete(key);
    const waiters = this.waiters.get(key) ?? [];
    this.waiters.delete(key);
    waiters.forEach((resolve) => resolve());
  }
}
