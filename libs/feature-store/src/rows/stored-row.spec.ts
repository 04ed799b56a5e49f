import { STORED_CODEC } from '@app/core';
import type { FeatureView } from '../views/feature-view';
import { FeatureViews } from '../views/feature-views';
import { readViewDocument } from '../views/view-document';
import { decodeRow } from './stored-row';

const NAMES = ['constructor', 'toString', 'valueOf', 'hasOwnProperty'];

function viewOf(names: readonly string[]): FeatureView {
  const read = readViewDocument({
    kind: 'FeatureView',
    name: 'odd_names',
    version: 1,
    entities: [{ name: 'id', dtype: 'STRING' }],
    features: names.map((name) => ({ name, dtype: 'STRING' })),
  });
  if (!('view' in read)) throw new Error(read.faults.join());
  return read.view;
}

describe(decodeRow.name, () => {
  const views = new FeatureViews([viewOf(NAMES)]);
  const written = { view: 'odd_names', eventTsUs: 1n, codec: STORED_CODEC };

  it('takes what every object has for no value of the row', () => {
    const { values } = decodeRow({ ...written, data: '{}' }, views);
    expect(values).toEqual(Object.fromEntries(NAMES.map((name) => [name, null])));
  });

  it('reads features that are called like what every object has', () => {
    const data = JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, `a ${name}`])));
    expect(decodeRow({ ...written, data }, views).values).toEqual(JSON.parse(data));
  });

  it('refuses rows that are written by other rules', () => {
    expect(() => decodeRow({ ...written, codec: STORED_CODEC + 1, data: '{}' }, views)).toThrow(/codec/);
  });
});
