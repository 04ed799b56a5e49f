import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from './connection.mjs';

const MOST_CONNECTIONS = 4000;
/** So many seconds' worth of connections stand open before the first request, as clients of a service have them. */
const PREPARED_SECONDS = 0.1;
/** As long as Quayside lets a request take that names no deadline. */
const LAST_ANSWERS_MS = 30_000;

/**
 * Requests that arrive when chance has it (a Poisson process with a fixed seed), whether or not earlier ones have been
 * answered. A latency counts from the moment of arrival, so waiting for a free connection counts too. After the last arrival it waits `lastAnswersMs` at most. Gives
 * `{ seconds, sent, answers: [{ status, ms, atMs, head }], failed, unanswered }`; `atMs` is when the answer came.
 */
export async function openLoop({ url, requestAt, perSecond, seconds, lastAnswersMs = LAST_ANSWERS_MS }) {
  const arrivals = arrivalsOf({ perSecond, seconds });
  const clients = new Clients(url);
  await clients.prepare(Math.ceil(perSecond * PREPARED_SECONDS));
  const answers = [];
  let [sent, failed] = [0, 0];
  const began = performance.now();
  for (const arrivalMs of arrivals) {
    const early = arrivalMs - (performance.now() - began);
    if (early > 1) await delay(early);
    const request = requestAt(sent++);
    clients.send(request).then(
      ({ status, head }) => {
        const atMs = performance.now() - began;
        answers.push({ status, ms: atMs - arrivalMs, atMs, head });
      },
      () => (failed += 1),
    );
  }
  const giveUpAt = performance.now() + lastAnswersMs;
  while (answers.length + failed < sent && performance.now() < giveUpAt) await delay(10);
  const result = { seconds, sent, answers: [...answers], failed, unanswered: sent - answers.length - failed };
  clients.close();
  return result;
}

/** Throws, with what came instead, unless every request was answered with 200. */
export function assertAllAnswered({ sent, answers, failed, unanswered }, who) {
  const bad = answers.filter(({ status }) => status !== 200).map(({ status }) => status);
  if (bad.length + failed + unanswered === 0) return;
  const statuses = bad.length === 0 ? '' : ` (${[...new Set(bad)].join(', ')})`;
  const counts = `${bad.length} refused${statuses}, ${failed} broken off, ${unanswered} without an answer`;
  throw new Error(`${who}: of ${sent} requests ${counts}.`);
}

/** Moments in milliseconds from the start. */
function arrivalsOf({ perSecond, seconds }) {
  const random = seeded(20);
  const arrivals = [];
  for (let at = 0; at < seconds * 1000; at -= (Math.log(1 - random()) * 1000) / perSecond) arrivals.push(at);
  return arrivals;
}

/** mulberry32: small, and the same everywhere. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Connections that are opened as they are needed; beyond the most there may be, requests wait for one. */
class Clients {
  #url;
  #idle = [];
  #all = new Set();
  #waiting = [];

  constructor(url) {
    this.#url = url;
  }

  async prepare(count) {
    const connections = Array.from({ length: Math.min(count, MOST_CONNECTIONS) }, () => this.#open());
    await Promise.all(connections.map((connection) => connection.opened()));
    this.#idle.push(...connections);
  }

  async send(request) {
    const connection =
      this.#takeIdle() ?? this.#open() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      const answer = await connection.send(request);
      this.#release(connection);
      return answer;
    } catch (error) {
      this.#all.delete(connection);
      connection.close();
      const next = this.#waiting.shift();
      next?.(this.#open());
      throw error;
    }
  }

  close() {
    this.#waiting = [];
    for (const connection of this.#all) connection.close();
  }

  /** One that the server has not closed meanwhile. */
  #takeIdle() {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.isOpen) return connection;
      this.#all.delete(connection);
    }
    return undefined;
  }

  #open() {
    if (this.#all.size >= MOST_CONNECTIONS) return undefined;
    const connection = new Connection(this.#url);
    this.#all.add(connection);
    return connection;
  }

  #release(connection) {
    const next = this.#waiting.shift();
    if (next) next(connection);
    else this.#idle.push(connection);
  }
}
