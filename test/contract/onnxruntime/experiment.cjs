const { join } = require('node:path');
const { readFileSync, readdirSync } = require('node:fs');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const ort = require('onnxruntime-node');

/**
 * Loads ONNX Runtime in a process of its own, does one experiment and prints what it saw as JSON:
 * `experiment.cjs <models folder> <experiment> [argument]`. Some experiments end the process; that is what they show.
 */
const [folder, name, argument] = isMainThread ? process.argv.slice(2) : workerData;

const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1 };
const pathOf = (model) => join(folder, model, '1', 'model.onnx');
const open = (model, options = OPTIONS) => ort.InferenceSession.create(pathOf(model), options);
const value = (type, dims, data) => ({ type, dims, data, location: 'cpu' });
const trips = (count) => ({ trips: value('int64', [1, 1], BigInt64Array.of(BigInt(count))) });
const one = () => ({ x: value('float32', [1, 1], Float32Array.of(1)) });
const refusal = (promise) =>
  promise.then(
    () => null,
    (error) => ({ text: error.message, keys: Object.keys(error), code: error.code }),
  );
const threads = () => readdirSync('/proc/self/task').length;

/** How often a timer of 1 ms fires while `work` is under way. */
async function ticksDuring(work) {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  const beganAt = performance.now();
  await work();
  clearInterval(timer);
  return { ticks, ms: performance.now() - beganAt };
}

const VALUES = {
  bool: Uint8Array.of(1, 0),
  int8: Int8Array.of(-128, 127),
  int16: Int16Array.of(-32768, 32767),
  int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  uint8: Uint8Array.of(0, 255),
  uint16: Uint16Array.of(0, 65535),
  uint32: Uint32Array.of(0, 2 ** 32 - 1),
  uint64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  float32: Float32Array.of(-0, 1e-45),
  float64: Float64Array.of(-0, 5e-324),
  string: ['', 'grüße 👋'],
};

const experiments = {
  async versions() {
    return ort.env.versions;
  },
  async 'run blocks'() {
    const session = await open('slow');
    return ticksDuring(() => session.run(trips(150_000)));
  },
  async 'concurrent runs block'() {
    const session = await open('slow');
    return ticksDuring(() => Promise.all([1, 2, 3].map(() => session.run(trips(50_000)))));
  },
  async 'create blocks'() {
    return ticksDuring(() => open('large'));
  },
  async 'a thread ends in mid-run'() {
    const worker = new Worker(__filename, { workerData: [folder, 'run for long in a thread'] });
    await new Promise((resolve) => worker.once('message', resolve));
    // The message was sent just before the run, which takes a second and cannot tell that it has begun.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await worker.terminate();
    return 'survived';
  },
  async 'run for long in a thread'() {
    const session = await open('slow');
    require('node:worker_threads').parentPort.postMessage('begins');
    await session.run(trips(200_000));
  },
  async 'terminate is asked for'() {
    const session = await open('slow');
    const { done } = await session.run(trips(1000), { terminate: true });
    return Number(done.data[0]);
  },
  async 'float16 as a Tensor'() {
    const session = await open('identity-FP16');
    const make = async () => session.run({ x: new ort.Tensor('float16', Uint16Array.of(0x3c00, 0x7bff), [1, 2]) });
    return refusal(make());
  },
  async 'float16 as a plain object'() {
    const session = await open('identity-FP16');
    const { y } = await session.run({ x: value('float16', [1, 2], Uint16Array.of(0x3c00, 0x8000)) });
    const bits = new Uint16Array(y.data.buffer, y.data.byteOffset, y.data.length);
    return { kind: y.data.constructor.name, bits: [...bits] };
  },
  async 'round trip'() {
    const seen = {};
    for (const [type, data] of Object.entries(VALUES)) {
      const dtype = { bool: 'BOOL', string: 'BYTES' }[type] ?? type.toUpperCase().replace('FLOAT', 'FP');
      const session = await open(`identity-${dtype}`);
      const { y } = await session.run({ x: value(type, [1, 2], data) });
      const same = [...y.data].every((element, at) => Object.is(element, data[at]));
      seen[type] = { same, dims: y.dims, type: y.type };
    }
    return seen;
  },
  async 'a view with an offset'() {
    const session = await open('adds');
    const { y } = await session.run({ x: value('float32', [2, 1], Float32Array.of(7, 8, 9, 10).subarray(1, 3)) });
    return [...y.data];
  },
  async 'map outputs'() {
    const session = await open('zipmap');
    const feeds = { x: value('float32', [1, 2], Float32Array.of(1, 2)) };
    const everything = await refusal(session.run(feeds));
    const { label } = await session.run(feeds, ['label']);
    return { outputs: session.outputMetadata, everything, label: Number(label.data[0]) };
  },
  async metadata() {
    const session = await open('unnamed-dimensions');
    return {
      inputs: session.inputMetadata,
      keys: Object.keys(session).concat(Object.keys(Object.getPrototypeOf(session))),
    };
  },
  async 'extra feeds'() {
    const session = await open('adds');
    const { y } = await session.run({ ...one(), stranger: value('float32', [1], Float32Array.of(1)) });
    return y.data[0];
  },
  async 'refused runs'() {
    const adds = await open('adds');
    const gather = await open('fails-on-input');
    return {
      'missing input': await refusal(adds.run({})),
      'wrong rank': await refusal(adds.run({ x: value('float32', [1], Float32Array.of(1)) })),
      'wrong dimension': await refusal(adds.run({ x: value('float32', [1, 2], Float32Array.of(1, 2)) })),
      'wrong type': await refusal(adds.run({ x: value('int64', [1, 1], BigInt64Array.of(1n)) })),
      'unknown output': await refusal(adds.run(one(), ['stranger'])),
      'bad value': await refusal(gather.run({ index: value('int64', [1, 1], BigInt64Array.of(9n)) })),
    };
  },
  async 'unknown options'() {
    const session = await open('adds', { ...OPTIONS, nonsense: 1, freeDimensionOverrides: { rows: 1 } });
    const { y } = await session.run({ x: value('float32', [2, 1], Float32Array.of(1, 2)) });
    return { shape: session.inputMetadata[0].shape, answers: [...y.data] };
  },
  async threads() {
    await open('adds');
    const before = threads();
    const alone = await open('adds', { intraOpNumThreads: 1, interOpNumThreads: 1 });
    const afterOne = threads();
    const first = await open('adds', { intraOpNumThreads: 3, interOpNumThreads: 1 });
    const afterThree = threads();
    const second = await open('adds', { intraOpNumThreads: 3, interOpNumThreads: 1 });
    const afterAll = threads();
    await Promise.all([alone, first, second].map((session) => session.release()));
    return { one: afterOne - before, three: afterThree - afterOne, threeAgain: afterAll - afterThree };
  },
  async 'default threads'() {
    await open('adds');
    const before = threads();
    await open('adds', {});
    return threads() - before;
  },
  async 'open by path'() {
    return refusal(open(argument));
  },
  async 'open by bytes'() {
    return refusal(ort.InferenceSession.create(readFileSync(pathOf(argument)), OPTIONS));
  },
  async 'add external data'() {
    const session = await open(argument);
    const { y } = await session.run({ x: value('float32', [1, 4], new Float32Array(4)) });
    return [...y.data];
  },
  async answers() {
    const seen = {};
    for (const [model, feeds] of Object.entries(JSON.parse(argument))) {
      const session = await open(model);
      const wanted = session.outputMetadata.filter((output) => output.isTensor).map((output) => output.name);
      const typed = Object.entries(feeds).map(([input, [dims, data]]) => {
        const { type } = session.inputMetadata.find((info) => info.name === input);
        return [
          input,
          value(type, dims, type === 'int64' ? BigInt64Array.from(data, BigInt) : Float32Array.from(data)),
        ];
      });
      const outputs = Object.entries(await session.run(Object.fromEntries(typed), wanted));
      seen[model] = Object.fromEntries(
        outputs.map(([output, { dims, data }]) => [output, [dims, Array.from(data.slice(0, 12), Number)]]),
      );
    }
    return seen;
  },
  async 'memory after release'() {
    const warm = await open('adds');
    await warm.run(one());
    const before = process.memoryUsage().rss;
    const session = await open('large');
    await session.run({ x: value('float32', [1, 1024], new Float32Array(1024)) });
    const loaded = process.memoryUsage().rss;
    await session.release();
    return { loaded: loaded - before, released: process.memoryUsage().rss - before };
  },
};

experiments[name]().then((seen) => isMainThread && process.stdout.write(JSON.stringify(seen ?? null)));
