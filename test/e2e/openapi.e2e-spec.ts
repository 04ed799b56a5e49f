import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@app/core';
import { Database } from '@app/database';
import { type TestDatabase, testDatabase, tiny } from '@app/testing';
import { HttpAdapterHost } from '@nestjs/core';
import fc from 'fast-check';
import { ADMIN_OPERATIONS } from '../../apps/api/src/openapi/admin-operations';
import { EXAMPLES, type Example } from '../../apps/api/src/openapi/examples';
import { FEATURE_EXAMPLES } from '../../apps/api/src/openapi/feature-examples';
import { JOB_EXAMPLES } from '../../apps/api/src/openapi/job-examples';
import { PREDICTION_EXAMPLES } from '../../apps/api/src/openapi/prediction-examples';
import { OPERATIONS, type OperationId } from '../../apps/api/src/openapi/operations';
import { ApiContract } from './api-contract';
import { type Answer, DEFAULT_MODELS, Door, errorOf, outcome } from './door';

const COMMITTED = readFileSync(join(__dirname, '../../openapi.json'), 'utf8');
const { document } = ApiContract.committed();

/** Every operation: its path template, its method, and what the document says of it. */
const ROUTES = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

/** As much of Express as tells its routes. */
interface RoutedApplication {
  readonly router: {
    readonly stack: readonly {
      readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
    }[];
  };
}

describe('openapi.json', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open();
  });

  afterAll(() => door.close());

  it('is what the server gives: `npm run print:openapi` after a build', async () => {
    expect((await door.send('/openapi.json')).body).toEqual(JSON.parse(COMMITTED));
  });

  it('names every route that the server has, and no other', () => {
    const express = door.server.app.get(HttpAdapterHost).httpAdapter.getInstance<RoutedApplication>();
    const routed = express.router.stack.flatMap(({ route }) =>
      route ? Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`) : [],
    );
    const served = routed.filter((route) => !route.startsWith('GET /docs'));
    const documented = ROUTES.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`);
    expect([...new Set(served)].sort()).toEqual(documented.sort());
  });

  it('knows no success but 200, and what jobs add to it', () => {
    const others = ROUTES.flatMap(({ operation }) =>
      Object.keys(operation.responses)
        .filter((status) => status < '400' && status !== '200')
        .map((status) => `${operation.operationId} ${status}`),
    );
    expect(others.sort()).toEqual(['cancelJob 202', 'describeJob 304', 'retryJob 202', 'submitJob 202']);
  });

  it('describes every operation, and shows an example for every code', () => {
    for (const { operation } of ROUTES) {
      expect(operation).toMatchObject({
        operationId: expect.any(String),
        summary: expect.any(String),
        description: expect.any(String),
      });
      const { errors } = OPERATIONS[operation.operationId as OperationId];
      const failures = Object.entries(operation.responses).filter(([status]) => status >= '400');
      const shown = failures.flatMap(([, { content }]) => Object.keys(content?.['application/json']?.examples ?? {}));
      expect(shown.sort()).toEqual([...errors].sort());
    }
  });

  it('shows an answer of every operation but the one that gives the document itself', () => {
    const silent = ROUTES.filter(({ operation: { responses } }) => {
      const { content = {} } = responses['200'] ?? responses['202'] ?? {};
      return Object.values(content).some(({ examples }) => !examples);
    });
    expect(silent.map(({ operation }) => operation.operationId)).toEqual(['describeApi']);
  });

  it('describes every field of every schema, however deep', () => {
    const { schemas } = document.components;
    expect(Object.entries(schemas).flatMap(([name, schema]) => fieldsWithoutDescription(schema, name))).toEqual([]);
  });

  it('shows errors that its own schema allows', () => {
    const contract = ApiContract.committed();
    const { examples } = document.components as unknown as {
      examples: Record<string, { value: { error: { status: number } } }>;
    };
    for (const [code, { value }] of Object.entries(examples)) {
      contract.checkSchema({ $ref: '#/components/schemas/ErrorResponse' }, value, code);
    }
  });
});

describe('the examples of the document', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open({ models: DEFAULT_MODELS });
  });

  afterAll(() => door.close());

  // What is stored depends on what was asked before: the specs of predictions, features, jobs and the queue compare those.
  const stored = { ...PREDICTION_EXAMPLES, ...FEATURE_EXAMPLES, ...JOB_EXAMPLES, ...ADMIN_OPERATIONS };
  const replayed = ROUTES.filter(({ operation }) => !Object.hasOwn(stored, operation.operationId));
  const cases = replayed.flatMap(({ path, method, operation }) => {
    const { examples } = OPERATIONS[operation.operationId as OperationId] as { examples: Record<string, Example> };
    return Object.entries(examples).map(([name, example]) => ({
      name: `${operation.operationId}: ${name}`,
      method,
      path,
      example,
    }));
  });

  it.each(cases)('$name gets the answer that it shows', async ({ method, path, example }) => {
    const where = path.replace('{model}', example.model ?? '');
    const answer = method === 'POST' ? await door.post(where, example.request) : await door.send(where);
    expect(answer.status).toBe(200);
    expectSame(answer.body, example.answer, '');
  });

  it('are all there', () => {
    expect(cases.length).toBeGreaterThanOrEqual(Object.values(EXAMPLES).flatMap(Object.keys).length);
  });
});

/** The paths of fields that nothing is said of. */
function fieldsWithoutDescription(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {}, ...rest } = schema as { readonly properties?: Readonly<Record<string, object>> };
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const silent = 'description' in field || '$ref' in field ? [] : [`${path}.${name}`];
    return [...silent, ...fieldsWithoutDescription(field, `${path}.${name}`)];
  });
  return [...fields, ...Object.values(rest).flatMap((inner) => fieldsWithoutDescription(inner, path))];
}

/**
 * Times differ; numbers agree to 1e-4; a list of which the document shows the beginning begins so. Statistics are those
 * of a moment: they have the same fields.
 */
function expectSame(given: unknown, shown: unknown, path: string): void {
  if (path.endsWith('.statistics')) return void expect(fieldsOf(given)).toEqual(fieldsOf(shown));
  if (/latency_ms$|created$/.test(path)) return void expect(typeof given).toBe('number');
  if (typeof shown === 'number') return void expect(Math.abs((given as number) - shown)).toBeLessThan(1e-4);
  if (typeof shown !== 'object' || shown === null) return void expect([path, given]).toEqual([path, shown]);
  const isVector = /embeddings\.\d+$/.test(path);
  if (!isVector) expect(Object.keys(given as object)).toEqual(Object.keys(shown));
  for (const [key, value] of Object.entries(shown))
    expectSame((given as Record<string, unknown>)[key], value, `${path}.${key}`);
}

/** The paths of all fields, those of lists apart, which may be empty at the moment. */
function fieldsOf(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [path];
  if (Array.isArray(value) && !path.endsWith('.versions')) return [path];
  return Object.entries(value).flatMap(([name, field]) => fieldsOf(field, `${path}.${name}`));
}

describe('every route', () => {
  let door: Door;
  let here: TestDatabase;

  beforeAll(async () => {
    here = await testDatabase();
    door = await Door.open({
      settings: { DATABASE_URL: here.url },
      models: {
        sentiment: tiny.classifierTiny(),
        vectors: tiny.embedderTiny(),
        echo: { ...tiny.identity('FP32'), manifest: 'task: tensors' },
      },
    });
    await door.server.app.get(Database).whenUp();
  });

  afterAll(async () => {
    await door.close();
    await here.close();
  });

  const withBody = ROUTES.filter(({ operation }) => operation.requestBody);
  const at = (path: string) =>
    path.replace('{model}', 'echo').replace('{id}', newId()).replace('{view}', 'applicant_profile');

  it.each(ROUTES)('$method $path refuses another method', async ({ path, method }) => {
    const other = method === 'GET' ? 'PUT' : 'PATCH';
    expect(outcome(await door.send(at(path), { method: other }))).toBe('405 method_not_allowed');
  });

  it.each(withBody)('POST $path refuses every wrong body with the code for what is wrong', async ({ path }) => {
    const codes = [
      ['{', {}],
      [Buffer.from([0xff]), {}],
      ['{}', { 'Content-Type': 'text/plain' }],
      ['[]', {}],
      ['null', {}],
      ['{"nobody": "knows me"}', {}],
      ['['.repeat(65), {}],
      [Buffer.alloc(17 * 1024 * 1024), {}],
      ['{}', { 'Content-Type': 'application/json; charset=latin1' }],
    ] as const;
    const answers: Answer[] = [];
    for (const [body, headers] of codes) answers.push(await door.post(at(path), body, headers));
    expect(answers.map(outcome)).toEqual([
      '400 invalid_json',
      '400 invalid_utf8',
      '415 unsupported_media_type',
      '400 invalid_request',
      '400 invalid_request',
      '400 invalid_request',
      '400 json_too_deep',
      '413 body_too_large',
      '415 unsupported_media_type',
    ]);
  });

  it.each(ROUTES)('$method $path answers a wrong Host with 400', async ({ path, method }) => {
    const answer = await door.send(at(path), { method, headers: { 'X-Forwarded-Host': 'evil.example' } });
    expect(errorOf(answer)).toMatchObject({ code: 'invalid_request', details: [{ code: 'not_loopback' }] });
  });

  it('answers whatever is sent with a status that its operation documents, and never with 5xx', async () => {
    await fc.assert(
      fc.asyncProperty(requests(), async ({ method, path, headers, body }) => {
        const answer = await door.send(path, {
          method,
          headers,
          ...(method === 'POST' && { body: JSON.stringify(body) }),
        });
        expect(answer.status).toBeLessThan(500);
      }),
      { numRuns: 100 },
    );
    expect((await door.post('/predict', { text: 'good', model_id: 'sentiment' })).status).toBe(200);
  });
});

interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

/** Requests to the routes of the document: good ones, with some of their values replaced by anything. */
function requests(): fc.Arbitrary<FuzzedRequest> {
  const model = fc.oneof(
    fc.constantFrom('echo', 'sentiment', 'vectors', 'echo@1', 'echo%401', 'nobody', '@', 'toString'),
    fc
      .string({ minLength: 1 })
      .map(encodeURIComponent)
      .filter((name) => !/^\.{1,2}$/.test(name)),
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      'X-Request-Timeout-Ms',
      'X-Request-ID',
      'traceparent',
      'Content-Encoding',
      'Accept',
      'Content-Type',
    ),
    fc.oneof(
      fc.constantFrom('1000', 'gzip', 'identity', 'application/json', '*/*'),
      fc.stringMatching(/^[ -~]{1,20}$/),
    ),
  );
  return fc
    .record({ route: fc.constantFrom(...ROUTES), model, headers, body: bodies() })
    .map(({ route, model: name, headers: sent, body }) => ({
      method: route.method,
      path: route.path.replace('{model}', name).replace('{id}', name).replace('{view}', name),
      headers: { 'Content-Type': 'application/json', ...sent },
      body,
    }));
}

function bodies(): fc.Arbitrary<unknown> {
  const good = fc.constantFrom<Record<string, unknown>>(
    { text: 'a good day', model_id: 'sentiment', top_k: 2, temperature: 1 },
    { text: ['a', 'b'], model_id: 'vectors', normalize: true, truncate: true },
    { rows: [{ x: [1, 2] }], options: { int64: 'auto' } },
    { rows: [{ text: 'good' }], options: { top_k: 1, truncate: false } },
    { inputs: { x: [[1, 2]] }, outputs: ['y'], options: { nonfinite: 'null' } },
  );
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>('NaN', 'Infinity', -0, 1e308, 2 ** 53, '\u0000', '\ud800', [], {}),
  );
  const changed = fc.record({
    body: good,
    key: fc.constantFrom('text', 'model_id', 'top_k', 'rows', 'inputs', 'options', 'outputs', 'x'),
    value: anything,
  });
  return fc.oneof(
    good,
    anything,
    changed.map(({ body, key, value }) => ({ ...body, [key]: value })),
  );
}
