import { BlobStore } from '@app/blob-store';
import { type ErrorCode, type JsonRecord, SystemClock, encodeTimestamp } from '@app/core';
import { Database } from '@app/database';
import { FeatureReader, FeatureStore, FeatureViews } from '@app/feature-store';
import { Executor, InferenceService } from '@app/inference';
import { PredictionHistory } from '@app/prediction-log';
import { ModelRegistry } from '@app/model-registry';
import {
  FakeExecutor,
  FakeFeatureReader,
  FakeFeatureRows,
  FakeFeatureViewStore,
  FakeModelRegistry,
  InMemoryBlobStore,
  aBoundVersion,
  eventually,
  featureViews,
  testDatabase,
} from '@app/testing';
import { HTTP_ERRORS } from '../../apps/api/src/http/http-errors';
import { type Answer, Door, type DoorOptions, errorOf } from './door';
import { RawConnection } from './raw-http';

/** A door in front of fakes: model `echo` answers `x` as `y`, as the executor is told to. */
interface Stage extends AsyncDisposable {
  readonly door: Door;
  readonly executor: FakeExecutor;
  readonly registry: FakeModelRegistry;
  readonly reader: FakeFeatureReader;
  /** Stores features of the person that `predictStored` asks for; now, unless a moment is given. */
  push(features: JsonRecord, eventTs?: string): Promise<void>;
}

/** What the model `bound` looks up. */
const VIEWS = featureViews({
  name: 'people',
  version: 1,
  entities: [{ name: 'person', dtype: 'STRING' }],
  max_age: '1d',
  features: [
    { name: 'age', dtype: 'INT64' },
    { name: 'seen', dtype: 'FP32', on_stale: 'error' },
  ],
});

const BOUND = aBoundVersion(
  { seen: { takes: 'FP32', from: 'feature:people@1:seen' }, age: { takes: 'FP32', from: 'feature:people@1:age' } },
  { person: 'person' },
);

const predictStored = (door: Door) => door.post('/v1/models/bound/predict', { rows: [{ person: 'a' }] });

/** A store with a defect. */
class BrokenFeatureStore extends FeatureStore {
  override enrich(): Promise<never> {
    throw new TypeError('/secret/path is undefined');
  }
}

/** A log that remembers nothing. */
const emptyLog: DoorOptions = {
  override: (module) => module.overrideProvider(PredictionHistory).useValue({ find: () => Promise.resolve([]) }),
};

const broken: DoorOptions = {
  override: (module) => module.overrideProvider(FeatureStore).useClass(BrokenFeatureStore),
};

async function stage({ override = (module) => module, ...options }: DoorOptions = {}): Promise<Stage> {
  const [executor, registry] = [new FakeExecutor(), new FakeModelRegistry()];
  registry.add({ model: 'echo' });
  registry.add(BOUND);
  const rows = new FakeFeatureRows();
  const reader = new FakeFeatureReader(VIEWS, rows);
  const door = await Door.open({
    override: (module) =>
      override(
        module
          .overrideProvider(Executor)
          .useValue(executor)
          .overrideProvider(ModelRegistry)
          .useValue(registry)
          .overrideProvider(FeatureViews)
          .useValue(VIEWS)
          .overrideProvider(FeatureReader)
          .useValue(reader),
      ),
    ...options,
  });
  const push = (features: JsonRecord, eventTs?: string) => pushTo(rows, features, eventTs);
  return { door, executor, registry, reader, push, [Symbol.asyncDispose]: () => door.close() };
}

async function pushTo(rows: FakeFeatureRows, features: JsonRecord, eventTs?: string): Promise<void> {
  const clock = new SystemClock();
  const event_ts = eventTs ?? encodeTimestamp(BigInt(clock.epochMs()) * 1000n);
  const row = { entities: { person: 'a' }, event_ts, features };
  await new FakeFeatureViewStore(VIEWS, clock, rows).push('people', { rows: [row], mode: 'all_or_nothing' });
}

const predict = (door: Door, body: JsonRecord = { rows: [{ x: [1] }] }, headers: Record<string, string> = {}) =>
  door.post('/v1/models/echo/predict', body, headers);

const post =
  (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  async ({ door }: Stage) =>
    door.post('/predict', body, headers);

const raw =
  (text: string) =>
  async ({ door }: Stage) => {
    await using connection = await RawConnection.to(door.url);
    connection.write(text);
    return await connection.answer();
  };

/** Submits a job to the model `echo`, in one body. */
const submit = (door: Door, rows: readonly object[] = [{ x: [1] }], headers: Record<string, string> = {}) =>
  door.post('/v1/jobs', { model: 'echo', rows }, headers);

async function pathOfJob(submitted: Promise<Answer>): Promise<string> {
  return (await submitted).headers.get('location') ?? '';
}

/** An upload of rows that does not end. */
async function beginUpload(door: Door, headers: Record<string, string> = {}) {
  const connection = await RawConnection.to(door.url);
  const lines = Object.entries({ 'Content-Type': 'text/csv', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  connection.write(
    `POST /v1/jobs?model=echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n${lines.join('')}\r\nx\n`,
  );
  const hasBegun = eventually(async () => {
    const { body } = await door.send('/v1/jobs?status=validating');
    return (body as { readonly data: readonly unknown[] }).data.length === 1;
  });
  return { hasBegun, [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() };
}

const failing =
  (code: ErrorCode) =>
  async ({ door, executor }: Stage) => {
    executor.fail(code);
    return predict(door);
  };

/** How each code is reached; a text says why no request reaches it. A code without an entry does not compile. */
const REACHED = {
  malformed_http: raw('GARBAGE\r\n\r\n'),
  headers_too_large: raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
  expectation_failed: raw('GET / HTTP/1.1\r\nHost: localhost\r\nExpect: a miracle\r\n\r\n'),
  request_timeout: raw(
    'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  ),
  route_not_found: ({ door }) => door.send('/nowhere'),
  method_not_allowed: ({ door }) => door.send('/predict'),
  body_too_large: post(new Uint8Array(2_000_000)),
  unsupported_media_type: post('{}', { 'Content-Type': 'text/plain' }),
  unsupported_encoding: post('{}', { 'Content-Encoding': 'br' }),
  invalid_encoding: post('{}', { 'Content-Encoding': 'gzip' }),
  invalid_utf8: post(new Uint8Array([0x22, 0xff, 0x22])),
  invalid_json: post('{'),
  json_too_deep: post('['.repeat(65)),
  json_too_many_keys: post(JSON.stringify(Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`k${at}`, 0])))),
  forbidden_key: post('{"__proto__": {}}'),
  invalid_request: post('{}'),
  invalid_input: ({ door }) => predict(door, { rows: [{ x: ['a'] }] }),
  invalid_framing: 'binary tensors come with the Open Inference door',
  task_mismatch: ({ door }) => door.post('/predict', { text: 'a', model_id: 'echo' }),
  unsupported_option: ({ door }) => predict(door, { rows: [{ x: [1] }], options: { top_k: 1 } }),
  context_length_exceeded: failing('context_length_exceeded'),
  model_not_found: ({ door }) => door.send('/v1/models/nobody'),
  model_version_not_found: ({ door }) => door.send('/v1/models/echo@7'),
  model_load_failed: 'it answers a command to load; requests for the version get model_unavailable',
  model_not_ready: async ({ door, registry }) => {
    const release = registry.hold({ model: 'echo', version: '1' });
    const answer = await predict(door, undefined, { 'X-Request-Timeout-Ms': '20' });
    release();
    return answer;
  },
  model_unavailable: async ({ door, executor }) => {
    executor.failLoad('model_load_failed');
    return predict(door);
  },
  model_capacity: failing('model_capacity'),
  database_unavailable: ({ door }) => door.send('/v1/predictions'),
  storage_full: ({ door }) => submit(door),
  storage_unavailable: ({ door }) => submit(door),
  chunk_failed: 'rows of a job end in it, in lines of its results',
  worker_crash: 'rows of a job end in it, in lines of its results',
  job_not_found: ({ door }) => door.send('/v1/jobs/unknown'),
  job_not_ended: async ({ door }) => door.send(await pathOfJob(submit(door)), { method: 'DELETE' }),
  job_nothing_failed: async ({ door }) => door.post(`${await pathOfJob(submit(door, []))}/retry`, ''),
  job_results_gone: async ({ door }) => {
    const path = await pathOfJob(submit(door, []));
    return eventually(async () => {
      const answer = await door.send(`${path}/results`);
      return answer.status !== 200 && answer;
    });
  },
  idempotency_key_in_use: async ({ door }) => {
    await using upload = await beginUpload(door, { 'Idempotency-Key': 'mine' });
    await upload.hasBegun;
    return await submit(door, undefined, { 'Idempotency-Key': 'mine' });
  },
  idempotency_key_reused: async ({ door }) => {
    await submit(door, [], { 'Idempotency-Key': 'mine' });
    return submit(door, [{ x: [2] }], { 'Idempotency-Key': 'mine' });
  },
  too_many_jobs: async ({ door }) => {
    await submit(door);
    return submit(door);
  },
  too_many_uploads: async ({ door }) => {
    await using upload = await beginUpload(door);
    await upload.hasBegun;
    return await submit(door);
  },
  feature_view_not_found: ({ door }) => door.send('/v1/feature-views/nobody'),
  feature_view_version_not_found: ({ door }) => door.send('/v1/feature-views/people/versions/7'),
  feature_missing: ({ door }) => predictStored(door),
  feature_stale: async ({ door, push }) => {
    await push({ age: 1, seen: 1 }, '2026-01-01T00:00:00Z');
    return predictStored(door);
  },
  feature_cast: async ({ door, push }) => {
    await push({ age: 16_777_217, seen: 1 });
    return predictStored(door);
  },
  features_unavailable: async ({ door, reader }) => {
    reader.timeOut();
    return predictStored(door);
  },
  prediction_not_found: ({ door }) => door.send('/v1/predictions/unknown'),
  deadline_exceeded: async ({ door, executor }) => {
    executor.hang();
    const answer = await predict(door, undefined, { 'X-Request-Timeout-Ms': '50' });
    executor.release();
    return answer;
  },
  overloaded: async ({ door, executor }) => {
    executor.hang();
    const running = predict(door);
    await executor.hasStarted(1);
    // Equal requests would wait for the one that runs, and take no room.
    const waiting = predict(door, { rows: [{ x: [2] }] });
    const refused = await eventually(async () => {
      const answer = await predict(door, { rows: [{ x: [3] }] }, { 'X-Request-Timeout-Ms': '50' });
      return answer.status === 503 && answer;
    });
    executor.release();
    await Promise.all([running, waiting]);
    return refused;
  },
  shutting_down: failing('shutting_down'),
  not_ready: ({ door }) => door.send('/ready'),
  executor_crashed: async ({ door, executor }) => {
    executor.hang();
    const answer = predict(door);
    await executor.hasStarted(1);
    executor.crash();
    await executor.hasStarted(2);
    executor.crash();
    executor.release();
    return answer;
  },
  input_quarantined: failing('input_quarantined'),
  inference_failed: failing('inference_failed'),
  non_finite_output: ({ door }) => predict(door, { rows: [{ x: ['NaN'] }], options: { nonfinite: 'error' } }),
  client_closed: 'nobody is there to be answered; it stands in the log',
  internal: ({ door }) => predict(door),
} as const satisfies Record<ErrorCode, string | ((stage: Stage) => Promise<Answer>)>;

/** A store of the bytes of jobs that answers with this code. */
function failingStore(code: 'storage_full' | 'storage_unavailable'): DoorOptions {
  const store = new InMemoryBlobStore();
  store.fail(code);
  return { override: (module) => module.overrideProvider(BlobStore).useValue(store) };
}

/** What a code needs of the server beside the default. */
const SETTINGS: Partial<Record<ErrorCode, DoorOptions>> = {
  storage_full: failingStore('storage_full'),
  storage_unavailable: failingStore('storage_unavailable'),
  job_results_gone: { settings: { JOB_RESULTS_RETENTION_MS: '1000' } },
  too_many_jobs: { settings: { JOB_MAX_ACTIVE: '1' } },
  too_many_uploads: { settings: { JOB_UPLOADS: '1' } },
  request_timeout: { settings: { HTTP_BODY_TIMEOUT_MS: '50' } },
  overloaded: { settings: { INFERENCE_QUEUE_LIMIT_ROWS: '1' } },
  not_ready: {
    override: (module) => module.overrideProvider(ModelRegistry).useValue(new FakeModelRegistry()),
    settings: { MODEL_ALLOW_EMPTY: 'false' },
    waits: false,
  },
  internal: broken,
  prediction_not_found: emptyLog,
};

/** The codes of jobs, which are kept in a database. */
const OF_JOBS: ReadonlySet<ErrorCode> = new Set([
  'storage_full',
  'storage_unavailable',
  'job_not_found',
  'job_not_ended',
  'job_nothing_failed',
  'job_results_gone',
  'idempotency_key_in_use',
  'idempotency_key_reused',
  'too_many_jobs',
  'too_many_uploads',
]);

/** What it takes to reach a code; jobs need a database of their own. */
async function stageFor(code: ErrorCode): Promise<Stage> {
  if (!OF_JOBS.has(code)) return stage(SETTINGS[code]);
  const database = await testDatabase();
  const { settings, ...options } = SETTINGS[code] ?? {};
  const here = await stage({ ...options, settings: { DATABASE_URL: database.url, ...settings } });
  await here.door.server.app.get(Database).whenUp();
  const close = async (): Promise<void> => {
    await here.door.close();
    await database.close();
  };
  return { ...here, [Symbol.asyncDispose]: close };
}

type Scenario = (stage: Stage) => Promise<Answer>;

const SCENARIOS = Object.entries(REACHED as Record<string, string | Scenario>).filter(
  (entry): entry is [ErrorCode, Scenario] => typeof entry[1] === 'function',
);

describe('the error catalogue over HTTP', () => {
  it.each(SCENARIOS)('reaches %s', async (code, reach) => {
    await using here = await stageFor(code);
    const answer = await reach(here);
    const { status, type, retryable } = HTTP_ERRORS[code];
    expect(errorOf(answer)).toMatchObject({ code, status, type, retryable });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-should-retry')).toBe(String(retryable));
    expect(answer.headers.has('retry-after-ms')).toBe(retryable);
    expect(answer.headers.get('x-request-id')).toBe(errorOf(answer).request_id);
  });

  it('tells where the time went when a deadline passes', async () => {
    await using here = await stage();
    expect(errorOf(await REACHED.deadline_exceeded(here))).toMatchObject({ stage: 'executing' });
  });

  it.each(['inference_failed', 'executor_crashed', 'internal', 'non_finite_output'] as const)(
    'answers %s with a fixed sentence, without paths, native texts or values',
    async (code) => {
      await using here = await stage();
      here.executor.fail(code, 'Non-zero status code in /models/echo/1/model.onnx: value 4711');
      const { text } = await predict(here.door, { rows: [{ x: [4711] }] });
      expect(text).not.toMatch(/4711|\/models|Non-zero/);
      expect(text).toContain(code);
    },
  );
});

describe('a defect', () => {
  it('shows the client internal and a request id, and is logged exactly once, with its cause', async () => {
    const errors: unknown[][] = [];
    const nothing = (): void => {};
    const logger = { log: nothing, warn: nothing, error: (...line: unknown[]) => errors.push(line) };
    await using here = await stage({ ...broken, logger });
    const answer = await REACHED.internal(here);
    expect(answer.text).not.toMatch(/secret|TypeError/);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.[0]).toMatchObject({ err: expect.any(Error), request_id: errorOf(answer).request_id });
    expect((errors[0]?.[0] as { err: Error }).err.message).toContain('/secret/path');
  });

  it('thrown by a service is one as well', async () => {
    const service = {
      predict: () => Promise.reject(new RangeError('boom')),
      settled: () => Promise.resolve(),
    };
    await using door = await Door.open({
      override: (module) => module.overrideProvider(InferenceService).useValue(service),
    });
    expect(errorOf(await predict(door))).toMatchObject({ code: 'internal', status: 500 });
  });
});

describe('X-Request-ID', () => {
  let here: Stage;
  beforeAll(async () => {
    here = await stage();
  });
  afterAll(() => here.door.close());

  it.each(['abc', 'A-1._:z', 'x'.repeat(128)])('is echoed when it is %s', async (id) => {
    const answer = await here.door.post('/predict', {}, { 'X-Request-ID': id });
    expect([answer.headers.get('x-request-id'), errorOf(answer).request_id]).toEqual([id, id]);
  });

  it.each(['x'.repeat(129), 'a b', 'é', '', 'a\tb', 'a,b'])('is replaced when it is %j', async (id) => {
    const answer = await here.door.post('/predict', {}, { 'X-Request-ID': id });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(errorOf(answer).request_id).toBe(answer.headers.get('x-request-id'));
  });

  it('is replaced when there are two', async () => {
    await using connection = await RawConnection.to(here.door.url);
    connection.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\r\nX-Request-ID: b\r\n\r\n');
    const answer = await connection.answer();
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-/);
    expect(errorOf(answer).request_id).toBe(answer.headers.get('x-request-id'));
  });

  it('continues a valid trace, and replaces another', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const [valid, other] = await Promise.all(
      [traceparent, '00-0-0-01'].map((value) => here.door.send('/health', { headers: { traceparent: value } })),
    );
    expect(valid?.headers.get('x-trace-id')).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(other?.headers.get('x-trace-id')).toMatch(/^(?!4bf9)[0-9a-f]{32}$/);
  });
});

describe('X-Request-Timeout-Ms', () => {
  let here: Stage;
  beforeAll(async () => {
    here = await stage();
  });
  afterAll(() => here.door.close());

  it.each(['0', '-1', '1.5', 'soon', '', '1e3'])('is refused when it is %j', async (value) => {
    const answer = await predict(here.door, undefined, { 'X-Request-Timeout-Ms': value });
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_request', param: 'X-Request-Timeout-Ms' });
  });

  it.each(['999999999', '9'.repeat(400)])('is cut to the longest deadline: %s', async (value) => {
    expect((await predict(here.door, undefined, { 'X-Request-Timeout-Ms': value })).status).toBe(200);
  });
});
