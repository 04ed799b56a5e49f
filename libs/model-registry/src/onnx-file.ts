import type { FileHandle } from 'node:fs/promises';
import { type Dimension, type Signature, type TensorSpec, isQuaysideError } from '@app/core';
import type { OnnxMetadata } from './model-version';
import { type ValueInfo, leftOut, toSpec } from './onnx-types';
import { type Field, ProtobufFile, type Region } from './protobuf-file';
import { unfit } from './unfit';

/** What an ONNX file tells without being loaded. */
export interface OnnxFile {
  readonly signature: Signature;
  readonly metadata: OnnxMetadata;
  /** Names of the files beside it that hold weights. */
  readonly externalFiles: readonly string[];
  /** What was left out of the signature, and what to do about it. */
  readonly notes: readonly string[];
}

/** Field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, those that are read. */
const MODEL = { irVersion: 1, producer: 2, graph: 7, opset: 8, property: 14, training: 20, function: 25 } as const;
const TRAINING = { initialization: 1, algorithm: 2 } as const;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;
const NODE = { attribute: 5 } as const;
const FUNCTION = { node: 7 } as const;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparse: 22, sparses: 23 } as const;
const TENSOR = { name: 8, externalData: 13, location: 14 } as const;
const SPARSE = { values: 1, indices: 2 } as const;
const ENTRY = { key: 1, value: 2 } as const;
const VALUE = { name: 1, type: 2 } as const;
const TENSOR_TYPE = { element: 1, shape: 2 } as const;
const TYPE_KINDS: Readonly<Record<number, string>> = {
  4: 'a sequence',
  5: 'a map',
  7: 'opaque',
  8: 'sparse',
  9: 'optional',
};

const MAX_DEPTH = 64;
const NAME_BYTES = 4096;
const PROPERTY_BYTES = 60_000;
const MAX_NAMES = 1_000_000;

/**
 * Reads `ModelProto` without loading weights. A file that is empty, cut off, random, or names weights outside its own
 * folder throws model_load_failed with the reason; so does an input or output of a type that cannot be served.
 */
export async function readOnnx(handle: FileHandle, sizeBytes: number): Promise<OnnxFile> {
  if (sizeBytes === 0) throw unfit('model.onnx is empty');
  try {
    return await new OnnxReader(new ProtobufFile(handle, sizeBytes)).read();
  } catch (error) {
    if (isQuaysideError(error)) throw unfit(`model.onnx: ${error.message}`);
    throw error;
  }
}

class OnnxReader {
  private readonly inputs: ValueInfo[] = [];
  private readonly outputs: ValueInfo[] = [];
  private readonly constants = new Set<string>();
  private readonly externalFiles = new Set<string>();
  private readonly opsets: Record<string, number> = Object.create(null);
  private readonly properties: Record<string, string> = Object.create(null);
  private producer = '';
  private irVersion = 0;

  constructor(private readonly file: ProtobufFile) {}

  async read(): Promise<OnnxFile> {
    const whole = { start: 0, end: this.file.sizeBytes };
    await this.refuseGitLfs(whole);
    await this.file.fields(whole, (field) => this.modelField(field));
    if (this.irVersion === 0 || Object.keys(this.opsets).length === 0)
      throw unfit('it is cut off, or not an ONNX file');
    return {
      signature: { inputs: this.tensorInputs(), outputs: this.tensorOutputs() },
      metadata: { producer: this.producer, opsets: this.opsets, properties: this.properties },
      externalFiles: [...this.externalFiles].sort(),
      notes: this.outputs.filter((output) => output.kind !== undefined).map(leftOut),
    };
  }

  private async refuseGitLfs({ end }: Region): Promise<void> {
    const opening = 'version https://git-lfs';
    const found = await this.file.text({ start: 0, end: Math.min(end, opening.length) }, opening.length);
    if (found === opening) throw unfit('it is a pointer of Git LFS; fetch the real file with "git lfs pull"');
  }

  private modelField(field: Field): Promise<void> | void {
    switch (field.number) {
      case MODEL.irVersion:
        this.irVersion = field.value;
        return;
      case MODEL.producer:
        return this.file.text(field, NAME_BYTES).then((text) => void (this.producer = text));
      case MODEL.graph:
        return this.topGraph(field);
      case MODEL.opset:
        return this.opset(field);
      case MODEL.property:
        return this.property(field);
      case MODEL.training:
        return this.file.fields(field, (part) => {
          if (part.number === TRAINING.initialization || part.number === TRAINING.algorithm) return this.graph(part, 0);
        });
      case MODEL.function:
        return this.file.fields(field, (part) => (part.number === FUNCTION.node ? this.node(part, 0) : undefined));
    }
  }

  private topGraph(region: Region): Promise<void> {
    return this.file.fields(region, async (field) => {
      if (field.number === GRAPH.input) keep(this.inputs, await this.valueInfo(field));
      else if (field.number === GRAPH.output) keep(this.outputs, await this.valueInfo(field));
      else await this.graphField(field, 0);
    });
  }

  private graph(region: Region, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw unfit(`its graphs nest deeper than ${MAX_DEPTH}`);
    return this.file.fields(region, (field) => this.graphField(field, depth));
  }

  private async graphField(field: Field, depth: number): Promise<void> {
    if (field.number === GRAPH.node) await this.node(field, depth);
    if (field.number === GRAPH.sparseInitializer) await this.sparse(field, depth);
    if (field.number !== GRAPH.initializer) return;
    const name = await this.tensor(field);
    if (depth === 0) this.constant(name);
  }

  private constant(name: string): void {
    if (this.constants.size >= MAX_NAMES) throw unfit(`it has more than ${MAX_NAMES} constants`);
    this.constants.add(name);
  }

  private node(region: Region, depth: number): Promise<void> {
    return this.file.fields(region, (field) => {
      if (field.number === NODE.attribute) return this.file.fields(field, (part) => this.attributeField(part, depth));
    });
  }

  private attributeField(field: Field, depth: number): Promise<void> | void {
    switch (field.number) {
      case ATTRIBUTE.tensor:
      case ATTRIBUTE.tensors:
        return this.tensor(field).then(() => undefined);
      case ATTRIBUTE.graph:
      case ATTRIBUTE.graphs:
        return this.graph(field, depth + 1);
      case ATTRIBUTE.sparse:
      case ATTRIBUTE.sparses:
        return this.sparse(field, depth + 1);
    }
  }

  private sparse(region: Region, depth: number): Promise<void> {
    return this.file.fields(region, async (field) => {
      if (field.number !== SPARSE.values && field.number !== SPARSE.indices) return;
      const name = await this.tensor(field);
      if (depth === 0 && field.number === SPARSE.values) this.constant(name);
    });
  }

  /** Notes the file that holds the tensor's elements, if it is another one, and gives the tensor's name. */
  private async tensor(region: Region): Promise<string> {
    let name = '';
    let location: string | undefined;
    let external = false;
    await this.file.fields(region, async (field) => {
      if (field.number === TENSOR.name) name = await this.file.text(field, NAME_BYTES);
      if (field.number === TENSOR.location) external = field.value === 1;
      if (field.number !== TENSOR.externalData) return;
      const { key, value } = await this.entry(field);
      if (key === 'location') location = value;
    });
    if (external) this.external(name, location ?? '');
    return name;
  }

  private external(tensor: string, location: string): void {
    const plain = location !== '' && location !== '.' && location !== '..' && !/[/\\\0]/.test(location);
    if (!plain)
      throw unfit(`the weights "${tensor}" name a file outside the version's folder; only plain file names are read`);
    if (this.externalFiles.size >= MAX_NAMES) throw unfit(`it names more than ${MAX_NAMES} files`);
    this.externalFiles.add(location);
  }

  private async entry(region: Region): Promise<{ readonly key: string; readonly value: string }> {
    const found = { key: '', value: '' };
    await this.file.fields(region, async (field) => {
      if (field.number === ENTRY.key) found.key = await this.file.text(field, NAME_BYTES);
      if (field.number === ENTRY.value) found.value = await this.file.text(field, PROPERTY_BYTES);
    });
    return found;
  }

  private async property(region: Region): Promise<void> {
    // A property is a description: one that is too long to show is passed over, it is no reason to refuse the model.
    if (region.end - region.start > PROPERTY_BYTES) return;
    const { key, value } = await this.entry(region);
    this.properties[key] = value;
  }

  private async opset(region: Region): Promise<void> {
    let domain = '';
    let version = 0;
    await this.file.fields(region, async (field) => {
      if (field.number === 1) domain = await this.file.text(field, NAME_BYTES);
      if (field.number === 2) version = field.value;
    });
    this.opsets[domain] = version;
  }

  private async valueInfo(region: Region): Promise<ValueInfo> {
    let found: ValueInfo = { name: '', element: 0, shape: [] };
    await this.file.fields(region, async (field) => {
      if (field.number === VALUE.name) found = { ...found, name: await this.file.text(field, NAME_BYTES) };
      if (field.number === VALUE.type) found = { ...found, ...(await this.type(field)) };
    });
    return found;
  }

  private async type(region: Region): Promise<Partial<ValueInfo>> {
    let found: Partial<ValueInfo> = {};
    await this.file.fields(region, async (field) => {
      found =
        field.number === 1 ? await this.tensorType(field) : { kind: TYPE_KINDS[field.number] ?? 'of an unknown kind' };
    });
    return found;
  }

  private async tensorType(
    region: Region,
  ): Promise<{ readonly element: number; readonly shape: readonly Dimension[] }> {
    const shape: Dimension[] = [];
    let element = 0;
    await this.file.fields(region, (field) => {
      if (field.number === TENSOR_TYPE.element) element = field.value;
      if (field.number !== TENSOR_TYPE.shape) return;
      return this.file.fields(field, async (dimension) => {
        if (dimension.number === 1) shape.push(await this.dimension(dimension));
      });
    });
    return { element, shape };
  }

  private async dimension(region: Region): Promise<Dimension> {
    let found: Dimension = '';
    await this.file.fields(region, async (field) => {
      // Some exporters write -1 for a dynamic dimension.
      if (field.number === 1) found = Number.isSafeInteger(field.value) ? field.value : '';
      if (field.number === 2) found = await this.file.text(field, NAME_BYTES);
    });
    return found;
  }

  /** Old exporters list weights among the inputs; only what a caller has to give is one. */
  private tensorInputs(): TensorSpec[] {
    return this.inputs
      .filter((input) => !this.constants.has(input.name))
      .map((input) => {
        if (input.kind) throw unfit(`its input "${input.name}" is ${input.kind}; only tensors can be served`);
        return toSpec(input, 'input');
      });
  }

  private tensorOutputs(): TensorSpec[] {
    const tensors = this.outputs.filter((output) => output.kind === undefined);
    if (this.outputs.length === 0) throw unfit('it is cut off, or not an ONNX file: its graph has no output');
    if (tensors.length === 0) throw unfit(`none of its outputs is a tensor; ${this.outputs.map(leftOut).join('; ')}`);
    return tensors.map((output) => toSpec(output, 'output'));
  }
}

function keep(values: ValueInfo[], value: ValueInfo): void {
  if (values.length >= 10_000) throw unfit('it has more than 10000 inputs or outputs');
  values.push(value);
}
