import type { JsonRecord, JsonValue, NamedTensors, Signature } from '@app/core';
import type { BoundRow } from '@app/feature-store';
import type { ModelVersion, TaskName } from '@app/model-registry';

/** A request's input as its door read it: rows of named fields, or whole inputs by name. Nothing in it is checked yet. */
export type PredictInput =
  | { readonly form: 'rows'; readonly rows: readonly JsonRecord[] }
  | {
      readonly form: 'tensors';
      /** Values by input name, nested as their shape or one element; the batch dimension may be left out of all of them. */
      readonly inputs: JsonRecord;
      /** Outputs wanted, in order; absent or empty: all. */
      readonly outputs?: readonly string[];
    };

/** Options of one request; a task refuses those it does not know with unsupported_option. Absent ones take the task's default. */
export interface PredictOptions {
  /** text-classification: how many classes, 1 to 100. Default 5. */
  readonly top_k?: number;
  /** text-classification: 0 to 2. Default 0.7. */
  readonly temperature?: number;
  /** Text tasks: cut a text that is too long (default), or refuse it. */
  readonly truncate?: boolean;
  /** embedding: scale to unit length. Default true. */
  readonly normalize?: boolean;
  /** embedding: cut to this many numbers, where the model allows it. */
  readonly dimensions?: number;
  /** How 64-bit integers are written. */
  readonly int64?: 'auto' | 'string' | 'number';
  /** How NaN and infinities are written. */
  readonly nonfinite?: 'string' | 'null' | 'error';
}

/** What goes to an executor for one call: named tensors, and parameters with every default filled in. */
export interface TaskInput {
  /** Rows along dimension 0 of every tensor; 1 where the model has no batch dimension. */
  readonly rows: number;
  /**
   * Whether rows may be run apart and joined again. False: the call runs as one piece. A model that takes one row at a
   * time needs no more than this: its `OpenModel` runs the rows one after another.
   */
  readonly splittable: boolean;
  readonly tensors: NamedTensors;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** Outputs wanted of a model whose outputs are passed through; empty: all. */
  readonly outputs: readonly string[];
}

/** What an executor gives back for one call: named tensors, `rows` along dimension 0 where the input was splittable. */
export type TaskOutput = NamedTensors;

/** An answer in the form that the request had. */
export type Answer =
  | { readonly form: 'rows'; readonly rows: readonly JsonValue[] }
  | {
      readonly form: 'tensors';
      readonly outputs: Readonly<Record<string, JsonValue>>;
    };

/** How many tokens were read, and how many texts were cut. Text tasks only. */
export interface Usage {
  readonly tokens: number;
  readonly truncated: number;
}

/** A session of the engine as the tasks see it; they never see ONNX Runtime. */
export interface EngineSession {
  readonly signature: Signature;
  /** Runs once. Feeds must match the signature; gives the outputs asked for, or all tensor outputs when empty. */
  run(feeds: NamedTensors, outputs: readonly string[]): Promise<NamedTensors>;
}

/** What calls gave that ran together: an output per call, in order. Durations are in milliseconds. */
export interface Executed {
  readonly outputs: readonly TaskOutput[];
  /** Encoding, such as tokenising. */
  readonly inputMs: number;
  /** The engine's own runs. */
  readonly inferMs: number;
  /** Decoding, such as pooling or softmax. */
  readonly outputMs: number;
}

/** A model version that is open in an executor. */
export interface OpenModel {
  /**
   * Runs calls together, each with its own parameters: encodes, runs the session (as often as the rows need), decodes.
   * Rows of several calls share a run where the model takes more than one. What one call throws, all of them do.
   * Throws invalid_input, context_length_exceeded, inference_failed, non_finite_output.
   */
  execute(calls: readonly TaskInput[]): Promise<Executed>;
  /** A small call, to warm the session up. Made from the shapes alone where the model passes tensors through, so it may fail. */
  sample(): TaskInput;
  /**
   * Pairs of calls of one row that differ and would share a run, the likeliest to be accepted first; none where rows of
   * this model never do.
   */
  pairs(): readonly (readonly [TaskInput, TaskInput])[];
}

/** JSON Schemas (draft 2020-12) of a model's request and answer, in both forms. */
export interface TaskSchema {
  readonly row: JsonValue;
  readonly row_output: JsonValue;
  readonly inputs: JsonValue;
  readonly outputs: JsonValue;
  readonly options: JsonValue;
}

/**
 * What a model does, in two halves. `prepare`, `present`, `usage` and `schema` run where HTTP is served and touch no
 * model; `open` and what it returns run in the executor, beside the session.
 */
export interface Task {
  readonly name: TaskName;
  /** Checks a request against the version and makes it tensors. Throws invalid_input, invalid_request, unsupported_option. */
  prepare(version: ModelVersion, input: PredictInput, options: PredictOptions): TaskInput;
  /** Makes the answer, in the form of the request. Throws non_finite_output, inference_failed (an output lacks rows). */
  present(version: ModelVersion, input: PredictInput, output: TaskOutput, options: PredictOptions): Answer;
  /** Counts tokens, for text tasks. */
  usage(output: TaskOutput): Usage | undefined;
  /**
   * Describes the requests and answers of one version; `bound` is what its rows have where the feature store joins others.
   * Throws model_load_failed where the manifest's columns do not fit.
   */
  schema(version: ModelVersion, bound?: BoundRow): TaskSchema;
  /** Opens a version in an executor: reads its tokenizer, keeps its session. Throws model_load_failed. */
  open(version: ModelVersion, session: EngineSession): Promise<OpenModel>;
}
