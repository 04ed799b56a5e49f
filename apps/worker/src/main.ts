import { setPriority } from 'node:os';
import { ConfigError, parseConfig } from '@app/config';
import { StartFault } from '../../common/src/start-fault';
import { PROCESS_ARGUMENTS } from '../../common/src/supervisor-messages';

/**
 * Whatever answers requests goes first. What this process starts inherits it. At 10 an executor still kept a request waiting for
 * milliseconds: p95 of requests beside a job was up to 2.6 times that without it. At 19 it is mostly less; docs/benchmarks.md has figures.
 */
const NICE = 19;

/** One entry for two roles: run by the supervisor of `npm start`, or alone, by `npm run worker`. */
async function main(): Promise<void> {
  setPriority(NICE);
  const [, , role, slot] = process.argv;
  if (role === PROCESS_ARGUMENTS.worker) {
    const { workSupervised } = await import('./supervised-worker.js');
    return workSupervised(Number(slot));
  }
  try {
    const { workPlainly } = await import('./plain-worker.js');
    await workPlainly(parseConfig());
  } catch (fault) {
    if (!(fault instanceof ConfigError || fault instanceof StartFault)) throw fault;
    process.stderr.write(`The worker cannot start. ${fault.message}\n`);
    process.exit(1);
  }
}

void main();
