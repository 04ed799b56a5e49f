import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { BlobRange } from './blob-store';
import { storageFault } from './storage-fault';

const READ_BYTES = 64 * 1024;

/** The content of an open file, or a part of it. Owns the file: it is closed with the stream. Faults are storage_unavailable. */
export class FileContent extends Readable {
  private at: number;
  private readonly end: number;

  constructor(
    private readonly file: FileHandle,
    { start, end = Infinity }: BlobRange = { start: 0 },
  ) {
    super({ highWaterMark: READ_BYTES });
    this.at = start;
    this.end = end;
  }

  /** @internal Called by the stream. */
  override _read(): void {
    this.readOn().then(
      (bytes) => this.push(bytes),
      (cause: unknown) => this.destroy(storageFault(cause)),
    );
  }

  /** @internal Called by the stream, once. */
  override _destroy(fault: Error | null, done: (fault?: Error | null) => void): void {
    this.file.close().then(
      () => done(fault),
      (cause: unknown) => done(fault ?? storageFault(cause)),
    );
  }

  private async readOn(): Promise<Buffer | null> {
    const length = Math.min(READ_BYTES, this.end - this.at);
    if (length <= 0) return null;
    const { bytesRead, buffer } = await this.file.read(Buffer.allocUnsafe(length), 0, length, this.at);
    this.at += bytesRead;
    return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
  }
}
