import type { CallContext, JsonRecord } from '@app/core';
import { BoundFeatureStore, FeatureStore, FeatureViews } from '@app/feature-store';
import {
  FakeFeatureReader,
  FakeFeatureRows,
  FakeFeatureStore,
  FakeModelRegistry,
  ManualClock,
  aModelVersion,
} from '@app/testing';

const CONTEXT: CallContext = {
  requestId: 'r-1',
  traceparent: '',
  signal: new AbortController().signal,
  deadlineAtMs: Infinity,
};

/** Every store that there is; a new one stands here as well. */
const STORES: readonly (readonly [string, () => FeatureStore])[] = [
  [FakeFeatureStore.name, () => new FakeFeatureStore()],
  [BoundFeatureStore.name, openBound],
];

function openBound(): FeatureStore {
  const views = new FeatureViews();
  const reader = new FakeFeatureReader(views, new FakeFeatureRows());
  return new BoundFeatureStore(new FakeModelRegistry(), { views, reader, clock: new ManualClock(), readTimeoutMs: 50 });
}

describe.each(STORES)(`%s as a ${FeatureStore.name}`, (_name, open) => {
  it.each([0, 1, 5])(
    'gives a row out for each of %d, in order, with every field of the request as it was',
    async (count) => {
      const rows: JsonRecord[] = Array.from({ length: count }, (_, at) => ({ at, text: `row ${at}`, nothing: null }));
      const before = structuredClone(rows);
      const enriched = await open().enrich(aModelVersion({ model: 'any' }), rows, CONTEXT);
      expect(enriched.rows).toHaveLength(count);
      enriched.rows.forEach((row, at) => expect(row).toMatchObject(before[at]));
      expect(rows).toEqual(before);
    },
  );
});
