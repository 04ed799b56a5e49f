import { Durations } from './durations';

describe(Durations.name, () => {
  const of = (values: readonly number[], atMs = 0): Durations => {
    const durations = new Durations();
    for (const value of values) durations.observe(value, atMs);
    return durations;
  };

  it('knows nothing lately before there was anything', () => {
    expect(of([]).statistics(0)).toEqual({ count: 0, totalMs: 0 });
  });

  it('tells how they were spread, whatever their order', () => {
    const values = Array.from({ length: 200 }, (_, at) => ((at * 37) % 200) + 1);
    expect(of(values).statistics(0)).toEqual({
      count: 200,
      totalMs: 20_100,
      recent: { count: 200, p50Ms: 100, p99Ms: 198, maxMs: 200 },
    });
  });

  it('gives a lone one as all of its ranks', () => {
    expect(of([7]).statistics(0).recent).toEqual({ count: 1, p50Ms: 7, p99Ms: 7, maxMs: 7 });
  });

  it('leaves out of the recent ones what is a minute old', () => {
    const durations = of([1000], 0);
    durations.observe(1, 30_000);
    expect(durations.statistics(59_999).recent).toMatchObject({ count: 2, maxMs: 1000 });
    expect(durations.statistics(60_000).recent).toMatchObject({ count: 1, maxMs: 1 });
    expect(durations.statistics(90_000)).toEqual({ count: 2, totalMs: 1001 });
  });

  it('keeps the newest 512, and counts all', () => {
    const values = Array.from({ length: 1000 }, (_, at) => 1000 - at);
    expect(of(values).statistics(0)).toMatchObject({ count: 1000, recent: { count: 512, maxMs: 512 } });
  });
});
