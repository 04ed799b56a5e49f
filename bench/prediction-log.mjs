// `node bench/prediction-log.mjs`: what the prediction log costs. First `record()` alone, at records of about 4 kB; then
// `POST /predict` with the log on and off, in turn, each server with a PostgreSQL of its own. Prints JSON.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfStale } from '../scripts/build-if-stale.mjs';
import { literalsFile } from './corpus.mjs';
import { ClosedLoop } from './load/closed-loop.mjs';
import { ServerProcess } from './processes.mjs';
import { Sides } from './sides.mjs';

const RECORDS = 20_000;
const WARM_UP = 2000;
const [seconds = 4, rounds = 4, connections = 32] = process.argv.slice(2).map(Number);
const LOADS = { cached: 'cached', 'live-tiny': 'live' };

async function main() {
  await ClosedLoop.assertInstalled();
  await buildIfStale();
  const scratch = mkdtempSync(join(tmpdir(), 'quayside-log-bench-'));
  try {
    const machine = { cpus: availableParallelism(), model: cpus()[0]?.model, node: process.version };
    const figures = {
      machine,
      seconds,
      rounds,
      connections,
      record: await recordCost(),
      predict: await throughput(scratch),
    };
    console.log(JSON.stringify(figures, null, 2));
  } finally {
    await ServerProcess.stopAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Microseconds of one `record()` of a row whose input is about 4 kB, while a store takes what is queued. */
async function recordCost() {
  const load = createRequire(import.meta.url);
  const { LoggingPredictionSink, ModelFieldRules, Redactor } = load('../dist/libs/prediction-log/src/index.js');
  const { SystemClock, newId } = load('../dist/libs/core/src/index.js');
  const { DEFAULT_MANIFEST } = load('../dist/libs/model-registry/src/index.js');
  const parts = {
    clock: new SystemClock(),
    rules: new ModelFieldRules(),
    redactor: new Redactor('key'),
    payload: 'full',
  };
  const store = { insert: async (rows) => ({ written: rows.length, rejected: 0 }) };
  const limits = { rows: 10_000, bytes: 32 * 1024 * 1024 };
  const costs = {};
  for (const [name, fields] of Object.entries({ plain: {}, hashed: { text: 'hash' } })) {
    const sink = new LoggingPredictionSink({ ...parts, store, limits, isOn: true, closeMs: 1000, onChange: () => {} });
    sink.start();
    const manifest = { ...DEFAULT_MANIFEST, log: { ...DEFAULT_MANIFEST.log, fields } };
    const times = [];
    for (let each = 0; each < WARM_UP + RECORDS; each += 1) {
      const record = aRecord(newId(), manifest);
      const startedAtMs = performance.now();
      sink.record(record);
      times.push((performance.now() - startedAtMs) * 1000);
      if (each % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await sink.close();
    costs[name] = percentiles(times.slice(WARM_UP));
  }
  return costs;
}

function aRecord(predictionId, manifest) {
  return {
    ...{ predictionId, requestId: predictionId, traceparent: `00-${'4b'.repeat(16)}-${'f0'.repeat(8)}-01` },
    ...{ door: 'predict', model: 'banking-intents', version: '1', digest: `sha256:${'0'.repeat(64)}`, manifest },
    ...{ status: 'ok', rows: 1, queueMs: 0.2, enrichMs: 0, inferMs: 0.5, totalMs: 1.1, batchSize: 1, cache: 'miss' },
    degraded: false,
    input: { form: 'rows', rows: [{ text: `${predictionId} ${'where is my card? '.repeat(200)}` }] },
    answer: {
      form: 'rows',
      rows: [
        { predictions: [1, 2, 3, 4, 5].map((n) => ({ label: `class_${n}`, score: 1 / n, metadata: { index: n } })) },
      ],
    },
  };
}

/** Requests per second with the log on and off, round by round, and the medians' relation. */
async function throughput(scratch) {
  const corpusFile = join(scratch, 'corpus.jsonl');
  writeFileSync(corpusFile, literalsFile());
  const [loop, sides] = [new ClosedLoop({ corpusFile }), new Sides({ scratch, options: {} })];
  const on = await sides.quayside({ LOG_PREDICTIONS: 'true' });
  const off = await sides.quayside({ LOG_PREDICTIONS: 'false' });
  await Promise.all([on, off].map(({ url }) => untilDatabaseIsUp(url)));
  const figures = {};
  for (const [name, mode] of Object.entries(LOADS)) {
    const request = { path: '/predict', model: 'banking-intents', mode, connections };
    for (const { url } of [on, off]) await loop.run({ ...request, url, seconds: 2 });
    const rates = { on: [], off: [] };
    for (let round = 0; round < rounds; round += 1) {
      for (const [side, { url }] of [
        ['on', on],
        ['off', off],
      ]) {
        const { requests, seconds: took } = await loop.run({ ...request, url, seconds });
        rates[side].push(Math.round(requests / took));
      }
    }
    figures[name] = { ...rates, kept: Math.round((median(rates.on) / median(rates.off)) * 1000) / 1000 };
  }
  const log = await (await fetch(new URL('/v1/prediction-log', on.url))).json();
  await Promise.all([on.stop(), off.stop()]);
  return { ...figures, log };
}

async function untilDatabaseIsUp(url) {
  for (;;) {
    const { components } = await (await fetch(new URL('/health', url))).json();
    if (components.database?.status === 'up') return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] * 10) / 10;
  return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) };
}

await main();
