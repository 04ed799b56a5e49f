import { QuaysideError } from '@app/core';
import type { QueryResult, Queryable } from '@app/database';
import { ManualClock } from '@app/testing';
import { type NamedReferences, SharedReads } from './shared-reads';

interface Statement {
  readonly keys: readonly string[];
  answer(): void;
  fail(fault: unknown): void;
}

/** A pool whose statements end when the test says so; each key has a row whose data is that key. */
class ScriptedPool implements Queryable {
  readonly statements: Statement[] = [];

  query<Row>(_sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> {
    const keys = params[1] as readonly string[];
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult<Row>>();
    const rows = keys.map((data, at) => ({ place: at + 1, event_ts: 0n, data, codec: 1 }));
    const answer = (): void => resolve({ rows: rows as never, rowCount: rows.length });
    this.statements.push({ keys, answer, fail: reject });
    return promise;
  }
}

const away = new QuaysideError('database_unavailable', 'It is away.');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function build() {
  const clock = new ManualClock();
  const pool = new ScriptedPool();
  const reads = new SharedReads(pool, clock);
  const ask = (...keys: readonly string[]) => reads.ask(references(keys));
  return { clock, reads, ask, statements: pool.statements };
}

function references(keys: readonly string[]): NamedReferences {
  return new Map(keys.map((key) => [key, { view: 'a', key }]));
}

const manyKeys = (count: number, of: string): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${of}${at}`);

describe(SharedReads.name, () => {
  it('sends a read at once while fewer than three statements are in flight', () => {
    const { ask, statements } = build();
    for (const key of ['a', 'b', 'c', 'd']) ask(key);
    expect(statements.map(({ keys }) => keys)).toEqual([['a'], ['b'], ['c']]);
  });

  it('sends together what gathered meanwhile, each key once, and answers each read', async () => {
    const { ask, statements } = build();
    for (const key of ['a', 'b', 'c']) ask(key);
    const later = [ask('d', 'e'), ask('e', 'f'), ask('d')];
    statements[1]?.answer();
    await turn();
    expect(statements.slice(3).map(({ keys }) => keys)).toEqual([['d', 'e', 'f']]);
    statements[3]?.answer();
    const found = await Promise.all(later.map((read) => read.found));
    expect(found.map((rows) => [rows?.get('d')?.data, rows?.get('e')?.data])).toEqual(later.map(() => ['d', 'e']));
  });

  it('puts at most a thousand keys of several reads into one statement, and a larger read alone into one', async () => {
    const { ask, statements } = build();
    for (const key of ['a', 'b', 'c']) ask(key);
    for (const [count, of] of [
      [600, 'd'],
      [400, 'e'],
      [1, 'f'],
      [1500, 'g'],
    ] as const) {
      ask(...manyKeys(count, of));
    }
    for (const at of [0, 1, 2]) statements[at]?.answer();
    await turn();
    expect(statements.slice(3).map(({ keys }) => keys.length)).toEqual([1000, 1, 1500]);
  });

  it('has one larger read in flight at once, and lets others pass it', async () => {
    const { ask, statements } = build();
    for (const name of ['a', 'b', 'c']) ask(...manyKeys(1001, name));
    ask('d');
    expect(statements.map(({ keys }) => keys.length)).toEqual([1001, 1]);
    statements[0]?.answer();
    await turn();
    expect(statements.map(({ keys }) => keys[0])).toEqual(['a0', 'd', 'b0']);
  });

  it('takes no read beyond ten thousand keys that wait, until some have left', async () => {
    const { ask, statements } = build();
    for (const key of ['a', 'b', 'c']) ask(key);
    const waiting = ask(...manyKeys(9999, 'd'));
    ask('e');
    expect(await ask('f').found).toBeUndefined();
    waiting.leave();
    const next = ask('f');
    statements[0]?.answer();
    await turn();
    expect(statements[3]?.keys).toEqual(['e', 'f']);
    statements[3]?.answer();
    expect((await next.found)?.size).toBe(2);
  });

  it('asks nothing for a second after three statements in a row that failed', async () => {
    const { ask, clock, statements } = build();
    const failing = ['a', 'b', 'c'].map((key) => ask(key).found);
    for (const { fail } of statements) fail(away);
    expect(await Promise.all(failing)).toEqual([undefined, undefined, undefined]);
    await turn();
    expect(await ask('d').found).toBeUndefined();
    expect(statements).toHaveLength(3);
    await clock.advance(1000);
    const next = ask('d').found;
    statements[3]?.answer();
    expect((await next)?.size).toBe(1);
  });

  it('answers at once what waits when a pause begins', async () => {
    const { ask, clock, statements } = build();
    for (const key of ['a', 'b']) void ask(key).found;
    for (const { fail } of statements) fail(away);
    await turn();
    for (const key of ['c', 'd', 'e']) ask(key);
    const waiting = ask('f').found;
    statements[2]?.fail(away);
    expect(await waiting).toBeUndefined();
    await clock.advance(1000);
    expect(statements).toHaveLength(5);
  });

  it('refuses alone a read that PostgreSQL does not take, and answers those that share its statement', async () => {
    const { ask, statements } = build();
    for (const key of ['a', 'b', 'c']) ask(key);
    const [first, bad, last] = [ask('d'), ask('e'), ask('f')];
    const refused = expect(bad.found).rejects.toThrow('invalid byte sequence');
    statements[0]?.answer();
    for (let at = 3; at < 8; at += 1) {
      await turn();
      const statement = statements[at];
      if (statement?.keys.includes('e'))
        statement.fail(Object.assign(new Error('invalid byte sequence'), { code: '22021' }));
      else statement?.answer();
    }
    await refused;
    expect((await first.found)?.size).toBe(1);
    expect((await last.found)?.size).toBe(1);
    expect(statements.slice(3).map(({ keys }) => keys)).toEqual([['d', 'e', 'f'], ['d', 'e'], ['d'], ['e'], ['f']]);
  });

  it('throws what is a defect to every read of the statement, and goes on', async () => {
    const { ask, statements } = build();
    const failing = ask('a').found;
    statements[0]?.fail(new Error('no such column'));
    await expect(failing).rejects.toThrow('no such column');
    const next = ask('b').found;
    statements[1]?.answer();
    expect((await next)?.size).toBe(1);
  });
});
