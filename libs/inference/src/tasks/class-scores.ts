/** How a model's output becomes scores. */
export interface ScoreRules {
  /** Exclusive classes share a sum of 1 (`softmax`); independent ones are each between 0 and 1 (`sigmoid`). */
  readonly activation: 'softmax' | 'sigmoid';
  /** Whether the model gives probabilities; temperature then acts on their logarithms (log-odds for `sigmoid`). */
  readonly probabilities: boolean;
  /** From 0 on. 0 gives the best class 1 and the others 0. */
  readonly temperature: number;
}

/**
 * The score of each class, by index, in double precision; undefined when the model's values are not numbers that a
 * score can come from (NaN, an infinite logit, a probability out of 0 to 1).
 */
export function classScores(values: readonly number[], rules: ScoreRules): readonly number[] | undefined {
  const logits = rules.probabilities ? values.map(rules.activation === 'softmax' ? Math.log : logOdds) : values;
  if (!areLogits(logits, rules)) return undefined;
  if (rules.temperature === 0) return allOnBest(logits);
  return rules.activation === 'softmax'
    ? softmax(logits, rules.temperature)
    : logits.map((it) => sigmoid(it / rules.temperature));
}

/** Indexes of the `count` best scores, descending, ties by index; all of them where there are fewer. */
export function bestOf(scores: readonly number[], count: number): readonly number[] {
  return scores
    .map((_, index) => index)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, count);
}

/** From probabilities infinities come rightly (0, and 1 of a `sigmoid`), but exclusive classes share a sum above 0. */
function areLogits(logits: readonly number[], { probabilities, activation }: ScoreRules): boolean {
  if (!probabilities) return logits.every(Number.isFinite);
  if (activation === 'softmax' && !Number.isFinite(Math.max(...logits))) return false;
  return !logits.some(Number.isNaN);
}

function logOdds(probability: number): number {
  return Math.log(probability) - Math.log1p(-probability);
}

/** The maximum is subtracted before dividing, so that no temperature, however small, makes an infinity of the best. */
function softmax(logits: readonly number[], temperature: number): readonly number[] {
  const best = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp((logit - best) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function allOnBest(logits: readonly number[]): readonly number[] {
  const best = logits.indexOf(Math.max(...logits));
  return logits.map((_, index) => (index === best ? 1 : 0));
}
