import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync, constants } from 'node:zlib';
import { QuaysideError } from '@app/core';
import { inPieces } from '@app/testing';
import fc from 'fast-check';
import { type InputEncoding, inflated } from './inflate';

const COMPRESS = { gzip: gzipSync, zstd: zstdCompressSync, identity: (bytes: Uint8Array) => Buffer.from(bytes) };
const COMPRESSED = ['gzip', 'zstd'] as const;

async function whole(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe(inflated.name, () => {
  it.each(['identity', ...COMPRESSED] as const)(
    'gives back what was compressed with %s, however it arrives',
    async (encoding) => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 2000 }),
          fc.array(fc.integer({ min: 1, max: 200 })),
          async (bytes, sizes) => {
            const sent = COMPRESS[encoding](bytes);
            expect(await whole(inflated(inPieces(sent, sizes), encoding))).toEqual(Buffer.from(bytes));
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  it.each(COMPRESSED)('reads several members of %s one after the other', async (encoding) => {
    const sent = Buffer.concat(['ab', '', 'cd', 'ef'].map((text) => COMPRESS[encoding](Buffer.from(text))));
    for (const sizes of [[], [1], [20], [sent.length / 2]]) {
      expect((await whole(inflated(inPieces(sent, sizes), encoding))).toString()).toBe('abcdef');
    }
  });

  it.each([
    ['gzip', 'no gzip at all'],
    ['zstd', 'no zstd at all'],
    ['gzip', gzipSync('x'.repeat(1000)).subarray(0, -5)],
    ['zstd', zstdCompressSync('x'.repeat(1000)).subarray(0, -5)],
    ['gzip', ''],
    ['zstd', ''],
    ['gzip', Buffer.concat([gzipSync('a'), Buffer.from('garbage')])],
    ['zstd', Buffer.concat([zstdCompressSync('a'), Buffer.from('garbage')])],
  ] as const)(
    'answers invalid_encoding for %s that is not whole',
    async (encoding: InputEncoding, sent: string | Uint8Array) => {
      await expect(whole(inflated(inPieces(sent), encoding))).rejects.toMatchObject({ code: 'invalid_encoding' });
    },
  );

  it('refuses zstd that would take more memory than a decoder must have', async () => {
    const far = Buffer.concat([Buffer.alloc(2 ** 24, 'x')]);
    const sent = zstdCompressSync(far, { params: { [constants.ZSTD_c_windowLog]: 25 } });
    await expect(whole(inflated(inPieces(sent, [1000]), 'zstd'))).rejects.toMatchObject({ code: 'invalid_encoding' });
  });

  it.each(COMPRESSED)('throws on what the input of %s throws', async (encoding) => {
    const fault = new QuaysideError('client_closed', 'The client left.');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* inPieces(COMPRESS[encoding](Buffer.alloc(1000, 'x')).subarray(0, 10));
      await Promise.reject(fault);
    }
    await expect(whole(inflated(broken(), encoding))).rejects.toBe(fault);
  });

  it.each(COMPRESSED)(
    'takes from the input no more than what is asked for, and lets go of it at the end: %s',
    async (encoding) => {
      const sent = COMPRESS[encoding](randomBytes(3_000_000));
      const source = { taken: 0, isOpen: true };
      async function* counted(): AsyncGenerator<Uint8Array> {
        try {
          for await (const piece of inPieces(sent, [1000])) {
            source.taken += piece.length;
            yield piece;
          }
        } finally {
          source.isOpen = false;
        }
      }
      for await (const chunk of inflated(counted(), encoding)) {
        expect(chunk.length).toBeLessThanOrEqual(64 * 1024);
        break;
      }
      expect(source.taken).toBeLessThan(sent.length / 2);
      await new Promise(setImmediate);
      expect(source.isOpen).toBe(false);
    },
  );
});
