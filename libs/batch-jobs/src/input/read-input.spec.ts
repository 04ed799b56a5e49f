import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type JsonValue, isQuaysideError, parseJsonBody } from '@app/core';
import { InMemoryBlobStore, flattened, inPieces } from '@app/testing';
import fc from 'fast-check';
import type { InputEncoding } from './inflate';
import { readChunk } from './read-chunk';
import { type InputFormat, type InputOptions, type JobInput, readInput } from './read-input';
import { writeChunks } from './write-chunks';

const SCHEMA: JsonValue = {
  properties: { text: { type: 'string' }, x: { type: 'number' } },
  required: ['text'],
  additionalProperties: false,
};
const OPTIONS: InputOptions = { limits: { rows: 1000, bytes: 1_000_000, inflatedBytes: 1_000_000 }, rowSchema: SCHEMA };
const COMPRESS = { identity: (bytes: string) => Buffer.from(bytes), gzip: gzipSync, zstd: zstdCompressSync };

interface SampleRow {
  readonly text: string;
  /** A number as a client writes it. */
  readonly x: string;
}

/** The same rows in each format; numbers as they are. */
const WRITE: Readonly<Record<InputFormat, (rows: readonly SampleRow[]) => string>> = {
  ndjson: (rows) => rows.map((row) => `${objectOf(row)}\n`).join(''),
  json: (rows) => `[\n${rows.map(objectOf).join(' ,\r\n')}]`,
  csv: (rows) => `x,text\r\n${rows.map(({ text, x }) => `${x},"${text.replaceAll('"', '""')}"\r\n`).join('')}`,
};

function objectOf({ text, x }: SampleRow): string {
  return `{ "text": ${JSON.stringify(text)}, "x": ${x} }`;
}

const read = (content: string, input: Partial<JobInput> = {}, options: Partial<InputOptions> = {}) =>
  flattened(
    readInput(
      { bytes: inPieces(content), format: 'ndjson', encoding: 'identity', ...input },
      { ...OPTIONS, ...options },
    ),
  );

describe(readInput.name, () => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? '-0' : String(value))),
    fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
    fc.constantFrom('-0', '-0.0', '1e-400', '0.1000000000000000055511151231257827', '1E+2', '9007199254740993'),
  );
  const row: fc.Arbitrary<SampleRow> = fc.record({ text: fc.string({ unit: 'grapheme' }), x: number });

  it.each(['ndjson', 'json', 'csv'] as const)(
    'brings any rows of %s through chunk files as a predict call would read them, however they are sent',
    async (format) => {
      const pieces = fc.array(fc.integer({ min: 1, max: 100 }));
      const encoding = fc.constantFrom<InputEncoding>('identity', 'gzip', 'zstd');
      await fc.assert(
        fc.asyncProperty(fc.array(row, { minLength: 1 }), encoding, pieces, async (rows, how, sizes) => {
          const bytes = inPieces(COMPRESS[how](WRITE[format](rows)), sizes);
          const store = new InMemoryBlobStore();
          const input = readInput({ bytes, format, encoding: how }, OPTIONS);
          const found: unknown[] = [];
          for await (const { inputKey } of writeChunks(input, { jobId: 'a', rowsPerChunk: 4, store })) {
            found.push(...(await flattened((await readChunk(store, inputKey)) ?? [])));
          }
          const expected = rows.map((one, index) => ({
            index,
            id: `r${index}`,
            row: parseJsonBody(Buffer.from(objectOf(one))),
          }));
          expect(found).toEqual(expected);
        }),
      );
    },
  );

  it.each(['ndjson', 'json', 'csv'] as const)(
    'answers any %s with rows on one line each, or an error of the catalogue, and the same however it arrives',
    async (format) => {
      const token = fc.constantFrom(
        ...'[]{},:"\\ \n\r1é',
        '\r\n',
        '""',
        'text',
        'x',
        '"a"',
        '{"text":"a"}',
        '{}',
        '\ufeff',
      );
      const begin = { ndjson: '', json: '[', csv: 'x,text\n' }[format];
      const content = fc.tuple(fc.constantFrom('', begin), fc.array(token, { maxLength: 25 }));
      const outcome = async (text: string, sizes: readonly number[]) => {
        try {
          const rows = await read('', { bytes: inPieces(text, sizes), format });
          return rows.map((one) => ('json' in one ? { ...one, json: Buffer.from(one.json).toString() } : one));
        } catch (fault) {
          if (!isQuaysideError(fault)) throw fault;
          return [fault.code, fault.message];
        }
      };
      await fc.assert(
        fc.asyncProperty(content, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), async (parts, sizes) => {
          const text = parts.flat().join('');
          const found = await outcome(text, []);
          expect(await outcome(text, sizes)).toEqual(found);
          for (const one of found) {
            if (typeof one === 'string' || !('json' in one)) continue;
            expect(one.json).not.toContain('\n');
            expect(parseJsonBody(Buffer.from(one.json))).toBeInstanceOf(Object);
          }
        }),
        { numRuns: 300 },
      );
    },
  );

  it('makes bad lines rows with errors, and reads on', async () => {
    const rows = await read('{"a":1}\nnot json\n\n[]\r\n{"a":2}');
    expect(rows.map((row) => [row.line, 'error' in row ? row.error.code : 'row'])).toEqual([
      [1, 'row'],
      [2, 'invalid_json'],
      [4, 'invalid_input'],
      [5, 'row'],
    ]);
  });

  it.each(['csv', 'json', 'ndjson'] as const)('drops a byte order mark before %s', async (format) => {
    const content = `\ufeff${WRITE[format]([{ text: 'a', x: '1' }])}`;
    for (const sizes of [[], [1], [2]]) {
      expect(await read('', { bytes: inPieces(content, sizes), format })).toEqual([
        expect.objectContaining({ json: expect.anything() }),
      ]);
    }
  });

  it('takes ids from a field, in every format', async () => {
    const idField = { name: 'text', staysInRow: false };
    for (const format of ['ndjson', 'json', 'csv'] as const) {
      const [row] = await read(WRITE[format]([{ text: 'a', x: '1.50' }]), { format }, { idField });
      expect(row).toMatchObject({ id: 'a' });
      expect(row && 'json' in row && Buffer.from(row.json).toString().replaceAll(' ', '')).toBe('{"x":1.50}');
    }
  });

  it('refuses more rows, more bytes and more inflated bytes than a job may have', async () => {
    const limits = { rows: 3, bytes: 100, inflatedBytes: 200 };
    expect(await read('{}\n{}\n{}\n', {}, { limits })).toHaveLength(3);
    const tooMany = [
      read('{}\n{}\n{}\n{}\n', {}, { limits }),
      read(' '.repeat(101), {}, { limits }),
      read('', { bytes: inPieces(gzipSync(' '.repeat(201))), encoding: 'gzip' }, { limits }),
    ];
    for (const refused of tooMany) await expect(refused).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('stops at the limit of a body that inflates without end, having held little of it', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, '\n'));
    const before = process.memoryUsage().arrayBuffers;
    await expect(read('', { bytes: inPieces(bomb), encoding: 'gzip' })).rejects.toMatchObject({
      code: 'body_too_large',
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });

  it('takes from the input only what is asked for, and lets go of it when nobody asks any more', async () => {
    const source = { taken: 0, isOpen: true };
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          source.taken++;
          yield await Promise.resolve(Buffer.from('{"text":"a"}\n'));
        }
      } finally {
        source.isOpen = false;
      }
    }
    let batches = 0;
    for await (const _ of readInput({ bytes: endless(), format: 'ndjson', encoding: 'identity' }, OPTIONS)) {
      expect(source.taken).toBe(++batches);
      if (batches === 5) break;
    }
    expect(source).toEqual({ taken: 5, isOpen: false });
  });
});
