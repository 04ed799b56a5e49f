import { STORED_CODEC } from '@app/core';
import type { PredictionRecord } from '@app/inference';
import type { LogPayload } from '@app/model-registry';
import { type FieldRules, type ModelFieldRules, hidesAny } from './field-rules';
import { hasNonFinite } from './log-json';
import { FeaturesWriter } from './features-side';
import { type LogRow, OWN_COLUMNS, SHARED_COLUMNS, arrayLiteral, copyFields, toLogRow } from './log-row';
import { type LogFlag, type LogSide, inputsOf, jsonSide, outputsOf, rulesForTensors, tensorsSide } from './log-sides';
import { predictionValues } from './prediction-values';
import type { Redactor } from './redaction';
import { isSampled } from './sampling';

/** From all to nothing; a deployment's ceiling takes the later of two. */
export const PAYLOADS: readonly LogPayload[] = ['full', 'features', 'outputs', 'none'];

/** What an encoder is made of. */
export interface RowEncoderParts {
  readonly redactor: Redactor;
  readonly rules: ModelFieldRules;
  /** The most that may be kept, whatever a model's manifest says. */
  readonly payload: LogPayload;
}

/** Rows to be written, and how many are not in the sample. */
export interface EncodedPrediction {
  readonly rows: readonly LogRow[];
  readonly sampledOut: number;
}

/** A record in the middle of its encoding. */
interface Encoding {
  readonly record: PredictionRecord;
  readonly rules: FieldRules;
  readonly payload: LogPayload;
  /** The columns that all instances share, as they stand in a line. */
  readonly shared: string;
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
  readonly createdAtMs: number;
}

/** Makes table rows of a prediction, one per instance: sampled, redacted and encoded. Nothing plain of a hidden field leaves it. */
export class RowEncoder {
  private readonly features: FeaturesWriter;
  private moment: Moment | undefined;

  constructor(private readonly parts: RowEncoderParts) {
    this.features = new FeaturesWriter(parts.redactor);
  }

  encode(record: PredictionRecord): EncodedPrediction {
    const { input, rows: count, manifest } = record;
    const { createdAtMs, createdAt } = this.momentOf(record.predictionId);
    const encoding: Encoding = {
      record,
      rules: this.rulesOf(record),
      payload: record.jobIndexes ? 'none' : laterOf(manifest.log.payload, this.parts.payload),
      shared: sharedColumns(record, createdAt),
      inputs: input ? inputsOf(input, count) : [],
      outputs: outputsOf(record),
      createdAtMs,
    };
    const rows: LogRow[] = [];
    for (let index = 0; index < count; index += 1) {
      const row = this.rowOf(encoding, index);
      if (row) rows.push(row);
    }
    return { rows, sampledOut: count - rows.length };
  }

  /** The same for all calls of a millisecond, of which there are several under load. */
  private momentOf(id: string): Moment {
    const start = id.slice(0, MILLISECONDS_END);
    if (this.moment?.start === start) return this.moment;
    const createdAtMs = millisecondsOf(id);
    this.moment = { start, createdAtMs, createdAt: new Date(createdAtMs).toISOString() };
    return this.moment;
  }

  private rulesOf({ manifest, input, answer }: PredictionRecord): FieldRules {
    const rules = this.parts.rules.of(manifest);
    if (input?.form !== 'tensors') return rules;
    const outputs = answer?.form === 'tensors' ? Object.keys(answer.outputs) : [];
    return rulesForTensors([...Object.keys(input.tensors), ...outputs], rules);
  }

  /** Undefined for a row that is not in the sample. */
  private rowOf(encoding: Encoding, index: number): LogRow | undefined {
    const { record, rules, payload, outputs, shared } = encoding;
    const nonfinite = hasNonFinite(outputs[index]);
    const isKept = record.status === 'error' || record.degraded || nonfinite;
    const rate = isKept ? 1 : record.manifest.log.samplingRate;
    if (rate < 1 && !isSampled(samplingKeyOf(encoding, index), rate)) return undefined;
    const sides = this.sidesOf(encoding, index);
    const values = payload === 'none' ? NO_VALUES : predictionValues(this.shown(outputs[index], rules));
    const own = copyFields(OWN_COLUMNS, {
      row_index: indexOf(record, index),
      inputs: sides.inputs?.text ?? null,
      outputs: sides.outputs?.text ?? null,
      features: sides.features?.text ?? null,
      entity_keys: payload === 'none' ? null : this.entityKeysOf(record, index),
      prediction_num: values.num,
      prediction_label: values.label,
      score: values.score,
      sampling_rate: rate,
      flags: arrayLiteral(flagsOf(sides, nonfinite)),
    });
    return toLogRow(shared, own, { createdAtMs: encoding.createdAtMs, failed: record.status === 'error' });
  }

  private sidesOf({ record, rules, payload, inputs, outputs }: Encoding, index: number): Sides {
    const { redactor } = this.parts;
    const { input, provenance } = record;
    const [given, answered] = [inputs[index], outputs[index]];
    const features = provenance?.[index]?.features;
    const sides: { -readonly [Side in keyof Sides]: Sides[Side] } = {};
    if (payload === 'none') return sides;
    if (answered !== undefined) sides.outputs = jsonSide(answered, rules, redactor);
    if (payload !== 'outputs' && features) sides.features = this.features.side(features, rules);
    if (payload !== 'full' || given === undefined) return sides;
    const isTensors = input?.form === 'tensors';
    const encode = isTensors ? (tensorsSide as (...of: Parameters<typeof jsonSide>) => LogSide) : jsonSide;
    sides.inputs = encode(given, rules, redactor);
    return sides;
  }

  private shown(output: unknown, rules: FieldRules): unknown {
    return this.parts.redactor.redact(output, rules);
  }

  /** The keys by which rows of one entity are found again; hidden as the request fields that they are made of. */
  private entityKeysOf({ provenance, manifest }: PredictionRecord, index: number): string | null {
    const keys = provenance?.[index]?.entityKeys ?? [];
    if (keys.length === 0) return null;
    const rules = this.parts.rules.of(manifest);
    if (!hidesAny(rules)) return arrayLiteral(keys);
    const names = Object.entries(manifest.entities).flat();
    const hiding = names.flatMap((name) => rules.get(name) ?? []).filter((rule) => rule !== 'keep');
    if (hiding.length === 0) return arrayLiteral(keys);
    const isHashed = hiding.every((rule) => rule === 'hash');
    return isHashed ? arrayLiteral(keys.map((key) => this.parts.redactor.hash(key))) : null;
  }
}

/** When a call began. */
interface Moment {
  /** Of its id, the part that says so. */
  readonly start: string;
  readonly createdAtMs: number;
  readonly createdAt: string;
}

/** In a UUIDv7, where the milliseconds end. */
const MILLISECONDS_END = 13;

interface Sides {
  readonly inputs?: LogSide;
  readonly outputs?: LogSide;
  readonly features?: LogSide;
}

const NO_VALUES = { num: null, label: null, score: null } as const;

/** What was done to any side of a row, each thing once. */
function flagsOf({ inputs, outputs, features }: Sides, nonfinite: boolean): readonly LogFlag[] {
  const flags = new Set<LogFlag>(nonfinite ? ['nonfinite'] : []);
  for (const side of [inputs, outputs, features]) for (const flag of side?.flags ?? []) flags.add(flag);
  return [...flags].sort();
}

function sharedColumns(record: PredictionRecord, createdAt: string): string {
  return copyFields(SHARED_COLUMNS, {
    id: record.predictionId,
    created_at: createdAt,
    request_id: record.requestId,
    trace_id: record.traceparent.slice(TRACE_ID_FROM, TRACE_ID_TO) || null,
    door: record.door,
    model: record.model,
    version: record.version,
    digest: record.digest,
    status: record.status,
    error_code: record.errorCode ?? null,
    queue_ms: inMicros(record.queueMs),
    enrich_ms: inMicros(record.enrichMs),
    infer_ms: inMicros(record.inferMs),
    total_ms: inMicros(record.totalMs),
    batch_size: record.batchSize,
    cache: record.cache ?? null,
    degraded: record.degraded,
    codec: STORED_CODEC,
  });
}

/** Where the trace id stands in a `traceparent`. */
const [TRACE_ID_FROM, TRACE_ID_TO] = [3, 35];

/** Milliseconds to the microsecond; whole numbers are written many times faster than fractions. */
function inMicros(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}e-3`;
}

function samplingKeyOf({ record, inputs }: Encoding, index: number): string {
  const { samplingKey } = record.manifest.log;
  const row = record.input?.form === 'rows' ? inputs[index] : undefined;
  const value = samplingKey === undefined ? undefined : (row as Record<string, unknown> | undefined)?.[samplingKey];
  return value === undefined ? `${record.predictionId}/${indexOf(record, index)}` : JSON.stringify(value);
}

/** Where the row stands among all that share the id. */
function indexOf({ jobIndexes }: PredictionRecord, index: number): number {
  return jobIndexes?.[index] ?? index;
}

function laterOf(one: LogPayload, other: LogPayload): LogPayload {
  return PAYLOADS.indexOf(one) > PAYLOADS.indexOf(other) ? one : other;
}

/** The millisecond that a UUIDv7 was made in. */
export function millisecondsOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
