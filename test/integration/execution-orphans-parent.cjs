/**
 * Owns a pool and does nothing else, so that a test can kill it: `node execution-orphans-parent.cjs <options as JSON>`.
 * Prints the process ids of its executors, once they are idle or, with `trips`, once a batch runs.
 */
const { ChildProcessExecutor } = require('../../dist/libs/inference/src/execution/child-process-executor.js');

const { version, trips, ...options } = JSON.parse(process.argv[2]);
const executor = new ChildProcessExecutor({ ...options, concurrency: 1 });
const print = () => console.log(JSON.stringify(executor.status().slots.map(({ pid }) => pid)));

executor.load(version).then(() => {
  if (trips === 0) return print();
  const tensors = {
    trips: { dtype: 'INT64', shape: [1, 1], bytes: new Uint8Array(BigInt64Array.of(BigInt(trips)).buffer) },
  };
  const call = { rows: 1, splittable: false, tensors, parameters: {}, outputs: [] };
  const onStart = () => setImmediate(print);
  return executor.run({ version, calls: [call], signal: new AbortController().signal, traceparent: '', onStart });
});
// Unlike in a server, nothing else keeps this process alive.
setInterval(() => {}, 60_000);
