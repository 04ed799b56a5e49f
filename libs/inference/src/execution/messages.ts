import type { ErrorCode, ErrorDetail, NamedTensors, Signature, Tensor } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import type { TaskInput } from '../tasks/task';
import { aligned } from './frames';

/** One tensor of a payload: everything but its bytes. */
export interface TensorHead extends Omit<Tensor, 'bytes'> {
  readonly name: string;
  readonly byteLength: number;
}

/** One call of a `run` frame: everything but its tensors' bytes. */
export interface CallHead extends Omit<TaskInput, 'tensors'> {
  readonly tensors: readonly TensorHead[];
}

/** `hello`: sent once by an executor, when it can take work. */
export interface Hello {
  readonly pid: number;
  readonly protocol: number;
  readonly ort: string;
  readonly node: string;
}

/** `load`: open a version under a key. */
export interface LoadQuestion {
  readonly key: string;
  readonly version: ModelVersion;
  /** Whether to find out if its rows may run together. */
  readonly probe: boolean;
}

/** `loaded`, sent twice: when the version is open, and when it has run once (`warm`). */
export interface LoadedAnswer {
  readonly warm: boolean;
  readonly signature: Signature;
  /** What the process holds now, and by how much that grew with the version. */
  readonly rssBytes: number;
  readonly grownBytes: number;
  /** Whether its rows may run together, where that was asked. */
  readonly batching?: BatchVerdict;
  /** Why the warm-up failed, where it did; for the debug log. */
  readonly debug?: string;
}

/** `unload`: release the version of a key. */
export interface UnloadQuestion {
  readonly key: string;
}

/** `unloaded`. */
export interface UnloadedAnswer {
  /** What the process holds now, and by how much that fell. */
  readonly rssBytes: number;
  readonly freedBytes: number;
}

/** `run`: calls of one version; the payload holds the tensors of all of them in order. */
export interface RunQuestion {
  readonly key: string;
  readonly calls: readonly CallHead[];
}

/** `result`: the outputs of each call, in order; the payload holds their tensors. Durations are in milliseconds. */
export interface RunAnswer {
  readonly outputs: readonly (readonly TensorHead[])[];
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

/** `error`: the question failed, the executor lives on. */
export interface ErrorAnswer {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: readonly ErrorDetail[];
  /** What the engine said. For the debug log: it may hold paths and must not reach a caller. */
  readonly debug?: string;
}

/** Splits named tensors into what goes into meta and what goes into the payload. */
export function packTensors(tensors: NamedTensors): { heads: TensorHead[]; parts: Uint8Array[] } {
  const entries = Object.entries(tensors);
  const heads = entries.map(([name, { dtype, shape, bytes }]) => ({
    name,
    dtype,
    shape,
    byteLength: bytes.byteLength,
  }));
  return { heads, parts: entries.map(([, tensor]) => tensor.bytes) };
}

/** Puts named tensors together again, one record per list of heads; their bytes are views into the payload. */
export function unpackTensors(lists: readonly (readonly TensorHead[])[], payload: Uint8Array): NamedTensors[] {
  let offset = 0;
  return lists.map((heads) => {
    const named: Record<string, Tensor> = Object.create(null);
    for (const { name, dtype, shape, byteLength } of heads) {
      named[name] = { dtype, shape, bytes: payload.subarray(offset, offset + byteLength) };
      offset += aligned(byteLength);
    }
    return named;
  });
}

/** The meta and the payload's parts of a `run` frame. */
export function packCalls(calls: readonly TaskInput[]): { heads: CallHead[]; parts: Uint8Array[] } {
  const packed = calls.map((call) => ({ call, ...packTensors(call.tensors) }));
  return {
    heads: packed.map(({ call, heads }) => ({ ...call, tensors: heads })),
    parts: packed.flatMap(({ parts }) => parts),
  };
}

/** The calls of a `run` frame. */
export function unpackCalls(heads: readonly CallHead[], payload: Uint8Array): TaskInput[] {
  const tensors = unpackTensors(
    heads.map((head) => head.tensors),
    payload,
  );
  return heads.map((head, at) => ({ ...head, tensors: tensors[at] }));
}
