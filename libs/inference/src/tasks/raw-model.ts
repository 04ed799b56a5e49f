import {
  type NamedTensors,
  type Tensor,
  type TensorSpec,
  concatRows,
  elementCount,
  isFloat,
  mapTensors,
  sliceRows,
  tensorOf,
} from '@app/core';
import { type BatchLayout, batchLayoutOf, checkOutputRows } from './batch-layout';
import { Stopwatch } from './stopwatch';
import type { EngineSession, Executed, OpenModel, TaskInput, TaskOutput } from './task';

/** A model in an executor that takes and gives its tensors as they are. */
export class RawModel implements OpenModel {
  private readonly layout: BatchLayout;

  constructor(private readonly session: EngineSession) {
    this.layout = batchLayoutOf(session.signature);
  }

  /** Runs calls of like shape at once, others one after another; row by row where the model takes no more than one. */
  async execute(calls: readonly TaskInput[]): Promise<Executed> {
    const watch = new Stopwatch();
    if (this.layout === 'stacked' && calls.length > 1 && calls.every((call) => isAlike(call, calls[0]))) {
      return { outputs: await this.runTogether(calls, watch), ...watch.times() };
    }
    const outputs: TaskOutput[] = [];
    for (const call of calls) outputs.push(await this.runOne(call, watch));
    return { outputs, ...watch.times() };
  }

  private async runTogether(calls: readonly TaskInput[], watch: Stopwatch): Promise<readonly TaskOutput[]> {
    const stacked = watch.measure('input', () =>
      mapTensors(calls[0].tensors, (_, name) => concatRows(calls.map(({ tensors }) => tensors[name]))),
    );
    const output = await watch.measureRun(() => this.session.run(stacked, calls[0].outputs));
    return watch.measure('output', () => rowsOfCalls(output, calls));
  }

  private async runOne(input: TaskInput, watch: Stopwatch): Promise<TaskOutput> {
    const pieces = this.layout === 'single' && input.splittable ? rowsApart(input) : [input.tensors];
    const results: NamedTensors[] = [];
    for (const piece of pieces) results.push(await watch.measureRun(() => this.session.run(piece, input.outputs)));
    return watch.measure('output', () => (pieces.length === 1 ? results[0] : joined(results)));
  }

  /** One row of zeros and empty texts, ones for masks; dynamic dimensions are 1. */
  sample(): TaskInput {
    return this.callOf((input) => sampleOf(input, 1));
  }

  /** Rows of seeded numbers, in a few sizes of the dynamic dimensions. */
  pairs(): ReturnType<OpenModel['pairs']> {
    if (this.layout !== 'stacked') return [];
    return PAIR_SIZES.map((size) => [
      this.callOf((input) => variedOf(input, { size, seed: 0 })),
      this.callOf((input) => variedOf(input, { size, seed: 1 })),
    ]);
  }

  private callOf(make: (input: TensorSpec) => Tensor): TaskInput {
    const tensors = Object.fromEntries(this.session.signature.inputs.map((input) => [input.name, make(input)]));
    return { rows: 1, splittable: false, tensors, parameters: {}, outputs: [] };
  }
}

/** Sizes of dynamic dimensions that are tried in turn to find rows that the model takes. */
const PAIR_SIZES = [1, 4, 32];

/** Whether rows of the two calls can be stacked: equal names, types, shapes of a row, and outputs wanted. */
function isAlike(call: TaskInput, other: TaskInput): boolean {
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean =>
    a.length === b.length && a.every((value, index) => value === b[index]);
  if (!same(call.outputs, other.outputs) || !same(Object.keys(call.tensors), Object.keys(other.tensors))) return false;
  return Object.entries(call.tensors).every(([name, { dtype, shape }]) => {
    const like = other.tensors[name];
    return dtype === like.dtype && same(shape.slice(1), like.shape.slice(1));
  });
}

/** Each call's own rows of what all of them gave together. */
function rowsOfCalls(output: NamedTensors, calls: readonly TaskInput[]): readonly TaskOutput[] {
  const total = calls.reduce((sum, { rows }) => sum + rows, 0);
  for (const [name, tensor] of Object.entries(output)) checkOutputRows(name, tensor, total);
  let from = 0;
  return calls.map(({ rows }) => {
    const start = from;
    from += rows;
    return mapTensors(output, (tensor) => sliceRows(tensor, start, rows));
  });
}

function rowsApart({ rows, tensors }: TaskInput): readonly NamedTensors[] {
  return Array.from({ length: rows }, (_, row) => mapTensors(tensors, (tensor) => sliceRows(tensor, row, 1)));
}

function joined(results: readonly NamedTensors[]): NamedTensors {
  return mapTensors(results[0], (_, name) => {
    results.forEach((result) => checkOutputRows(name, result[name], 1));
    return concatRows(results.map((result) => result[name]));
  });
}

/** Zero is a valid index, count and category of nearly every model; a mask of zeros would hide all there is. */
function sampleOf({ name, dtype, shape }: TensorSpec, size: number): Tensor {
  const sizes = shape.map((dimension, index) => (typeof dimension === 'number' ? dimension : index === 0 ? 1 : size));
  const length = elementCount(sizes);
  if (dtype === 'BYTES') return tensorOf(dtype, sizes, new Array<string>(length).fill(''));
  return tensorOf(dtype, sizes, new Array<number>(length).fill(/mask/i.test(name) ? 1 : 0));
}

/** As a sample, but numbers with a fraction differ from each other, and others between the two seeds. */
function variedOf(input: TensorSpec, { size, seed }: { readonly size: number; readonly seed: 0 | 1 }): Tensor {
  const sample = sampleOf(input, size);
  const { dtype, shape } = sample;
  const length = elementCount(shape);
  if (/mask/i.test(input.name)) return sample;
  if (dtype === 'BYTES') return tensorOf(dtype, shape, new Array<string>(length).fill(seed === 0 ? '' : 'a'));
  const numberAt = (at: number): number => (isFloat(dtype) ? Math.sin(1 + at * 1.7 + seed * 2.3) : seed);
  return tensorOf(
    dtype,
    shape,
    Array.from({ length }, (_, at) => numberAt(at)),
  );
}
