import type { UpkeepLog } from './upkeep-log';

const MSG = {
  failing: 'A part of the upkeep of jobs fails. It is tried again, and the other parts go on.',
  works: 'A part of the upkeep of jobs works again.',
};

/**
 * Work by name, of which none keeps another from running: what a step throws is told once when it begins to fail, and so is
 * that it works again.
 */
export class Steps {
  private readonly failing = new Set<string>();

  constructor(private readonly log: UpkeepLog) {}

  /** Runs a step. Never throws. */
  async run(step: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      if (this.failing.delete(step)) this.log('log', { event: 'job_upkeep_works', step, msg: MSG.works });
    } catch (fault) {
      if (this.failing.has(step)) return;
      this.failing.add(step);
      this.log('warn', { event: 'job_upkeep_failing', step, reason: reasonOf(fault), msg: MSG.failing });
    }
  }
}

/** What lies behind an error of the catalogue says more than its sentence. */
function reasonOf(fault: unknown): string {
  const cause = fault instanceof Error && fault.cause !== undefined ? fault.cause : fault;
  return cause instanceof Error ? cause.message : String(cause);
}
