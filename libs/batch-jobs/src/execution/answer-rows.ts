import { type JsonRecord, type JsonValue, QuaysideError, isQuaysideError } from '@app/core';
import { type RowError, rowErrorOf } from '../results/row-error';
import { failureKind } from './failure-kind';

/** A row that a model is asked about. */
export interface RowToAnswer {
  /** In the job's input. */
  readonly index: number;
  readonly row: JsonRecord;
}

/** What a model made of a row. */
export type RowOutcome = { readonly output: JsonValue } | { readonly error: RowError };

/** Asks a model about rows together: an output for each, or one failure for all. */
export type AskModel = (rows: readonly RowToAnswer[]) => Promise<readonly JsonValue[]>;

/** The answer of a row that killed whatever ran it. */
export const WORKER_CRASH: RowError = {
  code: 'worker_crash',
  message: 'The process that ran this row died or hung; it is not run again.',
  param: null,
  details: [],
};

/**
 * Answers rows together where that works. Of rows that fail the guilty are told apart, so that only they get an error: by what the
 * failure names, else in halves until one is alone; one by one where each further failure would cost a process. Throws what is
 * not the rows' fault.
 */
export async function answerRows(rows: readonly RowToAnswer[], ask: AskModel): Promise<readonly RowOutcome[]> {
  try {
    const outputs = await ask(rows);
    return outputs.map((output) => ({ output }));
  } catch (error) {
    const kind = failureKind(error);
    if (kind === 'transient' || kind === 'gone') throw error;
    if (rows.length === 1) return [{ error: kind === 'crash' ? WORKER_CRASH : errorOfRow(error) }];
    return apart(rows, ask, { isCrash: kind === 'crash', blamed: blamedRow(error, rows.length) });
  }
}

interface Blame {
  readonly isCrash: boolean;
  /** Place of the row that the failure names. */
  readonly blamed: number | undefined;
}

async function apart(rows: readonly RowToAnswer[], ask: AskModel, { isCrash, blamed }: Blame): Promise<RowOutcome[]> {
  if (blamed !== undefined) {
    const others = await answerRows(rows.toSpliced(blamed, 1), ask);
    const guilty = isCrash ? [{ error: WORKER_CRASH }] : await answerRows([rows[blamed]], ask);
    return [...others.slice(0, blamed), ...guilty, ...others.slice(blamed)];
  }
  const size = isCrash ? 1 : Math.ceil(rows.length / 2);
  const outcomes: RowOutcome[] = [];
  for (let from = 0; from < rows.length; from += size) {
    outcomes.push(...(await answerRows(rows.slice(from, from + size), ask)));
  }
  return outcomes;
}

/**
 * Places of the rows whose answer is this failure: a single row's own one, and one that killed its executor among others. The rest
 * run again.
 */
export function finalIn(error: unknown, rows: number): readonly number[] {
  const kind = failureKind(error);
  if (kind !== 'row' && kind !== 'crash') return [];
  if (rows === 1) return [0];
  const blamed = kind === 'crash' ? blamedRow(error, rows) : undefined;
  return blamed === undefined ? [] : [blamed];
}

const ROW_FIELD = /^rows\[(\d+)\](?:\.|$)/;

function blamedRow(error: unknown, rows: number): number | undefined {
  const field = isQuaysideError(error) ? error.details[0]?.field : undefined;
  const place = Number((field === undefined ? null : ROW_FIELD.exec(field))?.[1] ?? NaN);
  return place < rows ? place : undefined;
}

/** The error of a row that was asked about alone: its fields are named as the row's own. */
function errorOfRow(error: unknown): RowError {
  if (!isQuaysideError(error)) return rowErrorOf(new QuaysideError('internal', 'The server failed on this row.'));
  const { code, message, details } = rowErrorOf(error);
  const own = details.map((detail) => ({ ...detail, field: detail.field.replace(ROW_FIELD, '') }));
  return { code, message, param: own[0]?.field ?? null, details: own };
}
