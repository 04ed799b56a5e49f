import type { Connection, Submittable } from 'pg';

/** What `pg` has of a connection and its types do not know. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** One `copy … from stdin` and all of its rows, as `pg` takes what is no ordinary query: it calls the methods. */
export class CopyIn implements Submittable {
  private readonly outcome = Promise.withResolvers<void>();

  constructor(
    private readonly sql: string,
    private readonly rows: Buffer,
  ) {}

  /** Resolves when every row is in; rejects with what PostgreSQL says, and then none is. */
  get done(): Promise<void> {
    return this.outcome.promise;
  }

  submit(connection: Connection): void {
    connection.query(this.sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.rows);
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {}

  handleError(fault: unknown): void {
    this.outcome.reject(fault);
  }

  handleReadyForQuery(): void {
    this.outcome.resolve();
  }
}
