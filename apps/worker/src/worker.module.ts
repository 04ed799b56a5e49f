import type { Config } from '@app/config';
import { Drain } from '@app/core';
import { type DynamicModule, Module, type OnModuleInit } from '@nestjs/common';
import { libraryModules } from '../../common/src/library-modules';
import { ChunkWork } from './chunk-work';
import { workProviders } from './work-providers';

/** A worker: libraries wired by the configuration, and what takes chunks of jobs from the queue and looks after them. */
@Module({})
export class WorkerModule implements OnModuleInit {
  constructor(
    private readonly work: ChunkWork,
    private readonly drain: Drain,
  ) {}

  /** `proc` is the number of this process in its log lines. */
  static forRoot(config: Config, proc: number): DynamicModule {
    return {
      module: WorkerModule,
      imports: [...libraryModules(config, { kind: 'worker', proc })],
      providers: [...workProviders(config)],
    };
  }

  /** @internal Called by Nest before the application starts. */
  onModuleInit(): void {
    this.drain.register('stop-taking', 'chunks', () => this.work.pause());
    this.drain.register('finish', 'chunks', () => this.work.finish());
    this.drain.register('close', 'chunks', () => this.work.close());
  }
}
