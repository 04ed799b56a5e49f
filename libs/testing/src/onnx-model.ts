import type { Dimension, Dtype } from '@app/core';
import { Writer } from 'protobufjs/minimal';

/** An element type that ONNX knows: those of requests, and two that only occur inside graphs. */
export type OnnxDtype = Dtype | 'INT4' | 'UINT4';

/** What an input or output may be: a tensor, or a list of maps, as scikit-learn's ZipMap gives. */
export type OnnxType =
  | { readonly dtype: OnnxDtype; readonly shape: readonly Dimension[] }
  | { readonly sequenceOfMaps: { readonly key: OnnxDtype; readonly value: OnnxDtype } };

/** An input or output of a graph. An empty string as a dimension is an unnamed dynamic one. */
export type OnnxValue = OnnxType & { readonly name: string };

/** A constant of a graph: raw little-endian bytes, texts for `BYTES`, or a part of a file beside the model. */
export interface OnnxTensor {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  readonly content:
    | { readonly bytes: Uint8Array }
    | { readonly texts: readonly string[] }
    | { readonly file: string; readonly offsetBytes?: number; readonly lengthBytes?: number };
}

/** An attribute of a node, tagged because ONNX tells `1` and `1.0` apart. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly texts: readonly string[] }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: OnnxGraph };

/** One operator of a graph. */
export interface OnnxNode {
  readonly op: string;
  /** Default: ONNX's own operators. scikit-learn's are in `ai.onnx.ml`. */
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** Nodes in the order in which they run, with what goes in and what comes out. */
export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly constants?: readonly OnnxTensor[];
}

/** A whole model. */
export interface OnnxModel extends OnnxGraph {
  /** Opset by domain, `''` being ONNX's own. Default 21. */
  readonly opsets?: Readonly<Record<string, number>>;
  /** Default `quayside-testing`. */
  readonly producer?: string;
  /** `metadata_props`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** `TensorProto.DataType`. */
const DATA_TYPES: Readonly<Record<OnnxDtype, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BF16: 16,
  UINT4: 21,
  INT4: 22,
};

/** `AttributeProto`: by our tag, its `type` and the field that holds it. */
const ATTRIBUTE_TYPES = {
  float: { type: 1, field: 2 },
  int: { type: 2, field: 3 },
  text: { type: 3, field: 4 },
  tensor: { type: 4, field: 5 },
  graph: { type: 5, field: 6 },
  floats: { type: 6, field: 7 },
  ints: { type: 7, field: 8 },
  texts: { type: 8, field: 9 },
} as const;

/** A constant of 32-bit floats. */
export function floats(name: string, shape: readonly number[], values: readonly number[]): OnnxTensor {
  return { name, dtype: 'FP32', shape, content: { bytes: new Uint8Array(Float32Array.from(values).buffer) } };
}

/** A constant of 64-bit integers. */
export function int64s(name: string, shape: readonly number[], values: readonly number[]): OnnxTensor {
  const bytes = new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
  return { name, dtype: 'INT64', shape, content: { bytes } };
}

/** The model as the bytes of an `.onnx` file: `ModelProto` of onnx.proto3, IR version 10. Nothing is checked. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const writer = Writer.create();
  writer.uint32(varint(1)).int64(10);
  text(writer, 2, model.producer ?? 'quayside-testing');
  message(writer, 7, (graph) => writeGraph(graph, model));
  for (const [domain, version] of Object.entries(model.opsets ?? { '': 21 })) {
    message(writer, 8, (opset) => text(opset, 1, domain).uint32(varint(2)).int64(version));
  }
  for (const entry of Object.entries(model.properties ?? {})) writeEntry(writer, 14, entry);
  return writer.finish();
}

function writeGraph(writer: Writer, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(writer, 1, (field) => writeNode(field, node));
  text(writer, 2, 'graph');
  for (const constant of graph.constants ?? []) message(writer, 5, (field) => writeTensor(field, constant));
  for (const input of graph.inputs) message(writer, 11, (field) => writeValue(field, input));
  for (const output of graph.outputs) message(writer, 12, (field) => writeValue(field, output));
}

function writeNode(writer: Writer, node: OnnxNode): void {
  for (const name of node.inputs) text(writer, 1, name);
  for (const name of node.outputs) text(writer, 2, name);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes ?? {})) {
    message(writer, 5, (field) => writeAttribute(field, name, attribute));
  }
  text(writer, 7, node.domain ?? '');
}

function writeAttribute(writer: Writer, name: string, attribute: OnnxAttribute): void {
  const tag = Object.keys(attribute)[0] as keyof typeof ATTRIBUTE_TYPES;
  const { type, field } = ATTRIBUTE_TYPES[tag];
  text(writer, 1, name);
  if ('int' in attribute) writer.uint32(varint(field)).int64(attribute.int);
  if ('float' in attribute) writer.uint32(fixed32(field)).float(attribute.float);
  if ('text' in attribute) text(writer, field, attribute.text);
  if ('tensor' in attribute) message(writer, field, (tensor) => writeTensor(tensor, attribute.tensor));
  if ('graph' in attribute) message(writer, field, (graph) => writeGraph(graph, attribute.graph));
  if ('ints' in attribute) for (const value of attribute.ints) writer.uint32(varint(field)).int64(value);
  if ('floats' in attribute) for (const value of attribute.floats) writer.uint32(fixed32(field)).float(value);
  if ('texts' in attribute) for (const value of attribute.texts) text(writer, field, value);
  writer.uint32(varint(20)).int32(type);
}

function writeTensor(writer: Writer, tensor: OnnxTensor): void {
  for (const dimension of tensor.shape) writer.uint32(varint(1)).int64(dimension);
  writer.uint32(varint(2)).int32(DATA_TYPES[tensor.dtype]);
  text(writer, 8, tensor.name);
  const { content } = tensor;
  if ('bytes' in content) writer.uint32(delimited(9)).bytes(content.bytes);
  if ('texts' in content) for (const value of content.texts) text(writer, 6, value);
  if (!('file' in content)) return;
  writeEntry(writer, 13, ['location', content.file]);
  if (content.offsetBytes !== undefined) writeEntry(writer, 13, ['offset', String(content.offsetBytes)]);
  if (content.lengthBytes !== undefined) writeEntry(writer, 13, ['length', String(content.lengthBytes)]);
  writer.uint32(varint(14)).int32(1);
}

function writeValue(writer: Writer, value: OnnxValue): void {
  text(writer, 1, value.name);
  message(writer, 2, (type) => writeType(type, value));
}

function writeType(writer: Writer, type: OnnxType): void {
  if ('dtype' in type) {
    message(writer, 1, (tensor) => {
      tensor.uint32(varint(1)).int32(DATA_TYPES[type.dtype]);
      message(tensor, 2, (shape) => type.shape.forEach((dimension) => writeDimension(shape, dimension)));
    });
    return;
  }
  const { key, value } = type.sequenceOfMaps;
  message(writer, 4, (sequence) =>
    message(sequence, 1, (element) =>
      message(element, 5, (map) => {
        map.uint32(varint(1)).int32(DATA_TYPES[key]);
        message(map, 2, (inner) => writeType(inner, { dtype: value, shape: [] }));
      }),
    ),
  );
}

function writeDimension(shape: Writer, dimension: Dimension): void {
  message(shape, 1, (field) => {
    if (typeof dimension === 'number') field.uint32(varint(1)).int64(dimension);
    else if (dimension !== '') text(field, 2, dimension);
  });
}

function writeEntry(writer: Writer, field: number, [key, value]: readonly [string, string]): void {
  message(writer, field, (entry) => {
    text(entry, 1, key);
    text(entry, 2, value);
  });
}

function message(writer: Writer, field: number, write: (nested: Writer) => unknown): void {
  writer.uint32(delimited(field)).fork();
  write(writer);
  writer.ldelim();
}

function text(writer: Writer, field: number, value: string): Writer {
  return writer.uint32(delimited(field)).string(value);
}

/** A field's key on the wire: its number and how its value is laid out. */
const varint = (field: number): number => field << 3;
const delimited = (field: number): number => (field << 3) | 2;
const fixed32 = (field: number): number => (field << 3) | 5;
