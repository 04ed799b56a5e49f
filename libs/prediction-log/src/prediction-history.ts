import { decodeStoredTensor, encodeNested, encodeTimestamp } from '@app/core';
import type { DatabasePool } from '@app/database';
import { type RowReference, loggedEntity } from '@app/feature-store';
import { partitionsOf } from './log-partitions';
import { arrayLiteral } from './log-row';
import type { Redactor } from './redaction';
import { millisecondsOf } from './row-encoder';

/** Which predictions are wanted, newest first. */
export interface PredictionQuery {
  readonly model?: string;
  readonly version?: string;
  /** The first moment, in milliseconds since the Unix epoch; absent: from the oldest. */
  readonly fromMs?: number;
  /** The moment after the last; absent: up to the newest. */
  readonly toMs?: number;
  readonly limit: number;
  /** What comes after this one in the order of the list. */
  readonly after?: InstanceKey;
}

/** Where an instance stands in a list. */
export interface InstanceKey {
  readonly id: string;
  readonly index: number;
}

/** One instance, without what it was given and what came of it. */
export interface LoggedInstance extends InstanceKey {
  readonly createdAt: string;
  readonly requestId: string | null;
  readonly traceId: string | null;
  readonly door: string;
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly status: string;
  readonly errorCode: string | null;
  readonly queueMs: number;
  readonly enrichMs: number;
  readonly inferMs: number;
  readonly totalMs: number;
  readonly batchSize: number;
  readonly cache: string | null;
  readonly degraded: boolean;
  readonly entityKeys: readonly string[];
  readonly predictionNum: number | null;
  readonly predictionLabel: string | null;
  readonly score: number | null;
  readonly samplingRate: number;
  readonly flags: readonly string[];
}

/** One instance with all that is kept of it, as JSON values. */
export interface LoggedInstanceInFull extends LoggedInstance {
  readonly inputs: unknown;
  readonly outputs: unknown;
  /** By column: `{v, st, src, ts, view, f, why}`. */
  readonly features: Readonly<Record<string, StoredFeature>> | null;
}

/** A column as it stands in the table. */
export interface StoredFeature {
  readonly v?: unknown;
  readonly st: string | null;
  readonly src: string;
  readonly ts?: string;
  readonly view?: string;
  readonly f?: string;
  readonly why?: string;
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const SUMMARY = `
  id::text, row_index, created_at, request_id, trace_id, door, model, version, digest, status, error_code,
  queue_ms, enrich_ms, infer_ms, total_ms, batch_size, cache, degraded, to_json(entity_keys) as entity_keys,
  prediction_num, prediction_label, score, sampling_rate, to_json(flags) as flags`;

/** No call has more; a job, whose rows share its id, may have millions. */
const INSTANCES = 2048;

/** By its id, whose time names the one partition that is read. */
export const FIND = `
  select ${SUMMARY}, inputs, outputs, features from prediction_log
  where created_at = $1 and id = $2 order by row_index limit ${INSTANCES}`;

const LIST = `
  select ${SUMMARY} from prediction_log
  where ($1::text is null or model = $1) and ($2::text is null or version = $2)
    and created_at >= $3 and created_at < $4
    and (created_at, id, row_index) < ($5::timestamptz, $6::uuid, $7::int)
  order by created_at desc, id desc, row_index desc limit $8`;

const ERASE = 'delete from prediction_log where created_at = $1 and id = $2';
const ERASE_REJECTS = 'delete from prediction_log_reject where id = $1';
const ERASE_ENTITY = 'where entity_keys && array[$1, $2]';
/** In what was set aside, which is JSON as bytes. */
const ERASE_REJECTS_OF_ENTITY = `
  delete from prediction_log_reject where position($1::bytea in content) > 0 or position($2::bytea in content) > 0`;

const FIRST = '0001-01-01T00:00:00Z';
const LAST = '9999-12-31T23:59:59.999Z';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const LAST_INDEX = 2_147_483_647;

interface SummaryRow {
  readonly id: string;
  readonly row_index: number;
  readonly created_at: bigint;
  readonly request_id: string | null;
  readonly trace_id: string | null;
  readonly door: string;
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly status: string;
  readonly error_code: string | null;
  readonly queue_ms: number;
  readonly enrich_ms: number;
  readonly infer_ms: number;
  readonly total_ms: number;
  readonly batch_size: number;
  readonly cache: string | null;
  readonly degraded: boolean;
  readonly entity_keys: string | null;
  readonly prediction_num: number | null;
  readonly prediction_label: string | null;
  readonly score: number | null;
  readonly sampling_rate: number;
  readonly flags: string | null;
}

interface FullRow extends SummaryRow {
  readonly inputs: string | null;
  readonly outputs: string | null;
  readonly features: string | null;
}

/** Predictions that were logged. Everything throws database_unavailable while PostgreSQL cannot be reached. */
export class PredictionHistory {
  constructor(
    private readonly pool: DatabasePool,
    private readonly redactor: Redactor,
  ) {}

  /** Every instance of a prediction, in order; none where there is no such prediction. One partition is read. */
  async find(id: string): Promise<readonly LoggedInstanceInFull[]> {
    if (!isPredictionId(id)) return [];
    const { rows } = await this.pool.query<FullRow>(FIND, [createdAtOf(id), id]);
    return rows.map(inFull);
  }

  /** Instances, the newest first. */
  async list({ model, version, fromMs, toMs, limit, after }: PredictionQuery): Promise<readonly LoggedInstance[]> {
    const { rows } = await this.pool.query<SummaryRow>(LIST, [
      model ?? null,
      version ?? null,
      fromMs === undefined ? FIRST : new Date(fromMs).toISOString(),
      toMs === undefined ? LAST : new Date(toMs).toISOString(),
      after ? createdAtOf(after.id) : LAST,
      after?.id ?? LAST_ID,
      after?.index ?? LAST_INDEX,
      limit,
    ]);
    return rows.map(summary);
  }

  /** Removes a prediction, set aside rows of it too. Gives how many rows there were. */
  async erase(id: string): Promise<number> {
    if (!isPredictionId(id)) return 0;
    const { rowCount } = await this.pool.query(ERASE, [createdAtOf(id), id]);
    const { rowCount: rejects } = await this.pool.query(ERASE_REJECTS, [id]);
    return rowCount + rejects;
  }

  /**
   * Removes every instance that stored features of this entity were wanted for, where its key was kept, plain or hashed. Every
   * row of the log is looked at, a day at a time. Gives how many there were.
   */
  async eraseEntity(entity: RowReference): Promise<number> {
    const plain = loggedEntity(entity);
    const names = [plain, this.redactor.hash(plain)];
    let erased = 0;
    for (const { name } of await partitionsOf(this.pool)) {
      const { rowCount } = await this.pool.query(`delete from ${name} ${ERASE_ENTITY}`, names);
      erased += rowCount;
    }
    const { rowCount: rejects } = await this.pool.query(ERASE_REJECTS_OF_ENTITY, names.map(asSetAside));
    return erased + rejects;
  }
}

/** Whether a text can be the id of a prediction: a UUIDv7 in lower case, of a moment that PostgreSQL can be asked for. */
export function isPredictionId(text: string): boolean {
  return UUID_V7.test(text) && millisecondsOf(text) <= Date.parse(LAST);
}

/** A text of a list, as it stands in the JSON of a row. */
function asSetAside(text: string): Buffer {
  return Buffer.from(JSON.stringify(arrayLiteral([text])).slice('"{'.length, -'}"'.length));
}

function createdAtOf(id: string): string {
  return new Date(millisecondsOf(id)).toISOString();
}

function summary(row: SummaryRow): LoggedInstance {
  return {
    id: row.id,
    index: row.row_index,
    createdAt: encodeTimestamp(row.created_at),
    requestId: row.request_id,
    traceId: row.trace_id,
    door: row.door,
    model: row.model,
    version: row.version,
    digest: row.digest,
    status: row.status,
    errorCode: row.error_code,
    queueMs: row.queue_ms,
    enrichMs: row.enrich_ms,
    inferMs: row.infer_ms,
    totalMs: row.total_ms,
    batchSize: row.batch_size,
    cache: row.cache,
    degraded: row.degraded,
    entityKeys: (parsed(row.entity_keys) ?? []) as readonly string[],
    predictionNum: row.prediction_num,
    predictionLabel: row.prediction_label,
    score: row.score,
    samplingRate: row.sampling_rate,
    flags: (parsed(row.flags) ?? []) as readonly string[],
  };
}

function inFull(row: FullRow): LoggedInstanceInFull {
  const summarized = summary(row);
  const inputs = parsed(row.inputs);
  return {
    ...summarized,
    inputs: summarized.flags.includes('tensors') ? nested(inputs) : inputs,
    outputs: parsed(row.outputs),
    features: parsed(row.features) as LoggedInstanceInFull['features'],
  };
}

/** Tensors as nested lists; what was masked or truncated stands as it is. */
function nested(inputs: unknown): unknown {
  if (typeof inputs !== 'object' || inputs === null) return inputs;
  const shown = Object.entries(inputs).map(([name, content]) => {
    const isWhole = typeof content === 'object' && content !== null && 'n' in content;
    return [name, isWhole ? encodeNested(decodeStoredTensor(content)) : content];
  });
  return Object.fromEntries(shown) as unknown;
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
