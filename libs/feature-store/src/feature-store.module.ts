import { Clock, Drain } from '@app/core';
import { Database } from '@app/database';
import { ModelRegistry } from '@app/model-registry';
import { type DynamicModule, Logger, Module, type OnModuleInit, type Provider } from '@nestjs/common';
import { BoundFeatureStore } from './bound-feature-store';
import { FeatureQuery } from './feature-query';
import { FeatureStore } from './feature-store';
import { FeatureHousekeeping } from './postgres/feature-housekeeping';
import { FirstRows, type FirstRowsSource } from './postgres/first-rows';
import { PostgresFeatureReader } from './postgres/postgres-feature-reader';
import { PostgresFeatureViewStore } from './postgres/postgres-feature-view-store';
import { ViewApplication } from './postgres/view-application';
import { FeatureReader } from './rows/feature-reader';
import { FeatureViewStore } from './rows/feature-view-store';
import { FeatureViews, readFeatureViews } from './views/feature-views';

/** Where views are declared, and how long a request waits for what is stored. */
export interface FeatureStoreOptions {
  /** The folder of the views' YAML; one that is not there has none. */
  readonly directory: string;
  /** The longest read, in milliseconds; a request that has less time waits less. */
  readonly readTimeoutMs: number;
  /** What a store that was never written to is filled with; absent: nothing. */
  readonly firstRows?: FirstRowsSource;
}

/**
 * Stored features, for every module. Needs `Clock`, `Drain`, `Database` and `ModelRegistry` from global modules. The views
 * are read before anything starts, so that models bind to them without a database; their rows come and go with it.
 */
@Module({})
export class FeatureStoreModule implements OnModuleInit {
  private readonly logger = new Logger(FeatureStore.name);

  constructor(
    private readonly views: FeatureViews,
    private readonly application: ViewApplication,
    private readonly housekeeping: FeatureHousekeeping,
    private readonly firstRows: FirstRows,
    private readonly reader: FeatureReader,
    private readonly database: Database,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: FeatureStoreOptions): DynamicModule {
    return {
      module: FeatureStoreModule,
      global: true,
      providers: [
        { provide: FeatureViews, useFactory: () => readFeatureViews(options.directory) },
        ...rowProviders(options),
        {
          provide: FeatureStore,
          inject: [ModelRegistry, FeatureViews, FeatureReader, Clock, ViewApplication],
          useFactory: (...[registry, views, reader, clock, application]: StoreParts) =>
            new BoundFeatureStore(registry, { views, reader, clock, ...readingBy(options, application) }),
        },
        {
          provide: FeatureQuery,
          inject: [FeatureViews, FeatureReader, FeatureStore, Database, Clock, ViewApplication],
          useFactory: (...[views, reader, store, database, clock, application]: QueryParts) =>
            new FeatureQuery({ views, reader, store, database, clock, ...readingBy(options, application) }),
        },
      ],
      exports: [FeatureQuery, FeatureStore, FeatureViews, FeatureReader, FeatureViewStore, ViewApplication],
    };
  }

  /** @internal Called by Nest before the application starts. Nothing waits for the database. */
  onModuleInit(): void {
    this.tellFaults();
    this.drain.register('flush', 'feature-views', () => this.application.close());
    this.drain.register('flush', 'feature-housekeeping', () => this.housekeeping.close());
    this.drain.register('flush', 'first-feature-rows', () => this.firstRows.close());
    this.application.start();
    this.firstRows.start();
    void this.database.whenUp().then(() => {
      this.housekeeping.start();
      return this.warmUp();
    });
  }

  /** A folder of another kind may have a fault for each of its files; `npm run features -- plan` tells all. */
  private tellFaults(): void {
    const { faults } = this.views;
    for (const { at, says } of faults.slice(0, FAULTS_TOLD)) {
      const msg = `A feature view is not declared: ${at}: ${says}`;
      this.logger.error({ event: 'feature_view_faulty', file: at, msg });
    }
    const more = faults.length - FAULTS_TOLD;
    if (more <= 0) return;
    const msg = `The folder of feature views has ${more} more faults. All of them: npm run features -- plan`;
    this.logger.error({ event: 'feature_views_faulty', faults: faults.length, msg });
  }

  /** A first read has to connect, which may take longer than a request waits: nobody waits for this one. */
  private async warmUp(): Promise<void> {
    await this.reader.read([NOBODY], { timeoutMs: WARM_UP_MS });
  }
}

const NOBODY = { view: '', key: '' };
const WARM_UP_MS = 1000;
/** Each with a line of its own in the log. */
const FAULTS_TOLD = 20;

type StoreParts = [ModelRegistry, FeatureViews, FeatureReader, Clock, ViewApplication];
type QueryParts = [FeatureViews, FeatureReader, FeatureStore, Database, Clock, ViewApplication];

/** How long a read may take, and what is not read at all. */
function readingBy({ readTimeoutMs }: FeatureStoreOptions, application: ViewApplication) {
  return { readTimeoutMs, refusalOf: (view: string) => application.refusalOf(view) };
}

/** What is stored in PostgreSQL, and what looks after it. */
function rowProviders({ readTimeoutMs, firstRows }: FeatureStoreOptions): Provider[] {
  const inject = [Database, FeatureViews, Clock];
  return [
    {
      provide: FeatureReader,
      inject,
      useFactory: (database: Database, views: FeatureViews, clock: Clock) =>
        new PostgresFeatureReader({ pool: database.features, views, clock, readTimeoutMs }),
    },
    {
      provide: FeatureViewStore,
      inject,
      useFactory: (database: Database, views: FeatureViews, clock: Clock) =>
        new PostgresFeatureViewStore({ database, views, clock }),
    },
    {
      provide: ViewApplication,
      inject: [Database, FeatureViewStore, FeatureViews, Clock],
      useFactory: (database: Database, store: FeatureViewStore, views: FeatureViews, clock: Clock) =>
        new ViewApplication({ database, store, views, clock, log }),
    },
    {
      provide: FirstRows,
      inject: [Database, FeatureViewStore, FeatureViews],
      useFactory: (database: Database, store: FeatureViewStore, views: FeatureViews) =>
        new FirstRows({ source: firstRows, database, store, views, log }),
    },
    {
      provide: FeatureHousekeeping,
      inject,
      useFactory: (database: Database, views: FeatureViews, clock: Clock) =>
        new FeatureHousekeeping({ database, views, clock, failed: tellOfHousekeeping }),
    },
  ];
}

const log = (level: 'log' | 'warn' | 'error', line: object): void => new Logger(FeatureStore.name)[level](line);

/** Only the name of the fault: PostgreSQL's own words may quote values. */
function tellOfHousekeeping(fault: unknown): void {
  const reason = String((fault as { readonly code?: unknown } | undefined)?.code ?? (fault as Error | undefined)?.name);
  const msg = 'The housekeeping of stored features failed. It is tried again in an hour.';
  log('warn', { event: 'feature_housekeeping', reason, msg });
}
