import { DTYPES, type Tensor } from '@app/core';
import fc from 'fast-check';
import type { TaskInput } from '../tasks/task';
import { FrameReader, encodeFrame } from './frames';
import { type CallHead, packCalls, unpackCalls } from './messages';

const tensor: fc.Arbitrary<Tensor> = fc.record({
  dtype: fc.constantFrom(...DTYPES),
  shape: fc.array(fc.nat(9), { maxLength: 4 }),
  bytes: fc.uint8Array({ maxLength: 33 }),
});
const call: fc.Arbitrary<TaskInput> = fc.record({
  rows: fc.nat(9),
  splittable: fc.boolean(),
  tensors: fc.dictionary(fc.string(), tensor, { maxKeys: 4 }),
  parameters: fc.dictionary(fc.string({ minLength: 1 }), fc.oneof(fc.string(), fc.integer(), fc.boolean())),
  outputs: fc.array(fc.string()),
});

const plain = ({ tensors, ...rest }: TaskInput): object => ({
  ...rest,
  tensors: Object.entries(tensors).map(([name, { bytes, ...head }]) => ({ name, ...head, bytes: [...bytes] })),
});

describe('calls in a frame', () => {
  it('come out of it as they went in, with every name, dtype, shape and byte', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 4 }), (calls) => {
        const { heads, parts } = packCalls(calls);
        const chunks = encodeFrame({ type: 'run', id: 1, meta: { calls: heads }, parts });
        const [frame] = new FrameReader().push(Buffer.concat(chunks));
        const { calls: received } = frame.meta as { calls: CallHead[] };
        expect(unpackCalls(received, frame.payload).map(plain)).toEqual(calls.map(plain));
      }),
    );
  });

  it('keep a tensor whose name could reach a prototype', () => {
    const bytes = Uint8Array.of(1);
    const tensors = Object.fromEntries([['__proto__', { dtype: 'UINT8', shape: [1], bytes }]]) as TaskInput['tensors'];
    const { heads, parts } = packCalls([{ rows: 1, splittable: true, tensors, parameters: {}, outputs: [] }]);
    const [frame] = new FrameReader().push(Buffer.concat(encodeFrame({ type: 'run', id: 1, meta: heads, parts })));
    const [unpacked] = unpackCalls(frame.meta as CallHead[], frame.payload);
    expect(Object.keys(unpacked.tensors)).toEqual(['__proto__']);
  });
});
