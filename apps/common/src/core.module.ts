import { Clock, Drain, SystemClock } from '@app/core';
import { Global, Module } from '@nestjs/common';

/** What every module may ask for: the clock, and the drain of this process. */
@Global()
@Module({
  providers: [
    { provide: Clock, useClass: SystemClock },
    { provide: Drain, useFactory: (clock: Clock) => new Drain(clock), inject: [Clock] },
  ],
  exports: [Clock, Drain],
})
export class CoreModule {}
