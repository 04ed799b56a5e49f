import type { Clock } from '@app/core';
import type { ModelVersion, VersionReport } from '@app/model-registry';
import type { ExecutorEnvironment } from './child-process';

/** Every duration of a pool, in milliseconds, and the counts that go with them. */
export interface ExecutorTimings {
  /** A process that did not say hello by then is killed. */
  readonly helloMs: number;
  /** An idle process is asked this often whether it lives. */
  readonly pingEveryMs: number;
  /** It is killed when it has not answered by then. */
  readonly pongMs: number;
  /** One that was not heard of for so long is pinged with its next batch, too; before a load it always is. */
  readonly quietMs: number;
  /** A load with its warm-up that lasts longer is killed. */
  readonly loadMs: number;
  /** How long a process may take to end when it is asked to, before it is killed. */
  readonly endMs: number;
  /** Delays before the first, second, … replacement in a row; the last one repeats. */
  readonly respawnMs: readonly number[];
  /** A process that lived this long was healthy: the delays start from the first again. */
  readonly healthyMs: number;
  /** So many deaths of processes that ran or loaded one version, within `crashWindowMs`, make it unavailable. */
  readonly crashLimit: number;
  readonly crashWindowMs: number;
  /** How long a version that crashes stays unavailable; doubled each time it does so again, up to the longest. */
  readonly crashPauseMs: number;
  readonly crashLongestPauseMs: number;
  /** How long an input that killed two processes is refused unseen. */
  readonly poisonMs: number;
  /** How often the memory of every process is read. */
  readonly memoryEveryMs: number;
  /** A process that ran a batch within this time is warm: other models are loaded elsewhere. */
  readonly trafficMs: number;
}

/** The durations of a pool in production; tests shorten some. */
export const EXECUTOR_TIMINGS: ExecutorTimings = {
  helloMs: 10_000,
  pingEveryMs: 5_000,
  pongMs: 1_000,
  quietMs: 100,
  loadMs: 120_000,
  endMs: 2_000,
  respawnMs: [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000],
  healthyMs: 60_000,
  crashLimit: 3,
  crashWindowMs: 60_000,
  crashPauseMs: 1_000,
  crashLongestPauseMs: 60_000,
  poisonMs: 60_000,
  memoryEveryMs: 1_000,
  trafficMs: 10_000,
};

/** What a pool needs to know. */
export interface ChildProcessExecutorOptions {
  /** Batches that run at once; the pool holds one process more. Default: `cpuQuota()`. */
  readonly concurrency?: number;
  /** The folder that models are read from; executors can read no other. */
  readonly modelDirectory: string;
  /** Where it is remembered which versions opened well, so that a restart need not try them again. Created if missing. */
  readonly probeDirectory: string;
  /** Most versions in memory. Default 10. */
  readonly maxCached?: number;
  /** Most bytes of all models together. Default: 60 % of `memoryLimitBytes()`. */
  readonly memoryBudgetBytes?: number;
  /** A process that holds more is replaced. Default: the budget and 512 MiB. */
  readonly processLimitBytes?: number;
  /**
   * Processes start with the first load or batch, and end when there was none for so many milliseconds; their versions become
   * `known`. Default: they start at once, and stay.
   */
  readonly idleMs?: number;
  /** Variables that executors see. Default none. */
  readonly environment?: ExecutorEnvironment;
  /** The compiled entry. Default: the one that was built with this file. */
  readonly entryPath?: string;
  readonly timings?: Partial<ExecutorTimings>;
  readonly clock?: Clock;
  /** Takes each change of a version's state. Default: nobody is told. */
  readonly report?: (version: ModelVersion, report: VersionReport) => void;
  /** Told of each process that ended unasked, or had to be killed; `doing` is the key of the version that it ran or loaded. */
  readonly onCrash?: (crash: { readonly cause: string; readonly doing: string | undefined }) => void;
  /** Takes lines for the debug log: what processes wrote, and why they were replaced. They may hold paths. */
  readonly log?: (line: string) => void;
}
