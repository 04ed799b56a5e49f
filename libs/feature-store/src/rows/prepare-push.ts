import { setImmediate } from 'node:timers/promises';
import {
  type ErrorDetail,
  type JsonRecord,
  type JsonValue,
  QuaysideError,
  decodeStoredInput,
  decodeTimestamp,
  encodeStored,
  isQuaysideError,
} from '@app/core';
import { entityKeyOf } from '../views/entity-key';
import type { Feature } from '../views/feature-view';
import type { FeatureViews } from '../views/feature-views';
import {
  FUTURE_LIMIT_US,
  PUSH_ROW_LIMIT,
  type PushRequest,
  type PushRow,
  type RejectedRow,
} from './feature-view-store';

/** The longest row, in bytes of canonical JSON; a push is bounded by its body. */
export const ROW_LIMIT_BYTES = 256 * 1024;

/** Rows that are checked in one turn of the event loop. */
const ROWS_PER_TURN = 200;

/** A row that was checked and is ready to be stored. */
export interface PreparedRow {
  readonly key: string;
  readonly eventTsUs: bigint;
  /** Canonical JSON of the values by feature, sorted by name, without nulls. */
  readonly data: string;
}

/** A push that was checked. */
export interface PreparedPush {
  /** How many rows it had. */
  readonly rows: number;
  /** The newest row of each entity, sorted by key: two pushes that lock rows in one order cannot deadlock. */
  readonly online: readonly PreparedRow[];
  /** Every row, once per entity and moment, sorted likewise. */
  readonly history: readonly PreparedRow[];
  readonly rejected: readonly RejectedRow[];
}

/** How a push is checked: what the views are, and what time it is. */
export interface PushSurroundings {
  readonly views: FeatureViews;
  /** Microseconds since the epoch, UTC. */
  readonly nowUs: bigint;
}

/** Checks the rows of a push, without any database; other work goes on meanwhile. Throws as `FeatureViewStore.push`. */
export async function preparePush(
  view: string,
  request: PushRequest,
  { views, nowUs }: PushSurroundings,
): Promise<PreparedPush> {
  checkPush(request);
  const checker = new RowChecker(view, { views, nowUs });
  const prepared: PreparedRow[] = [];
  const rejected: RejectedRow[] = [];
  for (const [index, row] of request.rows.entries()) {
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await setImmediate();
    const checked = checker.check(row, `rows[${index}]`);
    if ('key' in checked) prepared.push(checked);
    else
      rejected.push({ index, details: checked.details.slice(0, rejected.length < FULLY_TOLD_ROWS ? DETAIL_LIMIT : 1) });
  }
  if (request.mode === 'all_or_nothing' && rejected.length > 0) throw refusal(rejected);
  return { rows: request.rows.length, rejected, ...deduplicate(prepared) };
}

function checkPush({ rows, pushId }: PushRequest): void {
  if (rows.length > PUSH_ROW_LIMIT) throw invalid('rows', 'too_many_rows', `has more than ${PUSH_ROW_LIMIT} rows`);
  const isUuid = pushId === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(pushId);
  if (!isUuid) throw invalid('push_id', 'invalid_push_id', 'must be a UUID');
}

/** The newest row per key, and every row once per key and moment; of equals the later one in the push. */
function deduplicate(rows: readonly PreparedRow[]): Pick<PreparedPush, 'online' | 'history'> {
  const online = new Map<string, PreparedRow>();
  const history = new Map<string, PreparedRow>();
  for (const row of rows) {
    const newest = online.get(row.key);
    if (!newest || row.eventTsUs >= newest.eventTsUs) online.set(row.key, row);
    history.set(`${row.eventTsUs} ${row.key}`, row);
  }
  return { online: [...online.values()].sort(byKey), history: [...history.values()].sort(byKey) };
}

function byName(left: Feature, right: Feature): number {
  return left.name < right.name ? -1 : 1;
}

function byKey(left: PreparedRow, right: PreparedRow): number {
  if (left.key !== right.key) return left.key < right.key ? -1 : 1;
  return left.eventTsUs < right.eventTsUs ? -1 : 1;
}

/** Checks the rows of one push against the view's features, of whichever version. */
class RowChecker {
  private readonly features: readonly Feature[];
  private readonly entities: Parameters<typeof entityKeyOf>[0];

  constructor(
    view: string,
    private readonly surroundings: PushSurroundings,
  ) {
    this.entities = surroundings.views.known(view);
    this.features = [...surroundings.views.featuresOf(view).values()].sort(byName);
  }

  check(row: PushRow, at: string): PreparedRow | { readonly details: readonly ErrorDetail[] } {
    const details: ErrorDetail[] = [];
    const attempt = <T>(read: () => T): T | undefined => {
      try {
        return read();
      } catch (error) {
        if (!isQuaysideError(error)) throw error;
        details.push(...error.details);
        return undefined;
      }
    };
    const key = attempt(() => entityKeyOf(this.entities, row.entities, `${at}.entities`));
    const eventTsUs = attempt(() => this.moment(row.event_ts, `${at}.event_ts`));
    const values = this.values(row, { at: `${at}.features`, attempt, details });
    // Canonical: the names are sorted, and arrays are written so.
    const data = JSON.stringify(values);
    if (Buffer.byteLength(data) > ROW_LIMIT_BYTES) details.push(fault(at, 'row_too_large', TOO_LARGE));
    if (key === undefined || eventTsUs === undefined || details.length > 0) return { details };
    return { key, eventTsUs, data };
  }

  private moment(value: unknown, at: string): bigint {
    const micros = decodeTimestamp(value, at);
    if (micros <= this.surroundings.nowUs + FUTURE_LIMIT_US) return micros;
    throw invalid(at, 'future_event', 'is more than 5 minutes in the future');
  }

  /** In the order of the view's own features, which is that of their names. */
  private values({ features }: PushRow, { at, attempt, details }: Attempts): Record<string, JsonValue> {
    const values: Record<string, JsonValue> = {};
    let known = 0;
    for (const feature of this.features) {
      if (!Object.hasOwn(features, feature.name)) continue;
      known++;
      const value = features[feature.name];
      if (value === null) continue;
      const target = { ...feature, field: `${at}.${feature.name}` };
      const encoded = attempt(() => encodeStored(feature.dtype, decodeStoredInput(target, value)));
      if (encoded !== undefined) values[feature.name] = encoded;
    }
    if (known < Object.keys(features).length) details.push(...this.strangers(features, at));
    return values;
  }

  private strangers(features: JsonRecord, at: string): ErrorDetail[] {
    const names = new Set(this.features.map(({ name }) => name));
    return Object.keys(features)
      .filter((name) => !names.has(name))
      .map((name) => fault(`${at}.${printable(name)}`, 'unknown_feature', 'is no feature of this view'));
  }
}

interface Attempts {
  readonly at: string;
  readonly details: ErrorDetail[];
  /** What `read` gives; undefined when it throws, and then its details are kept. */
  attempt<T>(read: () => T): T | undefined;
}

/** A name of the client's own may hold what no text in the database can. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 64)).slice(1, -1);
}

const TOO_LARGE = `has more than ${ROW_LIMIT_BYTES} bytes of values`;
/** As many details as an error shows. */
const DETAIL_LIMIT = 10;
/** Rows whose faults are told one by one; of later ones only the first, as a result is kept with its push. */
const FULLY_TOLD_ROWS = 100;

function refusal(rejected: readonly RejectedRow[]): QuaysideError {
  const details = rejected.flatMap((row) => row.details);
  const others = rejected.length > 1 ? ` ${rejected.length - 1} more rows are wrong too.` : '';
  const message = `Nothing was written. ${details[0]?.message ?? ''}${others}`;
  return new QuaysideError('invalid_input', message, { details: details.slice(0, DETAIL_LIMIT) });
}

/** The error for one thing that is wrong with a push. */
export function invalid(field: string, code: string, says: string): QuaysideError {
  const detail = fault(field, code, says);
  return new QuaysideError('invalid_input', detail.message, { details: [detail] });
}

function fault(field: string, code: string, says: string): ErrorDetail {
  return { field, code, message: `${field} ${says}.` };
}
