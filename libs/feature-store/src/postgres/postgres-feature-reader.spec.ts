import { QuaysideError } from '@app/core';
import type { QueryResult, Queryable } from '@app/database';
import { ManualClock, featureViews } from '@app/testing';
import type { FeatureRead, ReadOptions } from '../rows/feature-reader';
import { PostgresFeatureReader } from './postgres-feature-reader';

type Answer = QueryResult<never>;

/** A pool that answers what it is told, when it is told. */
class ScriptedPool implements Queryable {
  readonly asked: (readonly unknown[])[] = [];
  private readonly answers: PromiseWithResolvers<Answer>[] = [];

  query<Row>(_sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    this.asked.push(params);
    const answer = Promise.withResolvers<Answer>();
    this.answers.push(answer);
    return answer.promise;
  }

  /** Answers every statement that waits. */
  answer(rows: readonly object[] = []): void {
    for (const { resolve } of this.answers.splice(0)) resolve({ rows: rows as never, rowCount: rows.length });
  }

  fail(error: unknown): void {
    for (const { reject } of this.answers.splice(0)) reject(error);
  }
}

const views = featureViews(
  ...['a', 'b', 'c'].map((name) => ({
    name,
    version: 1,
    entities: [{ name: 'id', dtype: 'INT64' }],
    features: [{ name: 'x', dtype: 'INT64' }],
  })),
);
const away = new QuaysideError('database_unavailable', 'It is away.');
const TIMEOUT = { kind: 'timeout' };

function build() {
  const clock = new ManualClock();
  const pool = new ScriptedPool();
  const reader = new PostgresFeatureReader({ pool, views, clock, readTimeoutMs: 50 });
  const read = (options: Partial<ReadOptions> = {}): Promise<FeatureRead> =>
    reader.read([{ view: 'a', key: '["1"]' }], { timeoutMs: 1000, ...options });
  return { clock, pool, reader, read };
}

/** Lets the callbacks of `setImmediate` run that are due. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(PostgresFeatureReader.name, () => {
  it('asks for three views and a hundred entities in one statement, each once', async () => {
    const { pool, reader } = build();
    const wanted = ['a', 'b', 'c'].flatMap((view) =>
      Array.from({ length: 100 }, (_, id) => ({ view, key: `["${id}"]` })),
    );
    const reading = reader.read([...wanted, ...wanted], { timeoutMs: 1000 });
    pool.answer([{ place: 101, event_ts: 5n, data: '{"x":"7"}', codec: 1 }]);
    const found = await reading;
    expect(pool.asked.map((params) => params.map((param) => (param as unknown[]).length))).toEqual([[300, 300]]);
    if (found.kind !== 'rows') throw new Error('the read timed out');
    expect(found.rows('b', '["0"]')).toEqual({ eventTsUs: 5n, values: { x: 7n } });
    expect(found.rows('a', '["0"]')).toBeUndefined();
  });

  it('asks nothing where nothing is wanted', async () => {
    const { pool, reader } = build();
    expect(await reader.read([], { timeoutMs: 1000 })).toMatchObject({ kind: 'rows' });
    expect(pool.asked).toEqual([]);
  });

  it.each([
    ['its own limit', 1000, 50],
    ['what the request has left', 20, 20],
  ])('times out at %s', async (_what, timeoutMs, atMs) => {
    const { clock, read } = build();
    const reading = read({ timeoutMs });
    let isOver = false;
    void reading.then(() => (isOver = true));
    await clock.advance(atMs - 1);
    await turn();
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await reading).toEqual(TIMEOUT);
  });

  it('takes an answer that came while the process was busy until the deadline', async () => {
    const { clock, pool, read } = build();
    const reading = read();
    pool.answer();
    await clock.advance(50);
    expect(await reading).toMatchObject({ kind: 'rows' });
  });

  it('is a timeout when the caller leaves, and is not asked for unless it was already', async () => {
    const { pool, read } = build();
    for (let at = 0; at < 6; at++) {
      const leaving = new AbortController();
      const reading = read({ signal: leaving.signal });
      leaving.abort();
      expect(await reading).toEqual(TIMEOUT);
    }
    expect(pool.asked).toHaveLength(3);
  });

  it('is a timeout when the database is away', async () => {
    const { pool, read } = build();
    const reading = read();
    pool.fail(away);
    expect(await reading).toEqual(TIMEOUT);
  });

  it('keeps its own deadline while it waits for a statement, which then leaves it out', async () => {
    const { clock, pool, reader } = build();
    const read = (id: number, timeoutMs: number) => reader.read([{ view: 'a', key: `["${id}"]` }], { timeoutMs });
    const first = [1, 2, 3].map((id) => read(id, 1000));
    const hasty = read(4, 20);
    const patient = read(5, 40);
    await clock.advance(20);
    expect(await hasty).toEqual(TIMEOUT);
    pool.answer();
    await Promise.all(first);
    await turn();
    expect(pool.asked.slice(3)).toEqual([[['a'], ['["5"]']]]);
    pool.answer();
    expect(await patient).toMatchObject({ kind: 'rows' });
  });

  it('never pauses because the time of its callers runs out', async () => {
    const { clock, pool, read } = build();
    for (let round = 0; round < 5; round++) {
      const readings = Array.from({ length: 200 }, () => read());
      await clock.advance(50);
      expect(new Set(await Promise.all(readings))).toEqual(new Set([TIMEOUT]));
      pool.answer();
      await turn();
    }
    const reading = read();
    pool.answer();
    expect(await reading).toMatchObject({ kind: 'rows' });
  });

  it('throws what is a defect: a statement that fails, a row in a codec of the future', async () => {
    const { pool, read } = build();
    const failing = read();
    pool.fail(new Error('no such column'));
    await expect(failing).rejects.toThrow('no such column');
    const strange = read();
    pool.answer([{ place: 1, event_ts: 5n, data: '{}', codec: 2 }]);
    await expect(strange).rejects.toThrow('codec 2');
  });
});
