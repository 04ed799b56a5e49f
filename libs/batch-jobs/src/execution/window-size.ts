/** What bounds the rows that are worked on together. */
export interface WindowLimits {
  readonly maxRows: number;
  /** How fast the model was before; undefined: nobody knows. */
  readonly rowsPerSecond: number | undefined;
}

/** Before it is known how long a row takes. */
const FIRST_ROWS = 16;
/** Work that is ahead keeps executors busy; more of it would only take memory, and is lost when the chunk stops. */
const WINDOW_SECONDS = 2;
/** Small enough that executors share a window, and that its lines are made a few at a time; larger calls cost less per row. */
const CALL_SECONDS = 0.05;
const CALL_ROWS = { least: 8, most: 64 };
/** What the lines of a window may take together. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** How many rows go together: as many as take some seconds and some megabytes, by those that went before. */
export class WindowSize {
  private rowsPerSecond: number | undefined;
  private bytesPerRow = 0;

  constructor(private readonly limits: WindowLimits) {
    this.rowsPerSecond = limits.rowsPerSecond;
  }

  get rows(): number {
    const { rowsPerSecond, bytesPerRow } = this;
    const byTime = rowsPerSecond === undefined ? FIRST_ROWS : rowsPerSecond * WINDOW_SECONDS;
    const byBytes = bytesPerRow === 0 ? Infinity : WINDOW_BYTES / bytesPerRow;
    return Math.max(1, Math.floor(Math.min(this.limits.maxRows, byTime, byBytes)));
  }

  /** How many of them go in one call. */
  get callRows(): number {
    const wanted = (this.rowsPerSecond ?? 0) * CALL_SECONDS;
    return Math.floor(Math.min(CALL_ROWS.most, Math.max(CALL_ROWS.least, wanted)));
  }

  /** So many rows took so long and gave so many bytes. */
  learn({ rows, ms, bytes }: { readonly rows: number; readonly ms: number; readonly bytes: number }): void {
    if (rows === 0) return;
    this.rowsPerSecond = (rows * 1000) / Math.max(ms, 1);
    this.bytesPerRow = bytes / rows;
  }
}
