import { type NamedTensors, type QuaysideError, type Signature, tensorOf, textsOf, viewOf } from '@app/core';
import { type ColumnSettings, DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
import { ScriptedSession, aModelVersion, tensorSpec as spec } from '@app/testing';
import Ajv from 'ajv/dist/2020';
import { tabular } from './tabular';
import type { PredictInput, PredictOptions } from './task';

const COLUMNS: Signature = {
  inputs: [spec('amount', 'FP32', ['rows', 1]), spec('purpose', 'BYTES', ['rows', 1]), spec('age', 'INT64', ['rows'])],
  outputs: [spec('label', 'BYTES', ['rows']), spec('probabilities', 'FP32', ['rows', 2])],
};
const MATRIX: Signature = {
  inputs: [spec('x', 'FP32', ['rows', 3])],
  outputs: [spec('variable', 'FP32', ['rows', 1])],
};
const ROW = { amount: 12.5, purpose: 'car', age: 42 };

interface Settings {
  readonly columns?: readonly ColumnSettings[];
  readonly classes?: readonly string[];
}

function versionOf(signature: Signature, settings: Settings = {}): ModelVersion {
  return aModelVersion({
    model: 'risk',
    task: 'tabular',
    signature,
    manifest: { ...DEFAULT_MANIFEST, tabular: settings },
  });
}

const rows = (...given: Record<string, unknown>[]): PredictInput => ({ form: 'rows', rows: given });

const prepared = (version: ModelVersion, ...given: Record<string, unknown>[]) =>
  tabular.prepare(version, rows(...given), {});

const refusal = (version: ModelVersion, input: PredictInput): unknown => {
  try {
    return tabular.prepare(version, input, {});
  } catch (error) {
    return error;
  }
};

const presented = (version: ModelVersion, output: NamedTensors, options: PredictOptions = {}): unknown => {
  const count = Object.values(output)[0].shape[0];
  const answer = tabular.present(
    version,
    rows(...(new Array<object>(count).fill({}) as Record<string, unknown>[])),
    output,
    options,
  );
  return (answer as { rows?: unknown }).rows;
};

describe('tabular: columns', () => {
  it('are the inputs, one each, where every input is a column', () => {
    const { tensors, ...rest } = prepared(versionOf(COLUMNS), ROW, { ...ROW, amount: 1, purpose: '', age: '-3' });
    expect(rest).toEqual({ rows: 2, splittable: true, parameters: {}, outputs: [] });
    expect(tensors['amount'].shape).toEqual([2, 1]);
    expect(tensors['age'].shape).toEqual([2]);
    expect(textsOf(tensors['purpose'])).toEqual(['car', '']);
    expect([...viewOf(tensors['age'], 'INT64')]).toEqual([42n, -3n]);
  });

  it('are f0, f1 and so on of one matrix, filled in order', () => {
    const { tensors } = prepared(versionOf(MATRIX), { f2: 3, f0: 1, f1: 2 }, { f0: 4, f1: 5, f2: 6 });
    expect(tensors['x']).toMatchObject({ dtype: 'FP32', shape: [2, 3] });
    expect([...viewOf(tensors['x'], 'FP32')]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are what the manifest calls them, in its order', () => {
    const columns = [{ name: 'width' }, { name: 'height' }, { name: 'depth' }];
    const matrix = prepared(versionOf(MATRIX, { columns }), { depth: 3, width: 1, height: 2 });
    expect([...viewOf(matrix.tensors['x'], 'FP32')]).toEqual([1, 2, 3]);
    const named = prepared(versionOf(COLUMNS, { columns }), { width: 1, height: 'a', depth: 3 });
    expect(textsOf(named.tensors['purpose'])).toEqual(['a']);
    const dynamic = { ...MATRIX, inputs: [spec('x', 'FP32', ['rows', ''])] };
    expect(prepared(versionOf(dynamic, { columns }), { width: 1, height: 2, depth: 3 }).tensors['x'].shape).toEqual([
      1, 3,
    ]);
  });

  it('take what the manifest says of those that it names, whatever their order', () => {
    const version = versionOf(COLUMNS, { columns: [{ name: 'purpose', default: 'other' }] });
    expect(textsOf(prepared(version, { age: 1, amount: 2 }).tensors['purpose'])).toEqual(['other']);
    expect(refusal(version, rows({ age: 1 }))).toMatchObject({
      details: [{ field: 'rows[0].amount', code: 'missing_input' }],
    });
  });

  it.each([
    ['a wrong number', MATRIX, [{ name: 'a' }]],
    ['strange names for some of the inputs', COLUMNS, [{ name: 'a' }, { name: 'b' }]],
    ['a name twice', MATRIX, [{ name: 'a' }, { name: 'b' }, { name: 'a' }]],
    ['a matrix of unknown width and no names', { ...MATRIX, inputs: [spec('x', 'FP32', ['rows', ''])] }, undefined],
    [
      'inputs that are no columns',
      { ...MATRIX, inputs: [...MATRIX.inputs, spec('z', 'FP32', ['rows', 2])] },
      undefined,
    ],
  ])('refuse with model_load_failed %s', async (_, signature, columns) => {
    const session = new ScriptedSession(signature, () => ({}));
    await expect(tabular.open(versionOf(signature, { columns }), session)).rejects.toMatchObject({
      code: 'model_load_failed',
    });
  });
});

describe('tabular: values', () => {
  it.each([
    ['missing_input', { amount: 1, purpose: 'car' }, 'rows[0].age'],
    ['unknown_field', { ...ROW, income: 3 }, 'rows[0].income'],
    ['null_not_allowed', { ...ROW, amount: null }, 'rows[0].amount'],
    ['string_expected', { ...ROW, purpose: 3 }, 'rows[0].purpose'],
    ['nul_character', { ...ROW, purpose: 'a\0b' }, 'rows[0].purpose'],
    ['not_integral', { ...ROW, age: 1.5 }, 'rows[0].age'],
    ['non_finite_not_allowed', { ...ROW, amount: 'NaN' }, 'rows[0].amount'],
    ['number_expected', { ...ROW, amount: [1] }, 'rows[0].amount'],
  ])('refuse with invalid_input and %s', (code, row, field) => {
    expect(refusal(versionOf(COLUMNS), rows(row))).toMatchObject({ code: 'invalid_input', details: [{ field, code }] });
  });

  it('are named all together where they are missing or unknown, up to 10', () => {
    expect(refusal(versionOf(COLUMNS), rows(ROW, { age: 1, income: 1 }))).toMatchObject({
      message: 'The model has no field "income". It takes "amount", "purpose", "age". (and 2 more)',
      details: [
        { field: 'rows[1].income' },
        { field: 'rows[1].amount' },
        { field: 'rows[1].purpose', code: 'missing_input' },
      ],
    });
    const wide = versionOf({ ...MATRIX, inputs: [spec('x', 'FP32', ['rows', 40])] });
    expect((refusal(wide, rows({})) as QuaysideError).details).toHaveLength(10);
  });

  it('name the column of a matrix, not its place', () => {
    expect(refusal(versionOf(MATRIX), rows({ f0: 1, f1: 2, f2: 3 }, { f0: 1, f1: 'x', f2: 3 }))).toMatchObject({
      details: [{ field: 'rows[1].f1', code: 'invalid_number_string' }],
    });
  });

  it('may be NaN only in the columns whose manifest says so', () => {
    const columns: ColumnSettings[] = [
      { name: 'a', nullAsNan: true },
      { name: 'b', onNonFinite: 'accept' },
      { name: 'c' },
    ];
    const version = versionOf(MATRIX, { columns });
    expect([...viewOf(prepared(version, { a: null, b: 'Infinity', c: 3 }).tensors['x'], 'FP32')]).toEqual([
      NaN,
      Infinity,
      3,
    ]);
    for (const [field, row] of [
      ['b', { a: 1, b: null, c: 1 }],
      ['c', { a: 1, b: 1, c: 'NaN' }],
    ] as const) {
      expect(refusal(version, rows(row))).toMatchObject({ details: [{ field: `rows[0].${field}` }] });
    }
    const whole = { form: 'tensors', inputs: { x: [[1, 'NaN', 1]] } } as const;
    expect(refusal(version, whole)).toMatchObject({ details: [{ code: 'non_finite_not_allowed' }] });
  });

  it('come 1 to 2048 rows at a time', () => {
    const all = new Array<Record<string, unknown>>(2049).fill(ROW);
    expect(refusal(versionOf(COLUMNS), rows(...all.slice(1)))).toMatchObject({ rows: 2048 });
    for (const bad of [all, []])
      expect(refusal(versionOf(COLUMNS), rows(...bad))).toMatchObject({ code: 'invalid_request' });
  });

  it('come with options for numbers alone', () => {
    expect(() => tabular.prepare(versionOf(COLUMNS), rows(ROW), { top_k: 3 })).toThrow(
      expect.objectContaining({ code: 'unsupported_option' }),
    );
  });
});

describe('tabular: answers', () => {
  const half = (values: number[]) => tensorOf('FP32', [values.length / 2, 2], values);

  it('name the label, its probability and all of them', () => {
    const output = { label: tensorOf('BYTES', [2], ['good', 'bad']), probabilities: half([0.25, 0.75, 0.5, 0.5]) };
    expect(presented(versionOf(COLUMNS, { classes: ['bad', 'good'] }), output)).toEqual([
      { label: 'good', score: 0.75, probabilities: { bad: 0.25, good: 0.75 } },
      { label: 'bad', score: 0.5, probabilities: { bad: 0.5, good: 0.5 } },
    ]);
  });

  it('list probabilities where the classes have no names, and score the highest', () => {
    const signature = {
      ...MATRIX,
      outputs: [spec('output_label', 'INT64', ['']), spec('output_probability', 'FP32', ['', 2])],
    };
    const output = { output_label: tensorOf('INT64', [1], [7]), output_probability: half([0.25, 0.75]) };
    expect(presented(versionOf(signature), output)).toEqual([{ label: 7, score: 0.75, probabilities: [0.25, 0.75] }]);
    expect(presented(versionOf(signature), output, { int64: 'string' })).toMatchObject([{ label: '7' }]);
  });

  it("name the best class where the model's label is a number of its own", () => {
    const signature = {
      ...MATRIX,
      outputs: [spec('label', 'INT64', ['rows']), spec('probabilities', 'FP32', ['rows', 2])],
    };
    const output = { label: tensorOf('INT64', [2], [3, 5]), probabilities: half([0.875, 0.125, 0.25, 0.75]) };
    expect(presented(versionOf(signature, { classes: ['low', 'high'] }), output)).toMatchObject([
      { label: 'low', score: 0.875 },
      { label: 'high', score: 0.75 },
    ]);
    expect(presented(versionOf(signature, { classes: ['3', '5'] }), output)).toMatchObject([
      { label: '3' },
      { label: '5' },
    ]);
  });

  it('decide the label by the probabilities where the model has none', () => {
    const signature = { ...MATRIX, outputs: [spec('scores', 'FP32', ['rows', 2])] };
    const output = { scores: half([0.25, 0.75]) };
    expect(presented(versionOf(signature, { classes: ['no', 'yes'] }), output)).toMatchObject([
      { label: 'yes', score: 0.75 },
    ]);
    const unnamed = { ...MATRIX, outputs: [spec('probs', 'FP32', ['rows', 2])] };
    expect(presented(versionOf(unnamed), { probs: half([0.25, 0.75]) })).toEqual([
      { label: 1, score: 0.75, probabilities: [0.25, 0.75] },
    ]);
  });

  it('give the label alone where there are no probabilities, as of a list of maps', () => {
    const signature = { ...MATRIX, outputs: [spec('label', 'INT64', ['rows'])] };
    const output = { label: tensorOf('INT64', [1], [1]) };
    expect(presented(versionOf(signature), output)).toEqual([{ label: 1 }]);
    expect(presented(versionOf(signature, { classes: ['no', 'yes'] }), output)).toEqual([{ label: 'yes' }]);
  });

  it('give a value of everything else: one number, or several', () => {
    expect(presented(versionOf(MATRIX), { variable: tensorOf('FP32', [2, 1], [1.5, -0]) })).toEqual([
      { value: 1.5 },
      { value: expect.anything() },
    ]);
    const several = { ...MATRIX, outputs: [spec('y', 'FP32', ['rows', 2])] };
    expect(presented(versionOf(several), { y: half([1, 2]) })).toEqual([{ value: [1, 2] }]);
    const whole = { ...MATRIX, outputs: [spec('count', 'INT64', ['rows', 1])] };
    expect(presented(versionOf(whole), { count: tensorOf('INT64', [1, 1], [4]) })).toEqual([{ value: 4 }]);
  });

  it('write NaN as the request asks, and never call it the best', () => {
    const output = { label: tensorOf('BYTES', [1], ['?']), probabilities: half([NaN, 0.5]) };
    const version = versionOf(COLUMNS, { classes: ['bad', 'good'] });
    expect(presented(version, output)).toEqual([
      { label: 'good', score: 0.5, probabilities: { bad: 'NaN', good: 0.5 } },
    ]);
    expect(() => presented(version, output, { nonfinite: 'error' })).toThrow(
      expect.objectContaining({ code: 'non_finite_output' }),
    );
  });

  it('are the tensors of the model in the tensors form', () => {
    const output = { label: tensorOf('BYTES', [1], ['good']), probabilities: half([0.25, 0.75]) };
    const input = { form: 'tensors', inputs: { amount: [1], purpose: ['car'], age: 3 } } as const;
    expect(refusal(versionOf(COLUMNS), input)).toMatchObject({ rows: 1, splittable: true });
    expect(tabular.present(versionOf(COLUMNS), input, output, {})).toEqual({
      form: 'tensors',
      outputs: { label: 'good', probabilities: [0.25, 0.75] },
    });
  });

  it('come from a model that is run row by row where it takes no more', async () => {
    const single = { inputs: [spec('x', 'FP32', [1, 3])], outputs: [spec('y', 'FP32', [1, 1])] };
    const session = new ScriptedSession(single, ({ x }) => ({ y: tensorOf('FP32', [1, 1], [viewOf(x, 'FP32')[0]]) }));
    const version = versionOf(single);
    const input = rows({ f0: 1, f1: 0, f2: 0 }, { f0: 2, f1: 0, f2: 0 });
    const open = await tabular.open(version, session);
    const {
      outputs: [output],
    } = await open.execute([tabular.prepare(version, input, {})]);
    expect(tabular.present(version, input, output, {})).toEqual({ form: 'rows', rows: [{ value: 1 }, { value: 2 }] });
    expect(session.asked).toHaveLength(2);
  });
});

describe('tabular: its schemas', () => {
  const ajv = new Ajv();

  it('accept what the task takes and gives of a classifier', () => {
    const version = versionOf(COLUMNS, { classes: ['bad', 'good'], columns: [{ name: 'purpose', default: 'other' }] });
    const schema = tabular.schema(version);
    const accepts = (part: keyof typeof schema, value: unknown): boolean => ajv.validate(schema[part] as object, value);
    for (const part of ['row', 'inputs'] as const) {
      const [example] = (schema[part] as unknown as { examples: unknown[] }).examples;
      expect(accepts(part, example)).toBe(true);
    }
    expect(accepts('row', ROW) && accepts('row', { amount: 1, age: 2 })).toBe(true);
    expect(accepts('row_output', { label: 'good', score: 0.75, probabilities: { bad: 0.25, good: 0.75 } })).toBe(true);
    expect(accepts('inputs', { amount: [[1]], purpose: [['a']], age: [1] })).toBe(true);
    for (const bad of [{ ...ROW, amount: 'NaN' }, { ...ROW, more: 1 }, { purpose: 'car' }])
      expect(accepts('row', bad)).toBe(false);
    expect(accepts('row_output', { label: 'ugly', score: 0.75, probabilities: { bad: 0.25, good: 0.75 } })).toBe(false);
  });

  it('accept what the task takes and gives of any other model', () => {
    const columns = [{ name: 'a', nullAsNan: true }, { name: 'b' }, { name: 'c' }];
    const schema = tabular.schema(versionOf(MATRIX, { columns }));
    expect(ajv.validate(schema.row as object, { a: null, b: 1, c: 2 })).toBe(true);
    expect(ajv.validate(schema.row as object, { a: 1, b: null, c: 2 })).toBe(false);
    expect(ajv.validate(schema.row_output as object, { value: 1.5 })).toBe(true);
  });
});
