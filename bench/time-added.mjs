import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/**
 * `npm run bench:time-added`: how much time Quayside adds to the model's own, at one connection. Every body is another
 * text of the corpus; the time inside the model is what the answer's Server-Timing calls compute. Prints a table and keeps
 * it in `bench/results/time-added.json`.
 */
const WARM_UP = 4000;
const MEASURED = 4000;
const root = fileURLToPath(new URL('..', import.meta.url));
const texts = gunzipSync(readFileSync(join(root, 'test/fixtures/texts.jsonl.gz')))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));

const data = mkdtempSync(join(tmpdir(), 'quayside-bench-'));
const server = spawn(process.execPath, [join(root, 'scripts/start.mjs')], {
  env: { ...process.env, HTTP_PORT: '0', DATA_DIR: data },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const address = await readyAddress(server);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const rows = [];
for (let index = 0; index < WARM_UP + MEASURED; index++) {
  const sample = await predict(texts[index % texts.length]);
  if (index >= WARM_UP) rows.push(sample);
}
agent.destroy();
server.kill('SIGTERM');
await new Promise((resolve) => server.once('exit', resolve));
rmSync(data, { recursive: true });

const result = {
  when: new Date().toISOString(),
  node: process.version,
  cores: availableParallelism(),
  cpu: cpus()[0].model,
  requests: MEASURED,
  response_ms: percentiles(rows.map(({ responseMs }) => responseMs)),
  compute_ms: percentiles(rows.map(({ computeMs }) => computeMs)),
  added_ms: percentiles(rows.map(({ responseMs, computeMs }) => responseMs - computeMs)),
};
console.table({ response: result.response_ms, 'in the model': result.compute_ms, added: result.added_ms });
writeFileSync(join(root, 'bench/results/time-added.json'), `${JSON.stringify(result, null, 2)}\n`);

async function readyAddress({ stdout }) {
  for await (const line of createInterface({ input: stdout })) {
    const { event, address } = line.startsWith('{') ? JSON.parse(line) : {};
    if (event === 'ready') {
      stdout.resume();
      return new URL(address);
    }
  }
  throw new Error('The server ended before it was ready.');
}

function predict(text) {
  const body = JSON.stringify({ text: text.slice(0, 1000), model_id: 'banking-intents' });
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const call = request(new URL('/predict', address), {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    call.on('error', reject);
    call.on('response', (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      response.resume();
      response.on('end', () => {
        const [, compute] = /compute;dur=([\d.]+)/.exec(response.headers['server-timing']);
        resolve({ responseMs: performance.now() - began, computeMs: Number(compute) });
      });
    });
    call.end(body);
  });
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(3));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
