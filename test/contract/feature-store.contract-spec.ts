import type { CallContext, JsonRecord } from '@app/core';
import { FeatureStore, PassThroughFeatureStore } from '@app/feature-store';
import { FakeModelRegistry, aModelVersion } from '@app/testing';

const CONTEXT: CallContext = {
  requestId: 'r-1',
  traceparent: '',
  signal: new AbortController().signal,
  deadlineAtMs: Infinity,
};

/** Every store that there is; a new one stands here as well. */
const STORES: readonly (readonly [string, () => FeatureStore])[] = [
  [PassThroughFeatureStore.name, () => new PassThroughFeatureStore(new FakeModelRegistry())],
];

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
