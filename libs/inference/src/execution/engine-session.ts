import { type Dtype, type NamedTensors, QuaysideError, type Signature, type Tensor, type TensorSpec } from '@app/core';
import type { EngineSession } from '../tasks/task';
import { runError } from './native-errors';

/** What ONNX Runtime says of one input or output; `type` and `shape` only where it is a tensor. */
export interface NativeValueInfo {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/** Elements as ONNX Runtime takes and gives them: a typed array, or texts. */
export type NativeData = ArrayBufferView | readonly string[];

/** A value as ONNX Runtime takes it: a plain object, since its own Tensor class breaks float16 (onnxruntime#32323). */
export interface NativeValue {
  readonly type: string;
  readonly dims: readonly number[];
  readonly location: 'cpu';
  readonly data: NativeData;
}

/** The part of an ONNX Runtime session that is used here, so that nothing but the entry imports the engine. */
export interface NativeSession {
  readonly inputMetadata: readonly NativeValueInfo[];
  readonly outputMetadata: readonly NativeValueInfo[];
  run(
    feeds: Readonly<Record<string, NativeValue>>,
    fetches: readonly string[],
  ): Promise<Readonly<Record<string, Pick<NativeValue, 'type' | 'dims' | 'data'>>>>;
}

type TypedArray = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView;

/** By ONNX Runtime's name: ours, and how a feed is viewed; float16 goes in as its bits. Bfloat16 has no name there. */
const NATIVE_TYPES: Readonly<Record<string, { dtype: Dtype; width: number; view: TypedArray }>> = {
  bool: { dtype: 'BOOL', width: 1, view: Uint8Array },
  int8: { dtype: 'INT8', width: 1, view: Int8Array },
  int16: { dtype: 'INT16', width: 2, view: Int16Array },
  int32: { dtype: 'INT32', width: 4, view: Int32Array },
  int64: { dtype: 'INT64', width: 8, view: BigInt64Array },
  uint8: { dtype: 'UINT8', width: 1, view: Uint8Array },
  uint16: { dtype: 'UINT16', width: 2, view: Uint16Array },
  uint32: { dtype: 'UINT32', width: 4, view: Uint32Array },
  uint64: { dtype: 'UINT64', width: 8, view: BigUint64Array },
  float16: { dtype: 'FP16', width: 2, view: Uint16Array },
  float32: { dtype: 'FP32', width: 4, view: Float32Array },
  float64: { dtype: 'FP64', width: 8, view: Float64Array },
  string: { dtype: 'BYTES', width: 0, view: Uint8Array },
};

const NATIVE_NAMES = new Map(Object.entries(NATIVE_TYPES).map(([name, { dtype }]) => [dtype, name]));

/** The signature of a session: its inputs, and those of its outputs that are tensors. Throws model_load_failed. */
export function signatureOf(session: NativeSession): Signature {
  const outputs = session.outputMetadata.filter((info) => info.isTensor).map(specOf);
  if (outputs.length === 0) throw new QuaysideError('model_load_failed', 'The model has no output that is a tensor.');
  return { inputs: session.inputMetadata.map(specOf), outputs };
}

function specOf({ name, isTensor, type = '', shape = [] }: NativeValueInfo): TensorSpec {
  const known = NATIVE_TYPES[type];
  if (isTensor && known) return { name, dtype: known.dtype, shape };
  throw new QuaysideError('model_load_failed', `"${name}" has an element type that requests cannot carry.`);
}

/**
 * A session of ONNX Runtime as the tasks see it. Sequence and map outputs are never fetched, since that fails
 * (onnxruntime#8007), so the list of outputs is always given. Throws invalid_input, inference_failed.
 */
export class OnnxEngineSession implements EngineSession {
  readonly signature: Signature;

  constructor(private readonly session: NativeSession) {
    this.signature = signatureOf(session);
  }

  async run(feeds: NamedTensors, outputs: readonly string[]): Promise<NamedTensors> {
    const natives = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toNative(tensor)]));
    const fetches = outputs.length > 0 ? outputs : this.signature.outputs.map((output) => output.name);
    try {
      const results = await this.session.run(natives, fetches);
      return toTensors(results, fetches);
    } catch (error) {
      throw runError(error);
    }
  }
}

function toTensors(results: Awaited<ReturnType<NativeSession['run']>>, names: readonly string[]): NamedTensors {
  const tensors: Record<string, Tensor> = Object.create(null);
  for (const name of names) tensors[name] = fromNative(results[name]);
  return tensors;
}

/** A tensor as the engine takes it: a view where the bytes are aligned. Throws invalid_input for BF16. */
export function toNative({ dtype, shape, bytes }: Tensor): NativeValue {
  const type = NATIVE_NAMES.get(dtype);
  if (type === undefined) throw new QuaysideError('invalid_input', `The engine does not take ${dtype} as an input.`);
  const data = dtype === 'BYTES' ? decodeTexts(bytes) : viewOf(bytes, NATIVE_TYPES[type]);
  return { type, dims: shape, location: 'cpu', data };
}

/** What the engine gave, as a tensor; numbers are not copied. */
export function fromNative({ type, dims, data }: Pick<NativeValue, 'type' | 'dims' | 'data'>): Tensor {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : encodeTexts(data);
  return { dtype: NATIVE_TYPES[type].dtype, shape: [...dims], bytes };
}

function viewOf(bytes: Uint8Array, { width, view }: { width: number; view: TypedArray }): ArrayBufferView {
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return new view(aligned.buffer, aligned.byteOffset, aligned.byteLength / width);
}

function decodeTexts(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < buffer.byteLength;) {
    const end = at + 4 + buffer.readUInt32LE(at);
    texts.push(buffer.toString('utf8', at + 4, end));
    at = end;
  }
  return texts;
}

function encodeTexts(texts: readonly string[]): Uint8Array {
  const parts = texts.flatMap((text) => {
    const utf8 = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(utf8.byteLength);
    return [length, utf8];
  });
  return Buffer.concat(parts);
}
