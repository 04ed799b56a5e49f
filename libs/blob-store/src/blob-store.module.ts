import { Clock } from '@app/core';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { BlobStore } from './blob-store';
import { FolderBlobStore } from './folder-blob-store';

/** Where blobs are. */
export interface BlobStoreOptions {
  /** Made with the first blob. Processes that share jobs share it. */
  readonly folder: string;
}

/** Provides `BlobStore` over a folder to every module. Needs `Clock` from a global module. */
@Module({})
export class BlobStoreModule implements OnModuleInit {
  private readonly logger = new Logger(BlobStore.name);

  constructor(
    private readonly store: BlobStore,
    private readonly clock: Clock,
  ) {}

  static forRoot({ folder }: BlobStoreOptions): DynamicModule {
    return {
      module: BlobStoreModule,
      global: true,
      providers: [{ provide: BlobStore, useFactory: (): BlobStore => new FolderBlobStore(folder) }],
      exports: [BlobStore],
    };
  }

  /** @internal Called by Nest before the application starts. Nothing waits for the folder. */
  onModuleInit(): void {
    // A test that overrides the port brings its own blobs.
    if (!(this.store instanceof FolderBlobStore)) return;
    this.store.removeAbandoned(this.clock.epochMs()).catch((err: unknown) => {
      const msg = 'What writers left that died could not be removed from the folder of the blobs.';
      this.logger.warn({ event: 'blob_folder', err, msg });
    });
  }
}
