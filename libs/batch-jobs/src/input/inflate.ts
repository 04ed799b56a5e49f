import { pipeline } from 'node:stream';
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

/**
 * The input without its compression, in chunks of at most 64 KiB, as fast as they are taken. What the input throws is thrown on.
 * Throws invalid_encoding for what is not compressed like that, or ends too early.
 */
export async function* inflated(input: AsyncIterable<Uint8Array>, encoding: InputEncoding): AsyncGenerator<Uint8Array> {
  if (encoding === 'identity') return yield* input;
  const inflater = INFLATERS[encoding]();
  let inputFault: { readonly fault: unknown } | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* input;
    } catch (fault) {
      inputFault = { fault };
      throw fault;
    }
  }
  // The end is seen at the inflater, which the pipeline destroys with whatever went wrong.
  pipeline(watched(), inflater, () => undefined);
  try {
    yield* inflater as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (inputFault) throw inputFault.fault;
    throw new QuaysideError('invalid_encoding', `The body is not valid ${encoding}.`, { cause });
  }
}
