import type { Dtype } from '@app/core';
import type { TaskName } from './task-name';

/** Which versions of a model are served: the newest `latest`, all, or those named. */
export type VersionPolicy = { readonly latest: number } | 'all' | { readonly specific: readonly string[] };

/** How a request's JSON becomes elements of one input; see `docs/numbers.md`. */
export interface InputOptions {
  /** Take 0 and 1 for BOOL. */
  readonly coerce?: boolean;
  /** Take null as NaN in floats. */
  readonly nullAsNan?: boolean;
  /** What to do with NaN and infinities. */
  readonly onNonFinite?: 'accept' | 'reject';
}

/** One column of a tabular model, by the name that requests use. */
export interface ColumnSettings extends InputOptions {
  readonly name: string;
  /** What an absent column becomes; a JSON scalar. */
  readonly default?: string | number | boolean;
  /** Where the value comes from, as the feature store reads it; absent: `request.<name>`. */
  readonly from?: string;
  /** Set where a request may give the value itself, which then is not looked up or computed. */
  readonly override?: 'request';
  /** What a request's value is read as before it is cast to what the model takes; absent: as the source has it. */
  readonly dtype?: Dtype | 'STRING' | 'TIMESTAMP';
  /** Casts allowed beside those that lose nothing: `exact` for floats that are whole, `round` for large integers. */
  readonly cast?: 'exact' | 'round';
  /** What to do about a feature that is not there; absent: as its view says. */
  readonly onMissing?: 'default' | 'error' | 'nan';
  /** What to do about a feature that is too old; absent: as its view says. */
  readonly onStale?: 'missing' | 'default' | 'serve' | 'error';
  /** What to do about a feature that could not be read in time; absent: as its view says. */
  readonly onTimeout?: 'error' | 'defaults';
}

/** How much of a prediction its log keeps, from all of it to nothing but what it cost. */
export type LogPayload = 'full' | 'features' | 'outputs' | 'none';

/** What becomes of one field before it is logged; `truncate` keeps its first so many characters. */
export type FieldRule = 'keep' | 'drop' | 'mask' | 'hash' | { readonly truncate: number };

/** What the prediction log keeps of a model. */
export interface LogSettings {
  readonly payload: LogPayload;
  /** Share of the predictions that is logged, 0 to 1. Failed, degraded and non-finite ones always are. */
  readonly samplingRate: number;
  /** The field by whose value it is decided which are logged; absent: each by itself. */
  readonly samplingKey?: string;
  /** By name of a field of the input or the output, at whatever depth; others are kept. */
  readonly fields: Readonly<Record<string, FieldRule>>;
}

/** `model.yaml` after merging the model's and the version's file, with every default filled in. */
export interface Manifest {
  /** Absent: decided from the files. */
  readonly task?: TaskName;
  readonly description?: string;
  readonly versions: VersionPolicy;
  /** Version by label. */
  readonly labels: Readonly<Record<string, string>>;
  readonly pinned: boolean;
  readonly batching: {
    /** Whether rows of several requests may run together, where that changes no answer. */
    readonly mode: 'auto' | 'off';
    /** Most rows of one run; `auto` finds the number that is fastest. */
    readonly maxRows: number | 'auto';
    /** Most tokens of one run: its rows times its longest row, as estimated. Text models only. */
    readonly maxTokens: number;
    /** How long an incomplete batch may be held back while a process is idle, in milliseconds. */
    readonly delayMs: number;
    /** How far an answer may be from the one that it would be alone (relative over 1). */
    readonly tolerance: number;
  };
  readonly execution: {
    /** Threads of one run. */
    readonly threads: number;
    /** Copies of the weights, at most one per process of the pool; `auto` adds one when work waits and a process is idle. */
    readonly instances: number | 'auto';
    readonly hardTimeoutMs: number;
  };
  /** How long results are kept; false: neither read nor kept. */
  readonly cache: { readonly ttlMs: number } | false;
  /** Deadline of a request in milliseconds, when shorter than the server's. */
  readonly deadlineMs?: number;
  readonly text: {
    readonly maxTokens?: number;
    /** How an embedding comes from token vectors; `none` when the model pools itself. */
    readonly pooling: 'mean' | 'cls' | 'none';
    /** Lengths that an embedding may be cut to; empty: none. */
    readonly dimensions: readonly number[];
    readonly classes?: readonly string[];
    readonly multiLabel?: boolean;
    /** Whether the classifier's output is already probabilities. */
    readonly probabilities: boolean;
  };
  /** The request's field by entity: what stored features are looked up by. */
  readonly entities: Readonly<Record<string, string>>;
  readonly tabular: {
    /** Columns in order; absent: the inputs' names in order. */
    readonly columns?: readonly ColumnSettings[];
    /** Class names by index; from the manifest, else from `classes` in the ONNX file's metadata. */
    readonly classes?: readonly string[];
  };
  /** By input name; for models whose inputs are tensors. */
  readonly inputs: Readonly<Record<string, InputOptions>>;
  readonly log: LogSettings;
  /** SHA-256 in hex by file; where given it must match. */
  readonly sha256: Readonly<Record<string, string>>;
}
