import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { Transform } from 'node:stream';
import { follow } from './follow.mjs';
import { inputOf } from './input.mjs';
import { jobLines, outcomeLines, tableLines } from './render.mjs';
import { ResultFile, fetchResults } from './results.mjs';
import { submitQuery } from './submit-query.mjs';
import { UsageFault } from './usage.mjs';

/** Sends a file of rows. On stdout stands the id of the job, or with --json the job. */
export async function submit(call) {
  const { flags, operand, progress } = call;
  if (flags.output && !flags.wait) throw new UsageFault('--output needs --wait: there are no results yet.');
  const input = inputOf(operand, { ...call, format: flags.format });
  const job = await sent(call, { input, query: submitQuery(flags) });
  const { counts, model, id } = job;
  progress.tell(`${input.name} is ${id}: ${counts.total ?? '?'} rows for ${model.name} version ${model.version}.`);
  if (!flags.wait) {
    say(call, job, id);
    progress.tell(`Follow it: ${again(call, `show ${id} --wait`)}`);
    return 0;
  }
  return flags.output ? results({ ...call, operand: id }) : followed(call, id);
}

async function sent(call, { input, query }) {
  const { api, patience, progress, signal } = call;
  const key = call.flags['idempotency-key'] ?? randomUUID();
  const headers = { ...input.headers, 'idempotency-key': key };
  const send = () => api.submit({ query, headers, body: input.open().pipe(counted(input, progress)), signal });
  try {
    // With the same key a second try never makes a second job. What came through a pipe is gone.
    return await (input.again ? patience.with(send) : send());
  } catch (fault) {
    if (signal.aborted) progress.tell(`No job was confirmed. To be sure, send it again with --idempotency-key ${key}`);
    throw fault;
  }
}

function counted({ name, size }, progress) {
  let bytes = 0;
  return new Transform({
    transform(chunk, _encoding, done) {
      bytes += chunk.length;
      progress.showSent(name, bytes, size);
      done(undefined, chunk);
    },
  });
}

/** Prints the newest jobs, a line each. */
export async function list(call) {
  const { status, model, limit, after } = call.flags;
  const page = await call.patience.with(() => call.api.list({ status, model, limit, after }, call.signal));
  say(call, page, ...tableLines(page.data));
  if (page.next_cursor) call.progress.tell(`More: ${again(call, `list --after ${page.next_cursor}`)}`);
  return 0;
}

/** Prints one job, at once or when it has ended. */
export async function show(call) {
  const { api, patience, signal, operand: id, flags } = call;
  if (flags.wait) return followed(call, id);
  const { job } = await patience.with(() => api.read(id, { signal }));
  say(call, job, ...jobLines(job));
  return 0;
}

/** Cancels a job. What has been answered stays. */
export async function stop(call) {
  return acted(call, await call.patience.with(() => call.api.act(call.operand, 'cancel', call.signal)));
}

/** Runs failed rows again. Not tried twice: if the first try was heard, the second is refused. */
export async function runAgain(call) {
  return acted(call, await call.api.act(call.operand, 'retry', call.signal));
}

function acted(call, job) {
  if (call.flags.wait) return followed(call, job.id);
  say(call, job, ...jobLines(job));
  return 0;
}

/** Removes a job that has ended. */
export async function remove({ api, operand: id, signal, progress }) {
  await api.remove(id, signal);
  progress.tell(`${id} is deleted, with its rows and results.`);
  return 0;
}

/** Follows a job to its end and prints what became of it. */
async function followed(call, id) {
  const job = await watched(call, id, () => follow(id, call));
  call.progress.close();
  say(call, job, ...outcomeLines(job));
  if (job.counts.succeeded + job.counts.failed > 0)
    call.progress.tell(`Its results: ${again(call, `results ${id} --output results.jsonl`)}`);
  return exitCodeOf(job);
}

/** Fetches the result lines that there are, to stdout or a file; with --wait when the job has ended. */
export async function results(call) {
  const { api, patience, signal, operand: id, flags, progress } = call;
  if (flags.only !== undefined && flags.only !== 'errors') throw new UsageFault('--only takes errors.');
  if (flags.output && flags.after) throw new UsageFault('--output knows where it stopped: leave --after out.');
  const read = async () => (await patience.with(() => api.read(id, { signal }))).job;
  const job = flags.wait ? await watched(call, id, () => follow(id, call)) : await read();
  progress.close();
  if (flags.wait) for (const line of outcomeLines(job)) progress.tell(line);
  const to = flags.output
    ? new ResultFile(resolve(call.cwd, flags.output), { ...job, only: flags.only })
    : inLine(call);
  const isComplete = await fetchResults(id, { api, patience, signal, only: flags.only, to });
  await to.close({ isComplete });
  if ((await read()).attempt !== job.attempt) {
    progress.tell('The job was retried meanwhile, and rows may have other answers now: fetch them again.');
    return 1;
  }
  progress.tell(whatCame(call, { job, to, isComplete }));
  return flags.wait ? exitCodeOf(job) : 0;
}

function whatCame(call, { job, to, isComplete }) {
  const { flags } = call;
  const lines = `${to.lines.toLocaleString('en-US')} ${flags.only ? 'errors' : 'result lines'}`;
  const where = flags.output ? ` in ${flags.output}` : '';
  if (isComplete) return `${lines}${where}, all there are.`;
  const rest = flags.output ? `--output ${flags.output}` : `--after ${to.after}`;
  const only = flags.only ? ` --only ${flags.only}` : '';
  return `${lines}${where} so far, the job is ${job.status}. The rest: ${again(call, `results ${job.id}${only} ${rest}`)}`;
}

/** Result lines on stdout, behind a cursor that was given. */
function inLine({ stdout, flags }) {
  return {
    lines: 0,
    after: flags.after,
    async write(bytes) {
      if (!stdout.write(bytes)) await once(stdout, 'drain');
    },
    pageEnds(cursor, lines) {
      this.after = cursor;
      this.lines += lines;
    },
    close() {},
  };
}

/** Does something that may take long; on Ctrl-C says that the job goes on, and how to come back to it. */
async function watched(call, id, work) {
  try {
    return await work();
  } catch (fault) {
    if (call.signal.aborted) call.progress.tell(`${id} goes on. Follow it: ${again(call, `show ${id} --wait`)}`);
    throw fault;
  }
}

/** Prints for a person, or for a program what the server said. */
function say({ flags, stdout }, answer, ...lines) {
  stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : lines.map((line) => `${line}\n`).join(''));
}

/** A command line that goes on from here. */
function again({ flags }, command) {
  return `npm run jobs -- ${command}${flags.url ? ` --url ${flags.url}` : ''}`;
}

function exitCodeOf({ status, counts }) {
  if (status !== 'succeeded') return 1;
  return counts.failed > 0 ? 3 : 0;
}
