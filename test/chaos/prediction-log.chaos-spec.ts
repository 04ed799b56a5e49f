import { eventually } from '@app/testing';
import { outage } from '../e2e/log-outage';
import { keepMeasures } from './measures';

const AWAY_MS = 60_000;

jest.setTimeout(600_000);

describe('PostgreSQL away for a minute under load', () => {
  it('fails no prediction, keeps the memory in its bounds, and leaves books that balance to the row', async () => {
    const outcome = await outage({
      clients: 8,
      until: async () => {
        const cameMs = performance.now();
        // In halves, as nothing waits longer than a minute at once.
        for (const part of [0.5, 1]) await eventually(() => performance.now() - cameMs > AWAY_MS * part);
      },
    });
    const { answered, failures, books, rowsInTable, mostQueued } = outcome;
    await keepMeasures('prediction-log-outage', { awayMs: AWAY_MS, ...outcome, failures: failures.length });
    const { written, dropped, rejected, sampled_out } = books;
    const lost = Object.values(dropped).reduce((sum, rows) => sum + rows, 0);
    expect(failures).toEqual([]);
    expect(written + lost + rejected + sampled_out).toBe(answered);
    expect(rowsInTable).toBe(written);
    expect(mostQueued.rows).toBeLessThanOrEqual(10_000);
    expect(mostQueued.bytes).toBeLessThanOrEqual(32 * 1024 * 1024);
  });
});
