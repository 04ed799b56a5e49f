import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('bare-engine.mjs', import.meta.url));
const BATCH_SIZES = [1, 2, 4, 8, 16];
const TRY_SECONDS = 1.5;
const NO_ERRORS = { status: 0, timeout: 0, broken: 0 };

/** One bare engine per core. It is a side like the servers, except that it makes its own load. */
export class EnginePool {
  #children;
  #batch = 1;

  /** `best`: tries every batch size in the warm-up and keeps the fastest; else row by row. */
  static async start({ model, best }) {
    const cores = availableParallelism();
    const children = Array.from({ length: cores }, (_, index) => fork(ENTRY, [model, `${index}`, `${cores}`]));
    const pool = new EnginePool();
    pool.#children = children;
    pool.name = best ? 'engine-best' : 'engine-1';
    await Promise.all(children.map((child) => once(child, 'message')));
    return pool;
  }

  async warmUp(seconds) {
    await this.run({ seconds });
    if (this.name === 'engine-1') return;
    const rates = new Map();
    for (const batch of BATCH_SIZES) {
      const { requests, seconds: took } = await this.run({ seconds: TRY_SECONDS, batch });
      rates.set(batch, requests / took);
    }
    [[this.#batch]] = [...rates].sort(([, a], [, b]) => b - a);
  }

  /** Rows in so many seconds; latencies mean nothing here. */
  async run({ seconds, batch = this.#batch }) {
    const answers = await Promise.all(
      this.#children.map(async (child) => {
        const answer = once(child, 'message');
        child.send({ batch, seconds });
        return (await answer)[0];
      }),
    );
    const requests = answers.reduce((sum, { rows }) => sum + rows, 0);
    return { requests, seconds: Math.max(...answers.map((answer) => answer.seconds)), errors: NO_ERRORS, batch };
  }

  get pids() {
    return this.#children.map(({ pid }) => pid);
  }

  async stop() {
    const ended = this.#children.map((child) => once(child, 'exit'));
    for (const child of this.#children) child.disconnect();
    await Promise.all(ended);
  }
}
