import { Clock, Drain } from '@app/core';
import { type DynamicModule, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { FolderModelRegistry } from './folder-model-registry';
import { ModelRegistry } from './model-registry';
import type { VersionMove } from './version-entry';

/** Settings of the registry. */
export interface ModelRegistryOptions {
  /** Holds `<model>/<version>/model.onnx`. */
  readonly directory: string;
  /** How often the folder is looked at, in milliseconds; 0: only at the start. */
  readonly pollIntervalMs: number;
}

/** Provides `ModelRegistry` over a folder. The app provides `Clock` and `Drain` globally. */
@Module({})
export class ModelRegistryModule implements OnApplicationBootstrap {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: ModelRegistryOptions): DynamicModule {
    const useFactory = (clock: Clock): ModelRegistry => new FolderModelRegistry({ ...options, clock, ...logging() });
    return {
      module: ModelRegistryModule,
      providers: [{ provide: ModelRegistry, inject: [Clock], useFactory }],
      exports: [ModelRegistry],
    };
  }

  /** Reads the folder. It does not wait for models to load: until the pinned ones have, the server is not ready. */
  async onApplicationBootstrap(): Promise<void> {
    // A test that overrides the port brings its own models, and there is no folder to read.
    if (!(this.registry instanceof FolderModelRegistry)) return;
    const { registry } = this;
    this.drain.register('stop-taking', 'model-registry', () => registry.close());
    await registry.start();
  }
}

function logging() {
  const logger = new Logger(ModelRegistry.name);
  return {
    onMove: (move: VersionMove) => log(logger, move),
    onProblem: (message: string, cause?: unknown) => logger.warn({ event: 'models_folder', msg: message, err: cause }),
  };
}

function log(logger: Logger, { cause, ...move }: VersionMove): void {
  const line = { event: 'version_moved', ...move, msg: `${move.model}@${move.version} is ${move.to}` };
  if (move.to === 'failed') logger.warn({ ...line, err: cause });
  else if (move.to === 'ready') logger.log(line);
  else logger.debug(line);
}
