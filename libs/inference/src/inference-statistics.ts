import { type FeatureStatistics, FeatureStore } from '@app/feature-store';
import { ModelRegistry, type ModelVersion } from '@app/model-registry';
import { Injectable } from '@nestjs/common';
import type { CacheStatistics } from './caching/cache-counters';
import { ResultCache } from './caching/result-cache';
import { Executor, type ExecutorStatus } from './execution/executor';
import { ModelScheduler } from './scheduling/model-scheduler';
import type { VersionStatistics } from './scheduling/statistics';

/** How a model fares in this process. */
export interface ModelStatistics {
  /** The executors, which all models share. */
  readonly executors: Pick<ExecutorStatus, 'concurrency' | 'running' | 'restarts'>;
  /** What the cache did for all versions together, since the start. */
  readonly cache: Readonly<CacheStatistics>;
  /** Oldest first; without versions whose files cannot be read. */
  readonly versions: readonly VersionFigures[];
}

/** How one version fares. */
export interface VersionFigures extends VersionStatistics {
  readonly version: string;
  /** What was joined for it; absent for a model that binds nothing. */
  readonly features?: FeatureStatistics;
}

/** What an operator asks when requests wait: what queues, runs and is kept, in this process alone. Only counts; no I/O. */
@Injectable()
export class InferenceStatistics {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly scheduler: ModelScheduler,
    private readonly executor: Executor,
    private readonly results: ResultCache,
    private readonly features: FeatureStore,
  ) {}

  /** How a model fares, whether it was ever called or not. Throws model_not_found, model_not_ready. */
  of(model: string): ModelStatistics {
    const { versions } = this.registry.status(model);
    const { concurrency, running, restarts } = this.executor.status();
    return {
      executors: { concurrency, running, restarts },
      cache: this.results.statistics(model),
      versions: versions.flatMap(({ version, details }) => (details ? [this.figures(version, details)] : [])),
    };
  }

  private figures(version: string, details: ModelVersion): VersionFigures {
    const features = this.features.statistics(details);
    return { version, ...this.scheduler.statistics(details), ...(features && { features }) };
  }
}
