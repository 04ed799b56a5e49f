import { Drain } from '@app/core';
import { ManualClock } from '@app/testing';
import { Logger } from '@nestjs/common';
import { DrainService } from './drain.service';
import type { HttpConnections } from './http-connections';
import type { Readiness } from './readiness';

const OPTIONS = { graceMs: 1000, timeoutMs: 30_000, idleMs: 500, bodyMs: 5000 };

/** Connections on which `inFlight` requests are under way until `finish` or a refusal; tells what was asked of them. */
class ScriptedConnections {
  readonly asked: string[] = [];
  inFlight = 1;
  completed = 0;
  aborted = 0;
  private readonly over = Promise.withResolvers<void>();

  constructor(private readonly clock: ManualClock) {}

  finish(): void {
    this.completed += this.inFlight;
    this.inFlight = 0;
    this.over.resolve();
  }

  announceClose = (): void => this.note('announceClose');
  stopListening = (): void => this.note('stopListening');
  closeIdle = (): void => this.note('closeIdle');
  refuseUnfinished = (): void => this.note('refuseUnfinished');
  whenIdle = (): Promise<void> => this.over.promise;
  whenGone = (): Promise<void> => this.over.promise;

  refuseAll(): void {
    this.note('refuseAll');
    this.aborted += this.inFlight;
    this.inFlight = 0;
    this.over.resolve();
  }

  private note(what: string): void {
    this.asked.push(`${this.clock.monotonicMs()} ${what}`);
  }
}

function build() {
  const clock = new ManualClock();
  const drain = new Drain(clock);
  const connections = new ScriptedConnections(clock);
  const readiness = { startDraining: jest.fn() };
  const service = new DrainService({
    drain,
    clock,
    readiness: readiness as unknown as Readiness,
    connections: connections as unknown as HttpConnections,
    options: OPTIONS,
  });
  return { clock, drain, connections, readiness, service };
}

describe(DrainService.name, () => {
  let lines: Record<string, unknown>[];

  beforeEach(() => {
    lines = [];
    const note = (line: Record<string, unknown>): void => void lines.push(line);
    Logger.overrideLogger({ log: note, warn: note, error: note });
  });

  afterAll(() => Logger.overrideLogger(false));

  it('turns readiness first, keeps listening for the grace, then lets what is under way end', async () => {
    const { clock, connections, readiness, service } = build();
    const stopped = service.stop('SIGTERM');
    await clock.advance(0);
    expect(readiness.startDraining).toHaveBeenCalledTimes(1);
    await clock.advance(4000);
    connections.finish();
    await clock.advance(0);
    await expect(stopped).resolves.toBe(0);
    expect(connections.asked).toEqual(['0 announceClose', '1000 stopListening', '1500 closeIdle', '4000 refuseAll']);
    expect(lines).toEqual([
      { event: 'shutdown_started', cause: 'SIGTERM', in_flight: 1 },
      { event: 'shutdown_complete', duration_ms: 4000, completed: 1, aborted: 0 },
    ]);
  });

  it('leaves readiness as it is, and takes requests for another time, when its process is replaced', async () => {
    const { clock, connections, readiness, service } = build();
    const stopped = service.stop('SIGHUP', { replacedAfterMs: 2500 });
    await clock.advance(3000);
    connections.finish();
    await clock.advance(0);
    await expect(stopped).resolves.toBe(0);
    expect(readiness.startDraining).not.toHaveBeenCalled();
    expect(connections.asked.slice(0, 2)).toEqual(['0 announceClose', '2500 stopListening']);
  });

  it('cuts bodies that do not arrive, and refuses the rest before its time is over', async () => {
    const { clock, connections, service } = build();
    const stopped = service.stop('SIGTERM');
    await clock.advance(OPTIONS.timeoutMs - 1);
    await expect(stopped).resolves.toBe(0);
    expect(connections.asked).toContain('6000 refuseUnfinished');
    expect(connections.asked.at(-1)).toMatch(/^2\d+(\.\d+)? refuseAll$/);
    expect(connections.aborted).toBe(1);
  });

  it('waits for nothing more at the second signal', async () => {
    const { clock, connections, drain, service } = build();
    drain.register('finish', 'predictions', () => new Promise(() => {}));
    const stopped = service.stop('SIGINT');
    await clock.advance(10);
    void service.stop('SIGINT');
    await clock.advance(0);
    await expect(stopped).resolves.toBe(0);
    expect(connections.asked).toEqual(['0 announceClose', '10 stopListening', '10 closeIdle', '10 refuseAll']);
  });

  it('runs the steps of others in their phases, and goes on when one fails', async () => {
    const { clock, connections, drain, service } = build();
    const order: string[] = [];
    drain.register('close', 'executors', () => void order.push('close'));
    drain.register('flush', 'log', () => Promise.reject(new Error('full')));
    drain.register('finish', 'predictions', () => void order.push('finish'));
    const stopped = service.stop('SIGTERM');
    connections.finish();
    await clock.advance(2000);
    await expect(stopped).resolves.toBe(0);
    expect(order).toEqual(['finish', 'close']);
    expect(lines).toContainEqual({
      event: 'shutdown_step_failed',
      phase: 'flush',
      step: 'log',
      err: new Error('full'),
    });
  });

  it('gives 1 at the third signal, without waiting for anything', async () => {
    const { clock, service } = build();
    const stopped = service.stop('SIGTERM');
    await clock.advance(0);
    void service.stop('SIGTERM');
    await expect(service.stop('SIGTERM')).resolves.toBe(1);
    await expect(stopped).resolves.toBe(1);
    expect(lines.filter(({ event }) => event === 'shutdown_forced')).toMatchObject([{ reason: 'a third SIGTERM' }]);
  });
});
