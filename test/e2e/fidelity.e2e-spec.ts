import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DTYPES, type Dtype } from '@app/core';
import { inTimeZone, tiny } from '@app/testing';
import { Door, type WrittenModel, errorOf } from './door';

interface Vector {
  readonly id: string;
  readonly dtype: Dtype | 'STRING' | 'TIMESTAMP' | 'JSON';
  readonly shape?: readonly number[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly input?: unknown;
  readonly input_json?: string;
  readonly expect: 'accept' | 'reject';
  readonly code?: string;
  readonly emit_json?: string;
}

const VECTORS = JSON.parse(readFileSync(join(__dirname, '../fixtures/fidelity.json'), 'utf8')) as readonly Vector[];
/** What ONNX Runtime takes from JavaScript. */
const SERVED = DTYPES.filter((dtype) => dtype !== 'BF16');
/** What a model says of its input, by the option of the vector that asks for it. */
const MANIFESTS: Readonly<Record<string, string>> = {
  coerce: 'inputs: { x: { coerce: true } }',
  null_as_nan: 'inputs: { x: { null_as_nan: true } }',
  on_non_finite: 'inputs: { x: { on_non_finite: reject } }',
};
/** Options of the binary door, of features and of the log, which this door does not have. */
const ELSEWHERE = ['content_type', 'cast_from', 'use'];

/** onnxruntime-node would cut these texts at U+0000; they are refused instead. */
const CUT_BY_ENGINE = new Set(['str-nul']);

const hasOption = ({ options = {} }: Vector, names: readonly string[]): boolean =>
  names.some((name) => name in options);
const isNested = ({ shape, input }: Vector): boolean =>
  shape === undefined ||
  (Array.isArray(input) && (shape.length === 1 || (shape.length === 2 && Array.isArray(input[0]))));

const BODIES = VECTORS.filter(({ dtype }) => dtype === 'JSON');
const VALUES = VECTORS.filter(
  (vector) =>
    !hasOption(vector, ELSEWHERE) &&
    isNested(vector) &&
    !['JSON', 'TIMESTAMP', 'BF16'].includes(vector.dtype) &&
    !vector.id.startsWith('shape-'),
);

const json = (vector: Vector): string => vector.input_json ?? JSON.stringify(vector.input);

function modelOf(vector: Vector): string {
  const dtype = (vector.dtype === 'STRING' ? 'BYTES' : vector.dtype).toLowerCase();
  const variant = Object.keys(MANIFESTS).find((option) => hasOption(vector, [option]));
  if (vector.id.startsWith('arr-')) return `${dtype}-of-${vector.shape?.join('-')}`;
  return variant ? `${dtype}-${variant}` : dtype;
}

function models(): Readonly<Record<string, WrittenModel>> {
  const plain = SERVED.map((dtype) => [dtype.toLowerCase(), tiny.identity(dtype)] as const);
  const variants = VALUES.filter((vector) => modelOf(vector).includes('-')).map((vector) => {
    const shape = vector.id.startsWith('arr-') && vector.shape ? fixed(vector.shape) : undefined;
    const option = Object.keys(MANIFESTS).find((each) => hasOption(vector, [each])) ?? '';
    return [
      modelOf(vector),
      { ...tiny.identity(vector.dtype as Dtype, shape), manifest: MANIFESTS[option] ?? 'task: tensors' },
    ] as const;
  });
  return Object.fromEntries([...plain, ...variants]);
}

function fixed(shape: readonly number[]): readonly (number | string)[] {
  return shape.length === 1 ? ['rows', ...shape] : shape;
}

/** The vector as a whole input of shape [rows, columns], and as a field of shape [columns] of one row. */
const FORMS = [
  { name: 'an input', dimensions: 2, body: (x: string) => `"inputs": {${x}}` },
  { name: 'a field of a row', dimensions: 1, body: (x: string) => `"rows": [{${x}}]` },
];

/** A value of the vector's shape in as many lists as the form takes. */
function nestedAs({ shape = [] }: Vector, text: string, dimensions: number): string {
  const missing = dimensions - shape.length;
  return '['.repeat(missing) + text + ']'.repeat(missing);
}

let door: Door;

beforeAll(async () => {
  door = await Door.open({ models: models(), settings: { MODEL_MAX_CACHED: '32' } });
});

afterAll(() => door.close());

describe.each(['UTC', 'America/New_York', 'Asia/Kolkata'])(
  'values through POST /v1/models/{model}/predict under TZ=%s',
  (zone) => {
    inTimeZone(zone);

    describe.each(FORMS)('as $name', ({ body, dimensions }) => {
      it.each(VALUES.filter(({ shape = [] }) => shape.length <= dimensions))('$id', async (vector) => {
        const { int64, nonfinite } = vector.options ?? {};
        const x = hasOption(vector, ['absent']) ? '' : `"x": ${nestedAs(vector, json(vector), dimensions)}`;
        const text = `{${body(x)}, "options": ${JSON.stringify({ int64, nonfinite })}}`;
        const answer = await door.post(`/v1/models/${modelOf(vector)}/predict`, text);
        if (vector.expect === 'accept' && !CUT_BY_ENGINE.has(vector.id)) {
          const emitted = vector.shape?.length === 2 ? json(vector) : (vector.emit_json ?? '');
          expect(answer.text).toContain(`"y":${nestedAs(vector, emitted, dimensions)}`);
        } else {
          const { code, details } = errorOf(answer);
          expect([answer.status, details[0]?.code ?? code]).toEqual([400, vector.code ?? 'nul_character']);
        }
      });
    });

    it.each(BODIES)('$id', async (vector) => {
      const answer = await door.post('/v1/models/fp32/predict', json(vector));
      if (vector.expect === 'reject') expect(errorOf(answer).code).toBe(vector.code);
      else expect(errorOf(answer).code).toBe('invalid_request');
    });
  },
);
