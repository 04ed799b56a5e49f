const { TestEnvironment } = require('jest-environment-node');

/** The hooks of `leak-check.setup.ts` that look for what was left open. */
const CHECKS = new Set(['leaveTest', 'leaveFileClosed']);

/**
 * Node, with the leak check moved behind the hooks of the test file. Jest runs the hooks of one level in the order in
 * which they were written, so the check would otherwise look before a file's own `afterEach` has closed anything.
 */
module.exports = class LeakCheckedEnvironment extends TestEnvironment {
  handleTestEvent(event, state) {
    if (event.name !== 'run_start') return;
    const { hooks } = state.rootDescribeBlock;
    const isCheck = (hook) => Number(CHECKS.has(hook.fn.name));
    hooks.sort((a, b) => isCheck(a) - isCheck(b));
  }
};
