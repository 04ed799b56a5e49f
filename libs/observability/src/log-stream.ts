import { constants, fstatSync, openSync } from 'node:fs';
import { pino } from 'pino';

/** PIPE_BUF: a pipe takes a write of so many bytes whole or not at all, so that no process cuts the lines of another. */
const MAX_WRITE_BYTES = 4096;
const MIN_WRITE_BYTES = 3072;
const FLUSH_EVERY_MS = 1000;
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
const LAST_WRITE_MS = 500;
const STDOUT = 1;

/** Where a log stream writes. */
export interface LogStreamOptions {
  /** An open descriptor; stdout by default. */
  readonly descriptor?: number;
  /** Lines beyond this many unwritten bytes are dropped and counted. */
  readonly maxUnwrittenBytes?: number;
}

/**
 * Lines on their way to a descriptor, written in larger pieces off the caller's path. A reader that stops reading holds
 * up nobody: what does not fit the buffer is dropped and counted, and the count is told once lines flow again.
 */
export class LogStream {
  private readonly stream: ReturnType<typeof pino.destination>;
  private dropped = 0;
  private told = 0;
  private giveUpAtMs = Infinity;

  constructor({ descriptor = STDOUT, maxUnwrittenBytes = MAX_UNWRITTEN_BYTES }: LogStreamOptions = {}) {
    this.stream = pino.destination({
      fd: withoutBlocking(descriptor),
      sync: false,
      minLength: MIN_WRITE_BYTES,
      maxWrite: MAX_WRITE_BYTES,
      maxLength: maxUnwrittenBytes,
      periodicFlush: FLUSH_EVERY_MS,
      retryEAGAIN: () => performance.now() < this.giveUpAtMs,
    });
    this.stream.on('drop', () => (this.dropped += 1));
    // A broken descriptor must not end a server that can still answer.
    this.stream.on('error', () => (this.dropped += 1));
    // pino flushes once more when the process exits, and must not wait for a reader either.
    const writeRest = this.stream.flushSync.bind(this.stream);
    this.stream.flushSync = () => this.writeOnce(writeRest);
  }

  /** Lines that were dropped since the start. */
  get droppedLines(): number {
    return this.dropped;
  }

  /** Calls `tell` with the number of lines that were dropped, each time that lines flow again. */
  whenResumed(tell: (droppedLines: number) => void): void {
    this.stream.on('drain', () => {
      const news = this.dropped - this.told;
      this.told = this.dropped;
      if (news > 0) tell(news);
    });
  }

  /** Takes a line; never waits, never throws. */
  write(line: string): void {
    this.stream.write(line);
  }

  /** Resolves when all lines are written, or when `withinMs` have passed. */
  flush(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.stream.flush(() => resolve());
    return promise.finally(() => clearTimeout(timer));
  }

  /** Writes what it can before the process ends, without waiting long for a reader. */
  flushSync(): void {
    this.stream.flushSync();
  }

  private writeOnce(writeRest: () => void): void {
    this.giveUpAtMs = performance.now() + LAST_WRITE_MS;
    try {
      writeRest();
    } catch {
      // Nobody reads: there is no one left to tell.
    } finally {
      this.giveUpAtMs = Infinity;
    }
  }
}

/**
 * A pipe that nobody reads would block the thread that writes, and with it the end of the process. The pipe is opened
 * anew, as the mode belongs to the opened pipe, which the shell and other processes share.
 */
function withoutBlocking(descriptor: number): number {
  if (!fstatSync(descriptor).isFIFO()) return descriptor;
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return descriptor;
  }
}
