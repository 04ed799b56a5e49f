import { requestBytes, bodyAt } from '../corpus.mjs';
import { percentilesOf } from '../figures.mjs';
import { countResults, endedJob, secondsOf, submitJob, whenJobsAreServed, whenRunning } from '../load/jobs.mjs';
import { assertAllAnswered, openLoop } from '../load/open-loop.mjs';
import { EnginePool } from '../sides/engine-pool.mjs';

const SAMPLE_MEMORY_MS = 250;
const WARM_UP_ROWS = 1000;
const FIRST_LIVE_TEXT = 2_000_000;
/** A job beside requests counts its rows chunk by chunk, and is waited for until the first chunk has ended. */
const SHORT_CHUNKS = { JOB_CHUNK_SECONDS: '1' };
const HEAD_START_SECONDS = 10;

/** Jobs of some sizes, each in turn with the bare engine at its best batch size. */
export const batch =
  ({ model, sizes }) =>
  async ({ profile, sides, starter, options, tell }) => {
    const engine = sides.includes('engine-best') ? await EnginePool.start({ model, best: true }) : undefined;
    const side = await starter.quayside();
    const samples = [];
    try {
      await whenJobsAreServed(side.url);
      await engine?.warmUp(options.warmUp);
      await endedJob(side.url, await submitJob(side.url, { model, rows: WARM_UP_ROWS }));
      for (let round = 1; round <= options.rounds; round++) {
        for (const rows of wantedOf(sizes, options))
          samples.push({ profile, side: `job-${rows}`, round, ...(await jobOf({ side, model, rows })) });
        if (engine) samples.push({ profile, side: engine.name, round, ...(await engineRound(engine, options)) });
        const rates = samples
          .filter((sample) => sample.round === round)
          .map((each) => `${each.side} ${each.rate.toFixed(0)}/s`);
        tell(`${profile}: round ${round}: ${rates.join(', ')}`);
      }
      return samples;
    } finally {
      await Promise.all([side.stop(), engine?.stop()]);
    }
  };

/** What jobs of growing size take of memory, the largest process alone, while their results are read too. */
export const batchMemory =
  ({ model, sizes }) =>
  async ({ profile, starter, options, tell }) => {
    const side = await starter.quayside();
    const samples = [];
    try {
      await whenJobsAreServed(side.url);
      await endedJob(side.url, await submitJob(side.url, { model, rows: WARM_UP_ROWS }));
      for (const rows of wantedOf(sizes, options)) {
        const sample = await jobOf({ side, model, rows });
        samples.push({ profile, side: `job-${rows}`, round: 1, ...sample });
        tell(`${profile}: ${rows} rows: ${sample.rate.toFixed(0)}/s, ${sample.peakMegabytes.toFixed(0)} MB`);
      }
      return samples;
    } finally {
      await side.stop();
    }
  };

/**
 * What a job does to requests at a fixed rate of arrivals: each round measures them alone, then beside a job. It has more
 * rows than a machine answers meanwhile, and is cancelled then.
 */
export const besideJob =
  ({ model, jobModel, perSecond, jobRowsPerSecond }) =>
  async ({ profile, starter, options, tell }) => {
    const side = await starter.quayside(SHORT_CHUNKS);
    const samples = [];
    let sent = FIRST_LIVE_TEXT;
    const requestAt = () => requestBytes({ path: '/predict', body: bodyAt(sent++, model) });
    const online = async (seconds, who) => {
      const result = await openLoop({ url: side.url, requestAt, perSecond, seconds });
      assertAllAnswered(result, who);
      return percentilesOf(result.answers.map(({ ms }) => ms));
    };
    try {
      await whenJobsAreServed(side.url);
      await online(options.warmUp, 'requests in the warm-up');
      for (let round = 1; round <= options.rounds; round++) {
        const alone = await online(options.seconds, 'requests alone');
        const rows = jobRowsPerSecond * (options.seconds + HEAD_START_SECONDS);
        const job = await submitJob(side.url, { model: jobModel, rows, from: sent });
        const before = await whenRunning(side.url, job);
        const beside = await online(options.seconds, 'requests beside a job');
        const after = await cancelled(side.url, job);
        const jobRate = (after.counts.succeeded - before.counts.succeeded) / options.seconds;
        const factor = { p95Alone: alone.p95, p95Factor: beside.p95 / alone.p95, jobRate };
        samples.push({ profile, side: 'quayside', round, ...beside, ...factor });
        tell(
          `${profile}: round ${round}: p95 ${alone.p95.toFixed(1)} → ${beside.p95.toFixed(1)} ms, ${jobRate.toFixed(0)} rows/s`,
        );
      }
      return samples;
    } finally {
      await side.stop();
    }
  };

/** One job, from submit to its last result. Memory is that of whichever process of ours is the largest at any time. */
async function jobOf({ side, model, rows }) {
  const memory = watchLargest(side.server);
  const cpuBefore = side.server.cpuUs();
  const job = await endedJob(side.url, await submitJob(side.url, { model, rows }));
  const cpuUs = (side.server.cpuUs() - cpuBefore) / rows;
  const lines = await countResults(side.url, job);
  if (lines !== rows) throw new Error(`A job of ${rows} rows has ${lines} results.`);
  return { rate: rows / secondsOf(job), cpuUs, peakMegabytes: memory.stop() / 1e6 };
}

/** All sizes; of a quick run the first two, and those of the command line where it names some. */
function wantedOf(sizes, { rows, quick }) {
  return rows ?? (quick ? sizes.slice(0, 2) : sizes);
}

async function engineRound(engine, { seconds: wanted }) {
  const { requests, seconds, batch: size } = await engine.run({ seconds: wanted });
  return { rate: requests / seconds, batch: size };
}

async function cancelled(url, { id }) {
  const job = await (await fetch(new URL(`/v1/jobs/${id}`, url))).json();
  if (job.finished_at !== null) throw new Error('The job ended before the requests beside it.');
  await fetch(new URL(`/v1/jobs/${id}/cancel`, url), { method: 'POST' });
  return job;
}

function watchLargest(server) {
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, server.largestRssBytes())), SAMPLE_MEMORY_MS);
  return {
    stop() {
      clearInterval(timer);
      return peakBytes;
    },
  };
}
