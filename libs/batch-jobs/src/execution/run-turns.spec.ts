import { RunTurns } from './run-turns';

const NEVER = new AbortController().signal;

/** Work that notes when it begins, and ends when it is told to. */
function aWork(name: string, begun: string[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const work = async (): Promise<string> => {
    begun.push(name);
    await promise;
    return name;
  };
  return { work, end: () => resolve() };
}

const turnsOfTheLoop = () => new Promise((resolve) => setImmediate(resolve));

describe(RunTurns.name, () => {
  it('runs work together, and work that is to be alone once nothing else runs', async () => {
    const [turns, begun] = [new RunTurns(), [] as string[]];
    const [a, b, alone, after] = ['a', 'b', 'alone', 'after'].map((name) => aWork(name, begun)) as Works;
    const runs = [
      turns.runTogether(a.work, NEVER),
      turns.runTogether(b.work, NEVER),
      turns.runAlone(alone.work, NEVER),
      turns.runTogether(after.work, NEVER),
    ];
    a.end();
    await turnsOfTheLoop();
    expect(begun).toEqual(['a', 'b']);
    b.end();
    await turnsOfTheLoop();
    expect(begun).toEqual(['a', 'b', 'alone']);
    alone.end();
    after.end();
    await expect(Promise.all(runs)).resolves.toEqual(['a', 'b', 'alone', 'after']);
  });

  it('lets nothing run beside work that is alone, though another that waited to be was stopped', async () => {
    const [turns, begun, stop] = [new RunTurns(), [] as string[], new AbortController()];
    const [first, stopped, last] = ['first', 'stopped', 'last'].map((name) => aWork(name, begun)) as Works;
    const running = turns.runAlone(first.work, NEVER);
    const waiting = turns.runAlone(stopped.work, stop.signal);
    const then = turns.runAlone(last.work, NEVER);
    stop.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    await turnsOfTheLoop();
    expect(begun).toEqual(['first']);
    first.end();
    last.end();
    await expect(Promise.all([running, then])).resolves.toEqual(['first', 'last']);
  });

  it('stops what waits for work that is alone, and goes on after work that fails', async () => {
    const [turns, stop] = [new RunTurns(), new AbortController()];
    const failing = turns.runAlone(() => Promise.reject(new Error('failed')), NEVER);
    const waiting = turns.runTogether(() => Promise.resolve('never'), stop.signal);
    stop.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    await expect(failing).rejects.toThrow('failed');
    await expect(turns.runTogether(() => Promise.resolve('next'), NEVER)).resolves.toBe('next');
  });
});

type Works = [Work, Work, Work, Work];
type Work = ReturnType<typeof aWork>;
