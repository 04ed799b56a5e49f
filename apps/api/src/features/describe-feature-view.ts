import { encodeTimestamp } from '@app/core';
import {
  type FeatureView,
  type ViewStatistics,
  pinnedViews,
  recordedVersion,
  viewReference,
  writeDuration,
} from '@app/feature-store';
import type { ModelStatus } from '@app/model-registry';
import type { FeatureDescription, FeatureViewDescription, FeatureViewVersionDescription } from './feature-views.dto';

/** Versions of models, `name@version`, by the version of a view that they pin, likewise. */
export type Pins = ReadonlyMap<string, readonly string[]>;

/** Which versions of models pin which versions of views. */
export function pinsOf(models: readonly ModelStatus[]): Pins {
  const pins = new Map<string, string[]>();
  for (const { model, versions } of models) {
    for (const { version, details } of versions) {
      for (const { view, version: pinned } of details ? pinnedViews(details.manifest) : []) {
        const reference = viewReference({ name: view, version: pinned });
        pins.set(reference, [...(pins.get(reference) ?? []), `${model}@${version}`]);
      }
    }
  }
  return pins;
}

/** A view by its versions, the oldest first; there is at least one. */
export function describeView(
  versions: readonly FeatureView[],
  pins: Pins,
  statistics: readonly ViewStatistics[],
): readonly FeatureViewDescription[] {
  const [first] = versions;
  if (!first) return [];
  const items = versions.map((view) => ({
    version: view.version,
    content_hash: view.contentHash,
    models: pins.get(viewReference(view)) ?? [],
  }));
  return [{ ...storedOf(first, statistics), versions: items }];
}

/** One version with its schema. */
export function describeVersion(
  view: FeatureView,
  pins: Pins,
  statistics: readonly ViewStatistics[],
): FeatureViewVersionDescription {
  const { onlineUs, historyUs } = view.retention;
  return {
    ...storedOf(view, statistics),
    version: view.version,
    content_hash: view.contentHash,
    max_age: durationOf(view.maxAgeUs),
    features: describeFeatures(view),
    retention: { online: durationOf(onlineUs), history: durationOf(historyUs) },
    owner: view.owner ?? null,
    description: view.description ?? null,
    models: pins.get(viewReference(view)) ?? [],
  };
}

type Stored = Pick<FeatureViewDescription, 'name' | 'entities' | 'rows' | 'newest_event_ts'>;

function storedOf({ name, entities }: FeatureView, statistics: readonly ViewStatistics[]): Stored {
  const { rows = 0, newestEventTsUs } = statistics.find(({ view }) => view === name) ?? {};
  const newest = newestEventTsUs === undefined ? null : encodeTimestamp(newestEventTsUs);
  return {
    name,
    entities: entities.map((entity) => ({ name: entity.name, dtype: entity.dtype })),
    rows,
    newest_event_ts: newest,
  };
}

/** As they are recorded. */
function describeFeatures(view: FeatureView): readonly FeatureDescription[] {
  return recordedVersion(view).content.features.map(({ shape, default: standsIn, pii, ...feature }) => ({
    ...feature,
    shape: shape ?? null,
    default: standsIn ?? null,
    pii: pii ?? 'keep',
  }));
}

function durationOf(micros: bigint | undefined): string | null {
  return micros === undefined ? null : writeDuration(micros);
}
