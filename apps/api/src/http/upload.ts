import type { IncomingMessage } from 'node:http';
import { type Clock, QuaysideError } from '@app/core';

/** In each time of silence that an upload is waited for, so many bytes must come. */
const LEAST_PROGRESS_BYTES = 1024;

/** How a body is read that may come for hours. */
export interface UploadWatch {
  readonly clock: Clock;
  /** How long the reader waits for progress. Time in which it did not ask for more does not count. */
  readonly silenceMs: number;
  /** Hears how many bytes have arrived so far. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * A body as it arrives, as it was sent; no more is taken from the connection than is asked for. Whoever stops reading leaves
 * the rest where it is. Throws request_timeout when less than 1 KiB arrives in `silenceMs`, and client_closed.
 */
export async function* uploadedBytes(
  request: IncomingMessage,
  { clock, silenceMs, onProgress }: UploadWatch,
): AsyncGenerator<Uint8Array> {
  const arrivals = new Arrivals(request);
  const patience = new Patience(clock, silenceMs);
  let total = 0;
  try {
    for (;;) {
      const piece = await patience.wait((tooLate) => arrivals.next(tooLate));
      if (!piece) return;
      patience.came(piece.length);
      onProgress((total += piece.length));
      yield piece;
    }
  } finally {
    arrivals.leave();
  }
}

/** Takes a request's pieces one by one; between them the request rests. */
class Arrivals {
  private readonly pieces: Uint8Array[] = [];
  private heard: () => void = () => {};

  constructor(private readonly request: IncomingMessage) {
    request.on('data', this.onData).on('end', this.onChange).on('close', this.onChange).on('error', this.onChange);
    request.pause();
  }

  /** The next piece; undefined at the end of the body. Throws client_closed, and what `tooLate` rejects with. */
  async next(tooLate: Promise<never>): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.pieces.shift();
      if (piece || this.request.readableEnded) return piece;
      if (this.request.destroyed)
        throw new QuaysideError('client_closed', 'The client left before its body had arrived.');
      const change = new Promise<void>((resolve) => (this.heard = resolve));
      this.request.resume();
      await Promise.race([change, tooLate]);
    }
  }

  /** Stops listening. What still comes stays where it is. */
  leave(): void {
    const { request, onData, onChange } = this;
    request.off('data', onData).off('end', onChange).off('close', onChange).off('error', onChange).pause();
  }

  private readonly onData = (piece: Uint8Array): void => {
    this.request.pause();
    this.pieces.push(piece);
    this.heard();
  };

  private readonly onChange = (): void => this.heard();
}

/** How long is still waited for progress. */
class Patience {
  private leftMs: number;
  private bytes = 0;

  constructor(
    private readonly clock: Clock,
    private readonly silenceMs: number,
  ) {
    this.leftMs = silenceMs;
  }

  /** Gives `work` a promise that rejects with request_timeout when the time is over. */
  async wait<Result>(work: (tooLate: Promise<never>) => Promise<Result>): Promise<Result> {
    const { promise, reject } = Promise.withResolvers<never>();
    // Nobody may be waiting for it when it comes.
    promise.catch(() => {});
    const timer = this.clock.setTimer(this.leftMs, () => reject(tooSlow(this.silenceMs)));
    const sinceMs = this.clock.monotonicMs();
    try {
      return await work(promise);
    } finally {
      timer.cancel();
      this.leftMs = Math.max(0, this.leftMs - (this.clock.monotonicMs() - sinceMs));
    }
  }

  came(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < LEAST_PROGRESS_BYTES) return;
    this.bytes = 0;
    this.leftMs = this.silenceMs;
  }
}

function tooSlow(silenceMs: number): QuaysideError {
  const message = `Less than ${LEAST_PROGRESS_BYTES} bytes of the body arrived within ${silenceMs} ms.`;
  return new QuaysideError('request_timeout', message);
}
