const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { directoryOf, sweep } = require('./test-cluster.cjs');

/** Says where the PostgreSQL of this run will be; the first test that asks for one starts it. Node keeps what it compiled, since so many servers start. */
module.exports = async () => {
  await sweep();
  process.env.QUAYSIDE_TEST_DATABASE_DIR = directoryOf(process.pid);
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'quayside-jest-compiled');
};
