import fc from 'fast-check';
import {
  FRAME_LIMIT_BYTES,
  FRAME_TYPES,
  type Frame,
  FrameError,
  FrameReader,
  type FrameToSend,
  aligned,
  encodeFrame,
} from './frames';

const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 });
const frame: fc.Arbitrary<FrameToSend & { parts: Uint8Array[] }> = fc.record({
  type: fc.constantFrom(...FRAME_TYPES),
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  meta: fc.dictionary(fc.string(), fc.jsonValue()).map((meta) => JSON.parse(JSON.stringify(meta)) as object),
  parts,
});

function stream(frames: readonly FrameToSend[]): Uint8Array {
  return Buffer.concat(frames.flatMap(encodeFrame));
}

/** Cuts a stream at the given places and reads the pieces one after the other. */
function readCut(bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const reader = new FrameReader();
  const places = [0, ...cuts.map((cut) => cut % (bytes.byteLength + 1)).sort((a, b) => a - b), bytes.byteLength];
  return places.flatMap((place, at) => reader.push(bytes.subarray(place, places[at + 1] ?? bytes.byteLength)));
}

function partsOf(payload: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let offset = 0;
  return sizes.map((size) => {
    const part = payload.subarray(offset, offset + size);
    offset += aligned(size);
    return part;
  });
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), cuts, (frames, places) => {
        const read = readCut(stream(frames), places);
        const seen = read.map(({ type, id, meta, payload }, at) => {
          const sizes = frames[at].parts.map((part) => part.byteLength);
          return { type, id, meta, parts: partsOf(payload, sizes).map((part) => [...part]) };
        });
        expect(seen).toEqual(frames.map((sent) => ({ ...sent, parts: sent.parts.map((part) => [...part]) })));
      }),
    );
  });

  it('come out when the stream arrives byte by byte', () => {
    const sent = { type: 'run', id: 7, meta: { a: 'ü' }, parts: [Uint8Array.of(1, 2, 3)] } as const;
    const reader = new FrameReader();
    const read = [...stream([sent, sent])].flatMap((byte) => reader.push(Uint8Array.of(byte)));
    expect(read.map(({ id, meta }) => ({ id, meta }))).toEqual([
      { id: 7, meta: { a: 'ü' } },
      { id: 7, meta: { a: 'ü' } },
    ]);
  });

  it('hold a payload that any typed array can view, in a buffer of its own', () => {
    const sent: FrameToSend = { type: 'run', id: 1, meta: {}, parts: [Uint8Array.of(1), new Uint8Array(8).fill(2)] };
    const [{ payload }] = new FrameReader().push(stream([sent])) as [Frame];
    expect(payload.byteOffset).toBe(0);
    expect(payload.buffer.byteLength).toBe(16);
    expect([...new BigUint64Array(payload.buffer, 8)]).toEqual([0x0202020202020202n]);
  });

  it('fail cleanly when a header is corrupt, and never give a frame that was not sent', () => {
    const sent: FrameToSend = { type: 'result', id: 5, meta: { x: 1 }, parts: [Uint8Array.of(9)] };
    const whole = stream([sent]);
    const change = fc.record({ at: fc.integer({ min: 0, max: 7 }), by: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(change, ({ at, by }) => {
        const corrupt = Uint8Array.from(whole);
        corrupt[at] = (corrupt[at] + by) % 256;
        // A changed type byte may name another type; all else is refused.
        const isType = at === 5 && corrupt[5] < FRAME_TYPES.length;
        const read = (): Frame[] => new FrameReader().push(corrupt);
        if (isType) expect(read()).toHaveLength(1);
        else expect(read).toThrow(FrameError);
      }),
    );
  });

  it.each([
    { what: 'too much payload', offset: 16, write: (head: Buffer) => head.writeBigUInt64LE(2n ** 63n, 16) },
    { what: 'too much meta', offset: 12, write: (head: Buffer) => head.writeUInt32LE(2 ** 32 - 1, 12) },
  ])('refuse a header that announces $what before they allocate anything', ({ write }) => {
    const [head] = encodeFrame({ type: 'ping', id: 0, meta: {} }) as [Buffer];
    write(head);
    expect(() => new FrameReader().push(head)).toThrow('over the limit');
  });

  it('refuse meta that is no JSON', () => {
    const [head] = encodeFrame({ type: 'ping', id: 0, meta: { a: 1 } }) as [Buffer];
    head[24] = 0xff;
    expect(() => new FrameReader().push(head)).toThrow(FrameError);
  });

  it('refuse to be sent beyond the limit', () => {
    const part = { byteLength: FRAME_LIMIT_BYTES } as Uint8Array;
    expect(() => encodeFrame({ type: 'run', id: 1, meta: {}, parts: [part] })).toThrow(FrameError);
  });
});
