import { text } from 'node:stream/consumers';
import type { BlobStore } from '@app/blob-store';
import { InMemoryBlobStore, flattened } from '@app/testing';
import fc from 'fast-check';
import type { InputRow } from './input-row';
import { readChunk } from './read-chunk';
import { type ChunksToWrite, type WrittenChunk, writeChunks } from './write-chunks';

const JOB = 'job_0123456789abcdef0123456789abcdef';
const aRow = (json: string, id?: string): InputRow => ({
  line: 1,
  json: Buffer.from(json),
  ...(id !== undefined && { id }),
});
const aBadRow: InputRow = { line: 1, error: { code: 'invalid_json', message: 'No.', param: null, details: [] } };

async function write(rows: readonly InputRow[], options: Partial<ChunksToWrite> = {}) {
  const store = options.store ?? new InMemoryBlobStore();
  const chunks: WrittenChunk[] = [];
  for await (const chunk of writeChunks([rows], { jobId: JOB, rowsPerChunk: 3, store, ...options })) chunks.push(chunk);
  return { store, chunks };
}

async function fileOf(store: BlobStore, key: string): Promise<string> {
  const content = await store.get(key);
  return content ? text(content) : '';
}

describe(writeChunks.name, () => {
  it('writes a line for each row: with its place, its id and its JSON as it is, or why there is none', async () => {
    const { store, chunks } = await write([aRow('{ "a": 1.10 }', 'r"1'), aBadRow, aRow('{}'), aRow('{"é":-0}')]);
    expect(chunks).toEqual([
      { idx: 0, firstRow: 0, rows: 3, inputKey: `jobs/${JOB}/in/0.jsonl`, unreadable: 1 },
      { idx: 1, firstRow: 3, rows: 1, inputKey: `jobs/${JOB}/in/1.jsonl`, unreadable: 0 },
    ]);
    expect(await fileOf(store, `jobs/${JOB}/in/0.jsonl`)).toBe(
      '{"i":0,"id":"r\\"1","row":{ "a": 1.10 }}\n' +
        '{"i":1,"id":"r1","error":{"code":"invalid_json","message":"No.","param":null,"details":[]}}\n' +
        '{"i":2,"id":"r2","row":{}}\n',
    );
    expect(await fileOf(store, `jobs/${JOB}/in/1.jsonl`)).toBe('{"i":3,"id":"r3","row":{"é":-0}}\n');
  });

  it('writes nothing where there are no rows', async () => {
    expect((await write([])).chunks).toEqual([]);
  });

  it('closes a chunk before it has too many bytes, and gives a row beyond them a chunk of its own', async () => {
    const [small, large] = [aRow(`{"a":"${'x'.repeat(100)}"}`), aRow(`{"a":"${'x'.repeat(1000)}"}`)];
    const { store, chunks } = await write([small, small, large, small, small, small], {
      rowsPerChunk: 100,
      maxBytes: 400,
    });
    expect(chunks.map(({ rows }) => rows)).toEqual([2, 1, 2, 1]);
    const sizes = await Promise.all(chunks.map(async ({ inputKey }) => (await fileOf(store, inputKey)).length));
    expect(sizes.filter((size) => size > 400)).toHaveLength(1);
  });

  it('puts any rows into chunks that follow on each other and have all of them, in order', async () => {
    const rows = fc.array(
      fc.record({ json: fc.jsonValue(), id: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 2000 }),
        async (all, rowsPerChunk, maxBytes) => {
          const given = all.map(({ json, id }) => aRow(JSON.stringify({ json }), id));
          const { store, chunks } = await write(given, { rowsPerChunk, maxBytes });
          const read = await Promise.all(
            chunks.map(async ({ inputKey }) => flattened((await readChunk(store, inputKey)) ?? [])),
          );
          expect(read.map((part) => part.length)).toEqual(chunks.map((chunk) => chunk.rows));
          expect(chunks.map(({ firstRow }) => firstRow)).toEqual(read.map((part) => part[0]?.index));
          const parsed = all.map(({ json }) => JSON.parse(JSON.stringify({ json })) as unknown);
          expect(read.flat()).toEqual(
            all.map(({ id }, index) => ({ index, id: id ?? `r${index}`, row: parsed[index] })),
          );
        },
      ),
    );
  });

  it('takes no more rows while a chunk is being stored', async () => {
    const store = new InMemoryBlobStore();
    let taken = 0;
    function* rows(): Generator<readonly InputRow[]> {
      for (;;) {
        taken++;
        yield [aRow('{}')];
      }
    }
    for await (const { idx } of writeChunks(rows(), { jobId: JOB, rowsPerChunk: 10, store })) {
      expect(taken).toBe((idx + 1) * 10 + 1);
      if (idx === 3) break;
    }
  });

  it('throws on that the disk is full, and what the rows throw', async () => {
    const store = new InMemoryBlobStore();
    store.fail('storage_full');
    await expect(write([aRow('{}')], { store })).rejects.toMatchObject({ code: 'storage_full' });
    const fault = new Error('gone');
    async function* broken(): AsyncGenerator<readonly InputRow[]> {
      yield [aRow('{}')];
      await Promise.reject(fault);
    }
    const chunks = writeChunks(broken(), { jobId: JOB, rowsPerChunk: 10, store: new InMemoryBlobStore() });
    await expect(chunks.next()).rejects.toBe(fault);
  });
});

describe(readChunk.name, () => {
  it('gives nothing for a file that is not there', async () => {
    expect(await readChunk(new InMemoryBlobStore(), 'jobs/a/in/0.jsonl')).toBeUndefined();
  });

  it('gives rows and errors as they were written, with the sign of a zero', async () => {
    const { store, chunks } = await write([aRow('{"a":-0,"b":9007199254740993}', 'x'), aBadRow]);
    const [first, second] = await flattened((await readChunk(store, chunks[0]?.inputKey ?? '')) ?? []);
    expect(first).toEqual({ index: 0, id: 'x', row: { a: -0, b: 9007199254740992 } });
    expect(second).toEqual({ index: 1, id: 'r1', error: 'error' in aBadRow && aBadRow.error });
  });
});
