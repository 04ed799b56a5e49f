import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '@app/core';
import { FrameChannel } from './frame-channel';
import type { Frame, FrameToSend } from './frames';
import { LineReader } from './line-reader';

/** What an executor process does; `onExit` is called once, and nothing else is called after it. */
export interface ChildEvents {
  readonly onFrame: (frame: Frame) => void;
  /** The stream of frames ended, mostly because the process is about to be gone, or cannot be read any further. */
  readonly onBroken: (reason: Error | undefined) => void;
  readonly onExit: (signal: NodeJS.Signals | null) => void;
}

/** A running executor process, as a slot sees it. */
export interface ExecutorChild {
  /** Absent when it could not be started. */
  readonly pid: number | undefined;
  send(frame: FrameToSend): void;
  /** Asks it to end: it does when it has nothing to do. */
  end(): void;
  /** Ends it now, whatever it does. */
  kill(): void;
}

/** Starts an executor process. */
export type StartChild = (events: ChildEvents) => ExecutorChild;

/** The variables of the surroundings that an executor may see; all others are withheld. */
export interface ExecutorEnvironment {
  readonly NODE_ENV?: string;
  readonly TZ?: string;
  readonly LD_LIBRARY_PATH?: string;
}

/** How executor processes are started. */
export interface ChildOptions {
  /** The compiled `executor-entry.js`. */
  readonly entryPath: string;
  /** The folder that models are read from. */
  readonly modelDirectory: string;
  readonly environment: ExecutorEnvironment;
  readonly clock: Clock;
  /** Takes a line that the process wrote to its standard output or error. */
  readonly onLine: (line: string) => void;
}

/** First victim when the kernel runs out of memory: a batch is lost instead of the server. */
const OOM_SCORE = '500';

/** The entry beside this file, or, where the sources run uncompiled (in Jest), the one that the build wrote. */
export function defaultEntryPath(): string {
  const beside = join(__dirname, 'executor-entry.js');
  if (existsSync(beside)) return beside;
  return join(__dirname, '../../../../dist/libs/inference/src/execution/executor-entry.js');
}

/**
 * Starts one executor with nothing of this process's environment, and with Node's permission model as a seat belt: it
 * reads its own code and the models, writes nothing and starts nothing.
 */
export function startChild(options: ChildOptions, events: ChildEvents): ExecutorChild {
  const child = spawnChild(options);
  const stream = child?.stdio?.[3];
  if (!child || !stream) return neverStarted(child, events);
  const channel = new FrameChannel(stream as unknown as Duplex, { onFrame: events.onFrame, onEnd: events.onBroken });
  readOutput(child, new LineReader(options.onLine, options.clock));
  onceGone(child, events.onExit);
  preferAsVictim(child.pid);
  return {
    pid: child.pid,
    send: (frame) => channel.send(frame),
    end: () => channel.end(),
    kill: () => void child.kill('SIGKILL'),
  };
}

function spawnChild(options: ChildOptions): ChildProcess | undefined {
  try {
    return spawn(process.execPath, [...flags(options), options.entryPath, String(process.pid)], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: environmentOf(options.environment),
    });
  } catch {
    return undefined;
  }
}

/** Without file descriptors or memory left, `spawn` throws or gives a child without streams. It counts as one that died. */
function neverStarted(child: ChildProcess | undefined, events: ChildEvents): ExecutorChild {
  child?.on('error', () => {});
  setImmediate(() => events.onExit(null));
  return { pid: undefined, send: () => {}, end: () => {}, kill: () => {} };
}

function flags({ entryPath, modelDirectory }: ChildOptions): string[] {
  // The star is for a folder that does not exist yet, which Node would take for a file.
  const models = withTarget(resolve(modelDirectory)).flatMap((path) => [path, join(path, '*')]);
  const readable = [...codeDirectories(entryPath).flatMap(withTarget), ...models];
  return [
    '--permission',
    '--allow-addons',
    '--allow-worker',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--disable-warning=SecurityWarning',
  ];
}

/** The compiled sources, and every `node_modules` from which they may import. */
function codeDirectories(entryPath: string): string[] {
  const sources = dirname(dirname(dirname(dirname(entryPath))));
  const packages: string[] = [];
  for (let at = dirname(entryPath); at !== dirname(at); at = dirname(at)) {
    const candidates = [join(at, 'node_modules'), join(at, 'package.json')];
    packages.push(...candidates.filter((path) => existsSync(path)));
  }
  return [sources, ...packages];
}

/** The engine and Node ask for files by their real path: a folder that is a link is two. */
function withTarget(path: string): string[] {
  try {
    return [...new Set([path, realpathSync(path)])];
  } catch {
    return [path];
  }
}

/** Malloc gives freed memory back (onnxruntime#25325), and the engine starts no threads unless a model asks for them. */
function environmentOf(given: ExecutorEnvironment): NodeJS.ProcessEnv {
  const fixed = {
    MALLOC_TRIM_THRESHOLD_: '131072',
    ORT_INTRA_OP_NUM_THREADS: '1',
    ORT_INTER_OP_NUM_THREADS: '1',
  };
  const chosen = (['NODE_ENV', 'TZ', 'LD_LIBRARY_PATH'] as const).flatMap((name) =>
    given[name] === undefined ? [] : [[name, given[name]]],
  );
  return { ...fixed, ...Object.fromEntries(chosen) };
}

/** Output is always read: a full pipe would block the process. */
function readOutput(child: ChildProcess, reader: LineReader): void {
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => reader.push(chunk));
}

/** A process that could not be started sends `error` and never `exit`. */
function onceGone(child: ChildProcess, onExit: ChildEvents['onExit']): void {
  let gone = false;
  const once = (signal: NodeJS.Signals | null): void => {
    if (gone) return;
    gone = true;
    onExit(signal);
  };
  child.on('exit', (_code, signal) => once(signal));
  child.on('error', () => child.pid === undefined && once(null));
}

function preferAsVictim(pid: number | undefined): void {
  if (pid === undefined || process.platform !== 'linux') return;
  writeFile(`/proc/${pid}/oom_score_adj`, OOM_SCORE).catch(() => {});
}

/** Memory of a process in bytes, now and at its highest; 0 where it cannot be told. */
export function memoryOf(pid: number | undefined): { readonly rssBytes: number; readonly peakBytes: number } {
  const status = pid === undefined || process.platform !== 'linux' ? '' : statusOf(pid);
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { rssBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
