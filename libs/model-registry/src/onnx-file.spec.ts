import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isQuaysideError } from '@app/core';
import { type OnnxModel, encodeOnnx, floats, temporaryDirectory, tiny } from '@app/testing';
import fc from 'fast-check';
import { type OnnxFile, readOnnx } from './onnx-file';

/** Counts what is read of a file, to show that weights are passed over. */
class CountingHandle {
  bytesRead = 0;

  constructor(private readonly handle: FileHandle) {}

  async read(buffer: Buffer, offset: number, length: number, position: number) {
    const result = await this.handle.read(buffer, offset, length, position);
    this.bytesRead += result.bytesRead;
    return result;
  }
}

describe(readOnnx.name, () => {
  let path: string;

  beforeAll(async () => {
    path = join(await temporaryDirectory(), 'model.onnx');
  });

  const readBytes = async (bytes: Uint8Array): Promise<OnnxFile & { readonly bytesRead: number }> => {
    await writeFile(path, bytes);
    await using handle = await open(path);
    const counting = new CountingHandle(handle);
    const found = await readOnnx(counting as unknown as FileHandle, bytes.length);
    return { ...found, bytesRead: counting.bytesRead };
  };
  const read = (model: OnnxModel) => readBytes(encodeOnnx(model));
  const model = (changes: Partial<OnnxModel>): OnnxModel => ({ ...tiny.identity('FP32').onnx, ...changes });

  it('gives inputs and outputs in their order, with fixed, named and unnamed dimensions', async () => {
    const { signature } = await read(
      model({
        inputs: [
          { name: 'b', dtype: 'BYTES', shape: ['rows', 1] },
          { name: 'a', dtype: 'INT64', shape: ['', 3, 'rows'] },
        ],
        outputs: [{ name: 'scalar', dtype: 'FP16', shape: [] }],
      }),
    );
    expect(signature).toEqual({
      inputs: [
        { name: 'b', dtype: 'BYTES', shape: ['rows', 1] },
        { name: 'a', dtype: 'INT64', shape: ['', 3, 'rows'] },
      ],
      outputs: [{ name: 'scalar', dtype: 'FP16', shape: [] }],
    });
  });

  it('gives producer, opsets and properties, whatever they are called', async () => {
    const { metadata } = await read(
      model({ producer: 'me', opsets: { '': 18, 'ai.onnx.ml': 3 }, properties: { ['__proto__']: 'x', classes: '[]' } }),
    );
    expect(metadata.producer).toBe('me');
    expect({ ...metadata.opsets }).toEqual({ '': 18, 'ai.onnx.ml': 3 });
    expect(Object.entries(metadata.properties)).toEqual([
      ['__proto__', 'x'],
      ['classes', '[]'],
    ]);
  });

  it('leaves out inputs that are constants', async () => {
    const inputs = [...model({}).inputs, { name: 'w', dtype: 'FP32', shape: [1] } as const];
    const { signature } = await read(model({ inputs, constants: [floats('w', [1], [1])] }));
    expect(signature.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('leaves out lists of maps and says how to export them', async () => {
    const { signature, notes } = await read(tiny.zipmap().onnx);
    expect(signature.outputs.map(({ name }) => name)).toEqual(['label']);
    expect(notes).toEqual([expect.stringContaining('zipmap=False')]);
  });

  it('passes over weights unread', async () => {
    const { bytesRead, signature } = await read(tiny.large(4_000_000).onnx);
    expect(bytesRead).toBeLessThan(400_000);
    expect(signature.inputs).toMatchObject([{ name: 'x', dtype: 'FP32' }]);
  });

  it('names the files that hold weights', async () => {
    await expect(read(tiny.externalData().onnx)).resolves.toMatchObject({ externalFiles: ['weights.bin'] });
  });

  it.each(['../weights.bin', '/etc/passwd', 'a/b', '..', '', 'a\\b', '*/_ORT_MEM_ADDR_/*', 'a\0b'])(
    'refuses weights in %j',
    async (location) => {
      await expect(read(tiny.externalData(location).onnx)).rejects.toThrow("outside the version's folder");
    },
  );

  it('refuses weights outside the folder in a constant of a node and of a nested graph', async () => {
    const tensor = { name: 'w', dtype: 'FP32', shape: [1], content: { file: '../w' } } as const;
    const node = { op: 'Constant', inputs: [], outputs: ['w'], attributes: { value: { tensor } } } as const;
    const graph = { inputs: [], outputs: [], nodes: [node] };
    const branch = { op: 'If', inputs: ['x'], outputs: ['y'], attributes: { then_branch: { graph } } } as const;
    await expect(read(model({ nodes: [node] }))).rejects.toMatchObject({ code: 'model_load_failed' });
    await expect(read(model({ nodes: [branch] }))).rejects.toMatchObject({ code: 'model_load_failed' });
  });

  it.each([
    ['BF16', 'bfloat16'],
    ['INT4', 'int4'],
    ['UINT4', 'uint4'],
  ] as const)('refuses %s as an input or output', async (dtype, name) => {
    await expect(read(tiny.identity(dtype).onnx)).rejects.toThrow(`model.onnx: its input "x" is ${name}`);
  });

  it('refuses a model without a tensor output', async () => {
    const [, maps] = tiny.zipmap().onnx.outputs;
    await expect(read(model({ outputs: maps ? [maps] : [] }))).rejects.toThrow('none of its outputs is a tensor');
  });

  it.each([
    ['nothing', '', 'model.onnx is empty'],
    ['a text', 'hello, this is no model', 'not an ONNX file'],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', 'git lfs pull'],
  ])('refuses %s', async (_, content, reason) => {
    await expect(readBytes(Buffer.from(content))).rejects.toThrow(reason);
  });

  it('gives a reason wherever the file is cut off', async () => {
    const whole = encodeOnnx({ ...tiny.classifierTiny().onnx, properties: {} });
    for (let length = 0; length < whole.length; length++) {
      await expect(readBytes(whole.subarray(0, length))).rejects.toMatchObject({ code: 'model_load_failed' });
    }
  });

  it('never ends in anything but a model or a reason, whatever the bytes', async () => {
    const whole = encodeOnnx(tiny.slow().onnx).subarray(0, 400);
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    const damaged = damage.map((changes) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), async (bytes) => {
        const failure = await readBytes(bytes).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure === undefined || isQuaysideError(failure)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a length that reaches beyond its message', async () => {
    const bytes = encodeOnnx(model({}));
    const graphLengthAt = bytes.indexOf(0x3a) + 1; // field 7, the graph
    const lying = Uint8Array.from(bytes);
    lying[graphLengthAt + 2] = 0x7f; // the first field inside it
    await expect(readBytes(lying)).rejects.toMatchObject({ code: 'model_load_failed' });
  });
});
