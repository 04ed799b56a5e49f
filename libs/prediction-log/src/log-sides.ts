import { hash } from 'node:crypto';
import { type JsonValue, type NamedTensors, type Tensor, encodeStoredTensor, splitRows } from '@app/core';
import type { PredictionRecord, RecordedInput } from '@app/inference';
import { type FieldRules, hidesAny } from './field-rules';
import { sanitized, toLogJson, writeJson } from './log-json';
import type { Redactor } from './redaction';

/** The most that one side of a row may take; a larger one is told by its size and its hash. */
export const SIDE_LIMIT_BYTES = 64 * 1024;

/** The flags of a row: what was done to it before it was written. */
export type LogFlag = 'nonfinite' | 'redacted' | 'sanitized' | 'tensors' | 'truncated';

/** One side of a row, ready to be written, and what was done to it. */
export interface LogSide {
  readonly text: string;
  readonly flags: readonly LogFlag[];
}

const NO_FLAGS: readonly LogFlag[] = [];

/** The answer of each instance, in order; nothing of a failed call. A call in the tensors form gives each its own part. */
export function outputsOf({ answer, rows }: PredictionRecord): readonly unknown[] {
  if (!answer) return [];
  if (answer.form === 'rows') return answer.rows;
  if (rows === 1) return [answer.outputs];
  const partOf = (value: JsonValue, row: number): unknown =>
    Array.isArray(value) && value.length === rows ? value[row] : value;
  const entries = Object.entries(answer.outputs);
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(entries.map(([name, value]) => [name, partOf(value, row)])),
  );
}

/** The input of each instance, in order. */
export function inputsOf(input: RecordedInput, rows: number): readonly unknown[] {
  if (input.form === 'rows') return input.rows;
  if (rows === 1) return [input.tensors];
  const split = Object.entries(input.tensors).map(([name, tensor]) => [name, splitRows(tensor)] as const);
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(split.map(([name, tensors]) => [name, tensors[row]])),
  );
}

/** JSON values: what the client gave or got. */
export function jsonSide(value: unknown, rules: FieldRules, redactor: Redactor): LogSide {
  const shown = redactor.redact(value, rules);
  return finishedSide(writeJson(shown), shown !== value);
}

/** What `writeJson` wrote, as it may be kept. */
export function finishedSide(written: string, redacted: boolean): LogSide {
  const { text, sanitized: isSanitized } = sanitized(written);
  const isTruncated = isTooLong(text);
  if (!redacted && !isSanitized && !isTruncated) return { text, flags: NO_FLAGS };
  const flags: LogFlag[] = [];
  if (redacted) flags.push('redacted');
  if (isSanitized) flags.push('sanitized');
  if (!isTruncated) return { text, flags };
  const summary = { dtype: 'JSON', shape: [Buffer.byteLength(text)], sha256: hash('sha256', text, 'hex') };
  return { text: JSON.stringify(summary), flags: [...flags, 'truncated'] };
}

/** Tensors by name: in canonical JSON, or each by its dtype, shape and hash where they are too long together. */
export function tensorsSide(tensors: NamedTensors, rules: FieldRules, redactor: Redactor): LogSide {
  const entries = Object.entries(tensors);
  const size = entries.reduce((sum, [, { bytes }]) => sum + Math.ceil(bytes.length / 3) * 4, 0);
  const truncated = size > SIDE_LIMIT_BYTES;
  const shown: Record<string, unknown> = Object.create(null);
  let redacted = false;
  for (const [name, tensor] of entries) {
    const rule = rules.get(name) ?? 'keep';
    redacted ||= rule !== 'keep';
    const content = truncated ? summaryOf(tensor) : encodeStoredTensor(tensor);
    shown[name] = rule === 'keep' ? content : redactor.apply(rule === 'hash' ? tensor.bytes : content, rule);
  }
  const flags: LogFlag[] = ['tensors'];
  if (redacted) flags.push('redacted');
  if (truncated) flags.push('truncated');
  return { text: toLogJson(shown).text, flags };
}

/**
 * Rules for a call in the tensors form. There a field may stand in the middle of a tensor under no name of its own: as soon as a
 * rule hides a field that no tensor is named after, everything without a rule of its own is masked.
 */
export function rulesForTensors(names: readonly string[], rules: FieldRules): FieldRules {
  if (!hidesAny(rules)) return rules;
  const isUnnamed = [...rules].some(([field, rule]) => rule !== 'keep' && !names.includes(field));
  if (!isUnnamed) return rules;
  return new Map([...names.map((name) => [name, 'mask'] as const), ...rules]);
}

function summaryOf({ dtype, shape, bytes }: Tensor): JsonValue {
  return { dtype, shape: [...shape], sha256: hash('sha256', bytes, 'hex') };
}

function isTooLong(text: string): boolean {
  return (
    text.length > SIDE_LIMIT_BYTES || (text.length * 3 > SIDE_LIMIT_BYTES && Buffer.byteLength(text) > SIDE_LIMIT_BYTES)
  );
}
