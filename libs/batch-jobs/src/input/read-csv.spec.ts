import type { JsonValue } from '@app/core';
import { flattened, inPieces } from '@app/testing';
import fc from 'fast-check';
import { rowColumns } from './cell-reading';
import type { IdField } from './input-row';
import { readCsv } from './read-csv';

const SCHEMA: JsonValue = {
  properties: { text: { type: 'string' }, amount: { type: 'number' } },
  required: ['text'],
  additionalProperties: false,
};

interface Reading {
  readonly sizes?: readonly number[];
  readonly schema?: JsonValue;
  readonly idField?: IdField;
  readonly maxBytes?: number;
}

async function read(content: string | Uint8Array, { sizes, schema = SCHEMA, ...options }: Reading = {}) {
  const rows = await flattened(readCsv(inPieces(content, sizes), { columns: rowColumns(schema), ...options }));
  return rows.map((row) => ('json' in row ? { ...row, json: Buffer.from(row.json).toString() } : row));
}

const rowsOf = async (content: string | Uint8Array, reading?: Reading) =>
  (await read(content, reading)).map((row) => [row.line, 'json' in row ? row.json : row.error.code]);

describe(readCsv.name, () => {
  it.each([
    ['text,amount\na,1.50\n', [[2, '{"text":"a","amount":1.50}']]],
    [
      'amount,text\r\n-0,a\r\n.5,b',
      [
        [2, '{"amount":-0,"text":"a"}'],
        [3, '{"amount":0.5,"text":"b"}'],
      ],
    ],
    [
      'text\n"a, b"\n"say ""hi"""\n',
      [
        [2, '{"text":"a, b"}'],
        [3, '{"text":"say \\"hi\\""}'],
      ],
    ],
    [
      'text\n"two\nlines"\nb\n"three\r\n\r\nlines"\nd',
      [
        [2, '{"text":"two\\nlines"}'],
        [4, '{"text":"b"}'],
        [5, '{"text":"three\\r\\n\\r\\nlines"}'],
        [8, '{"text":"d"}'],
      ],
    ],
    ['\n\r\ntext\n\n\na\n\n', [[6, '{"text":"a"}']]],
    [
      'text,amount\n,1\n"",1\n,\n',
      [
        [2, '{"amount":1}'],
        [3, '{"text":"","amount":1}'],
        [4, '{}'],
      ],
    ],
    ['"text", amount \né😀,1\n', [[2, '{"text":"é😀","amount":1}']]],
    ['text,amount\na,abc\n', [[2, '{"text":"a","amount":"abc"}']]],
    [
      'text\n 007 \nnull\n',
      [
        [2, '{"text":" 007 "}'],
        [3, '{"text":"null"}'],
      ],
    ],
    ['text\n', []],
  ] as [string, [number, string][]][])('reads %j', async (content, rows) => {
    expect(await rowsOf(content)).toEqual(rows);
    expect(await rowsOf(content, { sizes: [1] })).toEqual(rows);
  });

  it('makes lines of another number of cells, and those that are no UTF-8, rows with errors', async () => {
    const content = Buffer.concat([
      Buffer.from('text,amount\na\na,1,2\n'),
      Buffer.from([0xff]),
      Buffer.from(',1\nb,2\n'),
    ]);
    expect(await rowsOf(content)).toEqual([
      [2, 'invalid_input'],
      [3, 'invalid_input'],
      [4, 'invalid_utf8'],
      [5, '{"text":"b","amount":2}'],
    ]);
  });

  it.each([
    ['', 'is empty'],
    ['\n\n', 'is empty'],
    ['amount\n1\n', 'no column "text"'],
    ['text,other\na,b\n', 'no column "other". It takes: text, amount'],
    ['text,text\na,b\n', '"text" is there twice'],
    ['text\n"a"b\n', 'from line 2 is no CSV'],
    ['text\na\nb"c"\n', 'from line 3 is no CSV'],
    ['text\n"a\nb\n', 'from line 2 is never closed'],
    ['a;b\n1;2\n', 'no column "a;b"'],
  ])('refuses %j as a whole', async (content, says) => {
    for (const sizes of [undefined, [1]]) {
      await expect(read(content, { ...(sizes && { sizes }) })).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining(says),
      });
    }
  });

  it('refuses a record that is too long, such as one whose quote is never closed', async () => {
    const refused = read(`text\na\n"${'x\n'.repeat(100)}`, { maxBytes: 50 });
    await expect(refused).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringContaining('line 3 '),
    });
    expect(await read(`text\n${'x'.repeat(50)}\n`, { maxBytes: 50 })).toHaveLength(1);
  });

  it('takes the id from its column, with every digit', async () => {
    const content = `key,text\n00123,a\n,b\n${'x'.repeat(257)},c\n`;
    expect(await read(content, { idField: { name: 'key', staysInRow: false } })).toEqual([
      { line: 2, id: '00123', json: '{"text":"a"}' },
      { line: 3, json: '{"text":"b"}' },
      { line: 4, error: expect.objectContaining({ code: 'invalid_input', param: 'key' }) },
    ]);
    const inRow = await read('text\na\n', { idField: { name: 'text', staysInRow: true } });
    expect(inRow).toEqual([{ line: 2, id: 'a', json: '{"text":"a"}' }]);
    await expect(read('text\na\n', { idField: { name: 'key', staysInRow: false } })).rejects.toMatchObject({
      message: expect.stringContaining('no column "key"'),
    });
  });

  it('takes any column where the model does, but none that could alter a prototype', async () => {
    const schema: JsonValue = { properties: {} };
    expect(await rowsOf('a,b\n1,2\n', { schema })).toEqual([[2, '{"a":"1","b":"2"}']]);
    await expect(read('__proto__\n1\n', { schema })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('gives any texts and numbers back, however they arrive', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'é', '😀', '"', ',', '\n', '\r', '\r\n', ' '),
      minLength: 1,
      maxLength: 12,
    });
    const row = fc.record({ text, amount: fc.double({ noNaN: true, noDefaultInfinity: true }) });
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }));
    await fc.assert(
      fc.asyncProperty(fc.array(row), fc.constantFrom('\n', '\r\n'), sizes, async (rows, end, pieces) => {
        const lines = rows.map((one) => `"${one.text.replaceAll('"', '""')}",${one.amount}`);
        const found = await read(`text,amount${end}${lines.join(end)}`, { sizes: pieces });
        expect(found.map((one) => ('json' in one ? (JSON.parse(one.json) as unknown) : one))).toEqual(
          rows.map((one) => ({ ...one, amount: Number(String(one.amount)) })),
        );
      }),
    );
  });
});
