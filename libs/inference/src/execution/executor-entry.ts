import { Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { isQuaysideError } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import { InferenceSession } from 'onnxruntime-node';
import { checkBatching } from '../tasks/batch-check';
import { taskOf } from '../tasks/tasks';
import type { OpenModel } from '../tasks/task';
import { type NativeSession, OnnxEngineSession } from './engine-session';
import { FrameChannel } from './frame-channel';
import { type Frame, FrameError, PROTOCOL } from './frames';
import {
  type ErrorAnswer,
  type Hello,
  type LoadQuestion,
  type LoadedAnswer,
  type RunAnswer,
  type RunQuestion,
  type UnloadQuestion,
  type UnloadedAnswer,
  packTensors,
  unpackCalls,
} from './messages';
import { assertUnchanged, verifyFiles } from './model-files';
import { loadError, textOf } from './native-errors';

/**
 * An executor: the process in which models run, and the only file that imports ONNX Runtime. It answers the questions
 * of its parent on file descriptor 3, one at a time, and knows nothing of HTTP. It starts with the parent's process id
 * as its only argument, and ends when the parent closes the descriptor, or is gone.
 */
const WATCHDOG_EVERY_MS = 500;

/** An ONNX file, 73 bytes: `y = Identity(x)`, FP32 `[1]`. */
const SMALLEST_MODEL =
  'CAoSADo9ChIKAXgSAXkiCElkZW50aXR5OgASBWdyYXBoWg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQFQ==';

/** A version that is open here. */
interface Opened {
  readonly session: InferenceSession;
  readonly model: OpenModel;
}

const opened = new Map<string, Opened>();
const channel = new FrameChannel(new Socket({ fd: 3, readable: true, writable: true }), {
  onFrame: (frame) => void answer(frame),
  onEnd: () => process.exit(0),
});

// Ctrl-C and a service manager signal the whole process group: what runs must survive that, the parent decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
const watched = { parentPid: Number(process.argv[2]), everyMs: WATCHDOG_EVERY_MS };
new Worker(join(__dirname, 'watchdog.js'), { workerData: watched });
void start();

/** Says hello once the engine is ready. */
async function start(): Promise<void> {
  await primeEngine();
  const hello: Hello = { pid: process.pid, protocol: PROTOCOL, ort: engineVersion(), node: process.version };
  channel.send({ type: 'hello', id: 0, meta: hello });
}

/**
 * Opens and runs the smallest model there is. The first session of a process takes about 26 MB that are never given
 * back: taken now, they are not counted as the memory of the first real model.
 */
async function primeEngine(): Promise<void> {
  const session = await InferenceSession.create(Buffer.from(SMALLEST_MODEL, 'base64'), { intraOpNumThreads: 1 });
  const x = { type: 'float32', dims: [1], location: 'cpu', data: new Float32Array(1) } as const;
  await asNative(session).run({ x }, ['y']);
  await session.release();
}

/** Answers one question; whatever is thrown becomes an `error` frame, and the process goes on. */
async function answer(frame: Frame): Promise<void> {
  try {
    await dispatch(frame);
  } catch (error) {
    channel.send({ type: 'error', id: frame.id, meta: describe(error) });
  }
}

async function dispatch({ type, id, meta, payload }: Frame): Promise<void> {
  if (type === 'ping') return channel.send({ type: 'pong', id, meta: {} });
  if (type === 'load') return load(id, meta as LoadQuestion);
  if (type === 'unload') return unload(id, meta as UnloadQuestion);
  if (type === 'run') return run(id, meta as RunQuestion, payload);
  throw new Error(`An executor does not take a ${type} frame.`);
}

async function load(id: number, { key, version, probe }: LoadQuestion): Promise<void> {
  const rssBefore = process.memoryUsage.rss();
  const entry = await open(version);
  opened.set(key, entry);
  const report = (warm: boolean, found: Pick<LoadedAnswer, 'batching' | 'debug'> = {}): void => {
    const rssBytes = process.memoryUsage.rss();
    const { signature } = new OnnxEngineSession(asNative(entry.session));
    const loaded: LoadedAnswer = { warm, signature, rssBytes, grownBytes: rssBytes - rssBefore, ...found };
    channel.send({ type: 'loaded', id, meta: loaded });
  };
  report(false);
  const debug = await warmUp(entry.model);
  const batching = probe ? await checkBatching(entry.model, version.manifest.batching.tolerance) : undefined;
  report(true, { batching, debug });
}

/** Opens the files that were recorded and no others: a file that changes on the way is refused. */
async function open(version: ModelVersion): Promise<Opened> {
  const stamps = verifyFiles(version.files);
  const session = await createSession(version);
  try {
    assertUnchanged(stamps);
    const model = await taskOf(version.task).open(version, new OnnxEngineSession(asNative(session)));
    return { session, model };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** One thread unless the manifest says more, and no spinning: a waiting thread must not burn the processor. */
async function createSession({ files, manifest }: ModelVersion): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(files.onnx, {
      executionProviders: ['cpu'],
      intraOpNumThreads: manifest.execution.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
  } catch (error) {
    throw loadError(error);
  }
}

/** A model may refuse a sample that was made up from its shapes alone; that does not make it unfit. Gives its words. */
async function warmUp(model: OpenModel): Promise<string | undefined> {
  try {
    await model.execute([model.sample()]);
    return undefined;
  } catch (error) {
    if (isQuaysideError(error)) return `warm-up failed: ${describe(error).debug}`;
    throw error;
  }
}

async function unload(id: number, { key }: UnloadQuestion): Promise<void> {
  const entry = opened.get(key);
  const rssBefore = process.memoryUsage.rss();
  opened.delete(key);
  await entry?.session.release();
  const rssBytes = process.memoryUsage.rss();
  const unloaded: UnloadedAnswer = { rssBytes, freedBytes: rssBefore - rssBytes };
  channel.send({ type: 'unloaded', id, meta: unloaded });
}

async function run(id: number, { key, calls }: RunQuestion, payload: Uint8Array): Promise<void> {
  const entry = opened.get(key);
  if (!entry) throw new Error(`No version is open under ${key}.`);
  const { outputs, ...spent } = await entry.model.execute(unpackCalls(calls, payload));
  const packed = outputs.map(packTensors);
  const meta: RunAnswer = { outputs: packed.map(({ heads }) => heads), ...spent };
  channel.send({ type: 'result', id, meta, parts: packed.flatMap(({ parts }) => parts) });
}

function describe(error: unknown): ErrorAnswer {
  const debug =
    error instanceof Error ? (error.cause === undefined ? error.stack : textOf(error.cause)) : String(error);
  if (error instanceof FrameError) {
    return { code: 'inference_failed', message: 'The answer is larger than an executor may give.', details: [], debug };
  }
  if (isQuaysideError(error)) return { code: error.code, message: error.message, details: error.details, debug };
  return { code: 'internal', message: 'A defect in the executor.', details: [], debug };
}

/** The types of onnxruntime-common ask for its own Tensor class, which the engine itself does not need. */
function asNative(session: InferenceSession): NativeSession {
  return session as unknown as NativeSession;
}

function engineVersion(): string {
  return (require('onnxruntime-node/package.json') as { version: string }).version;
}
