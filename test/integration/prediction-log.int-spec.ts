import { newId, tensorOf } from '@app/core';
import { LOG_COLUMNS, LogPartitions, type LogRow, type LogStore, valuesOf } from '@app/prediction-log';
import { aPredictionRecord, eventually, inTimeZone } from '@app/testing';
import { LogBench } from './prediction-log-bench';

inTimeZone('Asia/Kathmandu');

let bench: LogBench;
beforeEach(async () => {
  bench = await LogBench.open();
});
afterEach(() => bench[Symbol.asyncDispose]());

/** Keeps what it is given, so that a test sees what is queued. */
class HoldingStore implements LogStore {
  readonly rows: LogRow[] = [];

  insert(rows: readonly LogRow[]) {
    this.rows.push(...rows);
    return Promise.resolve({ written: rows.length, rejected: 0 });
  }
}

/** Rows as they go into the table. */
async function encoded(count: number): Promise<LogRow[]> {
  const store = new HoldingStore();
  const sink = bench.sink({ store });
  for (let each = 0; each < count; each += 1) sink.record(aPredictionRecord());
  await eventually(() => store.rows.length === count);
  return store.rows;
}

/** The row with another field in its line. */
function withField(row: LogRow, column: string, field: string): LogRow {
  const fields = String(row.line).slice(0, -1).split('\t');
  fields[LOG_COLUMNS.findIndex(([name]) => name === column)] = field;
  return { ...row, line: Buffer.from(`${fields.join('\t')}\n`) };
}

/** With all that an array of PostgreSQL has to quote. */
const ODD_KEY = '["a\\"b\\\\c,{} null"]';
const DAY_MS = 86_400_000;
/** An id of a call that began then. */
const idAt = (momentMs: number): string => {
  const hex = momentMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}${newId().slice(13)}`;
};

describe('the prediction log', () => {
  it('gives a prediction back as it was, all of its instances', async () => {
    const record = aPredictionRecord({
      rows: 2,
      input: { form: 'rows', rows: [{ age: 31, id: '9007199254740993' }, { age: -0 }] },
      answer: { form: 'rows', rows: [{ value: 0.1 }, { value: 'NaN' }] },
      provenance: [
        {
          entityKeys: ['["42"]', ODD_KEY],
          features: [
            {
              name: 'age',
              source: 'store',
              status: 'PRESENT',
              view: 'people@1',
              feature: 'age',
              eventTsUs: 1n,
              value: 31,
            },
            {
              name: 'id',
              source: 'store',
              status: null,
              reason: 'timeout',
              view: 'people@1',
              feature: 'id',
              value: null,
            },
          ],
        },
        { entityKeys: [], features: [{ name: 'age', source: 'request', status: null, value: '-0' }] },
      ],
    });
    bench.sink().record(record);
    const found = await eventually(async () => {
      const rows = await bench.history.find(record.predictionId);
      return rows.length > 0 && rows;
    });
    expect(found).toMatchObject([
      {
        id: record.predictionId,
        index: 0,
        model: 'iris',
        version: '1',
        digest: 'sha256:00',
        door: 'predict',
        requestId: 'request-1',
        traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
        status: 'ok',
        errorCode: null,
        cache: 'miss',
        queueMs: 1,
        inferMs: 2,
        totalMs: 4,
        inputs: { age: 31, id: '9007199254740993' },
        outputs: { value: 0.1 },
        predictionNum: 0.1,
        entityKeys: ['["42"]', ODD_KEY],
        samplingRate: 1,
        flags: [],
        features: {
          age: { v: 31, st: 'PRESENT', src: 'store', ts: '1970-01-01T00:00:00.000001Z', view: 'people@1', f: 'age' },
          id: { v: null, st: null, src: 'store', view: 'people@1', why: 'timeout' },
        },
      },
      { index: 1, inputs: { age: '-0' }, outputs: { value: 'NaN' }, predictionNum: null, flags: ['nonfinite'] },
    ]);
  });

  it('has a row for each row of a call in tensors, with what it was given of each', async () => {
    const tensors = { x: tensorOf('FP32', [2, 2], [0.5, 1.5, 2.5, 3.5]), name: tensorOf('BYTES', [2, 1], ['a', 'b']) };
    const record = aPredictionRecord({
      rows: 2,
      input: { form: 'tensors', tensors },
      answer: { form: 'tensors', outputs: { y: [[2], [6]] } },
    });
    bench.sink().record(record);
    await eventually(async () => (await bench.countRows()) === 2);
    expect(await bench.history.find(record.predictionId)).toMatchObject([
      { inputs: { x: [[0.5, 1.5]], name: [['a']] }, outputs: { y: [2] }, predictionNum: 2, flags: ['tensors'] },
      { inputs: { x: [[2.5, 3.5]], name: [['b']] }, outputs: { y: [6] }, predictionNum: 6 },
    ]);
  });

  it('writes text that PostgreSQL would refuse, and says that it was changed', async () => {
    const text = `a\u0000b\ud800c\\u0000`;
    const record = aPredictionRecord({ input: { form: 'rows', rows: [{ text }] } });
    bench.sink().record(record);
    await eventually(async () => (await bench.countRows()) === 1);
    expect(await bench.history.find(record.predictionId)).toMatchObject([
      { inputs: { text: 'a\uFFFDb\uFFFDc\\u0000' }, flags: ['sanitized'] },
    ]);
  });

  it('sets one bad row of 500 aside, and writes the other 499 once', async () => {
    const rows = await encoded(500);
    const bad = rows[123];
    rows[123] = withField(bad, 'inputs', '{"text":');
    expect(await bench.store.insert(rows)).toEqual({ written: 499, rejected: 1 });
    expect(await bench.store.insert(rows)).toEqual({ written: 499, rejected: 1 });
    expect(await bench.countRows()).toBe(499);
    const reject = await bench.value<string>(
      `select json_build_array(reason, id, convert_from(content, 'UTF8')::json->>'model') from prediction_log_reject`,
    );
    expect(JSON.parse(reject)).toEqual(['22P02', valuesOf(bad)[0], 'iris']);
  });

  it('writes what is new of a batch of which rows are there already', async () => {
    const rows = await encoded(20);
    await bench.store.insert(rows.slice(5, 10));
    expect(await bench.store.insert(rows)).toEqual({ written: 20, rejected: 0 });
    expect(await bench.countRows()).toBe(20);
  });

  it.each(['\\N', '\\.', 'a\tb', 'a\nb\r\n', 'a\\tb\\', '', '{"a": "\\\\"}'])(
    'writes the text %j as it is, in a column and in JSON',
    async (text) => {
      const row = { text, [text]: [text] };
      const record = aPredictionRecord({ requestId: text, input: { form: 'rows', rows: [row] } });
      bench.sink().record(record);
      await eventually(async () => (await bench.countRows()) === 1);
      expect(await bench.history.find(record.predictionId)).toMatchObject([{ requestId: text, inputs: row }]);
    },
  );

  it('makes a partition that is missing, and loses no row', async () => {
    const sink = bench.sink();
    const moments = [Date.now(), Date.now() - 3 * DAY_MS, Date.now() + 2 * DAY_MS];
    const records = moments.map((momentMs) => aPredictionRecord({ predictionId: idAt(momentMs) }));
    for (const record of records) sink.record(record);
    await eventually(async () => (await bench.countRows()) === 3);
    expect(sink.statistics()).toMatchObject({ written: 3, failedFlushes: 0 });
    await expect(
      bench.value(`select count(*)::int from pg_inherits where inhparent = 'prediction_log'::regclass`),
    ).resolves.toBe(3);
  });

  it('reads one partition to find a prediction', async () => {
    await bench.partitions.keep(Date.now(), 30);
    const id = newId();
    const { rows } = await bench.here.database.main.query<{ 'QUERY PLAN': string }>(
      `explain (format text) select * from prediction_log where created_at = $1 and id = $2 order by row_index`,
      [new Date().toISOString(), id],
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan.match(/on prediction_log_\d{8}/g)).toHaveLength(1);
  });

  it('makes a week of partitions ahead, and removes what is older than the retention, in one process at a time', async () => {
    const now = Date.now();
    await bench.partitions.make([now - 40 * DAY_MS, now - 5 * DAY_MS]);
    const others = [bench.partitions, new LogPartitions(bench.here.database.main)];
    const kept = await Promise.all(others.map((each) => each.keep(now, 30)));
    expect(kept).toContain(true);
    const names = await bench.value<string>(
      `select json_agg(relname order by relname) from pg_class where relname ~ '^prediction_log_[0-9]{8}$'`,
    );
    const days = [-5, 0, 1, 2, 3, 4, 5, 6, 7].map((ahead) => new Date(now + ahead * DAY_MS).toISOString().slice(0, 10));
    expect(JSON.parse(names)).toEqual(days.map((day) => `prediction_log_${day.replaceAll('-', '')}`));
  });

  it('finishes what a process left half removed', async () => {
    const now = Date.now();
    const { main } = bench.here.database;
    await bench.partitions.make([now - 40 * DAY_MS, now - 41 * DAY_MS]);
    const [first] = await Promise.all([
      bench.value<string>(`select min(relname) from pg_class where relname ~ '^prediction_log_[0-9]{8}$'`),
    ]);
    await main.query(`alter table prediction_log detach partition ${first}`);
    await bench.partitions.keep(now, 30);
    await expect(
      bench.value(`select count(*)::int from pg_class where relname ~ '^prediction_log_[0-9]{8}$'`),
    ).resolves.toBe(8);
  });

  it('lists instances from the newest on, page by page, by model, version and time', async () => {
    const sink = bench.sink();
    const start = Date.now() - 10_000;
    const ids = Array.from({ length: 7 }, (_, each) => idAt(start + each * 1000));
    ids.forEach((predictionId, each) =>
      sink.record(aPredictionRecord({ predictionId, rows: each === 3 ? 2 : 1, model: each === 6 ? 'other' : 'iris' })),
    );
    await eventually(async () => (await bench.countRows()) === 8);
    const seen: string[] = [];
    let after: { id: string; index: number } | undefined;
    do {
      const page = await bench.history.list({ model: 'iris', limit: 3, ...(after && { after }) });
      seen.push(...page.map(({ id, index }) => `${ids.indexOf(id)}/${index}`));
      after = page.length === 3 ? page.at(-1) : undefined;
    } while (after);
    expect(seen).toEqual(['5/0', '4/0', '3/1', '3/0', '2/0', '1/0', '0/0']);
    const between = await bench.history.list({ fromMs: start + 1000, toMs: start + 3000, limit: 10 });
    expect(between.map(({ id }) => ids.indexOf(id))).toEqual([2, 1]);
    expect(await bench.history.list({ model: 'iris', version: '2', limit: 10 })).toEqual([]);
  });

  it('erases a prediction with all of its rows, and no other', async () => {
    const sink = bench.sink();
    const records = [aPredictionRecord({ rows: 2 }), aPredictionRecord()] as const;
    for (const record of records) sink.record(record);
    await eventually(async () => (await bench.countRows()) === 3);
    expect(await bench.history.erase(records[0].predictionId)).toBe(2);
    expect(await bench.history.erase(records[0].predictionId)).toBe(0);
    expect(await bench.history.find(records[0].predictionId)).toEqual([]);
    expect(await bench.history.find(records[1].predictionId)).toHaveLength(1);
  });

  it('erases what was predicted for an entity, hashed or set aside too, and nothing of one with the same key elsewhere', async () => {
    const sink = bench.sink();
    const of = (entity: string, more: Partial<Parameters<typeof aPredictionRecord>[0]> = {}) =>
      aPredictionRecord({ provenance: [{ entityKeys: [entity], features: [] }], ...more });
    const hashed = { log: { fields: { ssn: 'hash' } }, manifest: { entities: { person: 'ssn' } } } as const;
    const [mine, others] = [`people:${ODD_KEY}`, `products:${ODD_KEY}`];
    const kept = [of(others), of('people:["8"]')];
    for (const record of [of(mine), of(mine, hashed), ...kept]) sink.record(record);
    await eventually(async () => (await bench.countRows()) === 4);
    const store = new HoldingStore();
    bench.sink({ store }).record(of(mine));
    await eventually(() => store.rows.length === 1);
    await bench.store.insert([withField(store.rows[0], 'door', '\\N')]);
    expect(await bench.history.eraseEntity({ view: 'people', key: ODD_KEY })).toBe(3);
    expect(await bench.history.eraseEntity({ view: 'people', key: ODD_KEY })).toBe(0);
    expect(await bench.countRows()).toBe(2);
    for (const { predictionId } of kept) expect(await bench.history.find(predictionId)).toHaveLength(1);
  });

  it('keeps nothing plain of a hidden field: in no queue, table or table of rejects', async () => {
    const canary = 'canary-4711';
    const fields = { ssn: 'hash', pin: 'mask', note: 'drop', name: { truncate: 6 }, label: 'mask' } as const;
    const store = new HoldingStore();
    const record = aPredictionRecord({
      log: { fields },
      manifest: { entities: { person: 'ssn' } },
      input: {
        form: 'rows',
        rows: [{ ssn: canary, pin: 4711, note: { deep: canary }, name: canary, list: [{ ssn: canary }] }],
      },
      answer: { form: 'rows', rows: [{ predictions: [{ label: canary, score: 0.5 }] }] },
      provenance: [
        { entityKeys: [`["${canary}"]`], features: [{ name: 'ssn', source: 'request', status: null, value: canary }] },
      ],
    });
    bench.sink({ store }).record(record);
    bench.sink().record(record);
    await eventually(async () => (await bench.countRows()) === 1 && store.rows.length === 1);
    expect(String(store.rows[0].line)).not.toMatch(/canary-|4711(?!-)/);
    expect(await bench.store.insert([withField(store.rows[0], 'door', '\\N')])).toEqual({ written: 0, rejected: 1 });
    const everything = await bench.value<string>(`select json_build_object(
      'log', (select json_agg(l) from prediction_log l),
      'rejects', (select json_agg(convert_from(content, 'UTF8')) from prediction_log_reject))`);
    expect(everything).not.toMatch(/canary-/);
    const [found] = await bench.history.find(record.predictionId);
    expect(found).toMatchObject({
      inputs: { ssn: expect.stringMatching(/^hmac-sha256:[0-9a-f]{64}$/), pin: '***', name: 'canary' },
      entityKeys: [expect.stringMatching(/^hmac-sha256:/)],
      predictionLabel: '***',
      score: 0.5,
      flags: ['redacted'],
    });
    expect(found?.inputs).not.toHaveProperty('note');
  });
});
