import { createHash } from 'node:crypto';
import type { FeatureViewStore, PushResult } from '../rows/feature-view-store';
import { type CsvLine, type CsvTarget, readCsv } from './read-csv';

/** What became of a file so far. */
export interface CsvProgress {
  readonly rows: number;
  readonly written: number;
  readonly skippedOlder: number;
  /** Rows that an earlier run pushed: they were not pushed again. */
  readonly known: number;
  readonly rejected: number;
}

/** What a file is pushed with. */
export interface CsvPush extends CsvTarget {
  readonly store: FeatureViewStore;
  /** Makes equal rows a push of their own; absent: a chunk that was pushed before is not pushed again. */
  readonly salt?: string;
  /** Called for each line that is not taken, with everything that is wrong with it. */
  rejected(line: number, says: string): void;
  /** Called after each chunk. */
  progress(so: CsvProgress): void;
}

/** Rows and characters of one push. */
const CHUNK = { rows: 2000, characters: 4 * 1024 * 1024 } as const;

type GoodLine = Extract<CsvLine, { readonly row: unknown }>;

/**
 * Pushes the rows of a CSV file, chunk by chunk. A line that is wrong is told and left out, the others are written. A run that
 * broke off can be repeated: the id of a push is a hash of its rows. Throws as `readCsv` and `FeatureViewStore.push` do.
 */
export async function pushCsv(file: string, push: CsvPush): Promise<CsvProgress> {
  let total: CsvProgress = { rows: 0, written: 0, skippedOlder: 0, known: 0, rejected: 0 };
  for await (const lines of chunks(readCsv(file, push))) {
    const good = lines.filter((line): line is GoodLine => 'row' in line);
    const result = good.length === 0 ? undefined : await pushLines(good, push);
    const faults = [...lines.filter((line) => 'says' in line), ...rejectedLines(good, result)];
    for (const { line, says } of faults.sort((one, other) => one.line - other.line)) push.rejected(line, says);
    const news = newsOf(result);
    total = {
      rows: total.rows + lines.length,
      written: total.written + news.written,
      skippedOlder: total.skippedOlder + news.skippedOlder,
      known: total.known + news.known,
      rejected: total.rejected + faults.length,
    };
    push.progress(total);
  }
  return total;
}

/** What a push did, and not what an earlier one had done. */
function newsOf(result: PushResult | undefined): Pick<CsvProgress, 'written' | 'skippedOlder' | 'known'> {
  if (!result) return { written: 0, skippedOlder: 0, known: 0 };
  const { isRepeated, written, skippedOlder } = result;
  return isRepeated
    ? { written: 0, skippedOlder: 0, known: written + skippedOlder }
    : { written, skippedOlder, known: 0 };
}

interface LineFault {
  readonly line: number;
  readonly says: string;
}

function rejectedLines(lines: readonly GoodLine[], result: PushResult | undefined): readonly LineFault[] {
  return (result?.rejected ?? []).map(({ index, details }) => ({
    line: lines[index]?.line ?? 0,
    says: details.map(({ message }) => withoutPath(message)).join(' '),
  }));
}

function pushLines(lines: readonly GoodLine[], { store, view, salt = '' }: CsvPush): Promise<PushResult> {
  const rows = lines.map(({ row }) => row);
  const hash = createHash('sha256')
    .update(JSON.stringify([view, salt, rows]))
    .digest('hex');
  // A UUID of version 8, whose bits are its maker's.
  const pushId = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return store.push(view, { rows, mode: 'partial', pushId });
}

async function* chunks(lines: AsyncIterable<CsvLine>): AsyncGenerator<readonly CsvLine[]> {
  let chunk: CsvLine[] = [];
  let characters = 0;
  for await (const line of lines) {
    chunk.push(line);
    characters += 'row' in line ? sizeOf(line) : 0;
    if (chunk.length < CHUNK.rows && characters < CHUNK.characters) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}

function sizeOf({ row: { features } }: GoodLine): number {
  return Object.values(features).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : 8),
    0,
  );
}

/** Messages begin with the place in the push, which a reader of the file does not know. */
function withoutPath(message: string): string {
  return message.replace(/^rows\[\d+\]\.(?:features\.|entities\.)?/, '');
}
