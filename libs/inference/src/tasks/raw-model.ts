import {
  type NamedTensors,
  type Tensor,
  type TensorSpec,
  concatRows,
  elementCount,
  mapTensors,
  sliceRows,
  tensorOf,
} from '@app/core';
import { type BatchLayout, batchLayoutOf, checkOutputRows } from './batch-layout';
import { Stopwatch } from './stopwatch';
import type { EngineSession, OpenModel, TaskInput } from './task';

/** A model in an executor that takes and gives its tensors as they are. */
export class RawModel implements OpenModel {
  private readonly layout: BatchLayout;

  constructor(private readonly session: EngineSession) {
    this.layout = batchLayoutOf(session.signature);
  }

  /** Runs the call at once, or row by row where the model takes no more than one. */
  async execute(input: TaskInput): ReturnType<OpenModel['execute']> {
    const watch = new Stopwatch();
    const pieces = this.layout === 'single' && input.splittable ? rowsApart(input) : [input.tensors];
    const results: NamedTensors[] = [];
    for (const piece of pieces) results.push(await watch.measureRun(() => this.session.run(piece, input.outputs)));
    const output = watch.measure('output', () => (pieces.length === 1 ? results[0] : joined(results)));
    return { output, ...watch.times() };
  }

  /** One row of zeros and empty texts, ones for masks; dynamic dimensions are 1. */
  sample(): TaskInput {
    const tensors = Object.fromEntries(this.session.signature.inputs.map((input) => [input.name, sampleOf(input)]));
    return { rows: 1, splittable: false, tensors, parameters: {}, outputs: [] };
  }
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
function sampleOf({ name, dtype, shape }: TensorSpec): Tensor {
  const sizes = shape.map((dimension) => (typeof dimension === 'number' ? dimension : 1));
  const length = elementCount(sizes);
  if (dtype === 'BYTES') return tensorOf(dtype, sizes, new Array<string>(length).fill(''));
  return tensorOf(dtype, sizes, new Array<number>(length).fill(/mask/i.test(name) ? 1 : 0));
}
