import { Reader } from 'protobufjs/minimal';
import { type OnnxModel, encodeOnnx, floats } from './onnx-model';

const MODEL: OnnxModel = {
  inputs: [{ name: 'x', dtype: 'FP32', shape: ['rows', '', 3] }],
  outputs: [{ name: 'y', dtype: 'FP32', shape: [] }],
  nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  constants: [
    floats('w', [1], [0.5]),
    { name: 'far', dtype: 'FP32', shape: [4], content: { file: 'w.bin', offsetBytes: 8, lengthBytes: 16 } },
  ],
  opsets: { '': 21, 'ai.onnx.ml': 3 },
  producer: 'someone',
  properties: { author: 'me' },
};

describe(encodeOnnx.name, () => {
  it('writes the fields that a reader of metadata looks for', () => {
    const model = fields(encodeOnnx(MODEL));
    expect(text(model, 2)).toBe('someone');
    const opsets = model.get(8)?.map((opset) => fields(opset as Uint8Array));
    expect(opsets?.map((opset) => [text(opset, 1), opset.get(2)?.[0]])).toEqual([
      ['', 21],
      ['ai.onnx.ml', 3],
    ]);
    const property = fields(model.get(14)?.[0] as Uint8Array);
    expect([text(property, 1), text(property, 2)]).toEqual(['author', 'me']);
  });

  it('tells fixed, named and unnamed dimensions apart', () => {
    const input = fields(inside(encodeOnnx(MODEL), 7, 11));
    const shape = fields(inside(input.get(2)?.[0] as Uint8Array, 1, 2));
    const dimensions = shape.get(1)?.map((dimension) => fields(dimension as Uint8Array));
    expect(dimensions?.map((dimension) => dimension.get(1)?.[0] ?? text(dimension, 2))).toEqual(['rows', undefined, 3]);
  });

  it('names the file, offset and length of external data', () => {
    const graph = fields(inside(encodeOnnx(MODEL), 7));
    const tensor = fields(graph.get(5)?.[1] as Uint8Array);
    const entries = tensor.get(13)?.map((entry) => fields(entry as Uint8Array));
    expect(entries?.map((entry) => [text(entry, 1), text(entry, 2)])).toEqual([
      ['location', 'w.bin'],
      ['offset', '8'],
      ['length', '16'],
    ]);
    expect(tensor.get(14)).toEqual([1]);
  });
});

/** Every field of a message by number: bytes where it is delimited, else a number. */
function fields(bytes: Uint8Array): Map<number, (Uint8Array | number)[]> {
  const reader = Reader.create(bytes);
  const found = new Map<number, (Uint8Array | number)[]>();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const value = (tag & 7) === 2 ? reader.bytes() : Number(reader.int64());
    found.set(tag >>> 3, [...(found.get(tag >>> 3) ?? []), value]);
  }
  return found;
}

function inside(bytes: Uint8Array, ...path: readonly number[]): Uint8Array {
  return path.reduce((message, field) => fields(message).get(field)?.[0] as Uint8Array, bytes);
}

function text(message: Map<number, (Uint8Array | number)[]>, field: number): string | undefined {
  const bytes = message.get(field)?.[0];
  return bytes === undefined ? undefined : Buffer.from(bytes as Uint8Array).toString();
}
