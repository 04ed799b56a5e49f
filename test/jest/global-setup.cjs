const { directoryOf, sweep } = require('./test-cluster.cjs');

/** Says where the PostgreSQL of this run will be; the first test that asks for one starts it. */
module.exports = async () => {
  await sweep();
  process.env.QUAYSIDE_TEST_DATABASE_DIR = directoryOf(process.pid);
};
