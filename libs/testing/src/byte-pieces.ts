/** Bytes in pieces, as they may arrive: `sizes` are those of the pieces, and begin anew when they are used up. Default: one. */
export async function* inPieces(
  content: Uint8Array | string,
  sizes: readonly number[] = [],
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content);
  let start = 0;
  for (let piece = 0; start < bytes.length; piece++) {
    const size = sizes[piece % sizes.length] ?? bytes.length;
    yield await Promise.resolve(bytes.subarray(start, start + size));
    start += size;
  }
}

/** Everything that batches hold, in order. */
export async function flattened<T>(batches: AsyncIterable<readonly T[]> | Iterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
}
