import { QuaysideError, isQuaysideError } from '@app/core';

/**
 * The bytes of an input as they arrive. They end with a fault as soon as somebody says so, even while nothing arrives; what
 * their source throws means that the client is gone, unless it is an error of the catalogue. A source that falls silent is the
 * source's to end.
 */
export class ArrivingInput implements AsyncIterable<Uint8Array> {
  private fault: unknown;
  private interrupt: (fault: unknown) => void = () => {};

  constructor(
    private readonly bytes: AsyncIterable<Uint8Array>,
    private readonly signal: AbortSignal,
  ) {}

  /** Whoever reads gets this fault instead of the next bytes. */
  end(fault: unknown): void {
    this.fault ??= fault;
    this.interrupt(this.fault);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { signal } = this;
    const leave = (): void => this.end(clientClosed(signal.reason));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
    const source = this.bytes[Symbol.asyncIterator]();
    try {
      for (let next = await this.next(source); !next.done; next = await this.next(source)) yield next.value;
    } finally {
      signal.removeEventListener('abort', leave);
      // Not waited for: where nothing arrives, a source may end only with its connection.
      source.return?.().catch(() => {});
    }
  }

  /** No race with a promise that lives as long as the input: that one would remember every piece. */
  private next(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      if (this.fault !== undefined) return reject(this.fault);
      this.interrupt = reject;
      source.next().then(resolve, (fault: unknown) => reject(isQuaysideError(fault) ? fault : clientClosed(fault)));
    });
  }
}

function clientClosed(cause: unknown): QuaysideError {
  return new QuaysideError('client_closed', 'The client left before all of the input had arrived.', { cause });
}
