import { Clock, Drain, SystemClock } from '@app/core';
import { type PredictionRecord, PredictionSink } from '@app/inference';
import { Global, Module } from '@nestjs/common';

/** Records nothing. */
class DroppingPredictionSink extends PredictionSink {
  override record(_prediction: PredictionRecord): void {}
}

/** What every module may ask for: the clock, the drain of this process, and where predictions are recorded. */
@Global()
@Module({
  providers: [
    { provide: Clock, useClass: SystemClock },
    { provide: Drain, useFactory: (clock: Clock) => new Drain(clock), inject: [Clock] },
    { provide: PredictionSink, useClass: DroppingPredictionSink },
  ],
  exports: [Clock, Drain, PredictionSink],
})
export class CoreModule {}
