import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type Order, PROCESS_ARGUMENTS, type ProcessKind, type Report } from '../../common/src/supervisor-messages';
import type { SharedSocket } from './supervisor-socket';

/** A copy takes one connection per turn of the event loop; more than eight gave no more. */
const SOCKET_COPIES = 8;

/** What each kind runs, as it is built. */
const ENTRIES: Readonly<Record<ProcessKind, string>> = {
  http: join(__dirname, 'main.js'),
  worker: join(__dirname, '../../worker/src/main.js'),
};

/** Which of the server's processes one is. */
export interface Seat {
  readonly kind: ProcessKind;
  /** Its number in the log. */
  readonly slot: number;
}

/** How a process ended; both are null when it could not be started. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * One process of the server, as the supervisor sees it: `starting → ready`, then `stopping` on an order; the end may come at any
 * time. Every promise here resolves at most once and never rejects.
 */
export class ChildOfSupervisor {
  /** Resolves when it takes connections; a worker never does. */
  readonly listening: Promise<void>;
  /** Resolves when it can do its work: when every pinned model serves, with the names of all models. */
  readonly ready: Promise<readonly string[]>;
  /** Resolves when it says that it cannot start, with the reason. */
  readonly fault: Promise<string>;
  readonly exited: Promise<ProcessExit>;
  /** What it answered and refused after it was told to stop. */
  lastWord = { completed: 0, aborted: 0 };
  state: 'starting' | 'ready' | 'stopping' | 'ended' = 'starting';
  /** Whether it was ready at any time. */
  wasReady = false;
  /** Whether its end was asked for. */
  wasAsked = false;
  /** Whether it has told anything yet. */
  wasHeard = false;
  private silentTicks = 0;
  private readonly child: ChildProcess;

  /** Forks it. */
  constructor(readonly seat: Seat) {
    this.child = fork(ENTRIES[seat.kind], [PROCESS_ARGUMENTS[seat.kind], String(seat.slot)]);
    const listening = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<readonly string[]>();
    const fault = Promise.withResolvers<string>();
    this.listening = listening.promise;
    this.ready = ready.promise;
    this.fault = fault.promise;
    this.exited = this.untilGone();
    this.child.on('message', (report: Report) => {
      this.wasHeard = true;
      this.silentTicks = 0;
      if (report.type === 'listening') listening.resolve();
      if (report.type === 'fault') fault.resolve(report.reason);
      if (report.type === 'stopped') this.lastWord = report;
      if (report.type !== 'ready') return;
      this.wasReady = true;
      if (this.state === 'starting') this.state = 'ready';
      ready.resolve(report.models);
    });
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Gives it the socket. It opens it as soon as it can answer probes. */
  listen({ handle }: SharedSocket): void {
    for (let copy = 0; copy < SOCKET_COPIES; copy += 1) this.tell({ type: 'listen' }, handle);
  }

  /** Stops it without losing what it has taken; called again, it hurries. */
  stop(cause: string): void {
    this.ask({ type: 'stop', cause });
  }

  /** Stops it while another one serves in its place. */
  retire(cause: string): void {
    this.ask({ type: 'retire', cause });
  }

  /** Ends it now, whatever it does. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  /**
   * Counts a tick of the supervisor's own clock, and gives how many have passed since it was last heard of. Time in which
   * the supervisor itself stood still does not count.
   */
  tick(): number {
    this.silentTicks += 1;
    return this.silentTicks;
  }

  private ask(order: Order): void {
    this.wasAsked = true;
    if (this.state !== 'ended') this.state = 'stopping';
    this.tell(order);
  }

  private tell(order: Order, handle?: object): void {
    // One that has ended, or could not be started, cannot be told anything; one that is ending does not need it.
    if (this.child.connected) this.child.send(order, handle as never, () => {});
  }

  private untilGone(): Promise<ProcessExit> {
    return new Promise((resolve) => {
      const ended = (exit: ProcessExit): void => {
        this.state = 'ended';
        resolve(exit);
      };
      this.child.on('exit', (code, signal) => ended({ code, signal }));
      this.child.on('error', () => this.child.pid === undefined && ended({ code: null, signal: null }));
    });
  }
}
