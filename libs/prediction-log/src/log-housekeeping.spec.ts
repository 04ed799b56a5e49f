import { ManualClock } from '@app/testing';
import { LogHousekeeping } from './log-housekeeping';
import type { LogPartitions } from './log-partitions';

const HOUR_MS = 3_600_000;

/** Partitions that only count how often they are looked after. */
class CountedPartitions {
  readonly rounds: (readonly [number, number])[] = [];
  fault: Error | undefined;

  keep(nowMs: number, retentionDays: number): Promise<boolean> {
    this.rounds.push([nowMs, retentionDays]);
    return this.fault ? Promise.reject(this.fault) : Promise.resolve(true);
  }
}

function buildHousekeeping() {
  const [clock, partitions, faults] = [new ManualClock(), new CountedPartitions(), [] as unknown[]];
  const housekeeping = new LogHousekeeping({
    partitions: partitions as unknown as LogPartitions,
    clock,
    retentionDays: 30,
    onFault: (fault) => faults.push(fault),
  });
  return { clock, partitions, faults, housekeeping };
}

describe(LogHousekeeping.name, () => {
  it('looks after the partitions at start and every hour, also after a round that failed', async () => {
    const { clock, partitions, faults, housekeeping } = buildHousekeeping();
    const startedAtMs = clock.epochMs();
    partitions.fault = new Error('away');
    await housekeeping.start();
    await clock.advance(2 * HOUR_MS);
    expect(partitions.rounds).toEqual([0, 1, 2].map((hours) => [startedAtMs + hours * HOUR_MS, 30]));
    expect(faults).toHaveLength(3);
  });

  it('begins no round after it was closed', async () => {
    const { clock, partitions, housekeeping } = buildHousekeeping();
    await housekeeping.start();
    housekeeping.close();
    await clock.advance(2 * HOUR_MS);
    await housekeeping.start();
    expect(partitions.rounds).toHaveLength(1);
  });
});
