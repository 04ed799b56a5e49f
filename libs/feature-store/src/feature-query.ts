import { type CallContext, type Clock, type JsonRecord, QuaysideError, encodeStored, ownValue } from '@app/core';
import type { Database } from '@app/database';
import type { ModelVersion } from '@app/model-registry';
import type { FeatureStore, InspectedFeature, InspectedRow } from './feature-store';
import { resolveFeature, wantedOf } from './resolve-feature';
import type { FeatureRead, FeatureReader } from './rows/feature-reader';
import { invalid } from './rows/prepare-push';
import { entityKeyOf } from './views/entity-key';
import { type Feature, type FeatureView, viewReference } from './views/feature-view';
import type { FeatureViews } from './views/feature-views';

/** What answers queries. */
export interface FeatureQueryParts {
  readonly views: FeatureViews;
  readonly reader: FeatureReader;
  readonly store: FeatureStore;
  readonly database: Pick<Database, 'status'>;
  readonly clock: Clock;
  /** The longest read where the request itself has more time, in milliseconds. */
  readonly readTimeoutMs: number;
  /** As for `BoundFeatureStore`. */
  readonly refusalOf?: (view: string) => QuaysideError | undefined;
}

/** Most values of one query: rows times features. */
export const QUERY_VALUE_LIMIT = 100_000;
/** Most characters of JSON that the values of one answer may have: a few stored texts, asked for often, could be more than memory. */
export const QUERY_TEXT_LIMIT = 16 * 1024 * 1024;

const RETRY_AFTER_MS = 1000;

interface Named {
  readonly reference: string;
  readonly view: FeatureView;
  readonly feature: Feature;
}

/**
 * Looks at what is stored, without a prediction. A query costs one read. A read that did not come in time gives values
 * without a status; while the database is known to be away, database_unavailable is thrown instead.
 */
export class FeatureQuery {
  constructor(private readonly parts: FeatureQueryParts) {}

  /**
   * Features by name, `user_stats@3:country`, a row out per row in, in order. A row has the join keys of all views that are
   * meant. Throws invalid_input, feature_view_not_found, feature_view_version_not_found, features_unavailable, database_unavailable.
   */
  async features(
    references: readonly string[],
    rows: readonly JsonRecord[],
    context: CallContext,
  ): Promise<readonly InspectedRow[]> {
    limitValues(references.length * rows.length);
    const named = references.map((reference, index) => this.find(reference, `features[${index}]`));
    const views = [...new Map(named.map(({ view }) => [view.name, view])).values()];
    const keys = rows.map((row, index) => keysOf(views, row, `rows[${index}]`));
    const read = await this.read(keys, context);
    const nowUs = BigInt(Math.floor(this.parts.clock.epochMs())) * 1000n;
    return this.answered(keys.map((own) => describeRow(named, own, { read, nowUs })));
  }

  /**
   * What a version of a model would see of rows as its predictions take them; fields that no key needs may be left out.
   * Throws invalid_input, also for a model without bindings, features_unavailable, and database_unavailable.
   */
  async model(
    version: ModelVersion,
    rows: readonly JsonRecord[],
    context: CallContext,
  ): Promise<readonly InspectedRow[]> {
    const inspected = await this.parts.store.inspect(version, rows, context);
    if (!inspected) throw invalid('model', 'no_stored_features', 'names a model that looks nothing up');
    return this.answered(inspected);
  }

  private find(reference: string, field: string): Named {
    const [, place, name] = /^([^:]*):(.*)$/s.exec(reference) ?? [];
    if (place === undefined) throw invalid(field, 'invalid_reference', 'must be written as view@version:feature');
    const view = this.parts.views.resolve(place);
    const refusal = this.parts.refusalOf?.(viewReference(view));
    if (refusal) throw refusal;
    const feature = view.features.find((candidate) => candidate.name === name);
    if (feature) return { reference, view, feature };
    throw invalid(field, 'unknown_feature', `names a feature that ${viewReference(view)} does not have`);
  }

  private async read(keys: readonly Keys[], { deadlineAtMs, signal }: CallContext): Promise<FeatureRead> {
    const wanted = keys.flatMap((own) => [...own].map(([view, key]) => ({ view, key })));
    const { reader, clock, readTimeoutMs } = this.parts;
    const timeoutMs = Math.min(readTimeoutMs, deadlineAtMs - clock.monotonicMs());
    return timeoutMs <= 0 ? { kind: 'timeout' } : reader.read(wanted, { timeoutMs, signal });
  }

  /** Throws invalid_input for an answer that is too long, and database_unavailable where nothing could be read, and no later query would fare better. */
  private answered(rows: readonly InspectedRow[]): readonly InspectedRow[] {
    limitText(rows);
    const isUnread = rows.some(({ features }) => features.some(({ reason }) => reason !== undefined));
    if (!isUnread || this.parts.database.status() === 'up') return rows;
    const says = 'The database cannot be reached. Try again in a moment.';
    throw new QuaysideError('database_unavailable', says, { retryAfterMs: RETRY_AFTER_MS });
  }
}

/** By view. */
type Keys = ReadonlyMap<string, string>;

function limitValues(values: number): void {
  const says = `times the number of features is more than ${QUERY_VALUE_LIMIT} values`;
  if (values > QUERY_VALUE_LIMIT) throw invalid('rows', 'too_many_values', says);
}

function limitText(rows: readonly InspectedRow[]): void {
  let length = 0;
  for (const { features } of rows) {
    for (const { value } of features) length += JSON.stringify(value).length;
    if (length > QUERY_TEXT_LIMIT) {
      throw invalid('rows', 'answer_too_large', 'have more than 16 MiB of values together; ask for fewer at a time');
    }
  }
}

function keysOf(views: readonly FeatureView[], row: JsonRecord, path: string): Keys {
  const known = new Set(views.flatMap(({ entities }) => entities.map(({ name }) => name)));
  const stranger = Object.keys(row).find((name) => !known.has(name));
  if (stranger !== undefined) {
    throw invalid(path, 'unknown_entity', `names something else than the join keys ${[...known].join(', ')}`);
  }
  return new Map(views.map((view) => [view.name, entityKeyOf(view, ownKeys(view, row), path)]));
}

function ownKeys({ entities }: FeatureView, row: JsonRecord): JsonRecord {
  const own = entities.filter(({ name }) => Object.hasOwn(row, name));
  return Object.fromEntries(own.map(({ name }) => [name, ownValue(row, name)]));
}

interface Found {
  readonly read: FeatureRead;
  readonly nowUs: bigint;
}

function describeRow(named: readonly Named[], keys: Keys, { read, nowUs }: Found): InspectedRow {
  const features = named.map(({ reference, view, feature }): InspectedFeature => {
    const row = read.kind === 'timeout' ? read.kind : read.rows(view.name, keys.get(view.name) ?? '');
    const { value, ...rest } = resolveFeature(wantedOf(view, feature), row, nowUs);
    const json = value === null ? null : encodeStored(feature.dtype, value);
    return { name: reference, ...rest, view: viewReference(view), feature: feature.name, value: json };
  });
  return { entityKeys: [...new Set(keys.values())], features };
}
