import { hash } from 'node:crypto';
import { DTYPES, type NamedTensors, splitRows } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import type { TaskInput } from '../tasks/task';
import { PartWriter } from './part-writer';

/** What a key is made of. */
export interface KeyedCall {
  /** Whose answers these are: a caller of another scope never sees them. */
  readonly scope: string;
  readonly version: ModelVersion;
  /** As the task prepared it: enriched, checked, with every default filled in. */
  readonly input: TaskInput;
}

/** A key of a row and one of a whole call never meet. */
const ROW = 0;
const CALL = 1;

/**
 * Makes the keys of results: the one place that decides which calls have the same answer. A key is the SHA-256 in hex
 * of everything that an answer depends on: scope, model, version and full digest, `revision`, task, parameters,
 * outputs, and of each tensor its name, dtype, shape and bytes. Texts count byte by byte. Each part is written with its
 * length or its type, so that no two lists of parts read the same.
 *
 * `revision` stands for the software: what another engine or another Quayside answered is another result.
 */
export class ResultKeys {
  private readonly prefixes = new WeakMap<ModelVersion, Map<string, Buffer>>();
  private readonly writer = new PartWriter();

  constructor(private readonly revision: string) {}

  /** One key per row where rows may be run apart, in order; else one for the call. */
  of(call: KeyedCall): readonly string[] {
    const { tensors, rows, splittable } = call.input;
    const names = sortedNames(tensors);
    this.writeHead(call);
    if (!splittable) return [this.keyOf(CALL, names, tensors)];
    if (rows === 1) return [this.keyOf(ROW, names, tensors)];
    return rowsOf(tensors, rows).map((row) => this.keyOf(ROW, names, row));
  }

  /** What all rows of a call share; it stays in the writer. */
  private writeHead(call: KeyedCall): void {
    const { parameters, outputs } = call.input;
    const { writer } = this;
    writer.begin(this.prefixOf(call));
    const names = sortedNames(parameters);
    writer.count(names.length);
    for (const name of names) {
      writer.text(name);
      writer.scalar(parameters[name]);
    }
    writer.count(outputs.length);
    for (const name of outputs) writer.text(name);
    writer.keep();
  }

  private keyOf(kind: typeof ROW | typeof CALL, names: readonly string[], tensors: NamedTensors): string {
    const { writer } = this;
    writer.rewind();
    writer.count(kind);
    writer.count(names.length);
    for (const name of names) {
      const { dtype, shape, bytes } = tensors[name];
      writer.text(name);
      writer.count(DTYPES.indexOf(dtype));
      writer.count(shape.length);
      for (const size of shape) writer.count(size);
      writer.bytes(bytes);
    }
    return hash('sha256', writer.written, 'hex');
  }

  /** The parts that all calls of a version share, hashed once. */
  private prefixOf({ scope, version }: KeyedCall): Buffer {
    let scopes = this.prefixes.get(version);
    if (!scopes) this.prefixes.set(version, (scopes = new Map()));
    const known = scopes.get(scope);
    if (known) return known;
    const parts = ['result', this.revision, scope, versionKey(version), version.digest, version.task];
    const prefix = hash('sha256', JSON.stringify(parts), 'buffer');
    scopes.set(scope, prefix);
    return prefix;
  }
}

/** The keys of a record in order. Most records are made that way, and then need no sorting. */
function sortedNames(record: object): readonly string[] {
  const names = Object.keys(record);
  for (let at = 1; at < names.length; at += 1) if (names[at - 1] > names[at]) return names.sort();
  return names;
}

/** The tensors of each row, as views. */
export function rowsOf(tensors: NamedTensors, rows: number): readonly NamedTensors[] {
  const columns = Object.entries(tensors).map(([name, tensor]) => [name, splitRows(tensor)] as const);
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(columns.map(([name, column]) => [name, column[row]])),
  );
}
