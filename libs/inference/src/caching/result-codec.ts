import { DTYPES, type Tensor } from '@app/core';
import type { TaskOutput } from '../tasks/task';

/** First byte of every encoded output; another layout is another number, and what has another number is not read. */
const LAYOUT = 1;
const ALIGNMENT = 8;

/**
 * An output as bytes, copied out of whatever larger buffer its tensors are views on: layout, number of tensors, then for
 * each tensor the length of its name, dtype, rank and length in bytes, its shape and name, and its bytes, aligned to 8.
 * All numbers are 32-bit little-endian.
 */
export function encodeOutput(output: TaskOutput): Uint8Array {
  const tensors = Object.entries(output).map(([name, tensor]) => ({ name: Buffer.from(name), tensor }));
  const bytes = new Uint8Array(sizeOf(tensors));
  const words = new DataView(bytes.buffer);
  words.setUint32(0, LAYOUT, true);
  words.setUint32(4, tensors.length, true);
  let at = 8;
  for (const { name, tensor } of tensors) {
    const head = [name.length, DTYPES.indexOf(tensor.dtype), tensor.shape.length, tensor.bytes.length, ...tensor.shape];
    for (const [index, word] of head.entries()) words.setUint32(at + 4 * index, word, true);
    at += 4 * head.length;
    bytes.set(name, at);
    at = aligned(at + name.length);
    bytes.set(tensor.bytes, at);
    at = aligned(at + tensor.bytes.length);
  }
  return bytes;
}

/** The output of encoded bytes, as views on them; undefined for bytes of another layout, cut or damaged. */
export function decodeOutput(bytes: Uint8Array): TaskOutput | undefined {
  try {
    return new OutputReader(bytes).read();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

class OutputReader {
  private at = 0;
  private readonly words: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): TaskOutput {
    if (this.word() !== LAYOUT) throw new RangeError('another layout');
    const output: Record<string, Tensor> = Object.create(null);
    for (let left = this.word(); left > 0; left--) {
      const [nameLength, dtype, rank, length] = [this.word(), this.word(), this.word(), this.word()];
      const shape = Array.from({ length: Math.min(rank, this.bytes.length) }, () => this.word());
      const name = Buffer.from(this.take(nameLength)).toString('utf8');
      if (DTYPES[dtype] === undefined) throw new RangeError('another dtype');
      output[name] = { dtype: DTYPES[dtype], shape, bytes: this.take(length) };
    }
    if (this.at !== this.bytes.length) throw new RangeError('too long');
    return output;
  }

  private word(): number {
    const word = this.words.getUint32(this.at, true);
    this.at += 4;
    return word;
  }

  /** Ends where the next part begins. */
  private take(length: number): Uint8Array {
    const end = this.at + length;
    if (aligned(end) > this.bytes.length) throw new RangeError('cut');
    const part = this.bytes.subarray(this.at, end);
    this.at = aligned(end);
    return part;
  }
}

interface NamedBytes {
  readonly name: Buffer;
  readonly tensor: Tensor;
}

function sizeOf(tensors: readonly NamedBytes[]): number {
  let size = 8;
  for (const { name, tensor } of tensors) {
    size = aligned(size + 4 * (4 + tensor.shape.length) + name.length);
    size = aligned(size + tensor.bytes.length);
  }
  return size;
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT;
}
