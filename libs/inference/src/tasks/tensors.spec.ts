import { type NamedTensors, type Signature, type TensorSpec, sliceRows, tensorOf, viewOf } from '@app/core';
import { DEFAULT_MANIFEST, type ModelVersion } from '@app/model-registry';
import { ScriptedSession, aModelVersion, tensorSpec as spec } from '@app/testing';
import Ajv from 'ajv/dist/2020';
import fc from 'fast-check';
import type { PredictInput, PredictOptions } from './task';
import { tensors } from './tensors';

const PAIR: Signature = {
  inputs: [spec('x', 'FP32', ['rows', 2]), spec('n', 'INT64', ['rows'])],
  outputs: [spec('y', 'FP32', ['rows', 2]), spec('m', 'INT64', ['rows'])],
};

const versionOf = (signature: Signature): ModelVersion => aModelVersion({ model: 'pair', task: 'tensors', signature });

/** Gives each input back as the output in its place. */
function echoing(signature: Signature): ScriptedSession {
  return new ScriptedSession(signature, (feeds) =>
    Object.fromEntries(signature.outputs.map(({ name }, index) => [name, feeds[signature.inputs[index].name]])),
  );
}

async function answer(
  input: PredictInput,
  options: PredictOptions = {},
  signature = PAIR,
  session = echoing(signature),
) {
  const version = versionOf(signature);
  const open = await tensors.open(version, session);
  const {
    outputs: [output],
  } = await open.execute([tensors.prepare(version, input, options)]);
  return tensors.present(version, input, output, options);
}

const refusal = (input: PredictInput, signature = PAIR): unknown => {
  try {
    return tensors.prepare(versionOf(signature), input, {});
  } catch (error) {
    return error;
  }
};

const rows = (...given: Record<string, unknown>[]): PredictInput => ({ form: 'rows', rows: given });
const form = (inputs: Record<string, unknown>, outputs?: string[]): PredictInput => ({
  form: 'tensors',
  inputs,
  outputs,
});

describe('tensors: rows', () => {
  it('takes inputs without the dimension of the rows, and gives outputs so', async () => {
    await expect(answer(rows({ x: [1, 2], n: 3 }, { x: [4, 5], n: 6 }))).resolves.toEqual({
      form: 'rows',
      rows: [
        { y: [1, 2], m: 3 },
        { y: [4, 5], m: 6 },
      ],
    });
  });

  it('stacks rows along dimension 0, which may be split', () => {
    const prepared = tensors.prepare(versionOf(PAIR), rows({ x: [1, 2], n: 3 }, { x: [4, 5], n: 6 }), {});
    expect(prepared).toMatchObject({ rows: 2, splittable: true, parameters: {}, outputs: [] });
    expect(prepared.tensors['x'].shape).toEqual([2, 2]);
    expect([...viewOf(prepared.tensors['n'], 'INT64')]).toEqual([3n, 6n]);
  });

  it('writes each row as if it were alone', async () => {
    const big = '9007199254740993';
    await expect(answer(rows({ x: [1, 2], n: 3 }, { x: [-0, 5], n: big }))).resolves.toMatchObject({
      rows: [{ m: 3 }, { m: big }],
    });
    const text = JSON.stringify(await answer(rows({ x: [-0, 'NaN'], n: 3 }), { int64: 'string', nonfinite: 'null' }));
    expect(text).toBe('{"form":"rows","rows":[{"y":[-0,null],"m":"3"}]}');
  });

  it.each([
    ['missing_input', rows({ x: [1, 2], n: 1 }, { x: [1, 2] }), 'rows[1].n'],
    ['missing_input', rows({ n: 1 }), 'rows[0].x'],
    ['unknown_field', rows({ x: [1, 2], n: 1, z: 1 }), 'rows[0].z'],
    ['unknown_field', rows({ x: [1, 2], n: 1, constructor: 1 }), 'rows[0].constructor'],
    ['shape_mismatch', rows({ x: [1, 2], n: 1 }, { x: [1, 2, 3], n: 1 }), 'rows[1].x'],
    ['not_integral', rows({ x: [1, 2], n: 1.5 }), 'rows[0].n'],
    ['number_expected', rows({ x: [1, true], n: 1 }), 'rows[0].x[1]'],
  ])('refuses with invalid_input and %s', (code, input, field) => {
    expect(refusal(input)).toMatchObject({ code: 'invalid_input', details: [{ field, code }] });
  });

  it('takes 1 to 2048 rows', () => {
    const all = new Array<Record<string, unknown>>(2049).fill({ x: [1, 2], n: 1 });
    expect(refusal(rows(...all.slice(1)))).toMatchObject({ rows: 2048 });
    expect(refusal(rows(...all))).toMatchObject({ code: 'invalid_request', details: [{ field: 'rows' }] });
    expect(refusal(rows())).toMatchObject({ code: 'invalid_request' });
  });
});

describe('tensors: whole inputs', () => {
  it('takes the nesting as the shape, and gives outputs in the order asked for', async () => {
    const given = await answer(
      form(
        {
          x: [
            [1, 2],
            [3, 4],
          ],
          n: [5, 6],
        },
        ['m', 'y'],
      ),
    );
    expect(JSON.stringify(given)).toBe('{"form":"tensors","outputs":{"m":[5,6],"y":[[1,2],[3,4]]}}');
  });

  it('leaves the dimension of the rows out of the answer where all inputs leave it out', async () => {
    await expect(answer(form({ x: [1, 2], n: 5 }))).resolves.toEqual({ form: 'tensors', outputs: { y: [1, 2], m: 5 } });
  });

  it('asks the engine for the outputs that are wanted', async () => {
    const session = echoing(PAIR);
    await answer(form({ x: [1, 2], n: 5 }, ['m']), {}, PAIR, session);
    expect(session.asked[0].outputs).toEqual(['m']);
  });

  it.each([
    ['unknown_field', form({ x: [1, 2], n: 1, z: 1 }), 'inputs.z'],
    ['missing_input', form({ x: [[1, 2]] }), 'inputs.n'],
    ['shape_mismatch', form({ x: [1, 2], n: [1] }), 'inputs.x'],
    [
      'shape_mismatch',
      form({
        x: [
          [1, 2],
          [3, 4],
        ],
        n: [1],
      }),
      'inputs.n',
    ],
    ['ragged_array', form({ x: [[1, 2], [3]], n: [1, 2] }), 'inputs.x[1]'],
    ['unknown_output', form({ x: [1, 2], n: 1 }, ['y', 'toString']), 'outputs[1]'],
    ['duplicate_output', form({ x: [1, 2], n: 1 }, ['y', 'y']), 'outputs[1]'],
  ])('refuses with invalid_input and %s', (code, input, field) => {
    expect(refusal(input)).toMatchObject({ code: 'invalid_input', details: [{ field, code }] });
  });

  it('names a few of the inputs that it takes when it refuses another', () => {
    const wide = { ...PAIR, inputs: [...'abcdefg'].map((name) => spec(name, 'FP32', ['rows'])) };
    const all = Object.fromEntries([...'abcdefg'].map((name) => [name, [1]]));
    expect(refusal(form({ z: [1], ...all }), wide)).toMatchObject({
      message: 'The model has no field "z". It takes "a", "b", "c", "d", "e" and 2 more.',
    });
  });

  it('takes at most 2048 rows', () => {
    const n = new Array<number>(2049).fill(1);
    const input = form({ x: n.map(() => [1, 2]), n });
    expect(refusal(input)).toMatchObject({ code: 'invalid_request' });
  });

  it('refuses texts with U+0000, behind which the engine would cut them', () => {
    const signature = { inputs: [spec('t', 'BYTES', ['rows'])], outputs: [spec('u', 'BYTES', ['rows'])] };
    for (const input of [form({ t: ['a\0b'] }), rows({ t: 'a\0b' })]) {
      expect(refusal(input, signature)).toMatchObject({ code: 'invalid_input', details: [{ code: 'nul_character' }] });
    }
  });

  it('obeys the manifest of each input', () => {
    const inputs = { x: { onNonFinite: 'reject' } } as const;
    const version = { ...versionOf(PAIR), manifest: { ...DEFAULT_MANIFEST, inputs } };
    expect(() => tensors.prepare(version, form({ x: [1, 'NaN'], n: 1 }), {})).toThrow(
      expect.objectContaining({ details: [expect.objectContaining({ code: 'non_finite_not_allowed' })] }),
    );
  });
});

describe('tensors: models with other shapes', () => {
  const fixed: Signature = { inputs: [spec('x', 'FP32', [1, 2])], outputs: [spec('y', 'FP32', [1, 2])] };
  const whole: Signature = { inputs: [spec('x', 'FP32', [2, 2])], outputs: [spec('y', 'FP32', [])] };
  const crossed: Signature = { inputs: [spec('x', 'FP32', ['a', 2])], outputs: [spec('y', 'FP32', ['b', 2])] };

  it.each([
    ['has a fixed dimension of 1', fixed],
    ['calls its rows by two names', crossed],
  ])('runs row by row a model that %s', async (_, signature) => {
    const session = echoing(signature);
    await expect(answer(rows({ x: [1, 2] }, { x: [3, 4] }), {}, signature, session)).resolves.toMatchObject({
      rows: [{ y: [1, 2] }, { y: [3, 4] }],
    });
    expect(session.asked.map(({ feeds }) => feeds['x'].shape)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('runs whole inputs of such a model as they are', async () => {
    const session = echoing(crossed);
    await expect(
      answer(
        form({
          x: [
            [1, 2],
            [3, 4],
          ],
        }),
        {},
        crossed,
        session,
      ),
    ).resolves.toMatchObject({
      outputs: {
        y: [
          [1, 2],
          [3, 4],
        ],
      },
    });
    expect(session.asked).toHaveLength(1);
    expect(
      refusal(
        form({
          x: [
            [1, 2],
            [3, 4],
          ],
        }),
        fixed,
      ),
    ).toMatchObject({ code: 'invalid_input' });
  });

  it('takes one row in full shapes where a model has no rows', async () => {
    const session = new ScriptedSession(whole, () => ({ y: tensorOf('FP32', [], [7]) }));
    const x = [
      [1, 2],
      [3, 4],
    ];
    await expect(answer(rows({ x }), {}, whole, session)).resolves.toEqual({ form: 'rows', rows: [{ y: 7 }] });
    await expect(answer(form({ x }), {}, whole, session)).resolves.toEqual({ form: 'tensors', outputs: { y: 7 } });
    expect(session.asked[0].feeds['x'].shape).toEqual([2, 2]);
    expect(refusal(rows({ x }, { x }), whole)).toMatchObject({ code: 'invalid_request' });
    expect(tensors.prepare(versionOf(whole), rows({ x }), {})).toMatchObject({ rows: 1, splittable: false });
  });

  it('does not split inputs whose unnamed dimensions differ', () => {
    const unnamed = {
      inputs: [spec('a', 'FP32', ['', 1]), spec('b', 'FP32', ['', 1])],
      outputs: [spec('y', 'FP32', ['', ''])],
    };
    expect(refusal(form({ a: [[1], [2]], b: [[1]] }), unnamed)).toMatchObject({ rows: 1, splittable: false });
  });

  it('refuses with inference_failed an output that lacks rows', async () => {
    const session = new ScriptedSession(PAIR, (feeds) => ({ y: sliceRows(feeds['x'], 0, 1), m: feeds['n'] }));
    const given = answer(rows({ x: [1, 2], n: 1 }, { x: [1, 2], n: 1 }), {}, PAIR, session);
    await expect(given).rejects.toMatchObject({ code: 'inference_failed' });
  });

  it('gives rows the same answers apart as together', async () => {
    const row = fc.record({
      x: fc.array(
        fc.float({ noNaN: true }).map((value) => (Number.isFinite(value) ? value : 0)),
        { minLength: 2, maxLength: 2 },
      ),
      n: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (all) => {
        const together = (await answer(rows(...all))) as unknown as { rows: unknown[] };
        for (const [index, one] of all.entries())
          expect(await answer(rows(one))).toEqual({ form: 'rows', rows: [together.rows[index]] });
      }),
    );
  });
});

describe('tensors: the sample', () => {
  it('fits any signature: dynamic dimensions are 1, values 0, masks 1, texts empty', async () => {
    const inputs: TensorSpec[] = [
      spec('ids', 'INT64', ['rows', 'tokens']),
      spec('attention_mask', 'INT64', ['rows', 3]),
      spec('name', 'BYTES', ['rows', 1]),
      spec('flag', 'BOOL', []),
      spec('half', 'FP16', ['', 2]),
    ];
    let fed: NamedTensors = {};
    const session = new ScriptedSession({ inputs, outputs: [spec('y', 'FP32', ['rows'])] }, (feeds) => {
      fed = feeds;
      return { y: tensorOf('FP32', [1], [0]) };
    });
    const open = await tensors.open(versionOf(session.signature), session);
    await open.execute([open.sample()]);
    expect(Object.fromEntries(Object.entries(fed).map(([name, { shape }]) => [name, shape]))).toEqual({
      ids: [1, 1],
      attention_mask: [1, 3],
      name: [1, 1],
      flag: [],
      half: [1, 2],
    });
    expect([...viewOf(fed['attention_mask'], 'INT64')]).toEqual([1n, 1n, 1n]);
    expect(fed['name'].bytes).toHaveLength(4);
  });
});

describe('tensors: its schemas', () => {
  it('accept what the task takes and gives', async () => {
    const schema = tensors.schema(versionOf(PAIR));
    const ajv = new Ajv();
    const accepts = (part: keyof typeof schema, value: unknown): boolean => ajv.validate(schema[part] as object, value);
    for (const part of ['row', 'inputs'] as const) {
      const [example] = (schema[part] as unknown as { examples: unknown[] }).examples;
      expect(accepts(part, example)).toBe(true);
    }
    expect(accepts('row', { x: [1, 'NaN'], n: '9007199254740993' })).toBe(true);
    expect(accepts('row_output', { y: [1, 2], m: 3 })).toBe(true);
    expect(accepts('inputs', { x: [1, 2], n: 3 }) && accepts('inputs', { x: [[1, 2]], n: [3] })).toBe(true);
    expect(accepts('outputs', { y: [[1, 2]] })).toBe(true);
    for (const bad of [{ x: [1], n: 3 }, { x: [1, 2] }, { x: [1, 2], n: 1.5 }, { x: [1, 2], n: 3, z: 1 }]) {
      expect(accepts('row', bad)).toBe(false);
    }
    expect(accepts('inputs', { x: [1, 2], n: [3] })).toBe(false);
  });

  it('describe a model without rows in its own shapes', () => {
    const schema = tensors.schema(versionOf({ inputs: [spec('x', 'FP32', [2])], outputs: [spec('y', 'BOOL', [])] }));
    expect(schema).toMatchObject({
      row: { properties: { x: { type: 'array', minItems: 2, maxItems: 2 } } },
      row_output: { properties: { y: { type: 'boolean' } } },
      inputs: { properties: { x: { type: 'array' } } },
    });
  });
});
