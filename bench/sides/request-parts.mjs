// The parts of one classification, each called as the server calls it, from the build, one after another, and timed
// singly. Prints the medians in microseconds as JSON: what a part costs when nothing waits for anything.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession } from 'onnxruntime-node';
import { bodyAt } from '../corpus.mjs';
import { percentile } from '../figures.mjs';

const MODEL = 'banking-intents';
const WARM_UP = 4000;
const MEASURED = 4000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const built = createRequire(join(root, 'dist/'));
built('reflect-metadata');
const { DtoValidators } = built('./apps/api/src/http/validators.js');
const { PredictRequest } = built('./apps/api/src/inference/predict.dto.js');
const { DEFAULT_MANIFEST } = built('./libs/model-registry/src/index.js');
const { taskOf } = built('./libs/inference/src/tasks/tasks.js');
const { ResultKeys } = built('./libs/inference/src/caching/result-keys.js');
const { OnnxEngineSession } = built('./libs/inference/src/execution/engine-session.js');
const { FrameReader, encodeFrame } = built('./libs/inference/src/execution/frames.js');
const { packCalls, packTensors, unpackCalls, unpackTensors } = built('./libs/inference/src/execution/messages.js');

const folder = join(root, 'models', MODEL, '1');
const files = {
  directory: folder,
  onnx: join(folder, 'model.onnx'),
  tokenizer: join(folder, 'tokenizer.json'),
  tokenizerConfig: join(folder, 'tokenizer_config.json'),
};
const classes = Object.values(built(join(folder, 'config.json')).id2label);
const version = {
  model: MODEL,
  version: '1',
  digest: '0'.repeat(64),
  task: 'text-classification',
  manifest: DEFAULT_MANIFEST,
  text: { maxTokens: 128, classes, multiLabel: false },
  files,
};
const settings = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 };
const session = new OnnxEngineSession(await InferenceSession.create(files.onnx, settings));
const task = taskOf(version.task);
const model = await task.open({ ...version, signature: session.signature }, session);
const validators = new DtoValidators();
const keys = new ResultKeys('bench');
const times = new Map();

for (let n = 0; n < WARM_UP + MEASURED; n++) {
  if (n === WARM_UP) times.clear();
  await answer(Buffer.from(bodyAt(n, MODEL)));
}
console.log(JSON.stringify(Object.fromEntries([...times].map(([name, all]) => [name, percentile(all, 0.5)]))));

async function answer(bytes) {
  const body = timed('parse', () => JSON.parse(bytes.toString('utf8')));
  const { top_k, temperature } = timed('validate', () => validators.check(PredictRequest, body));
  const question = { form: 'rows', rows: [{ text: body.text }] };
  const input = timed('prepare', () => task.prepare(version, question, { top_k, temperature }));
  timed('key', () => keys.of({ scope: 'everyone', version, input }));
  const received = timed('frame', () => overTheWire(input));
  const { outputs, inputMs, inferMs, outputMs } = await model.execute([received]);
  note('tokenise', inputMs * 1000);
  note('run', inferMs * 1000);
  note('scores', outputMs * 1000);
  const answered = timed('frame back', () => backOverTheWire(outputs[0]));
  const { rows } = timed('present', () => task.present(version, question, answered, { top_k, temperature }));
  timed('serialise', () => JSON.stringify({ predictions: rows[0].predictions, latency_ms: 1.234, model_version: '1' }));
}

/** A call as a frame and back: what both ends spend on it, without the socket between them. */
function overTheWire(input) {
  const { heads, parts } = packCalls([input]);
  const frame = receive(encodeFrame({ type: 'run', id: 1, meta: { key: 'a', calls: heads }, parts }));
  return unpackCalls(frame.meta.calls, frame.payload)[0];
}

function backOverTheWire(output) {
  const { heads, parts } = packTensors(output);
  const frame = receive(encodeFrame({ type: 'result', id: 1, meta: { outputs: [heads] }, parts }));
  return unpackTensors(frame.meta.outputs, frame.payload)[0];
}

function receive(chunks) {
  return new FrameReader().push(Buffer.concat(chunks))[0];
}

function timed(name, work) {
  const began = performance.now();
  const result = work();
  note(name, (performance.now() - began) * 1000);
  return result;
}

function note(name, us) {
  if (!times.has(name)) times.set(name, []);
  times.get(name).push(us);
}
