import { bodyAt, CACHED_SET, requestBytes } from '../corpus.mjs';
import { percentile, percentilesOf } from '../figures.mjs';
import { Connection } from '../load/connection.mjs';
import { assertAllAnswered, openLoop } from '../load/open-loop.mjs';

const CAPACITY_CONNECTIONS = 16;
const REFUSED = new Set([429, 503]);
const TOO_LATE = 504;
/** What a client says who has no use for an answer after 200 ms; the rest is for the way. Peers know no deadlines. */
const DEADLINE = { 'x-request-timeout-ms': '150' };
const NORMAL_MS = 200;
const RECOVERY_MS = 15_000;
/** Long enough for answers in time; a server that queues without end would take minutes. */
const LAST_ANSWERS_MS = 5000;

/** A fixed rate of arrivals that every side can bear. */
export const tail =
  ({ path, model, perSecond }) =>
  async ({ profile, sides, starter, loop, options, tell }) => {
    const running = [];
    const samples = [];
    const texts = new Texts({ path, model });
    try {
      for (const side of sides) running.push(await starter.start(side));
      for (const { url } of running) {
        await loop.run({ url, path, model, mode: 'live', connections: CAPACITY_CONNECTIONS, seconds: options.warmUp });
      }
      for (let round = 1; round <= options.rounds; round++) {
        for (const { name, url } of running) {
          const result = await openLoop({ url, requestAt: texts.next, perSecond, seconds: options.seconds });
          assertAllAnswered(result, name);
          const figures = percentilesOf(result.answers.map(({ ms }) => ms));
          samples.push({ profile, side: name, round, rate: result.sent / result.seconds, ...figures, raw: {} });
          tell(`${profile}: round ${round}, ${name}: p99 ${figures.p99.toFixed(1)} ms`);
        }
      }
      return samples;
    } finally {
      await Promise.all(running.map((side) => side.stop()));
    }
  };

/**
 * Measures what a side can do in a closed loop, then offers it a multiple of that. Every round starts the side anew, as
 * a server that queues without end would take its backlog into the next round.
 */
export const overload =
  ({ path, model, times }) =>
  async ({ profile, sides, starter, loop, options, tell }) => {
    const samples = [];
    const texts = new Texts({ path, model, headers: DEADLINE });
    for (let round = 1; round <= options.rounds; round++) {
      for (const name of sides) {
        const side = await starter.start(name);
        try {
          const closed = { url: side.url, path, model, mode: 'live', connections: CAPACITY_CONNECTIONS };
          await loop.run({ ...closed, seconds: options.warmUp });
          const { requests, seconds } = await loop.run({ ...closed, seconds: options.seconds });
          const capacity = requests / seconds;
          const arrivals = { perSecond: capacity * times, seconds: options.seconds, lastAnswersMs: LAST_ANSWERS_MS };
          const load = { url: side.url, requestAt: texts.next, ...arrivals };
          const figures = overloadFigures(await openLoop(load), capacity);
          const sample = { profile, side: name, round, ...figures, recovery: await recovery(side.url, texts) };
          samples.push(sample);
          tell(`${profile}: round ${round}, ${name}: goodput ${sample.goodput.toFixed(2)} of ${capacity.toFixed(0)}/s`);
        } finally {
          await side.stop();
        }
      }
    }
    return samples;
  };

/** Goodput counts what was accepted and answered while the load lasted, as a share of the capacity. */
function overloadFigures({ seconds, sent, answers, failed, unanswered }, capacity) {
  const accepted = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => REFUSED.has(status));
  const late = answers.filter(({ status }) => status === TOO_LATE);
  const inTime = accepted.filter(({ atMs }) => atMs <= seconds * 1000).length;
  const latencies = accepted.map(({ ms }) => ms);
  return {
    capacity,
    offered: sent / seconds,
    goodput: inTime / seconds / capacity,
    ...percentilesOf(latencies),
    refused: refused.length / sent,
    refusalP99: percentile(
      refused.map(({ ms }) => ms),
      0.99,
    ),
    late: late.length / sent,
    failed: failed + answers.length - accepted.length - refused.length - late.length,
    unanswered,
    raw: { sent, accepted: accepted.length, refused: refused.length, withoutRetryAfter: withoutRetryAfter(refused) },
  };
}

function withoutRetryAfter(refused) {
  return refused.filter(({ head }) => !/^retry-after:/im.test(head)).length;
}

/** Milliseconds after the overload until a request is answered as if nothing had been; undefined when it takes too long. */
async function recovery(url, texts) {
  const began = performance.now();
  const connection = new Connection(url);
  const giveUp = setTimeout(() => connection.close(), RECOVERY_MS);
  try {
    for (;;) {
      const askedAt = performance.now();
      const { status } = await connection.send(texts.next());
      if (status === 200 && performance.now() - askedAt < NORMAL_MS) return performance.now() - began;
    }
  } catch {
    return undefined;
  } finally {
    clearTimeout(giveUp);
    connection.close();
  }
}

/** Requests that are never sent twice. They begin far from those of the closed loop, which counts for itself. */
class Texts {
  #sent = 1_000_000 + CACHED_SET;

  constructor(request) {
    this.next = () => requestBytes({ ...request, body: bodyAt(this.#sent++, request.model) });
  }
}
