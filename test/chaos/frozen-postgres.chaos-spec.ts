import { eventually } from '@app/testing';
import { ApiClient, DEFAULT_MODELS, outcome } from '../e2e/door';
import { postgresProcesses } from '../e2e/processes';
import { ServerProcess } from '../e2e/server-process';
import { keepMeasures, percentiles } from './measures';

/** What a request may take longer than its read, or its own deadline where that is shorter. */
const ALLOWED_MS = 20;
const READ_TIMEOUT_MS = 100;
const REQUESTS = 100;
const FREEZES = 5;
const DEADLINES_MS = [50, 1000];
const LOAN = { amount: 1, duration_months: 18, purpose: 'education', installment_rate: 4, applicant_id: 'nobody' };
const ROWS = { rows: [{ ...LOAN, other_debtors: 'none', other_installment_plans: 'none' }] };

jest.setTimeout(300_000);

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
    const over: Record<string, number[]> = {};
    const said = new Set<string>();
    for (let freeze = 0; freeze < FREEZES; freeze += 1) {
      // A loan of nobody is refused once the store answers that there is nobody.
      await eventually(async () => expect((await ask(1000)).says).toBe('422 feature_missing'));
      const pids = postgresProcesses(server.postmaster ?? 0);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      try {
        for (let each = 0; each < REQUESTS; each += 1) {
          const deadlineMs = DEADLINES_MS[each % DEADLINES_MS.length] ?? 0;
          const { tookMs, says } = await ask(deadlineMs);
          said.add(says);
          (over[`${deadlineMs} ms`] ??= []).push(Math.max(0, tookMs - Math.min(deadlineMs, READ_TIMEOUT_MS)));
        }
      } finally {
        for (const pid of pids) process.kill(pid, 'SIGCONT');
      }
    }
    const measured = Object.entries(over).map(([deadline, took]) => [deadline, percentiles(took)] as const);
    await keepMeasures('frozen-postgres', {
      unit: 'ms over the shorter of the deadline and the read',
      readTimeoutMs: READ_TIMEOUT_MS,
      'by deadline': Object.fromEntries(measured),
      said: [...said],
    });
    expect([...said].filter((says) => !/^(503 features_unavailable|504 deadline_exceeded)$/.test(says))).toEqual([]);
    // The slowest of all say how busy the machine is; they are in the results.
    for (const [, { p50 }] of measured) expect(p50).toBeLessThan(ALLOWED_MS);
  });
});
