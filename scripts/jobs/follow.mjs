import { setTimeout as pause } from 'node:timers/promises';
import { barLine, hasEnded, progressLine } from './render.mjs';

/** How long the server may hold an answer back until there is news. */
const WAIT_SECONDS = 30;
const [BAR_EVERY_MS, LINE_EVERY_MS] = [500, 10_000];

/** Follows a job until it has ended, and gives it as it is then. Asks at most twice a second, and only for news. */
export async function follow(id, { api, patience, progress, signal }) {
  let known;
  for (;;) {
    const query = known ? { tag: known.tag, waitSeconds: WAIT_SECONDS } : {};
    known = (await patience.with(() => api.read(id, { ...query, signal }))) ?? known;
    progress.show(known.job);
    if (hasEnded(known.job)) return known.job;
    await pause(BAR_EVERY_MS, undefined, { signal });
  }
}

/** How far something is: one line that changes on a terminal, a line now and then elsewhere. */
export class Progress {
  #lastMs = -Infinity;
  #status;
  #isOpen = false;

  constructor(stream) {
    this.stream = stream;
  }

  show(job) {
    if (this.stream.isTTY) this.#redraw(barLine(job, this.stream.columns || 80));
    else this.#tellNowAndThen(job);
  }

  /** Of an upload, whose end is known only for a file; elsewhere than on a terminal it is not worth a line. */
  showSent(name, bytes, size) {
    if (!this.stream.isTTY) return;
    const share = size > 0 ? `${((100 * bytes) / size).toFixed(0)} % of ` : '';
    this.#redraw(`Sending ${name}: ${share}${((size ?? bytes) / 1e6).toFixed(1)} MB`);
  }

  /** A line of its own, below a bar. */
  tell(line) {
    this.close();
    this.stream.write(`${line}\n`);
  }

  close() {
    if (this.#isOpen) this.stream.write('\n');
    this.#isOpen = false;
  }

  #redraw(line) {
    this.stream.write(`\r${line}\x1b[K`);
    this.#isOpen = true;
  }

  #tellNowAndThen(job) {
    if (job.status === this.#status && Date.now() - this.#lastMs < LINE_EVERY_MS) return;
    this.#status = job.status;
    this.#lastMs = Date.now();
    this.tell(`${job.id} ${progressLine(job)}`);
  }
}
