/** Counts what is under way by key, such as the calls of a version, and tells when the last of it has ended. */
export class InFlight {
  private readonly counts = new Map<string, number>();
  private readonly waiters = new Map<string, (() => void)[]>();

  /** Counts one; the function that it returns uncounts it, once. */
  enter(key: string): () => void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave(key);
    };
  }

  /** Whether anything of the key is under way. */
  has(key: string): boolean {
    return this.counts.has(key);
  }

  /** Resolves when nothing of the key is under way. */
  whenIdle(key: string): Promise<void> {
    if (!this.has(key)) return Promise.resolve();
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
