import type { CallContext, JsonRecord } from '@app/core';
import type { ModelVersion } from '@app/model-registry';

/** Joins stored features into the rows of a request, before the model's task reads them. */
export abstract class FeatureStore {
  /** A row out per row in, in order. Request fields are never changed, only joined by stored ones. */
  abstract enrich(
    version: ModelVersion,
    rows: readonly JsonRecord[],
    context: CallContext,
  ): Promise<readonly JsonRecord[]>;
}

/** Stores nothing: rows pass as they came. */
export class PassThroughFeatureStore extends FeatureStore {
  override enrich(_version: ModelVersion, rows: readonly JsonRecord[]): Promise<readonly JsonRecord[]> {
    return Promise.resolve(rows);
  }
}
