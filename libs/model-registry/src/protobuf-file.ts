import type { FileHandle } from 'node:fs/promises';
import { unfit } from './unfit';

/** A stretch of the file: bytes `start` up to, not including, `end`. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

/** One field of a message. Of a nested message, text or bytes the region is the content; `value` is set for varints. */
export interface Field extends Region {
  readonly number: number;
  readonly value: number;
}

const WINDOW_BYTES = 64 * 1024;
/** A key and a length, ten bytes each at most. */
const HEADER_BYTES = 20;
/** No model that can be served has more fields than this; beyond it a file only burns time. */
const MAX_FIELDS = 50_000_000;

/**
 * Walks protobuf messages in a file by seeking, so that weights are passed over unread. Every length is checked against
 * the message that it stands in, so a file that lies about lengths ends in a refusal, never in a large allocation.
 * Wire format: https://protobuf.dev/programming-guides/encoding
 */
export class ProtobufFile {
  private readonly window = Buffer.alloc(WINDOW_BYTES);
  private windowStart = 0;
  private windowEnd = 0;
  private fieldCount = 0;

  constructor(
    private readonly handle: FileHandle,
    readonly sizeBytes: number,
  ) {}

  /** Calls `visit` for each field of the message in `region`, in order, and waits for it where it gives a promise. */
  async fields(region: Region, visit: (field: Field) => Promise<void> | void): Promise<void> {
    let at = region.start;
    while (at < region.end) {
      if (!this.holds(at, Math.min(region.end, at + HEADER_BYTES))) await this.fill(at);
      const field = this.fieldAt(at, region.end);
      at = field.end;
      const pending = visit(field);
      if (pending) await pending;
    }
  }

  /** The field's content as text. Refuses one that is longer than `limitBytes`. */
  async text({ start, end }: Region, limitBytes: number): Promise<string> {
    if (end - start > limitBytes) throw unfit(`a name in the file is longer than ${limitBytes} bytes`);
    if (!this.holds(start, end)) await this.fill(start);
    if (!this.holds(start, end)) throw shrunk();
    return this.window.toString('utf8', start - this.windowStart, end - this.windowStart);
  }

  private holds(start: number, end: number): boolean {
    return start >= this.windowStart && end <= this.windowEnd;
  }

  private async fill(at: number): Promise<void> {
    const { bytesRead } = await this.handle.read(this.window, 0, WINDOW_BYTES, at);
    if (bytesRead < Math.min(HEADER_BYTES, this.sizeBytes - at)) throw shrunk();
    this.windowStart = at;
    this.windowEnd = at + bytesRead;
  }

  private fieldAt(at: number, limit: number): Field {
    if (++this.fieldCount > MAX_FIELDS) throw unfit(`the file has more than ${MAX_FIELDS} fields`);
    const key = this.varintAt(at, limit);
    const number = Math.floor(key.value / 8);
    if (number === 0 || number > 0x1fffffff) throw malformed();
    const next = this.afterKey(key.value % 8, key.end, limit);
    if (next.end > limit) throw this.tooLong(next.end, limit);
    return { number, ...next };
  }

  private afterKey(wireType: number, at: number, limit: number): Region & { readonly value: number } {
    switch (wireType) {
      case 0:
        return { start: at, ...this.varintAt(at, limit) };
      case 1:
        return { start: at, end: at + 8, value: 0 };
      case 2: {
        const length = this.varintAt(at, limit);
        return { start: length.end, end: length.end + length.value, value: 0 };
      }
      case 5:
        return { start: at, end: at + 4, value: 0 };
      default:
        throw malformed();
    }
  }

  /** Exact up to 2^53; larger values, negative ones among them, come out as something beyond it. */
  private varintAt(at: number, limit: number): { readonly value: number; readonly end: number } {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      if (at + index >= limit) throw this.tooLong(at + index + 1, limit);
      const byte = this.window[at + index - this.windowStart] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return { value, end: at + index + 1 };
    }
    throw malformed();
  }

  private tooLong(end: number, limit: number): Error {
    if (limit < this.sizeBytes) return malformed();
    return unfit(`it is cut off, or not an ONNX file: a field says it ends at byte ${end}, the file at ${limit}`);
  }
}

function malformed(): Error {
  return unfit('it is not an ONNX file');
}

function shrunk(): Error {
  return unfit('the file became shorter while it was read');
}
