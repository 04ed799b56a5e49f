import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bodyAt, requestBytes } from '../corpus.mjs';
import { percentilesOf } from '../figures.mjs';
import { assertAllAnswered, openLoop } from '../load/open-loop.mjs';

const ORIGINAL = fileURLToPath(new URL('../../models/banking-intents/1', import.meta.url));
const HOT = 'hot';
const HOT_PER_SECOND = 100;
const COLD_PER_SECOND = 5;
const SAMPLE_MEMORY_MS = 250;

/**
 * One hot model, and many cold ones behind a cache that holds few of them. Each round measures the hot model alone, then
 * while requests go round the cold ones, so that nearly every one of these loads a model and unloads another.
 */
export const manyModels =
  ({ models, cache }) =>
  async ({ profile, starter, scratch, options, tell }) => {
    const folder = join(scratch, 'many-models');
    writeModels(folder, models);
    const side = await starter.quayside({ MODEL_DIR: folder, MODEL_MAX_CACHED: String(cache) });
    const samples = [];
    let [sent, asked] = [0, 0];
    const hotRequest = () => requestBytes({ path: '/predict', body: bodyAt(sent++, HOT) });
    const hot = (seconds) => openLoop({ url: side.url, requestAt: hotRequest, perSecond: HOT_PER_SECOND, seconds });
    const coldRequest = () => requestBytes({ path: '/predict', body: bodyAt(asked, `cold-${asked++ % (models - 1)}`) });
    const cold = (seconds) => openLoop({ url: side.url, requestAt: coldRequest, perSecond: COLD_PER_SECOND, seconds });
    try {
      await cold(options.warmUp);
      await hot(options.warmUp);
      for (let round = 1; round <= options.rounds; round++) {
        const alone = await hot(options.seconds);
        const memory = watchMemory(side.server);
        const [beside, loads] = await Promise.all([hot(options.seconds), cold(options.seconds)]);
        const sample = figuresOf({ alone, beside, loads, peakBytes: memory.stop() });
        samples.push({ profile, side: 'quayside', round, ...sample });
        tell(`${profile}: round ${round}: hot p99 ${sample.p99Alone.toFixed(1)} → ${sample.p99.toFixed(1)} ms`);
      }
      return samples;
    } finally {
      await side.stop();
      rmSync(folder, { recursive: true });
    }
  };

/** Copies of one model: a hot one that is pinned, the others loaded when they are asked for. */
function writeModels(folder, models) {
  const names = [HOT, ...Array.from({ length: models - 1 }, (_, index) => `cold-${index}`)];
  for (const name of names) {
    mkdirSync(join(folder, name), { recursive: true });
    cpSync(ORIGINAL, join(folder, name, '1'), { recursive: true });
    writeFileSync(join(folder, name, 'model.yaml'), `task: text-classification\npinned: ${name === HOT}\n`);
  }
}

function watchMemory(server) {
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, server.rssBytes())), SAMPLE_MEMORY_MS);
  return {
    stop() {
      clearInterval(timer);
      return peakBytes;
    },
  };
}

function figuresOf({ alone, beside, loads, peakBytes }) {
  assertAllAnswered(alone, 'the hot model alone');
  assertAllAnswered(beside, 'the hot model beside cold loads');
  assertAllAnswered(loads, 'the cold models');
  const times = ({ answers }) => answers.map(({ ms }) => ms);
  const hot = percentilesOf(times(beside));
  const cold = percentilesOf(times(loads));
  const p99Alone = percentilesOf(times(alone)).p99;
  const raw = { hot: beside.sent, cold: loads.sent };
  return {
    ...hot,
    p99Alone,
    p99Factor: hot.p99 / p99Alone,
    coldP50: cold.p50,
    coldP99: cold.p99,
    peakMegabytes: peakBytes / 1e6,
    raw,
  };
}
