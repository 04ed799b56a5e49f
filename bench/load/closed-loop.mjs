import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CACHED_SET } from '../corpus.mjs';

const SCRIPT = fileURLToPath(new URL('requests.lua', import.meta.url));
const run = promisify(execFile);

/**
 * A closed loop by wrk: each connection sends its next request when it has its answer. wrk adds to the latencies what
 * requests would have waited that a stalled connection could not send.
 */
export class ClosedLoop {
  #corpusFile;
  #liveSent = 0;

  constructor({ corpusFile }) {
    this.#corpusFile = corpusFile;
  }

  /** Throws, with what to install, where wrk is missing. */
  static async assertInstalled() {
    try {
      await run('wrk', ['--version']);
    } catch (error) {
      // wrk answers --version with exit code 1.
      if (error.code === 'ENOENT')
        throw new Error('The load generator is missing: install wrk (Debian: apt-get install wrk).', { cause: error });
    }
  }

  /** Requests of one profile for so many seconds. Gives `{ requests, seconds, errors, maxMs, percentilesMs }`, errors by kind. */
  async run({ url, path, model = '-', mode, connections, seconds }) {
    const load = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '-s', SCRIPT, url];
    const request = [this.#corpusFile, path, model, mode, CACHED_SET, this.#liveSent].map(String);
    const { stdout } = await run('wrk', [...load, '--', ...request]);
    const [, json] = /^RESULT (.*)$/m.exec(stdout) ?? [];
    if (json === undefined) throw new Error(`wrk gave no result.\n${stdout}`);
    const result = JSON.parse(json);
    // Those that had no answer yet when the time was over were sent as well.
    this.#liveSent += result.requests + connections + 1;
    return result;
  }
}
