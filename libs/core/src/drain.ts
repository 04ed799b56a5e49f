import { type Clock, SystemClock } from './clock';

/** The order in which a process stops: what is in one phase runs together, and ends before the next begins. */
export const DRAIN_PHASES = ['stop-taking', 'finish', 'flush', 'close'] as const;

/** `stop-taking` new work, `finish` what was accepted, `flush` what is buffered, `close` what is held. */
export type DrainPhase = (typeof DRAIN_PHASES)[number];

/** How the time of a stop is divided: what was accepted gets what is left when the other phases have their share. */
export function drainBudgets(timeoutMs: number): Readonly<Record<DrainPhase, number>> {
  const [stop, flush, close] = [
    Math.min(1000, timeoutMs / 20),
    Math.min(2000, timeoutMs / 10),
    Math.min(3000, timeoutMs / 5),
  ];
  return { 'stop-taking': stop, finish: timeoutMs * 0.98 - stop - flush - close, flush, close };
}

/** A step that did not end well: it threw, or its phase ran out of time. */
export interface DrainFault {
  readonly phase: DrainPhase;
  readonly name: string;
  readonly reason: unknown;
}

/** Something to be done in a phase. */
interface DrainStep {
  readonly phase: DrainPhase;
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

/**
 * The ordered stop of one process. It knows no owners: each library and app registers its own steps, and whoever runs
 * the process runs the drain. A step that fails does not hold up the others.
 */
export class Drain {
  private readonly steps: DrainStep[] = [];
  private running: Promise<readonly DrainFault[]> | undefined;
  private endPhase: (() => void) | undefined;

  constructor(private readonly clock: Clock = new SystemClock()) {}

  /** Adds a step. Steps of one phase run together; `name` appears in the log when the step fails. */
  register(phase: DrainPhase, name: string, run: () => Promise<void> | void): void {
    this.steps.push({ phase, name, run });
  }

  /** Runs every phase in order, each for at most `budgetMs[phase]`; resolves with the steps that failed. Safe to call twice. */
  run(budgetMs: Readonly<Record<DrainPhase, number>>): Promise<readonly DrainFault[]> {
    this.running ??= this.runPhases(budgetMs);
    return this.running;
  }

  /** Waits no longer for the phase that is under way: its steps that have not ended count as failed. */
  hasten(): void {
    this.endPhase?.();
  }

  private async runPhases(budgetMs: Readonly<Record<DrainPhase, number>>): Promise<readonly DrainFault[]> {
    const faults: DrainFault[] = [];
    for (const phase of DRAIN_PHASES) {
      faults.push(...(await this.runPhase(phase, budgetMs[phase])));
    }
    return faults;
  }

  private async runPhase(phase: DrainPhase, budgetMs: number): Promise<DrainFault[]> {
    const steps = this.steps.filter((step) => step.phase === phase);
    const faults: DrainFault[] = [];
    const pending = new Set(steps.map((step) => step.name));
    const all = steps.map(async ({ name, run }) => {
      try {
        await run();
      } catch (reason) {
        faults.push({ phase, name, reason });
      } finally {
        pending.delete(name);
      }
    });
    const late = Promise.withResolvers<void>();
    this.endPhase = () => late.resolve();
    const timer = this.clock.setTimer(budgetMs, this.endPhase);
    await Promise.race([Promise.all(all), late.promise]);
    timer.cancel();
    return [...faults, ...[...pending].map((name) => ({ phase, name, reason: new Error('not done in its time') }))];
  }
}
