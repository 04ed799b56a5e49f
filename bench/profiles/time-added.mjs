import { bodyAt, requestBytes } from '../corpus.mjs';
import { percentilesOf } from '../figures.mjs';
import { Connection } from '../load/connection.mjs';

const COMPUTE = /^server-timing:.*?compute;dur=([\d.]+)/im;

/** One connection, one request after another, every text new: the response time less what the model says it took. */
export async function timeAdded({ profile, sides, starter, options, tell }) {
  const running = [];
  const samples = [];
  let sent = 0;
  const measure = async ({ url }, seconds) => {
    const connection = new Connection(url);
    const times = [];
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) times.push(await ask(connection, sent++));
    connection.close();
    return times;
  };
  try {
    for (const side of sides) running.push(await starter.start(side));
    for (const side of running) await measure(side, options.warmUp);
    for (let round = 1; round <= options.rounds; round++) {
      for (const side of running) {
        const times = await measure(side, options.seconds);
        const added = percentilesOf(times.map(({ responseMs, computeMs }) => responseMs - computeMs));
        const response = percentilesOf(times.map(({ responseMs }) => responseMs));
        const compute = percentilesOf(times.map(({ computeMs }) => computeMs));
        const raw = { requests: times.length, response, compute };
        samples.push({ profile, side: side.name, round, ...added, response: response.p50, compute: compute.p50, raw });
        tell(`${profile}: round ${round}, ${side.name}: ${added.p50.toFixed(3)} ms`);
      }
    }
    return samples;
  } finally {
    await Promise.all(running.map((side) => side.stop()));
  }
}

async function ask(connection, n) {
  const request = requestBytes({ path: '/predict', body: bodyAt(n, 'banking-intents') });
  const began = performance.now();
  const { status, head } = await connection.send(request);
  const responseMs = performance.now() - began;
  if (status !== 200) throw new Error(`An answer with status ${status}.`);
  return { responseMs, computeMs: Number(COMPUTE.exec(head)?.[1] ?? 0) };
}
