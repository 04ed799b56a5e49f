import { resolve } from 'node:path';
import type { Config } from '@app/config';
import { SystemClock } from '@app/core';
import { Database, EmbeddedPostgres } from '@app/database';
import { type FeatureViews, PostgresFeatureViewStore, readFeatureViews } from '@app/feature-store';
import { FolderModelRegistry } from '@app/model-registry';
import { databaseServer } from '../../../../common/src/database-server';
import { StartFault } from '../../../../common/src/start-fault';
import { type Pins, pinsOf } from '../describe-feature-view';

const UP_WITHIN_MS = 30_000;

/**
 * What the commands work with: the server's own settings, folders and database. An embedded PostgreSQL is taken over from
 * a server that runs, or is started and stopped again.
 */
export class FeatureTools implements AsyncDisposable {
  private constructor(
    readonly views: FeatureViews,
    readonly store: PostgresFeatureViewStore,
    private readonly config: Config,
    private readonly held: { readonly database: Database; readonly postgres: EmbeddedPostgres | undefined },
  ) {}

  /** Resolves when the database is up and migrated. Throws `StartFault` where it cannot be had. */
  static async open(config: Config): Promise<FeatureTools> {
    const clock = new SystemClock();
    const views = await readFeatureViews(resolve(config.feature.dir));
    const server = databaseServer(config);
    if (server.kind === 'none') throw new StartFault('There is no database: DATABASE_URL is none.');
    const postgres =
      server.kind === 'embedded' ? new EmbeddedPostgres({ directory: server.directory, log: () => {} }) : undefined;
    await postgres?.start();
    const database = new Database({ server }, { clock, log: () => {} });
    const tools = new FeatureTools(views, new PostgresFeatureViewStore({ database, views, clock }), config, {
      database,
      postgres,
    });
    database.start();
    if (await isUp(database, clock)) return tools;
    const reason = database.whyNotUp();
    await tools[Symbol.asyncDispose]();
    throw new StartFault(`The database does not answer. ${reason}`);
  }

  /** Which versions of models pin which versions of views, from the folder of models. */
  async pins(): Promise<Pins> {
    const registry = new FolderModelRegistry({
      directory: this.config.model.dir,
      pollIntervalMs: 0,
      clock: new SystemClock(),
    });
    await registry.start();
    const pins = pinsOf(registry.list());
    await registry.close();
    return pins;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.held.database.close();
    await this.held.postgres?.stop();
  }
}

async function isUp(database: Database, clock: SystemClock): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = clock.setTimer(UP_WITHIN_MS, () => late.resolve(false));
  const isUpInTime = await Promise.race([database.whenUp().then(() => true), late.promise]);
  timer.cancel();
  return isUpInTime;
}
