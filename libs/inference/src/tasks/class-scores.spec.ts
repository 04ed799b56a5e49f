import fc from 'fast-check';
import { type ScoreRules, bestOf, classScores } from './class-scores';

const SOFTMAX: ScoreRules = { activation: 'softmax', probabilities: false, temperature: 1 };
const logit = fc.double({ min: -1e30, max: 1e30, noNaN: true });
const logits = fc.array(logit, { minLength: 1, maxLength: 50 });
const temperature = fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.constantFrom(0, 5e-324, 2));
const activation = fc.constantFrom('softmax', 'sigmoid');

describe(classScores.name, () => {
  it('gives exclusive classes a sum of 1, whatever the logits and the temperature', () => {
    fc.assert(
      fc.property(logits, temperature, (values, degree) => {
        const scores = classScores(values, { ...SOFTMAX, temperature: degree })!;
        expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 9);
      }),
    );
  });

  it('keeps scores between 0 and 1, and in the order of the logits', () => {
    fc.assert(
      fc.property(logits, fc.double({ min: 1e-300, max: 2, noNaN: true }), activation, (values, degree, kind) => {
        const scores = classScores(values, { activation: kind, probabilities: false, temperature: degree })!;
        for (const [index, score] of scores.entries()) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(1);
          const better = scores.filter((_, other) => values[other] > values[index]);
          expect(better.every((other) => other >= score)).toBe(true);
        }
      }),
    );
  });

  it('divides by the temperature before the exponential', () => {
    const [a, b] = classScores([2, 1], { ...SOFTMAX, temperature: 0.5 })!;
    expect(a / b).toBeCloseTo(Math.exp(2), 10);
    expect(classScores([3], { ...SOFTMAX, activation: 'sigmoid', temperature: 2 })![0]).toBeCloseTo(
      1 / (1 + Math.exp(-1.5)),
      12,
    );
  });

  it.each(['softmax', 'sigmoid'] as const)('puts everything on the first best class at temperature 0 (%s)', (kind) => {
    expect(classScores([1, 3, 3, 2], { activation: kind, probabilities: false, temperature: 0 })).toEqual([0, 1, 0, 0]);
  });

  it('gives probabilities back at temperature 1, zeros and ones included', () => {
    for (const kind of ['softmax', 'sigmoid'] as const) {
      const scores = classScores([0.25, 0, 0.75], { activation: kind, probabilities: true, temperature: 1 })!;
      [0.25, 0, 0.75].forEach((value, index) => expect(scores[index]).toBeCloseTo(value, 12));
    }
    expect(classScores([1, 0], { activation: 'sigmoid', probabilities: true, temperature: 0.7 })).toEqual([1, 0]);
    expect(classScores([0, 0], { activation: 'sigmoid', probabilities: true, temperature: 0.7 })).toEqual([0, 0]);
  });

  it('lets temperature act on the logarithms of probabilities', () => {
    const scores = classScores([0.2, 0.8], { activation: 'softmax', probabilities: true, temperature: 0.5 })!;
    expect(scores[1] / scores[0]).toBeCloseTo(16, 9);
  });

  it.each([
    ['NaN among logits', [1, NaN], false],
    ['an infinite logit', [1, Infinity], false],
    ['a negative infinite logit', [1, -Infinity], false],
    ['a negative probability', [1.5, -0.5], true],
    ['an infinite probability', [Infinity, 0], true],
    ['probabilities that are all 0', [0, 0], true],
  ])('makes no score of %s', (_, values, probabilities) => {
    expect(classScores(values, { ...SOFTMAX, probabilities })).toBeUndefined();
  });
});

describe(bestOf.name, () => {
  it('descends, takes ties by index, and gives all where more are asked for', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 0.25, 0.5), { maxLength: 20 }),
        fc.integer({ min: 1, max: 30 }),
        (scores, count) => {
          const best = bestOf(scores, count);
          expect(best).toHaveLength(Math.min(count, scores.length));
          expect(new Set(best).size).toBe(best.length);
          for (let rank = 1; rank < best.length; rank += 1) {
            const [before, here] = [best[rank - 1], best[rank]];
            expect(scores[before] > scores[here] || (scores[before] === scores[here] && before < here)).toBe(true);
          }
          const worst = scores[best.at(-1) ?? 0];
          expect(scores.filter((score, index) => score > worst && !best.includes(index))).toEqual([]);
        },
      ),
    );
  });
});
