import { anatomy, renderAnatomy } from './profiles/anatomy.mjs';
import { batch, batchMemory, besideJob } from './profiles/batch.mjs';
import { manyModels } from './profiles/many-models.mjs';
import { overload, tail } from './profiles/open-loop.mjs';
import { timeAdded } from './profiles/time-added.mjs';
import { wide } from './profiles/wide.mjs';
import { closed } from './profiles/closed.mjs';
import { enrich } from './profiles/enrich.mjs';

const CLASSIFY = { path: '/predict', model: 'banking-intents' };
const EMBED = { path: '/embed', model: 'minilm' };
const SERVERS = ['quayside', 'quayside-1', 'fastapi', 'flask'];
const ENGINES = ['engine-1', 'engine-best'];
const MEMORY_SIZES = [1000, 10_000, 100_000, 1_000_000];

/** A bound on one of Quayside's figures: as a multiple of another side's, or, without `against`, as it is. */
const atMost = (figure, bound, against) => ({ figure, bound, against, met: (value) => value <= bound, sign: '≤' });
const atLeast = (figure, bound, against) => ({ figure, bound, against, met: (value) => value >= bound, sign: '≥' });
/** The same bound for several sides that are all Quayside's own. */
const each = (sides, target) => sides.map((own) => ({ ...target, own }));
const againstFastApi = ({ cpu, rate, p99 }) => [
  atMost('cpuUs', cpu, 'fastapi'),
  atLeast('rate', rate, 'fastapi'),
  atMost('p99', p99, 'fastapi'),
];

/** Whether the rows that come with `credit-risk` are there, which the server writes once its database is up. */
async function storeIsFilled({ url }) {
  const response = await fetch(new URL('/v1/feature-views/applicant_profile', url));
  return response.ok && (await response.json()).rows > 0;
}

/**
 * The profiles, by name: what is asked, which sides answer, and which figures Quayside is held to. `run` gives samples,
 * one for each side and round; the targets are checked on their medians.
 */
export const PROFILES = {
  health: {
    shows: 'the floor of the HTTP stack: GET /health',
    run: closed({ path: '/health', mode: 'get' }),
    sides: [...SERVERS, 'bare-http'],
    targets: againstFastApi({ cpu: 0.25, rate: 3.5, p99: 0.5 }),
  },
  cached: {
    shows: 'parse, validate, find the key, answer: bodies of a small set that every side has in its cache',
    run: closed({ ...CLASSIFY, mode: 'cached' }),
    sides: [...SERVERS, 'bare-http'],
    targets: [...againstFastApi({ cpu: 0.25, rate: 3.5, p99: 0.5 }), atMost('cpuUs', 1.5, 'bare-http')],
  },
  mixed: {
    shows: 'half the bodies cached, half never seen before',
    run: closed({ ...CLASSIFY, mode: 'mixed' }),
    sides: SERVERS,
    targets: [...againstFastApi({ cpu: 1 / 3, rate: 3, p99: 0.5 }), atMost('p99', 200)],
  },
  'live-tiny': {
    shows: 'overhead per inference: every body new, a model of a third of a millisecond',
    run: closed({ ...CLASSIFY, mode: 'live' }),
    sides: [...SERVERS, ...ENGINES],
    targets: againstFastApi({ cpu: 1 / 3, rate: 3, p99: 0.5 }),
  },
  'live-heavy': {
    shows: 'batching, tokenising and use of the cores: every text new, a model of some ten milliseconds',
    run: closed({ ...EMBED, mode: 'live' }),
    sides: [...SERVERS, ...ENGINES],
    targets: [atLeast('rate', 1, 'fastapi'), atMost('p99', 0.65, 'fastapi'), atLeast('rate', 0.9, 'engine-best')],
  },
  tabular: {
    shows:
      'a loan request by applicant id, every one new: twelve of eighteen columns joined from the store, and logged',
    run: closed({
      path: '/v1/models/credit-risk/predict',
      mode: 'tabular',
      logged: true,
      ready: storeIsFilled,
    }),
    sides: ['quayside', 'quayside-no-log', 'quayside-given'],
    targets: [atLeast('rate', 0.9, 'quayside-no-log')],
  },
  enrich: {
    shows: 'joining features of three views into a request, without HTTP and model: of 1 entity, and of 100',
    run: enrich,
    sides: ['enrich-1', 'enrich-100'],
    targets: [],
  },
  wide: {
    shows: 'validation alone: an object of 47 fields on three levels',
    run: wide,
    sides: ['quayside', 'fastapi'],
    targets: [atMost('p50', 0.05)],
  },
  'time-added': {
    shows: 'the time around the model, one request at a time: response time less the time inside the model',
    run: timeAdded,
    sides: SERVERS,
    targets: [atMost('p50', 1)],
  },
  tail: {
    shows: 'the tail at a fixed rate of arrivals, which a closed loop hides: live-tiny, arrivals as chance has it',
    run: tail({ ...CLASSIFY, perSecond: 300 }),
    sides: SERVERS,
    targets: [],
  },
  overload: {
    shows: 'ten times as many requests as there is capacity for, open loop, live-heavy',
    run: overload({ ...EMBED, times: 10 }),
    sides: ['quayside', 'fastapi'],
    targets: [atLeast('goodput', 0.9), atMost('p99', 200), atMost('refusalP99', 10), atMost('recovery', 5000)],
  },
  'many-models': {
    shows: '50 models behind a cache of 10: what loading cold models does to a hot one',
    run: manyModels({ models: 50, cache: 10 }),
    sides: ['quayside'],
    targets: [atMost('p99Factor', 1.2)],
  },
  batch: {
    shows: 'jobs of 1,000 and of 10,000 rows, from submit to the last result, `minilm`',
    run: batch({ model: 'minilm', sizes: [1000, 10_000] }),
    sides: ['job-1000', 'job-10000', 'engine-best'],
    targets: each(['job-1000', 'job-10000'], atLeast('rate', 0.9, 'engine-best')),
  },
  'batch-memory': {
    shows: 'jobs of 1,000 to 1,000,000 rows, `banking-intents`: the memory of the largest process as the number grows',
    run: batchMemory({ model: 'banking-intents', sizes: MEMORY_SIZES }),
    sides: MEMORY_SIZES.map((rows) => `job-${rows}`),
    targets: each(
      MEMORY_SIZES.map((rows) => `job-${rows}`),
      atMost('peakMegabytes', 512),
    ),
  },
  'beside-job': {
    shows: 'requests for `banking-intents` at a fixed rate of arrivals, alone and beside a job that runs `minilm`',
    run: besideJob({ model: 'banking-intents', jobModel: 'minilm', perSecond: 100, jobRowsPerSecond: 1000 }),
    sides: ['quayside'],
    targets: [atMost('p95Factor', 1.5)],
  },
  'beside-own-job': {
    shows: 'the same beside a job on the same model, `banking-intents`',
    run: besideJob({ model: 'banking-intents', jobModel: 'banking-intents', perSecond: 100, jobRowsPerSecond: 20_000 }),
    sides: ['quayside'],
    targets: [atMost('p95Factor', 1.5)],
  },
  anatomy: {
    shows: 'where the time of one request goes, and the CPU time of the process that serves HTTP',
    run: anatomy,
    render: renderAnatomy,
    sides: ['quayside', 'bare-http'],
    targets: [],
  },
};
