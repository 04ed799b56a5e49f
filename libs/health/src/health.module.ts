import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { ViewApplication } from '@app/feature-store';
import { Executor, ResultCache } from '@app/inference';
import { ModelRegistry } from '@app/model-registry';
import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { type DrainOptions, DrainService } from './drain.service';
import { HealthProbes } from './health-probes';
import { HttpConnections } from './http-connections';
import { Readiness, type ReadinessOptions } from './readiness';

/** What the health of a server is judged and ended by. */
export type HealthOptions = ReadinessOptions & DrainOptions;

/**
 * Probes and the drain. Needs `Clock`, `Drain`, `ModelRegistry`, `Executor`, `ResultCache`, `Database` and `ViewApplication`
 * from global modules.
 */
@Module({})
export class HealthModule {
  static forRoot(options: HealthOptions): DynamicModule {
    return {
      module: HealthModule,
      // A probe that fails is told by the request log and the body; Terminus would add a line of its own to each.
      imports: [TerminusModule.forRoot({ logger: false })],
      providers: [
        HealthProbes,
        HttpConnections,
        {
          provide: Readiness,
          inject: [ModelRegistry, Executor, ResultCache, Database, ViewApplication, Clock],
          useFactory: (
            registry: ModelRegistry,
            executor: Executor,
            results: ResultCache,
            database: Database,
            features: ViewApplication,
            clock: Clock,
          ) => new Readiness({ registry, executor, results, database, features, clock, options }),
        },
        {
          provide: DrainService,
          inject: [Drain, Readiness, HttpConnections, Clock],
          useFactory: (drain: Drain, readiness: Readiness, connections: HttpConnections, clock: Clock) =>
            new DrainService({ drain, readiness, connections, clock, options }),
        },
      ],
      exports: [HealthProbes, HttpConnections, Readiness, DrainService],
    };
  }
}
