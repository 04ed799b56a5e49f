/**
 * Loaded before a worker: a value of INT64 among what it sends to an executor kills that executor, and another one the worker
 * itself. The product has no such hook.
 */
const childProcess = require('node:child_process');

const KILLS_EXECUTOR = bytesOf(1_313_131_301n);
const KILLS_WORKER = bytesOf(1_313_131_302n);
const { spawn } = childProcess;

childProcess.spawn = (...args) => {
  const child = spawn(...args);
  const stream = child.stdio?.[3];
  if (stream && process.argv.includes('worker-process')) watch(stream, child);
  return child;
};

function watch(stream, child) {
  const { write } = stream;
  stream.write = function (chunk, ...more) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.includes(KILLS_WORKER)) process.kill(process.pid, 'SIGKILL');
    if (bytes.includes(KILLS_EXECUTOR)) child.kill('SIGKILL');
    return write.call(this, chunk, ...more);
  };
}

function bytesOf(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
