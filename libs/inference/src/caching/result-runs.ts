import type { CallContext, Clock } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { ModelScheduler, ScheduledCall, ScheduledResult } from '../scheduling/model-scheduler';
import type { TaskOutput } from '../tasks/task';
import type { CacheCounters, CacheStatistics } from './cache-counters';
import { MemoryResults } from './memory-results';
import { decodeOutput, encodeOutput } from './result-codec';
import { inputOfRows, outputsOfRows } from './row-outputs';
import type { SharedResult, SharedResults } from './shared-results';
import { type RunResult, SharedRun } from './shared-run';
import type { Waiter } from './waiter';

/** What results are run and kept with. */
export interface ResultRunsParts {
  readonly scheduler: Pick<ModelScheduler, 'submit'>;
  readonly clock: Clock;
  /** Memory for results, overhead counted; 0 switches the whole cache off. */
  readonly maxBytes: number;
  readonly counters: CacheCounters;
  /** Results that other processes share, behind this one's own. */
  readonly shared?: SharedResults | undefined;
}

/** Which key stands where in a call. */
type Places = ReadonlyMap<string, number>;

/** The results that are kept or under way, by key: what was run is kept here and shared with other processes. */
export class ResultRuns {
  readonly clock: Clock;
  private readonly memory: MemoryResults;
  private readonly underWay = new Map<string, SharedRun>();

  constructor(private readonly parts: ResultRunsParts) {
    this.clock = parts.clock;
    this.memory = new MemoryResults(parts);
  }

  /** The live counters of a version's model. */
  countersOf({ model }: ModelVersion): CacheStatistics {
    return this.parts.counters.of(model);
  }

  /** What is kept in this process. */
  recall(version: ModelVersion, key: string): TaskOutput | undefined {
    const output = this.memory.get(key);
    if (output) this.countersOf(version).hits += 1;
    return output;
  }

  /** The run of a key that is under way, if it can be joined. */
  of(key: string): SharedRun | undefined {
    const run = this.underWay.get(key);
    return run?.isAbandoned ? undefined : run;
  }

  /** Runs the rows of a call that have these keys, for it and, unless it is bulk work, for all who join. */
  lead(call: ScheduledCall, places: Places, leader: Waiter): SharedRun {
    const keys = [...places.keys()];
    const execute = (context: CallContext): Promise<RunResult> => this.run({ ...call, context }, places);
    const run = new SharedRun({ keys, leader, clock: this.clock, execute });
    // Whoever joined a run of bulk work would wait as long as bulk work does.
    if (isBulk(call)) return run;
    for (const key of keys) this.underWay.set(key, run);
    void run.outcome.then(() => {
      for (const key of keys) if (this.underWay.get(key) === run) this.underWay.delete(key);
    });
    return run;
  }

  /** Runs a call without looking for equal ones. */
  past(call: ScheduledCall): Promise<ScheduledResult> {
    return this.parts.scheduler.submit(call);
  }

  /** Lets go of all results, and of what they are shared through; safe to call twice. */
  async close(): Promise<void> {
    this.memory.clear();
    await this.parts.shared?.close();
  }

  private async run(call: ScheduledCall, places: Places): Promise<RunResult> {
    const { version, input } = call;
    const outputs = new Map<string, TaskOutput>();
    if (this.parts.shared) await this.fetch(version, [...places.keys()], outputs);
    const missing = [...places.keys()].filter((key) => !outputs.has(key));
    const ran = new Set(missing);
    if (missing.length === 0) return { outputs, ran, queueMs: 0, computeMs: 0, batchSize: 0 };
    this.countersOf(version).misses += missing.length;
    const rowsToRun = missing.map((key) => places.get(key)!);
    const { output, ...times } = await this.past({ ...call, input: inputOfRows(input, rowsToRun) });
    const rows = input.splittable ? outputsOfRows(output, missing.length) : [output];
    if (!rows) return { outputs: undefined, whole: output, ran, ...times };
    const hasAll = outputs.size === 0;
    missing.forEach((key, index) => outputs.set(key, rows[index]));
    if (!isBulk(call)) this.keep(version, missing, rows);
    return { outputs, ...(hasAll && { whole: output }), ran, ...times };
  }

  /** Adds what other processes have kept; from now on this one keeps it too, no longer than they do. */
  private async fetch(version: ModelVersion, keys: readonly string[], into: Map<string, TaskOutput>): Promise<void> {
    const { model } = version;
    const counters = this.countersOf(version);
    const results = (await this.parts.shared?.read(model, keys)) ?? [];
    keys.forEach((key, index) => {
      const result = results[index];
      const output = result && decodeOutput(result.bytes);
      if (!output) return;
      into.set(key, output);
      counters.hits += 1;
      counters.sharedHits += 1;
      this.memory.set(key, { model, output, sizeBytes: result.bytes.length, ttlMs: result.ttlMs });
    });
  }

  private keep({ model, manifest }: ModelVersion, keys: readonly string[], outputs: readonly TaskOutput[]): void {
    if (manifest.cache === false) return;
    const { ttlMs } = manifest.cache;
    const toShare = new Map<string, SharedResult>();
    keys.forEach((key, index) => {
      // The tensors are views on the frame of a whole batch; a copy keeps its own bytes alone.
      const bytes = encodeOutput(outputs[index]);
      const output = decodeOutput(bytes);
      if (!output) throw new Error('An output cannot be read back.');
      toShare.set(key, { bytes, ttlMs });
      if (this.memory.set(key, { model, output, sizeBytes: bytes.length, ttlMs })) {
        this.parts.counters.of(model).stores += 1;
      }
    });
    this.parts.shared?.write(model, toShare);
  }
}

/** A million rows of a job would push out what online calls ask for again. */
function isBulk({ priority }: ScheduledCall): boolean {
  return priority === 'bulk';
}
