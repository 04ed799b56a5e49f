/**
 * Sends a file of rows as a job, follows it, and writes its results while it runs. However large the file is, little of it
 * is in memory at any time.
 *
 *   npx node examples/batch-jobs/submit-job.mts my-rows.jsonl banking-intents my-results.jsonl
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';

const SERVER = process.env['QUAYSIDE_URL'] ?? 'http://127.0.0.1:8080';
const [rows = 'my-rows.jsonl', model = 'banking-intents', output = 'my-results.jsonl'] = process.argv.slice(2);

/** What of a job is looked at here. */
interface Job {
  readonly id: string;
  readonly status: string;
  readonly finished_at: string | null;
  readonly progress: { readonly percent: number | null };
  readonly counts: { readonly total: number; readonly succeeded: number; readonly failed: number };
}

/** Refusals as errors, in the words of the server. */
async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`${SERVER}${path}`, init);
  if (response.ok || response.status === 304) return response;
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  throw new Error(`${error.code}: ${error.message}`);
}

async function submit(): Promise<Job> {
  const response = await call(`/v1/jobs?${new URLSearchParams({ model, id_field: 'id' }).toString()}`, {
    method: 'POST',
    // A second try with the same key gives the job of the first.
    headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': randomUUID() },
    body: Readable.toWeb(createReadStream(rows)) as ReadableStream,
    duplex: 'half',
  });
  return (await response.json()) as Job;
}

/** The job now and at each change, until it has ended. The server holds an answer back until there is news: nothing spins. */
async function* changes(id: string): AsyncGenerator<Job> {
  let tag: string | null = null;
  for (;;) {
    const response: Response =
      tag === null
        ? await call(`/v1/jobs/${id}`)
        : await call(`/v1/jobs/${id}?wait=30`, { headers: { 'if-none-match': tag } });
    if (response.status === 304) continue;
    tag = response.headers.get('etag');
    const job = (await response.json()) as Job;
    yield job;
    if (job.finished_at !== null) return;
  }
}

const file = createWriteStream(output);
let after: string | undefined;

/** Appends the result lines that have come since the last time. */
async function fetchNews(id: string): Promise<void> {
  const query = new URLSearchParams(after === undefined ? {} : { after });
  const response = await call(`/v1/jobs/${id}/results?${query.toString()}`);
  for await (const bytes of response.body ?? []) if (!file.write(bytes)) await once(file, 'drain');
  // Kept only now: had the connection broken before, the same lines would be asked for again.
  after = response.headers.get('x-next-cursor') ?? undefined;
}

const { id } = await submit();
for await (const { status, progress, counts } of changes(id)) {
  console.log(`${id} ${status} ${progress.percent ?? 0} %, ${counts.failed} failed`);
  await fetchNews(id);
}
file.end();
await once(file, 'close');
