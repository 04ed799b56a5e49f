import { bodyAt } from './corpus.mjs';

const TEXTS = 50;
const TOLERANCE = 1e-4;

/** Asks every side the same texts. Throws where a side answers otherwise than the first: it would do other work. */
export async function assertSameAnswers([first, ...others], { path, model }) {
  for (let n = 0; n < TEXTS; n++) {
    const body = bodyAt(n, model);
    const expected = await answerOf(first, path, body);
    for (const side of others) assertSame(expected, await answerOf(side, path, body), side.name);
  }
}

async function answerOf({ url, name }, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(new URL(path, url), { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`${name} answers ${response.status} to ${body}.`);
  return { ...(await response.json()), latency_ms: 0 };
}

/** Numbers may differ by the tolerance; names, lengths, texts and flags may not. */
function assertSame(expected, actual, where) {
  if (typeof expected === 'number' && Math.abs(expected - actual) <= TOLERANCE) return;
  if (typeof expected !== 'object' || expected === null) {
    if (expected !== actual) throw new Error(`${where} gives ${actual} instead of ${expected}.`);
    return;
  }
  const [keys, own] = [Object.keys(expected), Object.keys(actual ?? {})];
  if (keys.toSorted().join() !== own.toSorted().join()) throw new Error(`${where} has ${own} instead of ${keys}.`);
  for (const key of keys) assertSame(expected[key], actual[key], `${where}.${key}`);
}
