import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@app/testing';
import { type JobsRun, runJobs } from './jobs-command';
import { type Answer, type Asked, ScriptedJobsServer, aJob, anEndedJob } from './scripted-jobs-server';

const LINES = Array.from({ length: 10 }, (_, index) => `{"index":${index},"id":"r${index}","output":{}}\n`).join('');
const COMPLETE = { 'x-job-status': 'succeeded', 'x-next-cursor': 'ten', 'x-results-complete': 'true' };

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryDirectory();
  writeFileSync(join(cwd, 'rows.jsonl'), '{"text":"a"}\n{"text":"b"}\n');
});

/** Runs the command against a server with these answers; gives what it was asked too. */
async function jobs(
  args: readonly string[],
  answer: (asked: Asked, count: number) => Answer,
  stdin = '',
): Promise<JobsRun & { readonly asked: readonly Asked[] }> {
  let count = 0;
  await using server = await ScriptedJobsServer.start((asked) => answer(asked, count++));
  return { ...(await runJobs(args, { url: server.url, cwd, stdin })), asked: server.asked };
}

function refusal(status: number, code: string, more: object = {}): Answer {
  return { status, body: { error: { code, message: `About ${code}.`, details: [], retryable: false, ...more } } };
}

describe('npm run jobs -- submit', () => {
  it('sends the file with what was said about it, and prints the id alone on stdout', async () => {
    const flags = '--model intents@2 --id-field n --priority low --webhook-url https://a.test/b --on-invalid reject';
    const more = '--option top_k=3 --metadata owner=me --metadata run=7 --idempotency-key k1';
    const run = await jobs(['submit', 'rows.jsonl', ...flags.split(' '), ...more.split(' ')], () => ({
      status: 202,
      body: aJob({ status: 'queued' }),
    }));
    expect(run).toMatchObject({ code: 0, out: 'job_1\n' });
    expect(run.told).toContain('npm run jobs -- show job_1 --wait');
    const [asked] = run.asked;
    expect(asked).toMatchObject({ method: 'POST', path: '/v1/jobs' });
    expect(asked?.query).toEqual({
      ...{ model: 'intents@2', id_field: 'n', priority: 'low', on_invalid: 'reject' },
      ...{ webhook_url: 'https://a.test/b', options: '{"top_k":3}', metadata: '{"owner":"me","run":"7"}' },
    });
    expect(asked?.headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'idempotency-key': 'k1' });
    expect(asked?.body.toString()).toBe('{"text":"a"}\n{"text":"b"}\n');
  });

  it.each([
    ['rows.csv', 'text/csv', undefined],
    ['rows.json', 'application/json', undefined],
    ['rows.ndjson.gz', 'application/x-ndjson', 'gzip'],
    ['rows.CSV.zst', 'text/csv', 'zstd'],
  ])('tells by the name how %s is written', async (name, type, encoding) => {
    writeFileSync(join(cwd, name), 'rows');
    const run = await jobs(['submit', name, '--model', 'm'], () => ({ status: 202, body: aJob() }));
    expect(run.asked[0]?.headers['content-type']).toBe(type);
    expect(run.asked[0]?.headers['content-encoding']).toBe(encoding);
  });

  it('reads standard input, whose format has to be said', async () => {
    const answer = (): Answer => ({ status: 202, body: aJob() });
    const run = await jobs(['submit', '-', '--model', 'm', '--format', 'csv'], answer, 'text\nhello\n');
    expect([run.code, run.asked[0]?.body.toString()]).toEqual([0, 'text\nhello\n']);
    const unsaid = await jobs(['submit', '-', '--model', 'm'], answer, 'text\n');
    expect([unsaid.code, unsaid.asked]).toEqual([2, []]);
    expect(unsaid.told).toContain('--format');
  });

  it('sends the same under the same key again when the server restarts or the answer is lost', async () => {
    const run = await jobs(['submit', 'rows.jsonl', '--model', 'm'], (_, count) =>
      count === 0
        ? refusal(503, 'shutting_down', { retryable: true, retry_after_ms: 1 })
        : { status: 202, body: aJob(), ...(count === 1 && { cutAt: 9 }) },
    );
    expect(run.code).toBe(0);
    expect(run.asked).toHaveLength(3);
    expect(new Set(run.asked.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(new Set(run.asked.map(({ body }) => body.toString())).size).toBe(1);
  });

  it('says in the words of the server why it was refused', async () => {
    const details = [{ field: 'line 2', code: 'invalid_input', message: 'Line 2 is no object.' }];
    const run = await jobs(['submit', 'rows.jsonl', '--model', 'm'], () =>
      refusal(400, 'invalid_request', { details }),
    );
    expect(run).toMatchObject({
      code: 1,
      out: '',
      told: 'About invalid_request. (invalid_request)\nLine 2 is no object.\n',
    });
  });

  it('follows the job with --wait, asking only for news, and ends with 0', async () => {
    const run = await jobs(['submit', 'rows.jsonl', '--model', 'm', '--wait'], ({ method }, count) => {
      if (method === 'POST') return { status: 202, body: aJob({ status: 'queued' }) };
      if (count === 2) return { status: 304, headers: { etag: '"3"' } };
      return count === 1 ? { headers: { etag: '"3"' }, body: aJob() } : { body: anEndedJob() };
    });
    expect(run.code).toBe(0);
    expect(run.out).toBe('job_1 succeeded after 1 min 12 s: 10 of 10 rows succeeded, 0 failed.\n');
    expect(run.told).toContain('job_1 running 40.0 % · 4 of 10 rows · 2 rows/s · 3 s left\n');
    expect(run.asked[1]?.query).toEqual({});
    expect(run.asked[2]).toMatchObject({ query: { wait: '30' }, headers: { 'if-none-match': '"3"' } });
  });

  it.each([
    ['3 when rows failed', anEndedJob(2), 3, 'row 7 (r7): Field "text" is missing. (invalid_input)\n  and 1 more'],
    [
      '1 when the job did',
      aJob({ status: 'failed', error: { code: 'model_gone', message: 'Gone.' } }),
      1,
      'Gone. (model_gone)',
    ],
    ['1 when it was cancelled', aJob({ status: 'cancelled' }), 1, '4 of 10 rows succeeded, 0 failed, 6 not run'],
  ])('ends with %s', async (_, ended, code, said) => {
    const run = await jobs(['submit', 'rows.jsonl', '--model', 'm', '--wait'], ({ method }) => ({
      status: method === 'POST' ? 202 : 200,
      body: ended,
    }));
    expect(run.code).toBe(code);
    expect(run.out).toContain(said);
  });

  it('leaves the job running on Ctrl-C and says how to follow it', async () => {
    const held = Promise.withResolvers<void>();
    await using server = await ScriptedJobsServer.start(({ method, query }) => {
      if (query['wait']) held.resolve();
      return { status: method === 'POST' ? 202 : 200, headers: { etag: '"3"' }, body: aJob() };
    });
    const run = await runJobs(['submit', 'rows.jsonl', '--model', 'm', '--wait'], {
      ...{ url: server.url, cwd },
      started: (child) => void held.promise.then(() => child.kill('SIGINT')),
    });
    expect(run.code).toBe(130);
    expect(run.told).toContain('job_1 goes on. Follow it: npm run jobs -- show job_1 --wait\n');
    expect(server.asked.some(({ method, path }) => method !== 'GET' && path !== '/v1/jobs')).toBe(false);
  });
});

describe('npm run jobs -- results', () => {
  it('prints the lines, page after page', async () => {
    const run = await jobs(['results', 'job_1'], ({ path, query }) => {
      if (!path.endsWith('/results')) return { body: anEndedJob() };
      if (query['after'] === 'five') return { headers: COMPLETE, body: LINES.slice(LINES.length / 2) };
      return {
        headers: { ...COMPLETE, 'x-next-cursor': 'five', 'x-results-complete': 'false' },
        body: LINES.slice(0, LINES.length / 2),
      };
    });
    expect(run).toMatchObject({ code: 0, out: LINES, told: '10 result lines, all there are.\n' });
  });

  it('writes each line once, though connections break', async () => {
    const run = await jobs(['results', 'job_1', '--output', 'out.jsonl'], ({ path }, count) => {
      if (!path.endsWith('/results')) return { body: anEndedJob() };
      return { headers: COMPLETE, body: LINES, ...(count < 3 && { cutAt: 100 * count + 7 }) };
    });
    expect(run.code).toBe(0);
    expect(readFileSync(join(cwd, 'out.jsonl'), 'utf8')).toBe(LINES);
    expect(existsSync(join(cwd, 'out.jsonl.cursor'))).toBe(false);
  });

  it('goes on in a file where an earlier command stopped, unless the job was retried', async () => {
    const file = (): string => readFileSync(join(cwd, 'out.jsonl'), 'utf8');
    const half = LINES.slice(0, LINES.length / 2);
    const so = (next: string, isComplete: boolean) => ({
      'x-next-cursor': next,
      'x-results-complete': String(isComplete),
    });
    const fetched = (attempt: number, answer: (after: string | undefined) => Answer) =>
      jobs(['results', 'job_1', '--output', 'out.jsonl'], ({ path, query }) =>
        path.endsWith('/results') ? answer(query['after']) : { body: aJob({ attempt }) },
      );
    const first = await fetched(1, (after) => ({ headers: so('five', false), body: after === undefined ? half : '' }));
    expect(first.told).toContain('the job is running. The rest: npm run jobs -- results job_1 --output out.jsonl');
    writeFileSync(join(cwd, 'out.jsonl'), `${half}{"index":5,"id":`);
    const others = { five: LINES.slice(half.length), ten: '' };
    const second = await fetched(1, (after) => ({ headers: so('ten', false), body: others[after as 'five' | 'ten'] }));
    expect([second.code, file()]).toEqual([0, LINES]);
    const retried = await fetched(2, (after) => ({
      headers: so('five', true),
      body: after === undefined ? half : LINES,
    }));
    expect([retried.code, file()]).toEqual([0, half]);
  });

  it('asks for failed rows alone, from a cursor on', async () => {
    const run = await jobs(['results', 'job_1', '--only', 'errors', '--after', 'five'], ({ path }) =>
      path.endsWith('/results') ? { headers: COMPLETE, body: '' } : { body: anEndedJob() },
    );
    expect(run.asked[1]?.query).toMatchObject({ only: 'errors', after: 'five' });
    expect(run.told).toBe('0 errors, all there are.\n');
  });
});

describe('npm run jobs', () => {
  it('lists jobs a line each, and says how to see more', async () => {
    const data = [aJob(), anEndedJob(1)];
    const run = await jobs(['list', '--status', 'running', '--limit', '2'], () => ({
      body: { data, next_cursor: 'c2' },
    }));
    expect(run.out).toBe(
      [
        'job_1  running    intents@2  4/10             2026-01-01T00:00:00Z',
        'job_1  succeeded  intents@2  10/10  1 failed  2026-01-01T00:00:00Z',
        '',
      ].join('\n'),
    );
    expect(run.told).toContain('list --after c2');
    expect(run.asked[0]?.query).toEqual({ status: 'running', limit: '2' });
  });

  it('shows a job for people, and with --json as the server tells it', async () => {
    const run = await jobs(['show', 'job_1'], () => ({ body: anEndedJob(1) }));
    expect(run.out).toContain('model          intents version 2\n');
    expect(run.out).toContain('row 7 (r7): Field "text" is missing. (invalid_input)\n');
    const json = await jobs(['show', 'job_1', '--json'], () => ({ body: anEndedJob(1) }));
    expect(JSON.parse(json.out)).toEqual(anEndedJob(1));
  });

  it('cancels, retries and deletes', async () => {
    const answer = ({ method }: Asked): Answer => ({ status: method === 'DELETE' ? 200 : 202, body: aJob() });
    const asked = await Promise.all(
      ['cancel', 'retry', 'delete'].map(async (verb) => (await jobs([verb, 'job_1'], answer)).asked),
    );
    expect(asked.map(([one]) => `${one?.method} ${one?.path}`)).toEqual([
      'POST /v1/jobs/job_1/cancel',
      'POST /v1/jobs/job_1/retry',
      'DELETE /v1/jobs/job_1',
    ]);
  });

  it('waits for a server that goes away while it follows', async () => {
    const run = await jobs(['show', 'job_1', '--wait'], (_, count) => {
      if (count === 0) return { headers: { etag: '"3"' }, body: aJob() };
      return count === 1 ? { body: 'x'.repeat(99), cutAt: 1 } : { body: anEndedJob() };
    });
    expect(run.code).toBe(0);
    expect(run.told).toMatch(/does not answer \(.*\)\. Trying again\./);
  });

  it('does not wait for a server that never answered', async () => {
    const run = await runJobs(['show', 'job_1', '--wait', '--url', 'http://127.0.0.1:1'], { url: '', cwd });
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.told).toContain('--url or QUAYSIDE_URL');
  });

  it.each([
    ['nothing', []],
    ['an unknown command', ['sumbit', 'rows.jsonl']],
    ['an unknown flag', ['list', '--limits', '2']],
    ['no model', ['submit', 'rows.jsonl']],
    ['no file', ['submit', '--model', 'm']],
    ['a file whose name says nothing', ['submit', 'rows.txt', '--model', 'm']],
    ['an address that is none', ['list', '--url', 'localhost:8080']],
    ['metadata without a name', ['submit', 'rows.jsonl', '--model', 'm', '--metadata', 'x']],
    ['results for nobody', ['submit', 'rows.jsonl', '--model', 'm', '--output', 'x']],
  ])('explains itself and ends with 2 on %s', async (_, args) => {
    const run = await jobs(args, () => ({ body: {} }));
    expect([run.code, run.asked]).toEqual([2, []]);
    expect(run.told).toContain('npm run jobs -- submit <file> --model <name>');
  });

  it('names a file that is not there', async () => {
    const run = await jobs(['submit', 'none.jsonl', '--model', 'm'], () => ({ body: {} }));
    expect(run.code).toBe(1);
    expect(run.told).toContain('none.jsonl');
  });
});

describe('on a terminal', () => {
  it('one line changes in place and fits its width, and what else is said stands below it', async () => {
    const path = '../../scripts/jobs/follow.mjs';
    const { Progress } = (await import(path)) as { Progress: new (stream: object) => ProgressOfJobs };
    let written = '';
    const progress = new Progress({ isTTY: true, columns: 72, write: (text: string) => (written += text) });
    progress.showSent('rows.jsonl', 5e6, 2e7);
    progress.show(aJob());
    progress.show(anEndedJob(2));
    progress.tell('said');
    const [bars = '', ...below] = written.split('\n');
    expect(below).toEqual(['said', '']);
    const lines = bars.split('\r').map((line) => line.replace('\x1b[K', ''));
    expect(lines).toEqual([
      '',
      'Sending rows.jsonl: 25 % of 20.0 MB',
      '[#######----------] running 40.0 % · 4 of 10 rows · 2 rows/s · 3 s left',
      '[#############] succeeded 100.0 % · 10 of 10 rows · 2 failed · 2 rows/s',
    ]);
  });
});

interface ProgressOfJobs {
  show(job: object): void;
  showSent(name: string, bytes: number, size: number): void;
  tell(line: string): void;
}
