import type { BlobStore } from '@app/blob-store';
import type { Clock, JsonRecord } from '@app/core';
import type { ChunkRecord } from '../records/chunk-record';
import type { SampleError } from '../records/job-record';
import { resultLine } from '../results/result-line';
import { type AskModel, type RowOutcome, answerRows } from './answer-rows';
import { type RowToRun, chunkRows } from './chunk-rows';
import type { WindowSize } from './window-size';

/** What the rows of a chunk are run with. */
export interface ChunkRunParts {
  readonly blobs: BlobStore;
  readonly ask: AskModel;
  readonly clock: Clock;
  readonly window: WindowSize;
  /** There where rows killed their workers: they run one by one then, and this is told before which one, and when none does. */
  readonly probe?: ((row: number | undefined) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}

/** What came of a chunk. */
export interface ChunkTotals {
  readonly okRows: number;
  readonly errRows: number;
  readonly sampleErrors: readonly SampleError[];
}

const MOST_SAMPLES = 20;
/** Windows in work at once: while the lines of one are written, the executors have the next. */
const WINDOWS_AHEAD = 2;

/** A row that is done: what to write, and its error if it has one. */
interface DoneRow {
  readonly line: Buffer;
  readonly failed?: SampleError;
}

/** One claimed chunk on its way to its result lines: each row gives exactly one, in order. */
export class ChunkRun {
  private okRows = 0;
  private errRows = 0;
  private readonly samples: SampleError[] = [];
  private takenAtMs: number;

  constructor(
    private readonly chunk: ChunkRecord,
    private readonly parts: ChunkRunParts,
  ) {
    this.takenAtMs = parts.clock.monotonicMs();
  }

  get totals(): ChunkTotals {
    return { okRows: this.okRows, errRows: this.errRows, sampleErrors: this.samples };
  }

  /**
   * The result lines, as bytes. Rows are taken in only as fast as lines are taken out. Throws what `ask` throws that is not a row's
   * own fault, storage_unavailable, and the signal's reason once it is aborted.
   */
  async *lines(): AsyncGenerator<Buffer> {
    const { signal, probe } = this.parts;
    const inWork: Promise<readonly DoneRow[]>[] = [];
    for await (const rows of this.windows()) {
      signal.throwIfAborted();
      inWork.push(this.begin(rows));
      if (inWork.length >= (probe ? 1 : WINDOWS_AHEAD)) yield this.take(await inWork.shift()!);
    }
    for (const window of inWork) yield this.take(await window);
    await probe?.(undefined);
  }

  private async *windows(): AsyncGenerator<readonly RowToRun[]> {
    let rows: RowToRun[] = [];
    for await (const more of chunkRows(this.chunk, this.parts.blobs)) {
      for (const row of more) {
        rows.push(row);
        if (rows.length < this.parts.window.rows) continue;
        yield rows;
        rows = [];
      }
    }
    if (rows.length > 0) yield rows;
  }

  private begin(rows: readonly RowToRun[]): Promise<readonly DoneRow[]> {
    const window = this.run(rows);
    // The window before it may fail, and then nobody waits for this one.
    window.catch(() => undefined);
    return window;
  }

  private async run(rows: readonly RowToRun[]): Promise<readonly DoneRow[]> {
    const done = new Map<number, DoneRow>();
    const finish = (row: RowToRun, outcome?: RowOutcome): void => void done.set(row.index, doneRow(row, outcome));
    const toAsk = rows.filter((row) => 'row' in row);
    if (this.parts.probe) await this.runOneByOne(toAsk, finish);
    // Each call's lines are made when it is answered: those of a whole window would take the process for too long.
    else await Promise.all(callsOf(toAsk, this.parts.window.callRows).map((call) => this.runCall(call, finish)));
    return rows.map((row) => done.get(row.index) ?? doneRow(row));
  }

  private async runCall(rows: readonly AskedRow[], finish: Finish): Promise<void> {
    const outcomes = await answerRows(rows, this.parts.ask);
    rows.forEach((row, at) => finish(row, outcomes[at]));
  }

  private async runOneByOne(rows: readonly AskedRow[], finish: Finish): Promise<void> {
    for (const row of rows) {
      await this.parts.probe?.(row.index);
      await this.runCall([row], finish);
    }
  }

  /** Counts a window, and gives its lines. */
  private take(rows: readonly DoneRow[]): Buffer {
    for (const { failed } of rows) {
      if (!failed) this.okRows += 1;
      else if (++this.errRows <= MOST_SAMPLES) this.samples.push(failed);
    }
    const bytes = Buffer.concat(rows.map(({ line }) => line));
    const { clock, window } = this.parts;
    const nowMs = clock.monotonicMs();
    window.learn({ rows: rows.length, ms: nowMs - this.takenAtMs, bytes: bytes.length });
    this.takenAtMs = nowMs;
    return bytes;
  }
}

type AskedRow = Extract<RowToRun, { readonly row: unknown }>;
type Finish = (row: AskedRow, outcome?: RowOutcome) => void;

/** Rows of like length go together: a short one would be padded to the long one beside it. */
function callsOf(rows: readonly AskedRow[], most: number): readonly (readonly AskedRow[])[] {
  const sized = rows.map((row) => ({ row, length: textLength(row.row) }));
  const sorted = sized.sort((one, other) => one.length - other.length).map(({ row }) => row);
  const calls: AskedRow[][] = [];
  for (let from = 0; from < sorted.length; from += most) calls.push(sorted.slice(from, from + most));
  return calls;
}

function textLength(row: JsonRecord): number {
  let length = 0;
  for (const name in row) {
    const value = row[name];
    if (typeof value === 'string') length += value.length;
  }
  return length;
}

/** What to write of a row: what an earlier attempt wrote, what was known before, or what was answered. */
function doneRow(row: RowToRun, answer?: RowOutcome): DoneRow {
  if ('line' in row) return { line: Buffer.concat([row.line, LINE_FEED]) };
  const { index, id } = row;
  const outcome = 'error' in row ? row : answer;
  if (!outcome) throw new Error('A row has no outcome.');
  if ('output' in outcome) return { line: Buffer.from(resultLine({ index, id, output: outcome.output })) };
  const { error } = outcome;
  const failed = { index, id, error: { code: error.code, message: error.message } };
  return { line: Buffer.from(resultLine({ index, id, error })), failed };
}

const LINE_FEED = Buffer.from('\n');
