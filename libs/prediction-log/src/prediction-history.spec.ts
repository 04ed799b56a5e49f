import { isPredictionId } from './prediction-history';

describe(isPredictionId.name, () => {
  it.each([
    ['01a21052-4267-7325-87b7-09731fa4dfd3', true],
    ['e677d21f-dbff-7000-8000-000000000000', true], // the last millisecond of the year 9999
    ['e677d21f-dc00-7000-8000-000000000000', false],
    ['ffffffff-ffff-7fff-bfff-ffffffffffff', false],
    ['01a21052-4267-4325-87b7-09731fa4dfd3', false],
    ['01A21052-4267-7325-87B7-09731FA4DFD3', false],
    ['{01a21052-4267-7325-87b7-09731fa4dfd3}', false],
    ["1' or 1=1--", false],
  ])('says of %s: %p', (id, is) => {
    expect(isPredictionId(id)).toBe(is);
  });
});
