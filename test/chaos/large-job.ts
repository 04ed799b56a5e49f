import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { JobJson, ResultLine } from '../e2e/job-client';

const ROWS_A_PIECE = 1000;
const POLL_SECONDS = 20;

/** Rows to send, made as they are needed: nothing here holds them all. */
export interface LargeJob {
  readonly model: string;
  readonly count: number;
  readonly rowAt: (index: number) => object;
}

/** Streams the rows as NDJSON, and gives the job of the 202. */
export async function submitLarge(url: string, job: LargeJob): Promise<JobJson> {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: Readable.toWeb(Readable.from(piecesOf(job))),
    duplex: 'half',
  };
  const response = await fetch(`${url}/v1/jobs?model=${job.model}`, request as RequestInit);
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as JobJson;
}

function* piecesOf({ count, rowAt }: LargeJob): Generator<Buffer> {
  for (let from = 0; from < count; from += ROWS_A_PIECE) {
    const rows = Array.from({ length: Math.min(ROWS_A_PIECE, count - from) }, (_, at) => rowAt(from + at));
    yield Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
}

/** Resolves with the job once it has ended, however long that takes. */
export async function endOf(url: string, { id }: JobJson): Promise<JobJson> {
  for (let etag = ''; ;) {
    const response = await fetch(`${url}/v1/jobs/${id}?wait=${POLL_SECONDS}`, { headers: { 'if-none-match': etag } });
    if (response.status === 304) continue;
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    const job = (await response.json()) as JobJson;
    if (job.finished_at !== null) return job;
    etag = response.headers.get('etag') ?? '';
  }
}

/** Takes each result line, in the order of arrival, and waits for `take` where it gives a promise, as a slow reader does. */
export async function readResults(
  url: string,
  { id }: JobJson,
  take: (line: ResultLine) => void | Promise<void>,
): Promise<number> {
  const response = await fetch(`${url}/v1/jobs/${id}/results`);
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`);
  const lines = createInterface({ input: Readable.fromWeb(response.body), crlfDelay: Infinity });
  let count = 0;
  for await (const line of lines) {
    count += 1;
    await take(JSON.parse(line) as ResultLine);
  }
  return count;
}
