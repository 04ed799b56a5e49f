import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bodyAt } from './corpus.mjs';
import { ServerProcess, freePort } from './processes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const bench = join(root, 'bench');
const venv = join(bench, '.venv');
const peers = join(bench, 'peers');
const PEER_WORKERS = { fastapi: 'worker.FastWorker', flask: 'gevent' };

/** Sides that are measured only where `--sides` names them. */
export const ONLY_BY_NAME = new Set(['quayside-1']);

/** Names of the sides that answer over HTTP, as tables print them. */
export const LABELS = {
  quayside: 'Quayside',
  'quayside-1': 'Quayside, one serving process',
  'quayside-no-log': 'Quayside, predictions not logged',
  'quayside-given': 'Quayside, all columns sent',
  fastapi: 'FastAPI, gunicorn, uvicorn',
  flask: 'Flask, gunicorn, gevent',
  'bare-http': 'bare node:http, same bytes',
  'enrich-1': '3 views × 1 entity, 30 features',
  'enrich-100': '3 views × 100 entities, 3,000 features',
  'job-1000': 'a job of 1,000 rows',
  'job-10000': 'a job of 10,000 rows',
  'job-100000': 'a job of 100,000 rows',
  'job-1000000': 'a job of 1,000,000 rows',
  'engine-1': 'bare engine, row by row',
  'engine-best': 'bare engine, best batch size',
};

/** Starts sides. `scratch` is a folder for logs and data; `env` goes to Quayside beside its own environment. */
export class Sides {
  #scratch;
  #options;

  constructor({ scratch, options }) {
    this.#scratch = scratch;
    this.#options = options;
  }

  /** `{ name, url, server, stop() }`, ready to answer. */
  async start(name, { env = {}, path, model, logged = false } = {}) {
    if (name.startsWith('quayside')) {
      const log = { LOG_PREDICTIONS: String(logged && name !== 'quayside-no-log') };
      const processes = name === 'quayside-1' && { HTTP_PROCESSES: '1' };
      return { ...(await this.quayside({ ...log, ...processes, ...env })), name };
    }
    if (name === 'bare-http') return this.#bareHttp({ path, model });
    return this.#peer(name);
  }

  /** Quayside as `npm start` serves it, but for the log of predictions: the other sides keep none. */
  async quayside(env = {}, nodeFlags = []) {
    const port = await freePort();
    const { processes } = this.#options;
    const own = {
      HTTP_PORT: String(port),
      HTTP_HOST: '127.0.0.1',
      DATA_DIR: join(this.#scratch, `data-${port}`),
      LOG_PREDICTIONS: 'false',
    };
    const server = new ServerProcess({
      command: process.execPath,
      args: [...nodeFlags, join(root, 'scripts/start.mjs')],
      cwd: root,
      env: { ...own, ...(processes && { HTTP_PROCESSES: String(processes) }), ...env },
      logFile: this.#logFile('quayside', port),
    });
    return this.#whenReady({ name: 'quayside', port, server, probe: '/ready' });
  }

  /** Four workers behind gunicorn, with a Redis of their own where there is one. */
  async #peer(name) {
    const [port, redis] = [await freePort(), await this.#redis(name)];
    const { peerWorkers, peerThreads } = this.#options;
    const paths = `${join(peers, name)},${join(peers, 'common')}`;
    const server = new ServerProcess({
      command: join(venv, 'bin/gunicorn'),
      args: ['app:application', '-k', PEER_WORKERS[name], '-w', `${peerWorkers}`, '-b', `127.0.0.1:${port}`].concat([
        '--pythonpath',
        paths,
        '--keep-alive',
        '75',
        '--backlog',
        '4096',
        '--log-level',
        'warning',
      ]),
      cwd: join(peers, name),
      env: {
        MODEL_DIR: join(root, 'models'),
        REDIS_PORT: String(redis?.port ?? 0),
        PEER_THREADS: String(peerThreads),
        PYTHONWARNINGS: 'ignore',
        PYTHONDONTWRITEBYTECODE: '1',
      },
      logFile: this.#logFile(name, port),
    });
    return this.#whenReady({ name, port, server, probe: '/health', beside: redis?.server });
  }

  async #redis(name) {
    if (!isInstalled('redis-server')) return undefined;
    const port = await freePort();
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory', '1gb'];
    const server = new ServerProcess({
      command: 'redis-server',
      args: [...args, '--maxmemory-policy', 'allkeys-lru'],
      cwd: this.#scratch,
      logFile: this.#logFile(`redis-${name}`, port),
    });
    await server.ready(() => canConnect(port));
    return { port, server };
  }

  /** Answers every request with what Quayside answered to the first one of the profile, headers and all. */
  async #bareHttp({ path, model }) {
    const original = await this.quayside();
    const init = model && { method: 'POST', headers: { 'content-type': 'application/json' }, body: bodyAt(0, model) };
    const response = await fetch(new URL(path, original.url), init);
    const answer = { headers: Object.fromEntries(response.headers), body: await response.text() };
    await original.stop();
    const port = await freePort();
    const answerFile = join(this.#scratch, `answer-${port}.json`);
    writeFileSync(answerFile, JSON.stringify(answer));
    const server = new ServerProcess({
      command: process.execPath,
      args: [join(bench, 'sides/bare-http.mjs'), `${port}`, answerFile, `${this.#options.processes ?? 1}`],
      logFile: this.#logFile('bare-http', port),
    });
    return this.#whenReady({ name: 'bare-http', port, server, probe: '/' });
  }

  async #whenReady({ name, port, server, probe, beside }) {
    const url = `http://127.0.0.1:${port}`;
    const stop = async () => void (await Promise.all([server.stop(), beside?.stop()]));
    try {
      await server.ready(async () => (await fetch(url + probe)).ok);
    } catch (error) {
      await stop();
      throw new Error(`${LABELS[name]}: ${error.message}`, { cause: error });
    }
    return { name, url, server, stop };
  }

  #logFile(name, port) {
    return join(this.#scratch, `${name}-${port}.log`);
  }
}

/**
 * Installs the peers' packages from the Python registry into `bench/.venv`, once per version of `requirements.txt`.
 * Gives undefined, or the reason why the peers cannot run here.
 */
export function installPeers() {
  const requirements = join(peers, 'requirements.txt');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const stamp = join(venv, '.installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return undefined;
  console.error('Installing the peers (Python packages) into bench/.venv ...');
  const steps = [
    ['python3', '-m', 'venv', venv],
    [join(venv, 'bin/pip'), 'install', '--quiet', '--requirement', requirements],
  ];
  for (const [command, ...args] of steps) {
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0)
      return `\`${command.split('/').at(-1)} ${args[0]}\` failed: ${(error?.message ?? stderr).trim().split('\n').at(-1)}`;
  }
  writeFileSync(stamp, wanted);
  return undefined;
}

/** What the other sides run on, for the head of the report. */
export function peerVersions() {
  const frozen = execFileSync(join(venv, 'bin/pip'), ['freeze'], { encoding: 'utf8' }).trim().split('\n');
  const wanted = /^(fastapi|flask|gunicorn|uvicorn|pydantic|onnxruntime|gevent)==/i;
  const python = execFileSync(join(venv, 'bin/python'), ['--version'], { encoding: 'utf8' }).trim();
  return [python, ...frozen.filter((line) => wanted.test(line)).map((line) => line.replace('==', ' '))];
}

function isInstalled(command) {
  return spawnSync(command, ['--version']).status === 0;
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Whether Redis is here, for the peers' second cache. */
export const hasRedis = () => isInstalled('redis-server');
