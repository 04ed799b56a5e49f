const [FEWEST_ROWS, MOST_ROWS] = [64, 10_000];
const ROWS_OF_AN_UNKNOWN_MODEL = 1000;

/** How many rows a chunk gets, so that it runs for about `chunkSeconds`; `rowsPerSecond` is one worker's, where it is known. */
export function rowsPerChunk(rowsPerSecond: number | undefined, chunkSeconds: number): number {
  if (rowsPerSecond === undefined) return ROWS_OF_AN_UNKNOWN_MODEL;
  return Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, Math.round(rowsPerSecond * chunkSeconds)));
}
