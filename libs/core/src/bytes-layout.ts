/**
 * The layout of `BYTES` tensors (Open Inference Protocol, binary data extension): for each element a 4-byte
 * little-endian length, then that many bytes.
 */

const LENGTH_BYTES = 4;

/** Packs elements one after another. Strings are written as UTF-8 and must be well-formed. */
export function packElements(elements: readonly (string | Uint8Array)[]): Uint8Array {
  let size = 0;
  for (const element of elements) size += LENGTH_BYTES + sizeOf(element);
  // Small ones share memory, which is several times as fast as memory of their own.
  const target = Buffer.allocUnsafe(size);
  let at = 0;
  for (const element of elements) {
    const length = sizeOf(element);
    target.writeUInt32LE(length, at);
    at += LENGTH_BYTES;
    if (typeof element === 'string') target.write(element, at, length, 'utf8');
    else target.set(element, at);
    at += length;
  }
  return new Uint8Array(target.buffer, target.byteOffset, size);
}

/** The elements of trusted bytes, as views on them. */
export function unpackElements(bytes: Uint8Array): Uint8Array[] {
  const lengths = lengthsIn(bytes);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + LENGTH_BYTES;
    at = start + lengths.getUint32(at, true);
    elements.push(bytes.subarray(start, at));
  }
  return elements;
}

/** Where `count` elements that start at `from` end; undefined when the bytes run out before. */
export function endOfElements(bytes: Uint8Array, from: number, count: number): number | undefined {
  const lengths = lengthsIn(bytes);
  let at = from;
  for (let index = 0; index < count; index++) {
    if (at + LENGTH_BYTES > bytes.length) return undefined;
    at += LENGTH_BYTES + lengths.getUint32(at, true);
  }
  return at <= bytes.length ? at : undefined;
}

function lengthsIn(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sizeOf(element: string | Uint8Array): number {
  return typeof element === 'string' ? Buffer.byteLength(element) : element.length;
}
