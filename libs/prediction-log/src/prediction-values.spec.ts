import { predictionValues } from './prediction-values';

describe(predictionValues.name, () => {
  it.each([
    [
      {
        predictions: [
          { label: 'a', score: 0.9 },
          { label: 'b', score: 0.1 },
        ],
      },
      { num: null, label: 'a', score: 0.9 },
    ],
    [
      { label: 'good', score: 0.8, probabilities: { good: 0.8 } },
      { num: null, label: 'good', score: 0.8 },
    ],
    [{ label: 3 }, { num: 3, label: '3', score: null }],
    [{ value: 1.5 }, { num: 1.5, label: null, score: null }],
    [{ value: 'NaN' }, { num: null, label: null, score: null }],
    [{ y: [2] }, { num: 2, label: null, score: null }],
    [
      { label: ['a', 'b'], score: [0.7, 0.3] },
      { num: null, label: 'a', score: 0.7 },
    ],
    [{ embedding: [1, 2] }, { num: null, label: null, score: null }],
    [
      { x: 1, y: 2 },
      { num: null, label: null, score: null },
    ],
    [undefined, { num: null, label: null, score: null }],
  ])('finds them in %j', (output, values) => {
    expect(predictionValues(output)).toEqual(values);
  });
});
