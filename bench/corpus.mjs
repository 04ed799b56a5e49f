import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** The texts of the repository as JSON string literals, in their seeded random order. */
const LITERALS = gunzipSync(readFileSync(fileURLToPath(new URL('../test/fixtures/texts.jsonl.gz', import.meta.url))))
  .toString('utf8')
  .trimEnd()
  .split('\n');

/** How many texts the profiles with a cache draw from again and again; live texts begin after them. */
export const CACHED_SET = 256;

/** The corpus, one JSON string literal a line, as the load generators read it. */
export function literalsFile() {
  return `${LITERALS.join('\n')}\n`;
}

/**
 * The n-th text that was never sent before, as a JSON literal. Where the corpus ends it begins anew, and every text
 * gets the number of its turn as a last word: one token more, and no text is ever sent twice.
 */
export function literalAt(n) {
  const turn = Math.floor(n / LITERALS.length);
  const literal = LITERALS[n % LITERALS.length];
  return turn === 0 ? literal : `${literal.slice(0, -1)} ${turn}"`;
}

/** The n-th text itself. */
export function textAt(n) {
  return JSON.parse(literalAt(n));
}

/** The body that asks `model` about the n-th text. */
export function bodyAt(n, model) {
  return `{"model_id":"${model}","text":${literalAt(n)}}`;
}

/** A whole HTTP request, as bytes, for clients that write to a socket themselves. */
export function requestBytes({ path, body, headers = {} }) {
  const entity = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries({ host: '127.0.0.1', ...entity, ...headers }).map((header) => header.join(': '));
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
