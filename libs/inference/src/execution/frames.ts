/**
 * The wire between a pool and its executors: frames over a stream socket.
 *
 *     offset  0  magic           4 bytes  "QSX\0"
 *             4  protocol        u8       the two ends must agree on it
 *             5  type            u8       index into FRAME_TYPES
 *             6  reserved        u16      0
 *             8  id              u32      pairs an answer with its question
 *            12  meta length     u32      bytes of JSON, UTF-8
 *            16  payload length  u64      bytes of tensors
 *            24  meta, then payload
 *
 * Integers are little-endian. The payload is the concatenation of tensors, each padded to a multiple of 8 bytes: it is
 * read into a buffer of its own, so every tensor in it can be viewed as any typed array without a copy.
 */
export const FRAME_TYPES = [
  'hello',
  'load',
  'loaded',
  'unload',
  'unloaded',
  'run',
  'result',
  'error',
  'ping',
  'pong',
] as const;

/** What a frame says. `load`, `unload`, `run` and `ping` are questions of the pool, the others are an executor's. */
export type FrameType = (typeof FRAME_TYPES)[number];

/** Version of the wire format; an executor that speaks another one is not used. */
export const PROTOCOL = 1;

/** Most bytes of one frame, meta and payload together. */
export const FRAME_LIMIT_BYTES = 256 * 1024 * 1024;

const MAGIC = 0x00585351;
const HEADER_BYTES = 24;
const ALIGNMENT = 8;
const PADDING = new Uint8Array(ALIGNMENT);

/** A frame as it was received. `payload` starts at offset 0 of a buffer that nothing else uses. */
export interface Frame {
  readonly type: FrameType;
  readonly id: number;
  readonly meta: unknown;
  readonly payload: Uint8Array;
}

/** A frame to be sent: JSON, and the tensors' bytes in the order in which `meta` lists them. */
export interface FrameToSend {
  readonly type: FrameType;
  readonly id: number;
  readonly meta: object;
  readonly parts?: readonly Uint8Array[];
}

/** The stream is not what it should be: it cannot be read any further. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Bytes that `length` bytes take in a payload. */
export function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Bytes of the frame's meta and payload together. */
function sizeOf(meta: Uint8Array, parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + aligned(part.byteLength), meta.byteLength);
}

/** The frame as chunks to be written one after the other; tensors are not copied. Throws FrameError beyond the limit. */
export function encodeFrame({ type, id, meta, parts = [] }: FrameToSend): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(meta));
  const size = sizeOf(json, parts);
  if (size > FRAME_LIMIT_BYTES) throw new FrameError(`A frame of ${size} bytes is over the limit.`);
  const head = Buffer.allocUnsafe(HEADER_BYTES + json.byteLength);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt8(PROTOCOL, 4);
  head.writeUInt8(FRAME_TYPES.indexOf(type), 5);
  head.writeUInt16LE(0, 6);
  head.writeUInt32LE(id, 8);
  head.writeUInt32LE(json.byteLength, 12);
  head.writeBigUInt64LE(BigInt(size - json.byteLength), 16);
  json.copy(head, HEADER_BYTES);
  return [head, ...parts.flatMap(padded)];
}

function padded(part: Uint8Array): Uint8Array[] {
  const padding = aligned(part.byteLength) - part.byteLength;
  return padding === 0 ? [part] : [part, PADDING.subarray(0, padding)];
}

/** A part of a frame that is being filled. */
interface Filling {
  readonly bytes: Uint8Array;
  filled: number;
}

/**
 * Makes frames of a byte stream, however it is cut. It copies each byte once, into a buffer that has its final size.
 * After a FrameError it must not be used again.
 */
export class FrameReader {
  private header: Filling = filling(HEADER_BYTES);
  private body: { type: FrameType; id: number; meta: Filling; payload: Filling } | undefined;

  /** Takes the next bytes and gives the frames that they complete. Throws FrameError. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    for (;;) {
      rest = this.take(rest);
      const frame = this.complete();
      if (frame) frames.push(frame);
      else if (rest.byteLength === 0) return frames;
    }
  }

  /** Fills what is open; a header that becomes full opens its body. */
  private take(chunk: Uint8Array): Uint8Array {
    let rest = chunk;
    if (!this.body) {
      rest = fill(this.header, rest);
      if (!isFull(this.header)) return rest;
      this.body = readHeader(this.header.bytes);
    }
    return fill(this.body.payload, fill(this.body.meta, rest));
  }

  private complete(): Frame | undefined {
    const { body } = this;
    if (!body || !isFull(body.meta) || !isFull(body.payload)) return undefined;
    this.header = filling(HEADER_BYTES);
    this.body = undefined;
    return { type: body.type, id: body.id, meta: parseMeta(body.meta.bytes), payload: body.payload.bytes };
  }
}

function readHeader(bytes: Uint8Array): { type: FrameType; id: number; meta: Filling; payload: Filling } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError('The stream does not hold a frame where one must begin.');
  if (view.getUint8(4) !== PROTOCOL) throw new FrameError(`The other end speaks protocol ${view.getUint8(4)}.`);
  const type = FRAME_TYPES[view.getUint8(5)];
  if (!type || view.getUint16(6, true) !== 0) throw new FrameError('The frame is of an unknown type.');
  const metaLength = view.getUint32(12, true);
  const payloadLength = view.getBigUint64(16, true);
  if (BigInt(metaLength) + payloadLength > FRAME_LIMIT_BYTES) throw new FrameError('The frame is over the limit.');
  return { type, id: view.getUint32(8, true), meta: filling(metaLength), payload: filling(Number(payloadLength)) };
}

function parseMeta(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    throw new FrameError('The frame does not hold valid JSON.');
  }
}

/** Not zeroed and not from a shared pool; as a Uint8Array, since `slice` of a Buffer does not copy. */
function filling(length: number): Filling {
  return { bytes: new Uint8Array(Buffer.allocUnsafeSlow(length).buffer), filled: 0 };
}

function isFull({ bytes, filled }: Filling): boolean {
  return filled === bytes.byteLength;
}

/** Copies as much as fits and gives the rest. */
function fill(target: Filling, chunk: Uint8Array): Uint8Array {
  const count = Math.min(chunk.byteLength, target.bytes.byteLength - target.filled);
  if (count === 0) return chunk;
  target.bytes.set(chunk.subarray(0, count), target.filled);
  target.filled += count;
  return chunk.subarray(count);
}
