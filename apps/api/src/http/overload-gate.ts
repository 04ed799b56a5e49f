import type { Clock, Timer } from '@app/core';

/** How often a gate that is in use looks at what became of the requests. */
const TICK_MS = 25;
/** An event loop that comes to its timers later than this has more to do than it can. */
const LATE_MS = 5;
/** Fewer refusals than this in a tick cost a process next to nothing. */
const MANY = 4;
/** A gate closes while more than this share of what it let in was refused further on, and opens below the other. */
const CLOSE_ABOVE = 0.3;
const OPEN_BELOW = 0.1;
const CLOSING = 0.7;
const OPENING = 1.1;
const LEAST_OPEN = 0.02;

/** What became of the requests that a gate let in since its last tick. */
export interface GateTick {
  readonly ended: number;
  readonly overloaded: number;
  /** How late the event loop came to the tick, in milliseconds. */
  readonly lateMs: number;
}

/**
 * Which share of requests to let in from now on, from 0.02 to 1: fewer while many of them are refused anyway and the
 * process has no time for that.
 */
export function nextOpen(open: number, { ended, overloaded, lateMs }: GateTick): number {
  const refused = ended === 0 ? 0 : overloaded / ended;
  if (refused > CLOSE_ABOVE && overloaded >= MANY && lateMs > LATE_MS) return Math.max(LEAST_OPEN, open * CLOSING);
  return refused < OPEN_BELOW ? Math.min(1, open * OPENING) : open;
}

interface Gate {
  open: number;
  /** What is left of the share that was let in: one more goes in when it comes to 1. */
  credit: number;
  ended: number;
  overloaded: number;
}

/**
 * Refuses requests before they are read, once refusing them with overloaded where their model is known takes so much time
 * that the process cannot serve those that it takes in. There is a gate for each path, so that other paths are
 * untouched; where nothing was refused lately there is none, and nothing is measured.
 */
export class OverloadGate {
  private readonly gates = new Map<string, Gate>();
  private timer: Timer | undefined;

  constructor(private readonly clock: Clock) {}

  /** Whether a request for this path may go in. */
  admits(path: string): boolean {
    const gate = this.gates.get(path);
    if (!gate || gate.open === 1) return true;
    gate.credit += gate.open;
    if (gate.credit < 1) return false;
    gate.credit -= 1;
    return true;
  }

  /** A request that went in has ended. */
  ended(path: string, wasOverloaded: boolean): void {
    let gate = this.gates.get(path);
    if (!gate) {
      if (!wasOverloaded) return;
      gate = { open: 1, credit: 0, ended: 0, overloaded: 0 };
      this.gates.set(path, gate);
    }
    gate.ended += 1;
    if (wasOverloaded) gate.overloaded += 1;
    if (!this.timer) this.watch();
  }

  private watch(): void {
    const dueAtMs = this.clock.monotonicMs() + TICK_MS;
    this.timer = this.clock.setTimer(TICK_MS, () => this.tick(this.clock.monotonicMs() - dueAtMs));
  }

  private tick(lateMs: number): void {
    for (const [path, gate] of this.gates) {
      const { ended, overloaded } = gate;
      gate.open = nextOpen(gate.open, { ended, overloaded, lateMs });
      if (gate.open === 1 && overloaded === 0) this.gates.delete(path);
      [gate.ended, gate.overloaded] = [0, 0];
    }
    this.timer = undefined;
    if (this.gates.size > 0) this.watch();
  }
}
