import type { Dtype } from './dtypes';
import { tensorOf, textsOf, viewOf } from './tensor';
import { decodeElements, decodeJson, decodeNested } from './tensor-decoder';

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { field: string; code: string; message: string }[];
}

function refusalOf(act: () => unknown): Refusal {
  try {
    act();
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('was accepted');
}

/** The refusal of one OIP input, as `field code`. */
function faultsOf(dtype: Dtype, shape: readonly number[], data: unknown): string[] {
  const { details } = refusalOf(() => decodeJson({ dtype, shape, field: 'inputs[0]' }, data));
  return details.map(({ field, code }) => `${field} ${code}`);
}

describe(decodeJson.name, () => {
  it('names the element by its place in flat and in nested data', () => {
    expect(faultsOf('INT8', [2, 2], [1, 2, 3, 400])).toEqual(['inputs[0].data[3] out_of_range']);
    expect(faultsOf('INT8', [2, 1, 2], [[[1, 2]], [[3, 400]]])).toEqual(['inputs[0].data[1][0][1] out_of_range']);
  });

  it('names the list that is out of step', () => {
    expect(faultsOf('FP32', [2, 1, 2], [[[1, 2]], [[3]]])).toEqual(['inputs[0].data[1][0] ragged_array']);
    expect(faultsOf('FP32', [2, 2], [[1, 2], 3])).toEqual(['inputs[0].data[1] ragged_array']);
    expect(faultsOf('FP32', [2, 1], [[1], [[2]]])).toEqual(['inputs[0].data[1][0] ragged_array']);
  });

  it('reports up to ten faults together', () => {
    expect(faultsOf('INT8', [3], [true, 1.5, null])).toEqual([
      'inputs[0].data[0] number_expected',
      'inputs[0].data[1] not_integral',
      'inputs[0].data[2] null_not_allowed',
    ]);
    expect(faultsOf('INT8', [1000], Array<unknown>(1000).fill('x'))).toHaveLength(10);
  });

  it('says what to send, and repeats no value', () => {
    const refusal = refusalOf(() => decodeJson({ dtype: 'INT8', shape: [2], field: 'inputs[0]' }, [4711, 'hunter2']));
    expect(refusal).toMatchObject({
      code: 'invalid_input',
      message: 'inputs[0].data[0] is out of range (INT8 is -128 to 127). 1 more in details.',
      details: [{}, { message: 'inputs[0].data[1] must be a number (INT8).' }],
    });
    expect(JSON.stringify(refusal.details)).not.toMatch(/4711|hunter2/);
  });

  it('puts a faulty shape on the shape, before it looks at the data', () => {
    for (const [shape, code] of [
      [[-1], 'invalid_shape'],
      [[NaN], 'invalid_shape'],
      [['2'], 'invalid_shape'],
      [null, 'invalid_shape'],
      ['22', 'invalid_shape'],
      [Array(65).fill(1), 'invalid_shape'],
      [[2 ** 28 + 1], 'too_many_elements'],
      [[0, 2 ** 31, 2 ** 31], 'too_many_elements'],
    ] as const) {
      expect(faultsOf('FP32', shape as unknown as number[], undefined)).toEqual([`inputs[0].shape ${code}`]);
    }
  });

  it('names data that is absent, null, single or of another count or nesting', () => {
    expect(faultsOf('FP32', [2], undefined)).toEqual(['inputs[0].data missing_input']);
    expect(faultsOf('FP32', [2], null)).toEqual(['inputs[0].data null_not_allowed']);
    expect(faultsOf('FP32', [2], 5)).toEqual(['inputs[0].data shape_mismatch']);
    expect(
      faultsOf(
        'FP32',
        [4],
        [
          [1, 2],
          [3, 4],
        ],
      ),
    ).toEqual(['inputs[0].data shape_mismatch']);
    expect(
      faultsOf(
        'FP32',
        [2, 2],
        [
          [
            [1, 2],
            [3, 4],
          ],
        ],
      ),
    ).toEqual(['inputs[0].data shape_mismatch']);
    expect(faultsOf('FP32', [1, 2], [])).toEqual(['inputs[0].data shape_mismatch']);
  });

  it('takes scalars and empty tensors, flat or nested', () => {
    const decode = (shape: readonly number[], data: unknown): number => {
      const tensor = decodeJson({ dtype: 'FP32', shape, field: 'x' }, data);
      expect(tensor.shape).toEqual(shape);
      return tensor.bytes.length;
    };
    expect([decode([], 5), decode([], [5])]).toEqual([4, 4]);
    expect([decode([0], []), decode([0, 4], []), decode([2, 0], [[], []]), decode([2, 0, 3], [[], []])]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('takes what looks like an integer of 64 bits only in digits that fit, however long the text', () => {
    expect(faultsOf('INT64', [3], ['9'.repeat(1 << 20), `${'9'.repeat(1 << 20)}x`, Infinity])).toEqual([
      'inputs[0].data[0] out_of_range',
      'inputs[0].data[1] invalid_integer_string',
      'inputs[0].data[2] out_of_range',
    ]);
  });
});

describe(decodeNested.name, () => {
  const target = { dtype: 'FP32', shape: ['batch', 2], field: 'inputs.x' } as const;
  const faults = (value: unknown): string[] =>
    refusalOf(() => decodeNested(target, value)).details.map(({ field, code }) => `${field} ${code}`);

  it('takes the shape from the nesting', () => {
    const tensor = decodeNested(target, [
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(tensor.shape).toEqual([3, 2]);
    expect([...viewOf(tensor, 'FP32')]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('completes an empty list by what is declared', () => {
    expect(decodeNested(target, []).shape).toEqual([0, 2]);
    expect(decodeNested({ ...target, shape: ['', '', 3] }, [[], []]).shape).toEqual([2, 0, 3]);
    expect(faults([[]])).toEqual(['inputs.x shape_mismatch']);
  });

  it('says which shape it has and which it takes', () => {
    expect(refusalOf(() => decodeNested(target, [[1, 2, 3]])).message).toBe(
      'inputs.x has shape [1,3]; it takes [batch,2].',
    );
    expect(refusalOf(() => decodeNested({ ...target, shape: ['', 2] }, 1)).message).toBe(
      'inputs.x is a single value; it takes [-1,2].',
    );
  });

  it('names the fault and its place', () => {
    expect(faults(undefined)).toEqual(['inputs.x missing_input']);
    expect(faults(null)).toEqual(['inputs.x null_not_allowed']);
    expect(faults([1, 2])).toEqual(['inputs.x shape_mismatch']);
    expect(
      faults([
        [1, 2],
        [3, '4'],
      ]),
    ).toEqual(['inputs.x[1][1] invalid_number_string']);
  });
});

describe(decodeElements.name, () => {
  const fieldOf = (row: number): string => `rows[${row}].x`;

  it('stacks single values', () => {
    const tensor = decodeElements({ dtype: 'BYTES', shape: [], fieldOf }, ['a', 'é', '']);
    expect(tensor.shape).toEqual([3]);
    expect(textsOf(tensor)).toEqual(['a', 'é', '']);
  });

  it('names the row, and the place inside it', () => {
    const faults = (shape: readonly (number | string)[], values: readonly unknown[]): string[] =>
      refusalOf(() => decodeElements({ dtype: 'FP32', shape, fieldOf }, values)).details.map(
        ({ field, code }) => `${field} ${code}`,
      );
    expect(faults([], [1, undefined, [3], null])).toEqual([
      'rows[1].x missing_input',
      'rows[2].x number_expected',
      'rows[3].x null_not_allowed',
    ]);
    expect(
      faults(
        [2, 1],
        [
          [[1], [2]],
          [[3], [true]],
        ],
      ),
    ).toEqual(['rows[1].x[1][0] number_expected']);
    expect(faults([2], [[1, 2], null])).toEqual(['rows[1].x null_not_allowed']);
    expect(
      faults(
        [2],
        [
          [1, 2],
          [1, 2, 3],
        ],
      ),
    ).toEqual(['rows[1].x shape_mismatch']);
  });

  it('takes one size for a dynamic dimension in all rows', () => {
    const target = { dtype: 'INT32', shape: ['length'], fieldOf } as const;
    expect(
      decodeElements(target, [
        [1, 2],
        [3, 4],
      ]).shape,
    ).toEqual([2, 2]);
    expect(refusalOf(() => decodeElements(target, [[1, 2], [3]])).message).toBe(
      'rows[1].x has shape [1]; it takes [2].',
    );
    expect(decodeElements(target, []).shape).toEqual([0, 0]);
  });

  it('makes the same bytes as values that this server trusts', () => {
    const rows = [
      [1, -2],
      [3, 4],
    ];
    expect(decodeElements({ dtype: 'INT64', shape: [2], fieldOf }, rows)).toEqual(
      tensorOf('INT64', [2, 2], rows.flat()),
    );
  });
});
