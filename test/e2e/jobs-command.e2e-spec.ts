import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { temporaryDirectory, testDatabase } from '@app/testing';
import { type JobsRun, runJobs } from '../integration/jobs-command';
import { DEFAULT_MODELS } from './door';
import { JobClient } from './job-client';
import { ServerProcess } from './server-process';

const QUESTIONS = ['My card has not arrived', 'I lost my phone', 'Why was I charged twice?', 'Change my PIN'];
const NDJSON = QUESTIONS.map((text) => `${JSON.stringify({ text })}\n`).join('');
const CSV = `text\n${QUESTIONS.map((text) => `"${text}"\n`).join('')}`;

/** Everything here shares one server; each test submits jobs of its own. */
let here: Awaited<ReturnType<typeof testDatabase>>;
let server: ServerProcess;
let around: { readonly url: string; readonly cwd: string };

beforeAll(async () => {
  here = await testDatabase({ migrated: false });
  server = await ServerProcess.start({
    ...{ MODEL_DIR: DEFAULT_MODELS, DATABASE_URL: here.url },
    ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
  });
  around = { url: await server.ready(), cwd: await temporaryDirectory() };
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await here.close();
});

const file = (name: string, bytes: string | Uint8Array): void => writeFileSync(join(around.cwd, name), bytes);
const submit = (name: string, ...more: string[]): Promise<JobsRun> =>
  runJobs(['submit', name, '--model', 'banking-intents', '--wait', ...more], around);

/** The best label of each result line, or its error. */
function labels(jsonl: string): readonly string[] {
  return jsonl
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { output?: { predictions: { label: string }[] }; error?: { code: string } })
    .map(({ output, error }) => output?.predictions[0]?.label ?? error?.code ?? '');
}

describe('npm run jobs against a server', () => {
  it('runs the same rows alike, however they are written', async () => {
    const inputs = {
      'rows.jsonl': NDJSON,
      'rows.csv': CSV,
      'rows.json': JSON.stringify(QUESTIONS.map((text) => ({ text }))),
      'rows.ndjson.gz': gzipSync(NDJSON),
      'rows.csv.zst': zstdCompressSync(CSV),
    };
    const answers: string[] = [];
    for (const [name, bytes] of Object.entries(inputs)) {
      file(name, bytes);
      const run = await submit(name, '--output', `${name}.out`);
      expect([name, run.code, run.told]).toEqual([name, 0, expect.stringContaining('4 of 4 rows succeeded')]);
      answers.push(readFileSync(join(around.cwd, `${name}.out`), 'utf8'));
    }
    expect(labels(answers[0] ?? '')).toHaveLength(4);
    expect(answers.slice(1)).toEqual(answers.slice(1).map(() => answers[0]));
  });

  it('takes standard input, options, metadata and ids, and gives failed rows alone', async () => {
    const flags = '--model banking-intents@1 --format jsonl --id-field n --option top_k=1 --metadata owner=me';
    const stdin = '{"n": 7, "text": "I lost my phone"}\n{"n": 8, "txt": "?"}\n';
    const run = await runJobs(['submit', '-', ...flags.split(' '), '--wait', '--json'], { ...around, stdin });
    expect(run.code).toBe(3);
    const job = JSON.parse(run.out) as { id: string };
    expect(job).toMatchObject({ metadata: { owner: 'me' }, counts: { total: 2, succeeded: 1, failed: 1 } });
    const all = await runJobs(['results', job.id], around);
    expect(labels(all.out)).toEqual(['lost_or_stolen_phone', 'invalid_input']);
    expect(all.out.split('\n')[0]).toMatch(/^\{"index":0,"id":"7","output":\{"predictions":\[\{[^[]*\]\}\}$/);
    const failed = await runJobs(['results', job.id, '--only', 'errors'], around);
    expect(failed.out).toBe(`${all.out.split('\n')[1]}\n`);
  });

  it('runs failed rows again, and deletes', async () => {
    file('bad.jsonl', '{"txt": "?"}\n');
    const run = await submit('bad.jsonl', '--json');
    const { id } = JSON.parse(run.out) as { id: string };
    const again = await runJobs(['retry', id, '--wait', '--json'], around);
    expect([again.code, JSON.parse(again.out)]).toEqual([3, expect.objectContaining({ id, attempt: 2 })]);
    expect((await runJobs(['list', '--limit', '1'], around)).out).toMatch(new RegExp(`^${id}  succeeded`));
    expect((await runJobs(['delete', id], around)).code).toBe(0);
    const gone = await runJobs(['show', id], around);
    expect([gone.code, gone.told]).toEqual([1, expect.stringContaining('(job_not_found)')]);
  });

  it('says why a job is not taken', async () => {
    file('rows.jsonl', NDJSON);
    const unknown = await runJobs(['submit', 'rows.jsonl', '--model', 'nobody'], around);
    expect([unknown.code, unknown.out]).toEqual([1, '']);
    expect(unknown.told).toContain('(model_not_found)');
    file('broken.jsonl', `${NDJSON}{"text": \n`);
    const rejected = await submit('broken.jsonl', '--on-invalid', 'reject');
    expect(rejected.code).toBe(1);
    expect(rejected.told).toMatch(/\bline 5\b/i);
  });

  it('ends with 1 when the job was cancelled, and keeps what there is', async () => {
    file('many.jsonl', NDJSON.repeat(20_000));
    const { out } = await runJobs(['submit', 'many.jsonl', '--model', 'banking-intents', '--priority', 'low'], around);
    const id = out.trim();
    const cancelled = await runJobs(['cancel', id, '--wait'], around);
    expect(cancelled.code).toBe(1);
    expect(cancelled.out).toContain(`${id} cancelled`);
    const { counts } = await new JobClient(around.url).show(id);
    const kept = await runJobs(['results', id, '--output', 'kept.jsonl'], around);
    expect([kept.code, counts.total]).toEqual([0, 80_000]);
    const lines = readFileSync(join(around.cwd, 'kept.jsonl'), 'utf8').split('\n').length - 1;
    expect(lines).toBe(counts.succeeded + counts.failed);
  });
});
