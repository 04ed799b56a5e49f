import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedTensors, Tensor } from '@app/core';
import {
  type Batch,
  type BatchResult,
  ChildProcessExecutor,
  type ChildProcessExecutorOptions,
  type SlotStatus,
  type TaskInput,
} from '@app/inference';
import type { ModelVersion, VersionReport } from '@app/model-registry';
import { type TinyModel, type VersionChanges, opened, temporaryDirectory, versionIn, writeModel } from '@app/testing';

/** The compiled entry: executors cannot be started from TypeScript. `npm test` builds it first. */
export const ENTRY = join(__dirname, '../../dist/libs/inference/src/execution/executor-entry.js');

/** A pool of real processes with a models folder of its own. Close it in the test that made it. */
export class PoolHarness implements AsyncDisposable {
  readonly reports: { readonly model: string; readonly report: VersionReport }[] = [];
  readonly lines: string[] = [];
  readonly executor: ChildProcessExecutor;
  private readonly closed: () => void;

  private constructor(
    readonly directory: string,
    options: Partial<ChildProcessExecutorOptions>,
  ) {
    this.closed = opened('executor pool');
    this.executor = new ChildProcessExecutor({
      concurrency: 1,
      modelDirectory: join(directory, 'models'),
      probeDirectory: join(directory, 'probes'),
      entryPath: ENTRY,
      report: ({ model }, report) => this.reports.push({ model, report }),
      log: (line) => this.lines.push(line),
      ...options,
    });
  }

  /** Starts one. Default: one batch at a time, so two processes. */
  static async start(options: Partial<ChildProcessExecutorOptions> = {}): Promise<PoolHarness> {
    return new PoolHarness(await temporaryDirectory(), options);
  }

  /** Writes a model, and gives the version that it makes. */
  async write(
    name: string,
    model: TinyModel,
    changes: VersionChanges & { version?: string } = {},
  ): Promise<ModelVersion> {
    const directory = join(this.directory, 'models');
    return versionIn(await writeModel(directory, { name, version: changes.version ?? '1', model }), changes);
  }

  /** Writes any bytes as a model. */
  async writeBytes(name: string, bytes: Uint8Array): Promise<ModelVersion> {
    const directory = join(this.directory, 'models', name, '1');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'model.onnx'), bytes);
    return versionIn(directory);
  }

  /** Runs one call. */
  run(version: ModelVersion, tensors: NamedTensors, more: Partial<Batch> = {}): Promise<BatchResult> {
    return this.executor.run(batchOf(version, [callOf(tensors)], more));
  }

  /** The processes that are busy, loading or otherwise in a state. */
  slotsIn(state: SlotStatus['state']): readonly SlotStatus[] {
    return this.executor.status().slots.filter((slot) => slot.state === state);
  }

  /** How often a version of the model was reported to be in a state. */
  countOf(model: string, state: string): number {
    return this.reports.filter(
      ({ model: name, report }) => name === model && 'state' in report && report.state === state,
    ).length;
  }

  async close(): Promise<void> {
    await this.executor.close();
    this.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A call of a model whose tensors are passed through. */
export function callOf(tensors: NamedTensors): TaskInput {
  const rows = Object.values(tensors)[0]?.shape[0] ?? 1;
  return { rows, splittable: false, tensors, parameters: {}, outputs: [] };
}

/** A batch that nobody aborts, if nothing else is said. */
export function batchOf(version: ModelVersion, calls: readonly TaskInput[], more: Partial<Batch> = {}): Batch {
  return { version, calls, signal: new AbortController().signal, traceparent: '', ...more };
}

/** FP32 `[rows, columns]`. */
export function floats(values: readonly number[], columns = values.length): Tensor {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { dtype: 'FP32', shape: [values.length / columns, columns], bytes };
}

/** INT64 `[1, 1]`. */
export function integer(value: number): Tensor {
  return { dtype: 'INT64', shape: [1, 1], bytes: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer) };
}

/** The numbers of an FP32 tensor. */
export function numbersOf(tensor: Tensor | undefined): readonly number[] {
  const bytes = tensor!.bytes.slice();
  return [...new Float32Array(bytes.buffer, 0, bytes.byteLength / 4)];
}

/** The number of an INT64 tensor of one element. */
export function integerOf(tensor: Tensor | undefined): number {
  return Number(new BigInt64Array(tensor!.bytes.slice().buffer)[0]);
}

/** Whether a process is there; a dead one that its parent has not yet seen is not. */
export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Signals the only process that is busy, as soon as there is one. */
export function signalBusy(harness: PoolHarness, signal: NodeJS.Signals): number {
  const pid = harness.slotsIn('busy')[0]?.pid;
  if (pid === undefined) throw new Error('No process is busy.');
  process.kill(pid, signal);
  return pid;
}
