import type { CallContext, JsonRecord } from '@app/core';
import { type Enriched, FeatureStore } from '@app/feature-store';
import type { ModelRegistry, ModelVersion } from '@app/model-registry';
import { FakeModelRegistry } from './fake-model-registry';

/** How a row is changed on its way; the default leaves it as it is. */
export type JoinRow = (row: JsonRecord) => JsonRecord;

/** Stores nothing, and joins what the test says: `new FakeFeatureStore((row) => ({ ...row, x: [1] }))`. */
export class FakeFeatureStore extends FeatureStore {
  constructor(
    private readonly join?: JoinRow,
    schemaSource: ModelRegistry = new FakeModelRegistry(),
  ) {
    super(schemaSource);
  }

  override enrich(_version: ModelVersion, rows: readonly JsonRecord[], _context: CallContext): Promise<Enriched> {
    const { join } = this;
    return Promise.resolve({ rows: join ? rows.map((row) => join(row)) : rows, degraded: false });
  }
}
