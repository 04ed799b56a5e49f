import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 15_000;
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

/** A port of loopback that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A server under test: a process, its descendants, and what they cost. Output goes to a file, as a log would. */
export class ServerProcess {
  static #running = new Set();

  #child;
  #logFile;

  constructor({ command, args, env = {}, cwd, logFile }) {
    const log = openSync(logFile, 'w');
    this.#logFile = logFile;
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child.on('error', () => {});
    ServerProcess.#running.add(this);
  }

  /** Stops all that still runs, so that an interrupted bench leaves nothing behind. */
  static async stopAll() {
    await Promise.all([...ServerProcess.#running].map((server) => server.stop()));
  }

  get pid() {
    return this.#child.pid;
  }

  get isGone() {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until `isReady` answers true. Throws, with the end of the log, when the process ends or takes too long. */
  async ready(isReady) {
    const giveUpAt = Date.now() + READY_WITHIN_MS;
    while (!(await isReady().catch(() => false))) {
      if (this.isGone || Date.now() > giveUpAt) throw new Error(`It did not become ready.\n${this.lastLines()}`);
      await delay(100);
    }
  }

  lastLines() {
    return readFileSync(this.#logFile, 'utf8').split('\n').slice(-12).join('\n');
  }

  /** CPU time of the whole tree so far, in microseconds: user and system, of ended and reaped children too. */
  cpuUs() {
    return cpuUsOf([this.pid]);
  }

  /** Memory that the tree holds, in bytes; shared pages count in each process. */
  rssBytes() {
    return treeOf(this.pid).reduce((sum, { pid }) => sum + rssOf(pid), 0);
  }

  /** Memory of whichever process of the tree holds most, in bytes. */
  largestRssBytes() {
    return Math.max(...treeOf(this.pid).map(({ pid }) => rssOf(pid)));
  }

  async stop() {
    ServerProcess.#running.delete(this);
    if (this.isGone) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }
}

/** CPU time of processes and all their descendants so far, in microseconds. */
export function cpuUsOf(pids) {
  const ticks = pids.flatMap(treeOf).reduce((sum, { ticks: own }) => sum + own, 0);
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

/** The process and all its descendants, each with the CPU ticks that it and its reaped children took. */
function treeOf(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter(Boolean);
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

/** Fields of proc(5), counted after the name, which may hold spaces. Undefined when the process has ended meanwhile. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number);
    return { pid, parent: Number(fields[1]), ticks: user + system + childrenUser + childrenSystem };
  } catch {
    return undefined;
  }
}

function rssOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
