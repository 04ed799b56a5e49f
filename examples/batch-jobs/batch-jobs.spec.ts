import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually, opened, temporaryDirectory, testDatabase } from '@app/testing';
import { DEFAULT_MODELS } from '../../test/e2e/door';
import { JobClient } from '../../test/e2e/job-client';
import { ServerProcess } from '../../test/e2e/server-process';

const KEY = Buffer.alloc(32, 7);
const SECRET = `whsec_${KEY.toString('base64')}`;
const QUESTIONS = join(__dirname, 'questions.jsonl');

/** One of the programs, and what it says. */
class Program implements AsyncDisposable {
  said = '';
  private readonly closed = opened('example');
  private readonly ended: Promise<unknown>;

  constructor(name: string, args: readonly string[], settings: Readonly<Record<string, string>>) {
    const env = { PATH: process.env['PATH'], ...settings };
    this.child = spawn(process.execPath, [join(__dirname, name), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (chunk) => (this.said += String(chunk)));
    this.ended = once(this.child, 'close').finally(this.closed);
  }

  private readonly child: ChildProcess;

  /** What follows these words, once the program has said them. */
  async says(words: RegExp): Promise<string> {
    return (await eventually(() => words.exec(this.said) ?? false))[1] ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill();
    await this.ended;
  }
}

const receiver = (): Program => new Program('receive-webhook.mts', [], { JOB_WEBHOOK_SECRET: SECRET, PORT: '0' });

describe('receive-webhook.mts', () => {
  const body = '{"type":"job.failed","data":{"id":"job_1","links":{"results":"/r"}}}';
  const now = (): number => Math.floor(Date.now() / 1000);
  const signed = (id: string, timestamp: number, key: Buffer = KEY): Record<string, string> => ({
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  });

  it('takes a message once that is signed, and none that is forged, changed or old', async () => {
    await using program = receiver();
    const port = await program.says(/listening on (\d+)/);
    const post = async (headers: Record<string, string>, content = body): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: content })).status;
    expect(await post(signed('msg_1', now(), Buffer.alloc(32, 8)))).toBe(401);
    expect(await post(signed('msg_1', now()), body.replace('job_1', 'job_2'))).toBe(401);
    expect(await post(signed('msg_1', now() - 600))).toBe(401);
    expect(await post({})).toBe(401);
    const both = { ...signed('msg_1', now()) };
    both['webhook-signature'] = `v1,AAAA ${both['webhook-signature']}`;
    expect([await post(both), await post(both)]).toEqual([204, 204]);
    await program.says(/job\.failed: (job_1)/);
    expect(program.said.match(/job_1/g)).toHaveLength(1);
  });
});

describe('the examples of jobs against a server', () => {
  it('give every row its result, and hear of the end', async () => {
    await using here = await testDatabase({ migrated: false });
    await using program = receiver();
    const port = await program.says(/listening on (\d+)/);
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: DEFAULT_MODELS, DATABASE_URL: here.url, HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
      ...{ JOB_WEBHOOK_SECRET: SECRET, JOB_WEBHOOK_ALLOW_HOSTS: `127.0.0.1:${port}`, JOB_RECONCILE_MS: '200' },
    });
    const url = await server.ready();
    const output = join(await temporaryDirectory(), 'results.jsonl');
    const child = spawn(process.execPath, [join(__dirname, 'submit-job.mts'), QUESTIONS, 'banking-intents', output], {
      env: { PATH: process.env['PATH'], QUAYSIDE_URL: url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect([code, said.trimEnd().split('\n').at(-1)]).toEqual([
      0,
      expect.stringMatching(/ succeeded 100 %, 0 failed$/),
    ]);
    const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['q1', 'q2', 'q3', 'q4', 'q5']);

    const rows = [{ text: 'I lost my phone' }];
    const options = { model: 'banking-intents', webhook_url: `http://127.0.0.1:${port}/jobs` };
    const { id } = await new JobClient(url).submit(rows, options);
    await program.says(new RegExp(`job\\.succeeded: (${id}), results at /v1/jobs/`));
  });
});
