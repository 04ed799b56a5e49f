/** What ends a worker from within. A class, so that it is its own injection token. */
export class WorkerEnd {
  private readonly first = Promise.withResolvers<string>();

  /** Resolves with the reason why this process is to end, and be started anew; mostly never. */
  get reason(): Promise<string> {
    return this.first.promise;
  }

  /** This process cannot do its work any more. */
  fail(reason: string): void {
    this.first.resolve(reason);
  }
}
