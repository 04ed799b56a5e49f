import { encodeTimestamp } from '@app/core';
import {
  type FeatureView,
  type FeatureViews,
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

/** What descriptions are made of. */
export interface DescriberParts {
  readonly views: FeatureViews;
  readonly pins: Pins;
  readonly statistics: readonly ViewStatistics[];
}

type Stored = Pick<FeatureViewDescription, 'name' | 'entities' | 'rows' | 'newest_event_ts'>;

/** Describes views as clients see them, with what is stored of them and who pins them at one moment. */
export class FeatureViewDescriber {
  constructor(private readonly parts: DescriberParts) {}

  /** Every view, in order of its name. */
  all(): readonly FeatureViewDescription[] {
    const names = new Set(this.parts.views.all().map(({ name }) => name));
    return [...names].map((name) => this.view(name));
  }

  /** A view by its versions, the oldest first. Throws feature_view_not_found. */
  view(name: string): FeatureViewDescription {
    const { views } = this.parts;
    const versions = views.versionsOf(name).map((view) => ({
      version: view.version,
      content_hash: view.contentHash,
      models: this.modelsOf(view),
    }));
    return { ...this.storedOf(views.known(name)), versions };
  }

  /** One version with its schema. */
  version(view: FeatureView): FeatureViewVersionDescription {
    const { onlineUs, historyUs } = view.retention;
    return {
      ...this.storedOf(view),
      version: view.version,
      content_hash: view.contentHash,
      max_age: durationOf(view.maxAgeUs),
      features: describeFeatures(view),
      retention: { online: durationOf(onlineUs), history: durationOf(historyUs) },
      owner: view.owner ?? null,
      description: view.description ?? null,
      models: this.modelsOf(view),
    };
  }

  private modelsOf(view: FeatureView): readonly string[] {
    return this.parts.pins.get(viewReference(view)) ?? [];
  }

  private storedOf({ name, entities }: FeatureView): Stored {
    const { rows = 0, newestEventTsUs } = this.parts.statistics.find(({ view }) => view === name) ?? {};
    const newest = newestEventTsUs === undefined ? null : encodeTimestamp(newestEventTsUs);
    return {
      name,
      entities: entities.map((entity) => ({ name: entity.name, dtype: entity.dtype })),
      rows,
      newest_event_ts: newest,
    };
  }
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
