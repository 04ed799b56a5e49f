import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';

/** What is fetched with one request, and again at most if this command is ended. */
const PAGE_ROWS = 10_000;
const LINE_FEED = 0x0a;

/**
 * Fetches result lines page after page, until there are no more for now, and gives whether there never will be. What a
 * broken connection had brought of a page is not written twice: in one attempt a page always has the same bytes. `to` takes
 * the bytes, and hears of each page that is whole the cursor behind it and its number of lines.
 */
export async function fetchResults(id, { api, patience, signal, only, to }) {
  let cursor = to.after;
  for (;;) {
    const query = { only, limit: PAGE_ROWS, after: cursor };
    const { page, lines } = await fetchPage(() => api.results(id, { query, signal }), { patience, to });
    const isLast = page.isComplete || page.next === undefined || page.next === cursor;
    cursor = page.next ?? cursor;
    await to.pageEnds(cursor, lines);
    if (isLast) return page.isComplete;
  }
}

async function fetchPage(ask, { patience, to }) {
  let [written, lines] = [0, 0];
  const page = await patience.with(async () => {
    const asked = await ask();
    let seen = 0;
    for await (const bytes of asked.bytes) {
      const fresh = Buffer.from(bytes).subarray(Math.max(0, written - seen));
      seen += bytes.length;
      written = Math.max(written, seen);
      lines += linesIn(fresh);
      if (fresh.length > 0) await to.write(fresh);
    }
    return asked;
  });
  return { page, lines };
}

function linesIn(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count += 1;
  return count;
}

/**
 * A file that result lines go to. Until they are complete, a note beside it says how far they are: a later command goes on
 * there, and cuts off what came behind it. Of a job that was retried meanwhile it begins anew.
 */
export class ResultFile {
  #note;
  #about;
  #stream;

  constructor(path, { id, attempt, only = null }) {
    this.#note = { path: `${path}.cursor`, file: path };
    this.#about = { id, attempt, only };
    const kept = this.#kept();
    if (kept) truncateSync(path, kept.bytes);
    Object.assign(this, kept ?? { cursor: undefined, bytes: 0, lines: 0 });
    this.#stream = createWriteStream(path, { flags: kept ? 'a' : 'w' });
    // Said once more by the write that meets it.
    this.#stream.on('error', () => {});
  }

  get after() {
    return this.cursor;
  }

  async write(bytes) {
    await new Promise((resolve, reject) => {
      this.#stream.write(bytes, (fault) => (fault ? reject(fault) : resolve()));
    });
    this.bytes += bytes.length;
  }

  pageEnds(cursor, lines) {
    this.lines += lines;
    this.cursor = cursor;
    const { bytes } = this;
    writeFileSync(this.#note.path, JSON.stringify({ ...this.#about, cursor, bytes, lines: this.lines }));
  }

  async close({ isComplete }) {
    this.#stream.end();
    await once(this.#stream, 'close');
    if (isComplete) rmSync(this.#note.path, { force: true });
  }

  /** Where an earlier command stopped, if it was about the same. */
  #kept() {
    const { path, file } = this.#note;
    if (!existsSync(path) || !existsSync(file)) return undefined;
    const { cursor, bytes, lines, ...about } = JSON.parse(readFileSync(path, 'utf8'));
    const isSame = JSON.stringify(about) === JSON.stringify(this.#about) && statSync(file).size >= bytes;
    return isSame ? { cursor, bytes, lines } : undefined;
  }
}
