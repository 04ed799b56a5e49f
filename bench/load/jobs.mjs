import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { literalAt } from '../corpus.mjs';

const POLL_SECONDS = 10;
/** So many rows make one piece of the upload. */
const ROWS_A_PIECE = 1000;

/** Waits until jobs can be had: a server is ready before its database is up. */
export async function whenJobsAreServed(url) {
  while (!(await fetch(new URL('/v1/jobs?limit=1', url))).ok) await delay(100);
}

/** Submits a job of `rows` texts from the corpus, the first of them the `from`-th; gives it as the server has taken it. */
export async function submitJob(url, { model, rows, from = 0 }) {
  const response = await fetch(new URL(`/v1/jobs?model=${model}`, url), {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: Readable.toWeb(Readable.from(pieces(rows, from))),
    duplex: 'half',
  });
  if (response.status !== 202) throw new Error(`A job was answered with ${response.status}: ${await response.text()}`);
  return response.json();
}

function* pieces(rows, from) {
  for (let row = 0; row < rows; row += ROWS_A_PIECE) {
    const count = Math.min(ROWS_A_PIECE, rows - row);
    const lines = Array.from({ length: count }, (_, at) => `{"text":${literalAt(from + row + at)}}\n`);
    yield Buffer.from(lines.join(''));
  }
}

/** Waits until a job has ended, and gives it. Throws unless every row of it succeeded. */
export async function endedJob(url, { id }) {
  for (let etag; ;) {
    const response = await fetch(new URL(`/v1/jobs/${id}?wait=${POLL_SECONDS}`, url), {
      headers: etag === undefined ? {} : { 'if-none-match': etag },
    });
    if (response.status === 304) continue;
    const job = await response.json();
    if (job.status === 'succeeded' && job.counts.failed === 0) return job;
    if (job.finished_at !== null || !response.ok) throw new Error(`The job ended otherwise: ${JSON.stringify(job)}`);
    etag = response.headers.get('etag');
  }
}

/** From the moment the job was asked for until its last result could be fetched, in seconds, by the server's clock. */
export function secondsOf({ created_at: created, finished_at: finished }) {
  return (Date.parse(finished) - Date.parse(created)) / 1000;
}

/** Reads all results as a client does, and counts their lines. */
export async function countResults(url, { id }) {
  const response = await fetch(new URL(`/v1/jobs/${id}/results`, url));
  let lines = 0;
  for await (const bytes of response.body) for (const byte of bytes) if (byte === 0x0a) lines += 1;
  return lines;
}

/** Asks for a job until it has left the queue, so that what is measured beside it runs beside it. */
export async function whenRunning(url, { id }) {
  for (;;) {
    const job = await (await fetch(new URL(`/v1/jobs/${id}`, url))).json();
    if (job.counts.succeeded > 0) return job;
    await delay(100);
  }
}
