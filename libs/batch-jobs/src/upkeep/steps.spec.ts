import { QuaysideError } from '@app/core';
import { Steps } from './steps';
import type { UpkeepLine } from './upkeep-log';

describe(Steps.name, () => {
  const build = () => {
    const lines: UpkeepLine[] = [];
    return { lines, steps: new Steps((_level, line) => lines.push(line)) };
  };
  const fails = (message: string) => () => Promise.reject(new Error(message));

  it('tells once that a step fails, and once that it works again', async () => {
    const { lines, steps } = build();
    for (const message of ['first', 'second']) await steps.run('a', fails(message));
    for (let each = 0; each < 2; each += 1) await steps.run('a', () => Promise.resolve());
    await steps.run('a', fails('third'));
    expect(lines.map(({ event, step, reason }) => [event, step, reason])).toEqual([
      ['job_upkeep_failing', 'a', 'first'],
      ['job_upkeep_works', 'a', undefined],
      ['job_upkeep_failing', 'a', 'third'],
    ]);
  });

  it('keeps steps apart', async () => {
    const { lines, steps } = build();
    await steps.run('a', fails('no'));
    await steps.run('b', () => Promise.resolve());
    expect(lines).toHaveLength(1);
  });

  it('tells what lies behind an error of the catalogue', async () => {
    const { lines, steps } = build();
    const fault = new QuaysideError('database_unavailable', 'Try again.', { cause: new Error('ECONNREFUSED') });
    await steps.run('a', () => Promise.reject(fault));
    expect(lines).toMatchObject([{ reason: 'ECONNREFUSED' }]);
  });
});
