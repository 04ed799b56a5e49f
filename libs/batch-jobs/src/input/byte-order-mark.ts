/** How many bytes a byte order mark of UTF-8 has. */
export const MARK_BYTES = 3;

/** Whether one stands there. */
export function hasMark(bytes: Uint8Array, at = 0): boolean {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
}

/** The input without a byte order mark at its beginning. */
export async function* withoutMark(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array = new Uint8Array();
  let hasBegun = false;
  for await (const chunk of input) {
    if (hasBegun) {
      yield chunk;
      continue;
    }
    begun = begun.length === 0 ? chunk : Buffer.concat([begun, chunk]);
    hasBegun = begun.length >= MARK_BYTES;
    if (hasBegun) yield hasMark(begun) ? begun.subarray(MARK_BYTES) : begun;
  }
  if (!hasBegun) yield begun;
}
