import { ManualClock } from '@app/testing';
import type { ChildOfSupervisor } from './supervisor-process';
import { Slot } from './supervisor-slot';

/** A process that does what the test says, and tells what was asked of it. */
class ScriptedProcess {
  state = 'starting';
  wasReady = false;
  readonly asked: string[] = [];
  private readonly turns = {
    ready: Promise.withResolvers<readonly string[]>(),
    listening: Promise.withResolvers<void>(),
    fault: Promise.withResolvers<string>(),
    exited: Promise.withResolvers<object>(),
  };
  readonly ready = this.turns.ready.promise;
  readonly listening = this.turns.listening.promise;
  readonly fault = this.turns.fault.promise;
  readonly exited = this.turns.exited.promise;

  retire = (): void => void this.asked.push('retire');
  kill = (): void => void this.asked.push('kill');

  becomeReady(): void {
    this.state = 'ready';
    this.wasReady = true;
    this.turns.ready.resolve([]);
  }

  listen(): void {
    this.turns.listening.resolve();
  }

  fail(reason: string): void {
    this.turns.fault.resolve(reason);
  }

  end(): void {
    this.state = 'ended';
    this.turns.exited.resolve({});
  }
}

function build() {
  const clock = new ManualClock();
  const forked: ScriptedProcess[] = [];
  const opened: unknown[] = [];
  const fork = (): ChildOfSupervisor => {
    const process = new ScriptedProcess();
    forked.push(process);
    return process as unknown as ChildOfSupervisor;
  };
  const open = async (process: ChildOfSupervisor): Promise<void> => {
    opened.push(process);
    await process.listening;
  };
  const slot = new Slot({ kind: 'http', slot: 1 }, { clock, fork, open });
  const latest = (): ScriptedProcess => forked.at(-1) as ScriptedProcess;
  return { clock, forked, opened, slot, latest };
}

describe(Slot.name, () => {
  it('starts a process that died in service again at once', async () => {
    const { clock, forked, opened, slot, latest } = build();
    slot.start();
    latest().becomeReady();
    expect(slot.serves).toBe(true);
    latest().end();
    await clock.advance(0);
    expect(forked).toHaveLength(2);
    expect(opened).toEqual(forked);
    expect(slot.serves).toBe(false);
  });

  it('waits longer each time that one ends before it is ready, until one is', async () => {
    const { clock, forked, slot, latest } = build();
    slot.start();
    for (const delayMs of [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
      const count = forked.length;
      latest().end();
      await clock.advance(delayMs - 1);
      expect(forked).toHaveLength(count);
      await clock.advance(1);
      expect(forked).toHaveLength(count + 1);
    }
    latest().becomeReady();
    await clock.advance(0);
    latest().end();
    await clock.advance(0);
    latest().end();
    await clock.advance(250);
    expect(forked).toHaveLength(11);
  });

  it('lets the new process listen before the old one retires, and waits for its end', async () => {
    const { clock, forked, opened, slot } = build();
    slot.start();
    const done = jest.fn();
    void slot.replace({ cause: 'SIGHUP', timeoutMs: 1000 }).then(done);
    const [old, next] = forked as [ScriptedProcess, ScriptedProcess];
    old.becomeReady();
    await clock.advance(500);
    expect(opened).toEqual([old]);
    next.becomeReady();
    await clock.advance(0);
    expect(opened).toEqual([old, next]);
    expect(old.asked).toEqual([]);
    next.listen();
    await clock.advance(0);
    expect([old.asked, done.mock.calls]).toEqual([['retire'], []]);
    old.end();
    await clock.advance(60_000);
    expect(done).toHaveBeenCalledWith(undefined);
    expect(forked).toHaveLength(2);
    expect(slot.serves).toBe(true);
  });

  it.each([
    ['is late', (_: ScriptedProcess) => {}, 'The new process was not ready within 1000 ms.'],
    ['ends', (next: ScriptedProcess) => next.end(), 'The new process ended before it was ready.'],
    ['cannot start', (next: ScriptedProcess) => next.fail('One setting is wrong.'), 'One setting is wrong.'],
  ])('keeps the old process when the new one %s', async (_case, act, reason) => {
    const { clock, forked, opened, slot, latest } = build();
    slot.start();
    latest().becomeReady();
    const replaced = slot.replace({ cause: 'SIGHUP', timeoutMs: 1000 });
    act(latest());
    await clock.advance(1000);
    await expect(replaced).resolves.toBe(reason);
    expect(forked[1]?.asked).toEqual(['kill']);
    expect([forked[0]?.asked, opened]).toEqual([[], [forked[0]]]);
    forked[1]?.end();
    await clock.advance(60_000);
    expect(forked).toHaveLength(2);
    expect(slot.serves).toBe(true);
  });

  it('starts nothing once it is closed', async () => {
    const { clock, forked, slot, latest } = build();
    slot.start();
    latest().end();
    await clock.advance(0);
    slot.close();
    await clock.advance(60_000);
    expect(forked).toHaveLength(1);
  });
});
