import { Drain } from './drain';

const BUDGET = { 'stop-taking': 1000, finish: 1000, flush: 1000, close: 1000 };

describe(Drain.name, () => {
  it('runs its phases in order, whatever the order of registration', async () => {
    const drain = new Drain();
    const ran: string[] = [];
    drain.register('close', 'pool', () => void ran.push('close'));
    drain.register('finish', 'requests', async () => void ran.push('finish'));
    drain.register('stop-taking', 'watcher', () => void ran.push('stop-taking'));
    await expect(drain.run(BUDGET)).resolves.toEqual([]);
    expect(ran).toEqual(['stop-taking', 'finish', 'close']);
  });

  it('names the steps that throw or do not end, and runs the others', async () => {
    const drain = new Drain();
    const closed = jest.fn();
    drain.register('finish', 'stuck', () => new Promise(() => {}));
    drain.register('finish', 'broken', () => Promise.reject(new Error('no')));
    drain.register('close', 'pool', closed);
    const faults = await drain.run({ ...BUDGET, finish: 5 });
    expect(faults.map((fault) => fault.name)).toEqual(['broken', 'stuck']);
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it('runs once, however often it is asked', async () => {
    const drain = new Drain();
    const step = jest.fn();
    drain.register('flush', 'log', step);
    await Promise.all([drain.run(BUDGET), drain.run(BUDGET)]);
    expect(step).toHaveBeenCalledTimes(1);
  });

  it('stops waiting for the phase that is under way when it is hastened, and goes on with the next', async () => {
    const drain = new Drain();
    const closed = jest.fn();
    const begun = Promise.withResolvers<void>();
    drain.register('finish', 'endless', () => {
      begun.resolve();
      return new Promise(() => {});
    });
    drain.register('close', 'pool', closed);
    const faults = drain.run({ ...BUDGET, finish: 60_000 });
    await begun.promise;
    drain.hasten();
    expect((await faults).map((fault) => fault.name)).toEqual(['endless']);
    expect(closed).toHaveBeenCalledTimes(1);
  });
});
