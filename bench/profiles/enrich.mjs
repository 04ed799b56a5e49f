import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { percentilesOf } from '../figures.mjs';

const fromRoot = createRequire(fileURLToPath(new URL('../../package.json', import.meta.url)));
const VIEWS = 3;
const FEATURES = 10;
const ENTITIES = 10_000;
const PUSHED_AT_ONCE = 2000;
/** Rows of a request by side: each names an entity of its own, which three views know. */
const ENTITIES_OF = { 'enrich-1': 1, 'enrich-100': 100 };
/** Long enough that nothing is cut off: a read that took longer would be a timeout, not a latency. */
const READ_TIMEOUT_MS = 200;

/** Joining stored features into a request, without HTTP and without a model: one request after another, over PostgreSQL. */
export async function enrich({ profile, sides, scratch, options, tell }) {
  const store = await openStore(join(scratch, 'enrich'));
  const samples = [];
  try {
    tell(`${profile}: pushing ${ENTITIES} entities into ${VIEWS} views`);
    await fill(store);
    for (const side of sides) await measure(store, { side, seconds: options.warmUp });
    for (let round = 1; round <= options.rounds; round++) {
      for (const side of sides) {
        const times = await measure(store, { side, seconds: options.seconds });
        const figures = percentilesOf(times);
        samples.push({ profile, side, round, ...figures, raw: { calls: times.length } });
        tell(`${profile}: round ${round}, ${side}: ${figures.p50.toFixed(3)} ms`);
      }
    }
    return samples;
  } finally {
    await store.close();
  }
}

/** The store's own parts over a PostgreSQL of their own, and a version that looks up every feature of every view. */
async function openStore(directory) {
  const { mkdirSync } = fromRoot('node:fs');
  const { SystemClock } = fromRoot('./dist/libs/core/src/index.js');
  const { Database, EmbeddedPostgres } = fromRoot('./dist/libs/database/src/index.js');
  const lib = fromRoot('./dist/libs/feature-store/src/index.js');
  mkdirSync(directory, { recursive: true });
  const clock = new SystemClock();
  const postgres = new EmbeddedPostgres({ directory, log: () => {} });
  const database = new Database({ server: { kind: 'embedded', directory } }, { clock, log: () => {} });
  // The libraries' timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  await postgres.start();
  database.start();
  await database.whenUp();
  const views = declaredViews(lib);
  const reader = new lib.PostgresFeatureReader({
    pool: database.features,
    views,
    clock,
    readTimeoutMs: READ_TIMEOUT_MS,
  });
  const registry = { beforeServing: () => {} };
  const features = new lib.BoundFeatureStore(registry, { views, reader, clock, readTimeoutMs: READ_TIMEOUT_MS });
  const rows = new lib.PostgresFeatureViewStore({ database, views, clock });
  const close = async () => {
    await database.close();
    await postgres.stop();
    clearInterval(alive);
  };
  return { clock, features, rows, version: boundVersion(), close };
}

function declaredViews({ FeatureViews, readViewDocument }) {
  const documents = indices(VIEWS).map((view) => ({
    kind: 'FeatureView',
    name: `view_${view}`,
    version: 1,
    entities: [{ name: 'customer', dtype: 'STRING' }],
    max_age: '7d',
    features: indices(FEATURES).map((feature) => ({ name: `f${feature}`, dtype: 'FP32' })),
  }));
  return new FeatureViews(documents.map((document) => readViewDocument(document).view));
}

function boundVersion() {
  const { DEFAULT_MANIFEST } = fromRoot('./dist/libs/model-registry/src/index.js');
  const columns = indices(VIEWS).flatMap((view) =>
    indices(FEATURES).map((feature) => ({ name: `c${view}_${feature}`, from: `feature:view_${view}@1:f${feature}` })),
  );
  return {
    model: 'bench',
    version: '1',
    task: 'tabular',
    signature: { inputs: columns.map(({ name }) => ({ name, dtype: 'FP32', shape: ['rows', 1] })), outputs: [] },
    manifest: { ...DEFAULT_MANIFEST, entities: { customer: 'customer' }, tabular: { columns } },
  };
}

async function fill({ rows }) {
  const event_ts = new Date().toISOString();
  for (const view of indices(VIEWS)) {
    for (let from = 0; from < ENTITIES; from += PUSHED_AT_ONCE) {
      const pushed = indices(PUSHED_AT_ONCE).map((at) => ({
        entities: { customer: `customer-${from + at}` },
        event_ts,
        features: Object.fromEntries(indices(FEATURES).map((feature) => [`f${feature}`, from + at + feature / 10])),
      }));
      await rows.push(`view_${view}`, { rows: pushed, mode: 'all_or_nothing' });
    }
  }
}

/** Milliseconds of each call, of entities in an order of their own. */
async function measure({ clock, features, version }, { side, seconds }) {
  const times = [];
  const until = performance.now() + seconds * 1000;
  for (let call = 0; performance.now() < until; call++) {
    const rows = indices(ENTITIES_OF[side]).map((at) => ({
      customer: `customer-${(call * 7919 + at * 104_729) % ENTITIES}`,
    }));
    const context = {
      requestId: 'bench',
      signal: new AbortController().signal,
      deadlineAtMs: clock.monotonicMs() + 10_000,
    };
    const began = performance.now();
    const { rows: enriched, degraded } = await features.enrich(version, rows, context);
    times.push(performance.now() - began);
    if (degraded || enriched.length !== rows.length) throw new Error('Features were not there in time.');
  }
  return times;
}

function indices(count) {
  return Array.from({ length: count }, (_, index) => index);
}
