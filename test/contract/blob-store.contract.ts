import { createHash } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import type { BlobRange, BlobStore, ListedBlob } from '@app/blob-store';

const bytesOf = (content: string): AsyncIterable<Uint8Array> => chunks(Buffer.from(content));

async function* chunks(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of all) yield await Promise.resolve(chunk);
}

async function contentOf(store: BlobStore, key: string, range?: BlobRange): Promise<string | undefined> {
  const content = await store.get(key, range);
  return content && text(content);
}

async function listed(store: BlobStore, prefix: string): Promise<readonly ListedBlob[]> {
  const blobs: ListedBlob[] = [];
  for await (const blob of store.list(prefix)) blobs.push(blob);
  return blobs.toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

const keysOf = async (store: BlobStore, prefix: string): Promise<readonly string[]> =>
  (await listed(store, prefix)).map(({ key }) => key);

/** What every `BlobStore` promises; `open` gives an empty one. */
export function itBehavesLikeABlobStore(open: () => Promise<BlobStore>): void {
  let store: BlobStore;
  beforeEach(async () => {
    store = await open();
  });

  it('gives back what was put, and says how long it is and its SHA-256', async () => {
    const content = Buffer.alloc(300_000, 'quayside');
    const stored = await store.put('jobs/a/in/0.jsonl', chunks(content.subarray(0, 7), content.subarray(7)));
    expect(stored).toEqual({ bytes: 300_000, sha256: createHash('sha256').update(content).digest('hex') });
    const read = await store.get('jobs/a/in/0.jsonl');
    expect(read && content.equals(await buffer(read))).toBe(true);
  });

  it('keeps a content of no bytes', async () => {
    expect(await store.put('empty', chunks())).toMatchObject({ bytes: 0 });
    expect(await contentOf(store, 'empty')).toBe('');
  });

  it.each([
    [{ start: 2 }, 'cdef'],
    [{ start: 0, end: 2 }, 'ab'],
    [{ start: 2, end: 4 }, 'cd'],
    [{ start: 4, end: 100 }, 'ef'],
    [{ start: 3, end: 3 }, ''],
    [{ start: 6 }, ''],
    [{ start: 100, end: 200 }, ''],
  ])('gives the part %j', async (range, expected) => {
    await store.put('a', bytesOf('abcdef'));
    expect(await contentOf(store, 'a', range)).toBe(expected);
  });

  it('gives nothing for a key that has no blob, also beside and below those that have', async () => {
    await store.put('a/b', bytesOf('x'));
    for (const key of ['c', 'a/c', 'a/b/c']) expect(await store.get(key)).toBeUndefined();
  });

  it('may use a chunk again once the next one is asked for', async () => {
    const chunk = Buffer.from('a');
    async function* same(): AsyncGenerator<Uint8Array> {
      for (const letter of 'abc') {
        chunk.write(letter);
        yield await Promise.resolve(chunk);
      }
      chunk.write('-');
    }
    await store.put('a', same());
    expect(await contentOf(store, 'a')).toBe('abc');
  });

  it('replaces a content as a whole, under those who are reading it', async () => {
    const old = Buffer.alloc(1_000_000, 'old ');
    await store.put('a', chunks(old));
    const reading = await store.get('a');
    await store.put('a', bytesOf('new'));
    expect(reading && old.equals(await buffer(reading))).toBe(true);
    expect(await contentOf(store, 'a')).toBe('new');
  });

  it('shows nothing of a content whose source breaks, and throws on what the source threw', async () => {
    await store.put('b', bytesOf('old'));
    const gone = new Error('the client left');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* bytesOf('half');
      await Promise.reject(gone);
    }
    await expect(store.put('a', broken())).rejects.toBe(gone);
    await expect(store.put('b', broken())).rejects.toBe(gone);
    expect(await store.get('a')).toBeUndefined();
    expect(await contentOf(store, 'b')).toBe('old');
    expect(await keysOf(store, '')).toEqual(['b']);
  });

  it('has no name for a content that is still on its way', async () => {
    const [begun, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield* bytesOf('a');
      begun.resolve();
      await rest.promise;
    }
    const put = store.put('a', slow());
    await begun.promise;
    expect([await store.get('a'), await keysOf(store, '')]).toEqual([undefined, []]);
    rest.resolve();
    await put;
    expect(await keysOf(store, '')).toEqual(['a']);
  });

  it('takes many at once, also under one key, which then has one of them', async () => {
    const contents = Array.from({ length: 20 }, (_, at) => `content ${at}`);
    await Promise.all(contents.map((content, at) => store.put(`many/${at % 5}/x`, bytesOf(content))));
    expect(await keysOf(store, 'many/')).toEqual([0, 1, 2, 3, 4].map((at) => `many/${at}/x`));
    for (const at of [0, 1, 2, 3, 4]) {
      expect(contents.filter((_, index) => index % 5 === at)).toContain(await contentOf(store, `many/${at}/x`));
    }
  });

  it('lists by the beginning of a key, wherever it ends', async () => {
    for (const key of ['jobs/a/in/0', 'jobs/a/out/0.1', 'jobs/ab/in/0', 'jobs/b', 'probe']) {
      await store.put(key, bytesOf(key));
    }
    expect(await keysOf(store, '')).toHaveLength(5);
    expect(await keysOf(store, 'jobs/a')).toEqual(['jobs/a/in/0', 'jobs/a/out/0.1', 'jobs/ab/in/0']);
    expect(await keysOf(store, 'jobs/a/')).toEqual(['jobs/a/in/0', 'jobs/a/out/0.1']);
    expect(await keysOf(store, 'jobs/a/out/0.')).toEqual(['jobs/a/out/0.1']);
    expect(await keysOf(store, 'nobody/')).toEqual([]);
  });

  it('lists how long a blob is, and when it was written', async () => {
    await store.put('a', bytesOf('abc'));
    const [first] = await listed(store, 'a');
    await store.put('b', bytesOf('abc'));
    const [second] = await listed(store, 'b');
    expect(first).toEqual({ key: 'a', bytes: 3, modifiedAtMs: expect.any(Number) });
    expect(second?.modifiedAtMs).toBeGreaterThanOrEqual(first?.modifiedAtMs ?? Infinity);
  });

  it('forgets what is deleted, does not mind what is not there, and lets readers go on', async () => {
    const content = Buffer.alloc(1_000_000, 'x');
    await store.put('a/b/c', chunks(content));
    await store.put('a/d', bytesOf('stays'));
    const reading = await store.get('a/b/c');
    await store.delete(['a/b/c', 'a/b/nothing', 'e/f']);
    await store.delete([]);
    expect(await store.get('a/b/c')).toBeUndefined();
    expect(await keysOf(store, '')).toEqual(['a/d']);
    expect(reading && content.equals(await buffer(reading))).toBe(true);
  });

  it('can be put again where it was deleted', async () => {
    for (const content of ['one', 'two']) {
      await store.put('a/b/c', bytesOf(content));
      expect(await contentOf(store, 'a/b/c')).toBe(content);
      await store.delete(['a/b/c']);
    }
  });

  it('lets keys of one folder be put and deleted at once, as often as one likes', async () => {
    for (let round = 0; round < 30; round++) {
      const [kept, gone] = [`a/b/${round}`, `a/b/gone-${round}`];
      await store.put(gone, bytesOf('x'));
      await Promise.all([store.put(kept, bytesOf(kept)), store.delete([gone, `a/b/${round - 1}`])]);
      expect(await contentOf(store, kept)).toBe(kept);
    }
    expect(await keysOf(store, '')).toEqual(['a/b/29']);
  });

  it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', '.a', 'a/.b', 'a b', 'ä', 'a\0', 'x'.repeat(513)])(
    'refuses %j, which is no key',
    async (key) => {
      await expect(store.put(key, chunks())).rejects.toThrow(RangeError);
      await expect(store.get(key)).rejects.toThrow(RangeError);
      await expect(store.delete([key])).rejects.toThrow(RangeError);
    },
  );
}
