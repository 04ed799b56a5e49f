import { type CallContext, Clock, QuaysideError, isQuaysideError, parseModelReference } from '@app/core';
import { FeatureStore, refuseTensors } from '@app/feature-store';
import { ModelRegistry, type ModelVersion, type TaskName, versionKey } from '@app/model-registry';
import { Injectable } from '@nestjs/common';
import { ResultCache } from './caching/result-cache';
import { InFlight } from './in-flight';
import type { PredictCall, Prediction } from './predict-call';
import { PredictionSink } from './prediction-sink';
import { PredictionTrail } from './prediction-trail';
import { ModelScheduler } from './scheduling/model-scheduler';
import { withinDeadline } from './scheduling/within-deadline';
import { checkRowCount } from './tasks/refusals';
import type { PredictInput, TaskSchema } from './tasks/task';
import { taskOf } from './tasks/tasks';

/** What a caller is asked to wait for a version that is still loading. */
const LOADING_RETRY_MS = 1000;

/** What a version takes and gives. */
export interface ModelSchema {
  readonly version: ModelVersion;
  readonly schema: TaskSchema;
}

/** A version that stays until the call under way is done with it, and what that call is now bound to. */
interface Held {
  readonly version: ModelVersion;
  readonly context: CallContext;
  /** The call is done with it. */
  readonly leave: () => void;
}

/** Every prediction, from every door and every job: resolve → enrich → cache → schedule → execute → shape the answer. */
@Injectable()
export class InferenceService {
  private readonly inFlight = new InFlight();

  constructor(
    private readonly registry: ModelRegistry,
    private readonly features: FeatureStore,
    private readonly scheduler: ModelScheduler,
    private readonly results: ResultCache,
    private readonly sink: PredictionSink,
    private readonly clock: Clock,
  ) {}

  /**
   * Answers one call, waiting for the model to load and for its turn, at most until the call's deadline.
   * Throws model_not_found, model_version_not_found, task_mismatch, invalid_request, invalid_input, unsupported_option,
   * context_length_exceeded, model_not_ready, model_unavailable, model_capacity, overloaded, deadline_exceeded,
   * client_closed, executor_crashed, inference_failed, non_finite_output, shutting_down; feature_missing, feature_stale,
   * feature_cast, features_unavailable where the model looks up stored features.
   */
  async predict(call: PredictCall): Promise<Prediction> {
    const trail = new PredictionTrail(call, this.clock);
    try {
      return await this.answer(call, trail);
    } catch (error) {
      const failed = trail.failed(error);
      if (failed) this.sink.record(failed);
      throw error;
    }
  }

  /**
   * What the model takes and gives; it need not be loaded for that. Throws model_not_found, model_version_not_found,
   * model_not_ready, model_unavailable.
   */
  schema(reference: string): ModelSchema {
    const version = this.registry.resolve(parseModelReference(reference));
    try {
      return { version, schema: taskOf(version.task).schema(version, this.features.describe(version)) };
    } catch (cause) {
      throw isUnfit(cause) ? new QuaysideError('model_unavailable', cause.message, { cause }) : cause;
    }
  }

  /** Lets go of a version that is no longer served: waits for its last call, then forgets what was learnt of it. */
  async release(version: ModelVersion): Promise<void> {
    await this.inFlight.whenIdle(versionKey(version));
    this.scheduler.forget(version);
  }

  private async answer(call: PredictCall, trail: PredictionTrail): Promise<Prediction> {
    const held = await this.hold(call, trail);
    try {
      const { version, context } = held;
      const task = taskOf(version.task);
      const input = await this.enrich(held, call.input, trail);
      const prepared = task.prepare(version, input, call.options);
      trail.prepared(input, prepared);
      const { output, queueMs, computeMs, batchSize, cache } = await this.results.answer({
        version,
        input: prepared,
        context,
        priority: call.priority ?? 'online',
        cache: call.cache ?? true,
      });
      const answer = task.present(version, input, output, call.options);
      const body = answer.form === 'rows' ? { rows: answer.rows } : { outputs: answer.outputs };
      const usage = task.usage(output);
      const { id, degraded } = trail;
      const prediction = { id, version, ...body, usage, cache, queueMs, computeMs, batchSize, degraded };
      this.sink.record(trail.answered(prediction, answer));
      return prediction;
    } finally {
      held.leave();
    }
  }

  /** Finds the version and keeps it from being released while the call is under way. */
  private hold(call: PredictCall, trail: PredictionTrail): Held | Promise<Held> {
    const reference = parseModelReference(call.model);
    // Mostly there is nothing to wait for, and then neither a timer nor a promise is needed.
    const serving = this.registry.serving(reference);
    const resolved = serving ?? this.registry.resolve(reference);
    trail.goesTo(resolved);
    assertTask(resolved, call.task);
    const context = this.cutToModel(call, resolved);
    const leave = this.inFlight.enter(versionKey(resolved));
    if (serving) return { version: serving, context, leave };
    return this.whenServing({ version: resolved, context, leave }, call, trail);
  }

  /** Waits for the version to load; another one may serve by then. */
  private async whenServing(found: Held, call: PredictCall, trail: PredictionTrail): Promise<Held> {
    const { version: resolved, context } = found;
    let { leave } = found;
    try {
      const version = await withinDeadline(context, this.clock, {
        begin: () => this.registry.serve(parseModelReference(call.model)),
        late: () => notReady(resolved),
      });
      assertTask(version, call.task);
      if (version.digest !== resolved.digest || version.version !== resolved.version) {
        leave();
        leave = this.inFlight.enter(versionKey(version));
        trail.goesTo(version);
      }
      return { version, context, leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** The call with the deadline of its model, where that is the earlier one. Bulk work has time. */
  private cutToModel({ context, priority }: PredictCall, { manifest: { deadlineMs } }: ModelVersion): CallContext {
    if (deadlineMs === undefined || priority === 'bulk') return context;
    return { ...context, deadlineAtMs: Math.min(context.deadlineAtMs, this.clock.monotonicMs() + deadlineMs) };
  }

  private async enrich({ version, context }: Held, input: PredictInput, trail: PredictionTrail): Promise<PredictInput> {
    if (input.form === 'tensors') {
      refuseTensors(version);
      return input;
    }
    checkRowCount(input.rows.length, 'rows');
    const startedAtMs = this.clock.monotonicMs();
    const enriched = await this.features.enrich(version, input.rows, context);
    trail.enriched(enriched, startedAtMs);
    return { form: 'rows', rows: enriched.rows };
  }
}

/** The first call finds out that a version does not fit its task; it is answered as those after the failed load are. */
function isUnfit(fault: unknown): fault is QuaysideError {
  return isQuaysideError(fault) && fault.code === 'model_load_failed';
}

function assertTask(version: ModelVersion, task: TaskName | undefined): void {
  if (task === undefined || version.task === task) return;
  throw new QuaysideError('task_mismatch', `Model "${version.model}" does ${version.task}; this route serves ${task}.`);
}

/** The load goes on, for others. */
function notReady({ model }: ModelVersion): QuaysideError {
  const message = `Model "${model}" is still loading. Try again shortly.`;
  return new QuaysideError('model_not_ready', message, { retryAfterMs: LOADING_RETRY_MS });
}
