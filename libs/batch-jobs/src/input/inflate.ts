import type { Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { QuaysideError } from '@app/core';

/** How an input is compressed. */
export type InputEncoding = 'identity' | 'gzip' | 'zstd';

const CHUNK_BYTES = 64 * 1024;
/** 8 MiB, which every decoder must know (RFC 9659). A longer window would cost each upload as much memory. */
const ZSTD_WINDOW_LOG = 23;

const INFLATERS = {
  gzip: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  zstd: () =>
    createZstdDecompress({
      chunkSize: CHUNK_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
    }),
} as const;

/** What inflates one member of a compressed input; `bytesWritten` are those that it took. */
type Inflater = Transform & { readonly bytesWritten: number };

/**
 * The input without its compression, in chunks of at most 64 KiB, as fast as they are taken; several members or frames are read
 * one after the other. What the input throws is thrown on. Throws invalid_encoding for what is not compressed like that, or ends
 * too early.
 */
export async function* inflated(input: AsyncIterable<Uint8Array>, encoding: InputEncoding): AsyncGenerator<Uint8Array> {
  if (encoding === 'identity') return yield* input;
  let inflater: Inflater = listening(INFLATERS[encoding]());
  try {
    for await (const chunk of input) {
      for (let rest = chunk; rest.length > 0;) {
        const before = inflater.bytesWritten;
        yield* outputOf(inflater, (done) => inflater.write(rest, done));
        rest = rest.subarray(inflater.bytesWritten - before);
        // It takes no more once its frame has ended; Node would drop the rest in silence.
        if (rest.length > 0) inflater = successor(inflater, INFLATERS[encoding]());
      }
    }
    yield* outputOf(inflater, () => inflater.end());
  } catch (cause) {
    if (cause !== inflater.errored) throw cause;
    throw new QuaysideError('invalid_encoding', `The body is not valid ${encoding}.`, { cause });
  } finally {
    inflater.destroy();
  }
}

function successor(ended: Inflater, next: Inflater): Inflater {
  ended.destroy();
  return listening(next);
}

/** Faults are looked for while output is read. */
function listening(inflater: Inflater): Inflater {
  return inflater.on('error', () => undefined);
}

/** What comes out while `feed` is under way: until it is done, or there will be no more. Throws the inflater's fault. */
async function* outputOf(inflater: Inflater, feed: (done: () => void) => void): AsyncGenerator<Buffer> {
  let isDone = false;
  let news = Promise.withResolvers<void>();
  const tell = (): void => news.resolve();
  inflater.on('readable', tell).on('end', tell).on('close', tell);
  feed(() => {
    isDone = true;
    tell();
  });
  for (;;) {
    for (let out = read(inflater); out; out = read(inflater)) yield out;
    if (inflater.errored) throw inflater.errored;
    if (isDone || inflater.readableEnded) break;
    await news.promise;
    news = Promise.withResolvers<void>();
  }
  inflater.off('readable', tell).off('end', tell).off('close', tell);
}

function read(inflater: Inflater): Buffer | null {
  return inflater.read() as Buffer | null;
}
