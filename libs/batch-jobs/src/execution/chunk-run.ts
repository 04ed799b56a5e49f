import type { BlobStore } from '@app/blob-store';
import type { Clock } from '@app/core';
import type { ChunkRecord } from '../records/chunk-record';
import type { SampleError } from '../records/job-record';
import { type RowResult, resultLine } from '../results/result-line';
import { type AskModel, type RowOutcome, type RowToAnswer, answerRows } from './answer-rows';
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
/** A call of more is cut for the executors anyway; one of fewer costs more per row. */
const CALL_ROWS = 32;

/** A row that is done: what to write, and its error if it has one. */
interface DoneRow {
  readonly line: string | Buffer;
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
    const outcomes = await this.outcomesOf(rows.filter((row) => 'row' in row));
    return rows.map((row) => doneRow(row, outcomes));
  }

  private async outcomesOf(rows: readonly RowToAnswer[]): Promise<ReadonlyMap<number, RowOutcome>> {
    if (this.parts.probe) return this.oneByOne(rows);
    const calls = callsOf(rows);
    const outcomes = await Promise.all(calls.map((call) => answerRows(call, this.parts.ask)));
    return new Map(
      calls.flatMap((call, at) => call.map(({ index }, place) => [index, outcomes[at]![place]!] as const)),
    );
  }

  private async oneByOne(rows: readonly RowToAnswer[]): Promise<ReadonlyMap<number, RowOutcome>> {
    const outcomes = new Map<number, RowOutcome>();
    for (const row of rows) {
      await this.parts.probe?.(row.index);
      const [outcome] = await answerRows([row], this.parts.ask);
      outcomes.set(row.index, outcome!);
    }
    return outcomes;
  }

  /** Counts a window, and gives its lines. */
  private take(rows: readonly DoneRow[]): Buffer {
    for (const { failed } of rows) {
      if (!failed) this.okRows += 1;
      else if (++this.errRows <= MOST_SAMPLES) this.samples.push(failed);
    }
    const bytes = Buffer.concat(rows.map(({ line }) => (typeof line === 'string' ? Buffer.from(line) : line)));
    const { clock, window } = this.parts;
    const nowMs = clock.monotonicMs();
    window.learn({ rows: rows.length, ms: nowMs - this.takenAtMs, bytes: bytes.length });
    this.takenAtMs = nowMs;
    return bytes;
  }
}

/** Rows of like length go together: a short one would be padded to the long one beside it. */
function callsOf(rows: readonly RowToAnswer[]): readonly (readonly RowToAnswer[])[] {
  const sized = rows.map((row) => ({ row, length: textLength(row.row) }));
  const sorted = sized.sort((one, other) => one.length - other.length).map(({ row }) => row);
  const calls: RowToAnswer[][] = [];
  for (let from = 0; from < sorted.length; from += CALL_ROWS) calls.push(sorted.slice(from, from + CALL_ROWS));
  return calls;
}

function textLength(row: RowToAnswer['row']): number {
  let length = 0;
  for (const name in row) {
    const value = row[name];
    if (typeof value === 'string') length += value.length;
  }
  return length;
}

function doneRow(row: RowToRun, outcomes: ReadonlyMap<number, RowOutcome>): DoneRow {
  if ('line' in row) return { line: Buffer.concat([row.line, LINE_FEED]) };
  const { index, id } = row;
  const outcome = 'error' in row ? row : outcomes.get(index)!;
  if ('output' in outcome) return { line: resultLine({ index, id, output: outcome.output }) };
  const { error } = outcome;
  const failed = { index, id, error: { code: error.code, message: error.message } };
  return { line: resultLine({ index, id, error } satisfies RowResult), failed };
}

const LINE_FEED = Buffer.from('\n');
