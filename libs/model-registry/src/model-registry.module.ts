import { Clock, Drain } from '@app/core';
import { type DynamicModule, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { FolderModelRegistry, type FolderModelRegistryOptions } from './folder-model-registry';
import { ModelRegistry } from './model-registry';
import type { VersionMove } from './version-entry';

/** What the registry needs to know; its clock and log are wired by the module. */
export type ModelRegistryOptions = Pick<FolderModelRegistryOptions, 'directory' | 'pollIntervalMs' | 'loadsPinned'>;

/** How long the start waits for the folder to be read: enough for all but the largest, short for whoever probes the port. */
const FIRST_LOOK_MS = 10_000;

/** Provides `ModelRegistry` over a folder to every module. Needs `Clock` and `Drain` from global modules. */
@Module({})
export class ModelRegistryModule implements OnApplicationBootstrap {
  private readonly logger = new Logger(ModelRegistry.name);

  constructor(
    private readonly registry: ModelRegistry,
    private readonly drain: Drain,
    private readonly clock: Clock,
  ) {}

  static forRoot(options: ModelRegistryOptions): DynamicModule {
    const useFactory = (clock: Clock): ModelRegistry => new FolderModelRegistry({ ...options, clock, ...logging() });
    return {
      module: ModelRegistryModule,
      global: true,
      providers: [{ provide: ModelRegistry, inject: [Clock], useFactory }],
      exports: [ModelRegistry],
    };
  }

  /**
   * Reads the folder. It does not wait for models to load: until the pinned ones have, the server is not ready. Nor does
   * it wait long for large files to be read: probes must be answered soon.
   */
  async onApplicationBootstrap(): Promise<void> {
    // A test that overrides the port brings its own models, and there is no folder to read.
    if (!(this.registry instanceof FolderModelRegistry)) return;
    const { registry } = this;
    this.drain.register('stop-taking', 'model-registry', () => registry.close());
    const started = registry.start().catch((err: unknown) => this.logger.error({ event: 'models_folder', err }));
    const late = Promise.withResolvers<void>();
    const timer = this.clock.setTimer(FIRST_LOOK_MS, () => late.resolve());
    await Promise.race([started, late.promise]);
    timer.cancel();
  }
}

function logging() {
  const logger = new Logger(ModelRegistry.name);
  return {
    onMove: (move: VersionMove) => log(logger, move),
    onProblem: (message: string, cause?: unknown) => logger.warn({ event: 'models_folder', msg: message, err: cause }),
  };
}

/** Operators look for `model_loaded` and `model_failed`; the other moves are of interest while debugging. */
function log(logger: Logger, { cause, version, to, ...move }: VersionMove): void {
  const event = to === 'ready' ? 'model_loaded' : `model_${to}`;
  const line = { event, ...move, model_version: version, msg: `${move.model}@${version} is ${to}` };
  if (to === 'failed') logger.warn({ ...line, err: cause });
  else if (to === 'ready') logger.log(line);
  else logger.debug(line);
}
