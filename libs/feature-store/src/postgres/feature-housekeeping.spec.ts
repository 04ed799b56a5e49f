import type { Database } from '@app/database';
import { ManualClock, featureViews } from '@app/testing';
import { FeatureHousekeeping, type HousekeepingRound } from './feature-housekeeping';

const DONE = { isOurs: true, onlineRows: 0, historyRows: 0, pushes: 0, droppedPartitions: [] };
const HOUR_MS = 3_600_000;

/** Rounds that end when the test says so. */
class ScriptedHousekeeping extends FeatureHousekeeping {
  readonly rounds: PromiseWithResolvers<HousekeepingRound>[] = [];

  override run(): Promise<HousekeepingRound> {
    const round = Promise.withResolvers<HousekeepingRound>();
    this.rounds.push(round);
    return round.promise;
  }
}

function build() {
  const clock = new ManualClock();
  const faults: unknown[] = [];
  const failed = (fault: unknown): void => void faults.push(fault);
  const database = {} as Database;
  const keeper = new ScriptedHousekeeping({ clock, failed, database, views: featureViews() });
  return { clock, keeper, faults };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(FeatureHousekeeping.name, () => {
  it('begins the next round an hour after the last one has ended, well or not', async () => {
    const { clock, keeper, faults } = build();
    keeper.start();
    await clock.advance(2 * HOUR_MS);
    expect(keeper.rounds).toHaveLength(1);
    keeper.rounds[0]?.resolve(DONE);
    await settled();
    await clock.advance(HOUR_MS);
    expect(keeper.rounds).toHaveLength(2);
    keeper.rounds[1]?.reject('away');
    await settled();
    expect(faults).toEqual(['away']);
    await clock.advance(HOUR_MS);
    expect(keeper.rounds).toHaveLength(3);
  });

  it('waits for the round under way when it is closed, and begins none any more', async () => {
    const { clock, keeper } = build();
    keeper.start();
    const closed = keeper.close();
    keeper.rounds[0]?.resolve(DONE);
    await closed;
    await clock.advance(HOUR_MS);
    keeper.start();
    expect(keeper.rounds).toHaveLength(1);
  });
});
