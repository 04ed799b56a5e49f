/** What of an answer can be counted and compared. */
export interface PredictionValues {
  readonly num: number | null;
  readonly label: string | null;
  readonly score: number | null;
}

const NOTHING: PredictionValues = { num: null, label: null, score: null };

/**
 * The number, the label and the score of one instance's answer: of the best class, of a regression's `value`, or of a
 * model's only output where that is a single number. What is not a finite number is null.
 */
export function predictionValues(output: unknown): PredictionValues {
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return NOTHING;
  const { predictions, label, score, value } = output as Readonly<Record<string, unknown>>;
  if (Array.isArray(predictions)) return predictionValues(predictions[0]);
  if (label !== undefined) return { num: numberOf(label), label: labelOf(first(label)), score: numberOf(first(score)) };
  if (value !== undefined) return { ...NOTHING, num: numberOf(value) };
  const [only, ...others] = Object.values(output);
  return others.length === 0 ? { ...NOTHING, num: numberOf(only) } : NOTHING;
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? first(value[0]) : value;
}

function labelOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function numberOf(value: unknown): number | null {
  if (Array.isArray(value)) return value.length === 1 ? numberOf(value[0]) : null;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
