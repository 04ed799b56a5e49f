import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { QuaysideError, encodeJson, tensorOf } from '@app/core';
import { InMemoryBlobStore, inPieces } from '@app/testing';
import fc from 'fast-check';
import { decodeCursor, encodeCursor } from './cursor';
import { type EndedChunk, type ResultRange, readResults } from './read-results';
import { isErrorLine, resultLine } from './result-line';
import { rowErrorOf } from './row-error';

const ERROR = rowErrorOf(
  new QuaysideError('invalid_input', 'No.', {
    details: [{ field: 'rows[0].a', code: 'missing_input', message: 'No.' }],
  }),
);

describe(resultLine.name, () => {
  it('is a line of JSON with the place, the id and what became of the row', () => {
    expect(resultLine({ index: 12, id: 'r"12', output: { label: 'a' } })).toBe(
      '{"index":12,"id":"r\\"12","output":{"label":"a"}}\n',
    );
    expect(JSON.parse(resultLine({ index: 0, id: 'é', error: ERROR }))).toEqual({
      index: 0,
      id: 'é',
      error: { code: 'invalid_input', message: 'No.', param: 'rows[0].a', details: ERROR.details },
    });
  });

  it('keeps the digits of an output', () => {
    const encoded = encodeJson(tensorOf('FP64', [2], [-0, 0.1]));
    expect(resultLine({ index: 0, id: 'a', output: encoded.data })).toBe('{"index":0,"id":"a","output":[-0,0.1]}\n');
  });

  it('tells failed rows by their lines, whatever their ids are', () => {
    const id = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 256 }),
      fc.constantFrom('","error":', '\\', '"', '\\","error":{'),
    );
    fc.assert(
      fc.property(id, fc.nat(), (name, index) => {
        expect(isErrorLine(Buffer.from(resultLine({ index, id: name, error: ERROR })))).toBe(true);
        expect(isErrorLine(Buffer.from(resultLine({ index, id: name, output: { error: 1 } })))).toBe(false);
      }),
    );
  });
});

describe(encodeCursor.name, () => {
  it('is read back, and opaque in a query', () => {
    fc.assert(
      fc.property(fc.nat(), (row) => {
        expect(encodeCursor(row)).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeCursor(encodeCursor(row))).toBe(row);
      }),
    );
  });

  it.each([
    '',
    '12',
    'cm93Oi0x',
    'cm93OjAx',
    'cm93OjE=',
    ' cm93OjE',
    `${encodeCursor(1)}xx`,
    Buffer.from('row:1e3').toString('base64url'),
  ])('refuses %j, which nobody was given', (cursor) => {
    expect(() => decodeCursor(cursor)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: [expect.objectContaining({ field: 'after' })] }),
    );
  });
});

describe(readResults.name, () => {
  /** Rows 0 to 2 done with an error in the middle, 3 and 4 done, 5 and 6 dead, 7 dead and its input lost, 8 never run, 9 done. */
  let store: InMemoryBlobStore;
  let chunks: readonly EndedChunk[];
  const lines: string[] = [];

  beforeEach(async () => {
    store = new InMemoryBlobStore();
    lines.length = 0;
    const done = async (firstRow: number, rows: readonly boolean[]): Promise<EndedChunk> => {
      const made = rows.map((isOk, at) => {
        const row = { index: firstRow + at, id: `é${firstRow + at}` };
        return resultLine(isOk ? { ...row, output: { v: firstRow + at } } : { ...row, error: ERROR });
      });
      made.forEach((line, at) => (lines[firstRow + at] = line));
      await store.put(`out/${firstRow}`, inPieces(made.join('')));
      const errRows = rows.filter((isOk) => !isOk).length;
      return { firstRow, rows: rows.length, inputKey: `in/${firstRow}`, resultKey: `out/${firstRow}`, errRows };
    };
    const dead = (firstRow: number, ids: readonly string[], resultKey?: string): EndedChunk => {
      ids.forEach((id, at) => {
        const error = { code: 'chunk_failed', message: expect.any(String), param: null, details: [] } as typeof ERROR;
        lines[firstRow + at] = resultLine({ index: firstRow + at, id, error });
      });
      return { firstRow, rows: ids.length, inputKey: `in/${firstRow}`, resultKey, errRows: 0 };
    };
    await store.put('in/5', inPieces('{"i":5,"id":"a","row":{}}\n{"i":6,"id":"b","error":{}}\n'));
    chunks = [
      await done(0, [true, false, true]),
      await done(3, [true, true]),
      dead(5, ['a', 'b']),
      dead(7, ['r7'], 'out/lost'),
      await done(9, [true]),
    ];
  });

  const read = (range: Partial<ResultRange> = {}) =>
    text(
      Readable.from(readResults(Readable.from(chunks), { from: 0, to: Infinity, ...range }, store), {
        objectMode: false,
      }),
    );
  const rowsIn = (jsonl: string) =>
    jsonl
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { readonly index: number; readonly id: string });

  it('sends files as they are, and makes the lines of chunks that have none', async () => {
    const whole = await read();
    expect(whole.startsWith(lines.slice(0, 5).join(''))).toBe(true);
    expect(whole.endsWith(lines[9] ?? '')).toBe(true);
    expect(rowsIn(whole).map(({ index, id }) => [index, id])).toEqual([
      [0, 'é0'],
      [1, 'é1'],
      [2, 'é2'],
      [3, 'é3'],
      [4, 'é4'],
      [5, 'a'],
      [6, 'b'],
      [7, 'r7'],
      [9, 'é9'],
    ]);
    expect(rowsIn(whole).slice(5, 8)).toEqual(
      Array.from({ length: 3 }, () =>
        expect.objectContaining({ error: expect.objectContaining({ code: 'chunk_failed' }) }),
      ),
    );
  });

  it('gives any two parts as the bytes of the whole', async () => {
    const whole = await read();
    for (let between = 0; between <= 10; between++) {
      expect((await read({ to: between })) + (await read({ from: between }))).toBe(whole);
    }
  });

  it('gives each row once to a reader who goes on from where he is, page by page', async () => {
    const pages = await Promise.all([0, 3, 6, 9].map((from) => read({ from, to: from + 3 })));
    expect(pages.join('')).toBe(await read());
    expect(rowsIn(pages[1] ?? '').map(({ index }) => index)).toEqual([3, 4, 5]);
  });

  it('gives failed rows alone, without opening what has none for longer than needed', async () => {
    const failed = await read({ onlyErrors: true });
    expect(rowsIn(failed).map(({ index }) => index)).toEqual([1, 5, 6, 7]);
    expect(rowsIn(await read({ onlyErrors: true, from: 2, to: 6 })).map(({ index }) => index)).toEqual([5]);
  });

  it('throws on that the store does not answer', async () => {
    store.fail('storage_unavailable');
    await expect(read()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});
