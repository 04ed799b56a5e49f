import fc from 'fast-check';
import { WEBHOOK_TRIES, webhookEnds, webhookWaitMs } from './webhook-schedule';

describe(webhookWaitMs.name, () => {
  it('waits 5 s, 5 and 30 min, 2, 5, 10, 14, 20 and 24 h', () => {
    const waits = Array.from({ length: WEBHOOK_TRIES - 1 }, (_, at) => webhookWaitMs(at + 1, 0) / 1000);
    expect(waits).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
  });

  it('never waits less, nor more than a tenth longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0, max: 1, noNaN: true }), (tries, chance) => {
        const [least, wait] = [webhookWaitMs(tries, 0), webhookWaitMs(tries, chance)];
        expect(wait).toBeGreaterThanOrEqual(least);
        expect(wait).toBeLessThanOrEqual(least * 1.1);
      }),
    );
  });
});

describe(webhookEnds.name, () => {
  it.each([
    [200, 1, true],
    [204, 1, true],
    [410, 1, true],
    [302, 1, false],
    [404, 1, false],
    [500, WEBHOOK_TRIES - 1, false],
    [undefined, 1, false],
    [500, WEBHOOK_TRIES, true],
    [undefined, WEBHOOK_TRIES, true],
  ])('with %p at try %i: %p', (status, tries, ends) => {
    expect(webhookEnds(status, tries)).toBe(ends);
  });
});
