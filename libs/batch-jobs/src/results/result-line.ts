import type { JsonValue } from '@app/core';
import type { RowError } from './row-error';

/** What became of a row. */
export type RowResult = {
  /** In the job's input. */
  readonly index: number;
  readonly id: string;
} & ({ readonly output: JsonValue } | { readonly error: RowError });

/** The line of a result file, as it goes to the client: `{"index":12,"id":"r12","output":…}` and a line feed. */
export function resultLine(result: RowResult): string {
  const begin = `{"index":${result.index},"id":${JSON.stringify(result.id)}`;
  if ('output' in result) return `${begin},"output":${JSON.stringify(result.output)}}\n`;
  return `${begin},"error":${JSON.stringify(result.error)}}\n`;
}

const ERROR_LINE = /^\{"index":\d+,"id":"(?:[^"\\]|\\.)*","error":/;
/** More than all that stands before the error. */
const BEGIN_BYTES = 4096;

/** Whether a line that `resultLine` wrote is that of a failed row. */
export function isErrorLine(line: Buffer): boolean {
  return ERROR_LINE.test(line.toString('latin1', 0, BEGIN_BYTES));
}
