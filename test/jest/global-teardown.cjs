const { remove } = require('./test-cluster.cjs');

/** Jest calls it after a run that failed, too. */
module.exports = () => remove(process.pid);
