import { eventually } from '@app/testing';
import { ApiClient, DEFAULT_MODELS, outcome } from '../e2e/door';
import { postgresProcesses } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';
import { keepMeasures, percentiles } from './measures';

/** What a request may take longer than its read, or its own deadline where that is shorter. */
const ALLOWED_MS = 20;
const READ_TIMEOUT_MS = 50;
const FREEZES = 40;
/** Rounds end before PostgreSQL is known to be away: from then on nobody waits for it. */
const ROUNDS = 4;
const AT_ONCE = 10;
const DEADLINES_MS = [30, 1000];
/** A timer may fire so much early. */
const EARLY_MS = 2;
const LOAN = { amount: 1, duration_months: 18, purpose: 'education', installment_rate: 4, applicant_id: 'nobody' };
const ROWS = { rows: [{ ...LOAN, other_debtors: 'none', other_installment_plans: 'none' }] };

jest.setTimeout(300_000);

/** What requests with one deadline took. */
class Waits {
  /** Of those that waited to the end of their time, how long they took beyond it. */
  readonly overMs: number[] = [];
  /** Those that were answered before, since PostgreSQL was known to be away. */
  atOnce = 0;

  note(overMs: number): void {
    if (overMs < -EARLY_MS) this.atOnce += 1;
    else this.overMs.push(Math.max(0, overMs));
  }

  get measures() {
    return { waited: this.overMs.length, atOnce: this.atOnce, ...percentiles(this.overMs) };
  }
}

describe('a PostgreSQL that is frozen', () => {
  it('holds no request with stored features longer than its deadline and 20 ms', async () => {
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: DEFAULT_MODELS, DATABASE_URL: '', HTTP_PROCESSES: '1', EXECUTOR_COUNT: '1' },
      FEATURE_READ_TIMEOUT_MS: String(READ_TIMEOUT_MS),
    });
    const api = new ApiClient(await server.ready());
    const ask = async (deadlineMs: number) => {
      const beganAtMs = performance.now();
      const headers = { 'X-Request-Timeout-Ms': String(deadlineMs) };
      const answer = await api.post('/v1/models/credit-risk/predict', ROWS, headers);
      return { tookMs: performance.now() - beganAtMs, says: outcome(answer) };
    };
    const waits = new Map(DEADLINES_MS.map((deadlineMs) => [deadlineMs, new Waits()]));
    const said = new Set<string>();
    const askAndNote = async (deadlineMs: number): Promise<void> => {
      const { tookMs, says } = await ask(deadlineMs);
      said.add(says);
      waits.get(deadlineMs)?.note(tookMs - Math.min(deadlineMs, READ_TIMEOUT_MS));
    };
    const burst = Array.from({ length: AT_ONCE }, (_, at) => DEADLINES_MS[at % DEADLINES_MS.length] ?? 0);
    for (let freeze = 0; freeze < FREEZES; freeze += 1) {
      // A loan of nobody is refused once the store answers that there is nobody.
      await eventually(async () => expect((await ask(1000)).says).toBe('422 feature_missing'));
      const pids = postgresProcesses(server.postmaster ?? 0);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      try {
        for (let round = 0; round < ROUNDS; round += 1) await Promise.all(burst.map(askAndNote));
      } finally {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
      }
    }
    const measured = [...waits].map(([deadlineMs, { measures }]) => [`${deadlineMs} ms`, measures] as const);
    await keepMeasures('frozen-postgres', {
      unit: 'ms over the shorter of the deadline and the read, of those that waited that long',
      readTimeoutMs: READ_TIMEOUT_MS,
      'by deadline': Object.fromEntries(measured),
      said: [...said],
    });
    expect([...said].filter((says) => !/^(503 features_unavailable|504 deadline_exceeded)$/.test(says))).toEqual([]);
    for (const [, { waited, atOnce, p99 }] of measured) {
      expect(waited).toBeGreaterThan(atOnce);
      expect(p99).toBeLessThan(ALLOWED_MS);
    }
  });
});
