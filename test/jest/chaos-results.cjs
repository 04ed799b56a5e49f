const { mkdirSync, writeFileSync } = require('node:fs');
const { availableParallelism, totalmem } = require('node:os');
const { join } = require('node:path');

/** Keeps the outcome of a whole chaos run as a page of its own, so that runs can be compared. */
module.exports = class ChaosResults {
  constructor({ rootDir, testPathPatterns, testNamePattern }) {
    this.folder = join(rootDir, 'test', 'chaos', 'results');
    this.isWhole = testPathPatterns.patterns.length === 0 && !testNamePattern;
  }

  onRunComplete(_contexts, results) {
    const began = new Date(results.startTime).toISOString();
    const rows = results.testResults.flatMap((file) => file.testResults.map(rowOf));
    if (rows.length === 0 || !this.isWhole) return;
    const machine = `Node ${process.version}, ${availableParallelism()} CPUs, ${Math.round(totalmem() / 2 ** 30)} GB`;
    const head = [`# Chaos run of ${began}`, '', machine, '', '| promise | outcome | seconds |', '|---|---|---|'];
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(join(this.folder, `${began.slice(0, 10)}.md`), `${[...head, ...rows].join('\n')}\n`);
  }
};

const rowOf = ({ fullName, status, duration }) =>
  `| ${fullName} | ${status} | ${((duration ?? 0) / 1000).toFixed(1)} |`;
