/** A line of the log of the upkeep. */
export interface UpkeepLine {
  readonly event: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

/** Takes what the upkeep mended, and that a part of it fails or works again. */
export type UpkeepLog = (level: 'log' | 'warn', line: UpkeepLine) => void;
