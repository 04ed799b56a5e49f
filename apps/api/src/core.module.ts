import { Clock, Drain, SystemClock } from '@app/core';
import { Global, Module } from '@nestjs/common';

/** The clock and the drain of this process, for every module. */
@Global()
@Module({
  providers: [
    { provide: Clock, useClass: SystemClock },
    { provide: Drain, useFactory: (clock: Clock) => new Drain(clock), inject: [Clock] },
  ],
  exports: [Clock, Drain],
})
export class CoreModule {}
