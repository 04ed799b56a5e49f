import { EnginePool } from '../sides/engine-pool.mjs';
import { cpuUsOf } from '../processes.mjs';
import { assertSameAnswers } from '../same-answers.mjs';

const COMPARED = new Set(['quayside', 'fastapi', 'flask']);

/**
 * A closed-loop profile: every side warmed up once, then measured in turn, only one under load at a time. An answer
 * other than 2xx voids the round, and with it the run.
 */
export const closed =
  (request) =>
  async ({ profile, sides, starter, loop, options, tell }) => {
    const running = [];
    try {
      for (const side of sides) running.push(await startSide(side, { request, starter }));
      if (request.model)
        await assertSameAnswers(
          running.filter(({ name }) => COMPARED.has(name)),
          request,
        );
      for (const side of running) {
        tell(`${profile}: warming up ${side.name}`);
        await warmUp(side, { request, loop, options });
      }
      return await rounds(running, { profile, request, loop, options, tell });
    } finally {
      await Promise.all(running.map((side) => side.stop()));
    }
  };

async function startSide(name, { request, starter }) {
  if (!name.startsWith('engine')) {
    const side = await starter.start(name, request);
    await side.server.ready(() => request.ready?.(side) ?? Promise.resolve(true));
    return side;
  }
  return EnginePool.start({ model: request.model, best: name === 'engine-best' });
}

async function warmUp(side, { request, loop, options: { warmUp: seconds, connections } }) {
  if (side instanceof EnginePool) return side.warmUp(Math.min(seconds, 3));
  return loop.run({ ...asked(request, side), url: side.url, connections: connections[0], seconds });
}

/** The same of every side, but that one is sent the columns which the others look up. */
function asked(request, { name }) {
  return name === 'quayside-given' ? { ...request, mode: 'tabular-given' } : request;
}

async function rounds(running, { profile, request, loop, options, tell }) {
  const samples = [];
  for (const connections of options.connections) {
    for (let round = 1; round <= options.rounds; round++) {
      for (const side of running) {
        const sample = await measure(side, { request, loop, connections, seconds: options.seconds });
        tell(`${profile}: round ${round}, ${side.name}: ${Math.round(sample.rate)}/s`);
        samples.push({ profile, side: side.name, round, connections, ...sample });
      }
    }
  }
  return samples;
}

/** One round of one side, with the CPU time that its processes took for it. */
async function measure(side, { request, loop, connections, seconds }) {
  const pids = side.pids ?? [side.server.pid];
  const before = cpuUsOf(pids);
  const result =
    side instanceof EnginePool
      ? await side.run({ seconds })
      : await loop.run({ ...asked(request, side), url: side.url, connections, seconds });
  assertAllAnswered(result, side.name);
  const { percentilesMs: percentiles = {}, ...rest } = result;
  return {
    rate: result.requests / result.seconds,
    cpuUs: (cpuUsOf(pids) - before) / result.requests,
    p50: percentiles[50],
    p95: percentiles[95],
    p99: percentiles[99],
    batch: result.batch,
    raw: { ...rest, percentilesMs: percentiles },
  };
}

function assertAllAnswered({ requests, errors: { status, timeout, broken } }, who) {
  if (requests > 0 && status + timeout + broken === 0) return;
  const counts = `${status} were answered with an error, ${timeout} late, ${broken} broken off`;
  throw new Error(`${who}: of ${requests} requests ${counts}.`);
}
