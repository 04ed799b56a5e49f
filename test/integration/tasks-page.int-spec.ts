import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PredictInput, PredictOptions } from '@app/inference';
import { Predictions } from './predictions-harness';

const ROOT = join(__dirname, '../..');

/** A request that the page shows, and the answer that it promises. */
interface Example {
  readonly model: string;
  readonly body: Record<string, unknown>;
  readonly answer: unknown;
}

function examplesOf(page: string): readonly Example[] {
  const pairs = page.matchAll(/```json request (\S+)\n(.*?)```\s+```json answer\n(.*?)```/gs);
  return [...pairs].map(([, model, body, answer]) => ({
    model,
    body: JSON.parse(body) as Record<string, unknown>,
    answer: JSON.parse(answer) as unknown,
  }));
}

describe('docs/tasks.md', () => {
  it('shows answers that are true', async () => {
    const examples = examplesOf(readFileSync(join(ROOT, 'docs/tasks.md'), 'utf8'));
    expect(examples.map(({ model }) => model)).toEqual(['banking-intents', 'banking-intents', 'minilm', 'credit-risk']);
    await using predictions = await Predictions.over(join(ROOT, 'models'));
    for (const { model, body, answer } of examples) {
      const { options = {}, ...rest } = body;
      const input = { form: 'rows' in rest ? 'rows' : 'tensors', ...rest } as PredictInput;
      const { rows, outputs } = await predictions.predict(model, input, options as PredictOptions);
      expect(rows ? { rows } : { outputs }).toEqual(near(answer));
    }
  });
});

/** Other processors add in another order. A list that ends in `"… n more"` is the beginning of one with as many more. */
function near(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : expect.closeTo(value, 4);
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, near(inner)]));
  const [, more] = /^… (\d+) more$/.exec(String(value.at(-1))) ?? [];
  if (more === undefined) return value.map(near);
  const others = new Array<unknown>(Number(more)).fill(expect.any(Number));
  return [...value.slice(0, -1).map(near), ...others];
}
