const FIRST_BYTES = 64 * 1024;

/** Bytes that are appended to, in memory that grows by doubling and is used again after `clear`. */
export class ByteBuffer {
  private memory = Buffer.allocUnsafe(FIRST_BYTES);
  private used = 0;

  get length(): number {
    return this.used;
  }

  append(bytes: Uint8Array): void {
    this.makeRoom(bytes.length);
    this.memory.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** Appends a text as UTF-8. */
  appendText(text: string): void {
    // A UTF-16 unit has at most three bytes.
    this.makeRoom(text.length * 3);
    this.used += this.memory.write(text, this.used, 'utf8');
  }

  /** What was appended, in the buffer's own memory: good until `clear` or the next append. */
  view(): Buffer {
    return this.memory.subarray(0, this.used);
  }

  /** A copy of what was appended; the buffer is empty then. */
  take(): Buffer {
    const taken = Buffer.from(this.view());
    this.clear();
    return taken;
  }

  clear(): void {
    this.used = 0;
  }

  private makeRoom(bytes: number): void {
    const needed = this.used + bytes;
    if (needed <= this.memory.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.memory.length));
    this.memory.copy(larger, 0, 0, this.used);
    this.memory = larger;
  }
}
