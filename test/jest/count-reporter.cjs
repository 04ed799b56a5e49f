const { writeSync } = require('node:fs');

/**
 * Ends the run with one line for machines and people: `N passed, N failed`. A file that could not run counts as a
 * failure. It is written when the process exits, behind whatever Jest still has to say.
 */
module.exports = class CountReporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    process.once('exit', () => writeSync(1, `\n${line}\n`));
  }
};
