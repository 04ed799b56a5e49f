import { parseJsonBody } from '@app/core';
import { flattened } from '@app/testing';
import fc from 'fast-check';
import { valueRows } from './value-rows';

const textsOf = async (values: readonly unknown[]) =>
  (await flattened(valueRows(values))).map((row) =>
    'json' in row ? Buffer.from(row.json).toString() : row.error.code,
  );

describe(valueRows.name, () => {
  it('writes rows that mean the same numbers as the body that they came in', async () => {
    const { rows } = parseJsonBody(Buffer.from('{"rows":[{"a":[-0,1e400,-1e400,0,1.10]},{"b":"é\\ud800"},3]}')) as {
      readonly rows: readonly unknown[];
    };
    expect(await textsOf(rows)).toEqual(['{"a":[-0,1e999,-1e999,0,1.1]}', '{"b":"é\\ud800"}', 'invalid_input']);
  });

  it('gives any rows back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), async (rows) => {
        const texts = await textsOf(rows);
        const safe = rows.map((row) => (JSON.stringify(row).includes('"__proto__":') ? 'forbidden_key' : row));
        expect(texts.map((text) => (text === 'forbidden_key' ? text : (JSON.parse(text) as object)))).toEqual(safe);
      }),
    );
  });

  it('takes ids, and gives many rows in batches', async () => {
    const rows = Array.from({ length: 1200 }, (_, id) => ({ id, a: 1 }));
    const batches = [...valueRows(rows, { name: 'id', staysInRow: false })];
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 200]);
    expect(batches[2]?.[199]).toEqual({ line: 1, id: '1199', json: Buffer.from('{"a":1}') });
  });

  it('refuses a row that is too long, by its place', () => {
    const rows = [{}, { a: 'x'.repeat(1024 * 1024) }];
    expect(() => [...valueRows(rows)]).toThrow(
      expect.objectContaining({ code: 'body_too_large', message: expect.stringContaining('rows[1]') }),
    );
  });
});
