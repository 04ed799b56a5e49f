import { Clock, Drain } from '@app/core';
import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { Database, type DatabaseOptions } from './database';

/** PostgreSQL, for every module. Needs `Clock` and `Drain` from a global module; its pools close in the drain's last phase. */
@Module({})
export class DatabaseModule implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly drain: Drain,
  ) {}

  static forRoot(options: DatabaseOptions): DynamicModule {
    const logger = new Logger(Database.name);
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        {
          provide: Database,
          inject: [Clock],
          useFactory: (clock: Clock) => new Database(options, { clock, log: (level, line) => logger[level](line) }),
        },
      ],
      exports: [Database],
    };
  }

  /** The server is looked for in the background: nothing waits for it here. */
  onModuleInit(): void {
    this.drain.register('close', 'database', () => this.database.close());
    this.database.start();
  }
}
