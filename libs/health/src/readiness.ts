import type { Clock } from '@app/core';
import type { Database } from '@app/database';
import type { ViewApplication } from '@app/feature-store';
import type { Executor, ResultCache } from '@app/inference';
import { type ModelRegistry, type ModelStatus, type VersionState, shownVersion } from '@app/model-registry';

/**
 * Whether the server may get traffic. `starting → ready ⇄ degraded`; both fall back to `starting` when a pinned model or
 * every executor is lost, and any becomes `draining`, which is final.
 */
export const SERVER_STATES = [
  /** A pinned model has not answered its warm-up, there is no model, or no executor is healthy. /ready answers 503. */
  'starting',
  /** Everything that is served works. */
  'ready',
  /** Traffic is served, but some version failed, some executor is dead, feature views are refused, or PostgreSQL or Redis is away. /ready answers 200. */
  'degraded',
  /** A stop was asked for: no new traffic, please. /ready answers 503; ends with the process. */
  'draining',
] as const;

/** One of the states of the server. */
export type ServerState = (typeof SERVER_STATES)[number];

/** What a probe shows of one model. */
export interface ModelHealth {
  readonly name: string;
  /** The version that answers when none is named; null when none can. */
  readonly version: string | null;
  readonly state: VersionState;
  readonly pinned: boolean;
  /** Why it is not served; empty when there is nothing to say. */
  readonly reason: string;
}

/** What a probe shows of one part of the server. */
export interface ComponentHealth {
  readonly status: 'up' | 'degraded' | 'down';
  /** What is wrong; empty when nothing is. */
  readonly reason: string;
}

/** The body of every probe. */
export interface HealthReport {
  readonly status: ServerState;
  readonly models: readonly ModelHealth[];
  readonly components: {
    readonly models: ComponentHealth;
    readonly executors: ComponentHealth;
    /** Not where DATABASE_URL says `none`. */
    readonly database?: ComponentHealth;
    /** Only where feature views are refused. */
    readonly features?: ComponentHealth;
    /** Only where a Redis is set. */
    readonly redis?: ComponentHealth;
  };
}

/** When a server counts as ready. */
export interface ReadinessOptions {
  /** Whether a server without any model is ready. */
  readonly allowEmpty: boolean;
}

/** What readiness is judged by. */
export interface ReadinessParts {
  readonly registry: ModelRegistry;
  readonly executor: Executor;
  readonly results: Pick<ResultCache, 'sharesResults'>;
  readonly database: Pick<Database, 'status'>;
  readonly features: Pick<ViewApplication, 'refusal'>;
  readonly clock: Clock;
  readonly options: ReadinessOptions;
}

const POLL_MS = 20;
const HEALTHY_SLOTS: ReadonlySet<string> = new Set(['idle', 'busy', 'loading']);

/** Judges, from memory and without waiting, whether the server may get traffic. */
export class Readiness {
  private draining = false;
  private latched = false;

  constructor(private readonly parts: ReadinessParts) {}

  /** The state now. */
  state(): ServerState {
    return this.report().status;
  }

  /** All that probes show, from one look at the models and one at the executors. */
  report(): HealthReport {
    const statuses = this.parts.registry.list();
    const [database, features, redis] = [this.databaseHealth(), this.featuresHealth(), this.redisHealth()];
    const components = {
      models: this.healthOf(statuses),
      executors: this.executorsHealth(),
      ...(database && { database }),
      ...(features && { features }),
      ...(redis && { redis }),
    };
    return { status: this.stateOf(components), models: statuses.map(toModelHealth), components };
  }

  /** Whether the server was ready once; never false again. */
  hasStarted(): boolean {
    if (!this.latched) this.state();
    return this.latched;
  }

  /** Resolves when the server is ready for the first time; never, when it is stopped before. */
  async whenReady(): Promise<void> {
    while (!this.hasStarted()) await new Promise<void>((resolve) => void this.parts.clock.setTimer(POLL_MS, resolve));
  }

  /** From now on the server asks for no more traffic. */
  startDraining(): void {
    this.draining = true;
  }

  /** Every model, in order of its name. */
  models(): readonly ModelHealth[] {
    return this.parts.registry.list().map(toModelHealth);
  }

  /** Down: a pinned model does not serve, or there is no model. Degraded: a version of any model has failed. */
  modelsHealth(): ComponentHealth {
    return this.healthOf(this.parts.registry.list());
  }

  /** Down: no process can run a model. Degraded: one is dead, and others go on. */
  executorsHealth(): ComponentHealth {
    const { slots } = this.parts.executor.status();
    const healthy = slots.filter(({ state }) => HEALTHY_SLOTS.has(state)).length;
    if (healthy === 0) return { status: 'down', reason: 'No executor is healthy.' };
    const dead = slots.filter(({ state }) => state === 'dead').length;
    return dead > 0
      ? { status: 'degraded', reason: `${dead} of ${slots.length} executors are dead.` }
      : { status: 'up', reason: '' };
  }

  /** Degraded: it does not answer yet, or no longer. Never down: readiness does not wait for it. Undefined: there is none. */
  databaseHealth(): ComponentHealth | undefined {
    switch (this.parts.database.status()) {
      case 'off':
        return undefined;
      case 'up':
        return { status: 'up', reason: '' };
      case 'starting':
        return { status: 'degraded', reason: 'PostgreSQL has not answered yet.' };
      case 'down':
        return { status: 'degraded', reason: 'PostgreSQL does not answer: what needs it is refused or waits.' };
    }
  }

  /** Degraded: views are refused, and pushes with them. Undefined: none is. */
  featuresHealth(): ComponentHealth | undefined {
    const reason = this.parts.features.refusal();
    return reason === '' ? undefined : { status: 'degraded', reason };
  }

  /** Degraded: it does not answer, and each process keeps its own results. Never down: no answer needs it. Undefined: there is none. */
  redisHealth(): ComponentHealth | undefined {
    const isAnswering = this.parts.results.sharesResults();
    if (isAnswering === undefined) return undefined;
    if (isAnswering) return { status: 'up', reason: '' };
    return { status: 'degraded', reason: 'Redis does not answer: each process keeps its own results.' };
  }

  private stateOf({ models, executors, ...others }: HealthReport['components']): ServerState {
    if (this.draining) return 'draining';
    if (models.status === 'down' || executors.status === 'down') return 'starting';
    this.latched = true;
    const isDegraded = [models, executors, ...Object.values(others)].some(({ status }) => status === 'degraded');
    return isDegraded ? 'degraded' : 'ready';
  }

  private healthOf(statuses: readonly ModelStatus[]): ComponentHealth {
    if (statuses.length === 0 && !this.parts.options.allowEmpty)
      return { status: 'down', reason: 'No model was found.' };
    const waiting = statuses.filter((status) => status.pinned && toModelHealth(status).state !== 'ready');
    if (waiting.length > 0) return { status: 'down', reason: `Not ready: ${names(waiting)}.` };
    const failed = statuses.filter(({ versions }) => versions.some(({ state }) => state === 'failed'));
    if (failed.length > 0) return { status: 'degraded', reason: `A version failed: ${names(failed)}.` };
    return { status: 'up', reason: '' };
  }
}

function names(statuses: readonly ModelStatus[]): string {
  return statuses.map(({ model }) => model).join(', ');
}

/** A model is as well as the version that stands for it. */
function toModelHealth(status: ModelStatus): ModelHealth {
  const shown = shownVersion(status);
  return {
    name: status.model,
    version: status.defaultVersion ?? null,
    state: shown?.state ?? 'known',
    pinned: status.pinned,
    reason: shown?.reason ?? '',
  };
}
