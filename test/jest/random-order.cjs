const { default: TestSequencer } = require('@jest/test-sequencer');

/** Runs the test files in an order that Jest's seed decides: a suite must not depend on its neighbours. `--seed=<n>` repeats it. */
module.exports = class RandomOrder extends TestSequencer {
  constructor(options) {
    super(options);
    this.random = mulberry32(options.globalConfig.seed);
  }

  sort(tests) {
    const order = [...tests].sort((a, b) => (a.path < b.path ? -1 : 1));
    for (let last = order.length - 1; last > 0; last -= 1) {
      const other = Math.floor(this.random() * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }
};

/** A small generator of even numbers in [0, 1): https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 */
function mulberry32(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
