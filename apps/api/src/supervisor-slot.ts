import type { Clock, Timer } from '@app/core';
import type { ChildOfSupervisor, Seat } from './supervisor-process';

/** Delays before a process that ended before it was ready is forked again, in milliseconds. */
const BACK_OFF_MS = [250, 500, 1000, 2000, 4000, 8000];
const LONGEST_BACK_OFF_MS = 10_000;

/** What a slot asks of the supervisor. */
export interface SlotHost {
  readonly clock: Clock;
  /** Forks a process that does not listen yet. */
  fork(seat: Seat): ChildOfSupervisor;
  /**
   * Lets it listen, if it is one that does: at once when nobody else answers probes, else when it is ready. Resolves when it
   * listens, or will not.
   */
  open(process: ChildOfSupervisor): Promise<void>;
}

/** Keeps one process running, and replaces it when asked. */
export class Slot {
  private current: ChildOfSupervisor | undefined;
  private failures = 0;
  private timer: Timer | undefined;
  private closed = false;

  constructor(
    readonly seat: Seat,
    private readonly host: SlotHost,
  ) {}

  /** Whether its process is ready. */
  get serves(): boolean {
    return this.current?.state === 'ready';
  }

  /** Starts a process. */
  start(): void {
    const process = this.host.fork(this.seat);
    void this.host.open(process);
    this.keep(process);
  }

  /**
   * Puts a new process in the place of the current one, and resolves when that has ended; or, when the new one is not
   * ready within `timeoutMs`, leaves the current one where it is and resolves with the reason.
   */
  async replace({ cause, timeoutMs }: { cause: string; timeoutMs: number }): Promise<string | undefined> {
    const next = this.host.fork(this.seat);
    const obstacle = await this.obstacleOf(next, timeoutMs);
    if (obstacle !== undefined) {
      next.kill();
      return obstacle;
    }
    await this.host.open(next);
    const old = this.current;
    this.keep(next);
    if (this.closed) return 'The server is stopping.';
    old?.retire(cause);
    await old?.exited;
    return undefined;
  }

  /** From now on nothing is started here. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private keep(process: ChildOfSupervisor): void {
    this.timer?.cancel();
    this.current = process;
    void process.ready.then(() => (this.failures = 0));
    void process.exited.then(() => this.startAgain(process));
  }

  private startAgain(ended: ChildOfSupervisor): void {
    if (this.closed || this.current !== ended) return;
    const delayMs = ended.wasReady ? 0 : (BACK_OFF_MS[this.failures] ?? LONGEST_BACK_OFF_MS);
    if (!ended.wasReady) this.failures += 1;
    this.timer = this.host.clock.setTimer(delayMs, () => this.start());
  }

  /** Why a new process cannot take over; undefined once it is ready. */
  private async obstacleOf(next: ChildOfSupervisor, timeoutMs: number): Promise<string | undefined> {
    const late = Promise.withResolvers<string>();
    const timer = this.host.clock.setTimer(timeoutMs, () =>
      late.resolve(`The new process was not ready within ${timeoutMs} ms.`),
    );
    const ended = next.exited.then(() => 'The new process ended before it was ready.');
    const outcome = await Promise.race([next.ready.then(() => undefined), next.fault, ended, late.promise]);
    timer.cancel();
    return outcome;
  }
}
