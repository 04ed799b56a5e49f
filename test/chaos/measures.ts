import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

/** Keeps what an experiment measured in `test/chaos/results/<name>.json`, with the machine that it was measured on. */
export async function keepMeasures(name: string, measures: object): Promise<void> {
  const directory = join(__dirname, 'results');
  const machine = { cpus: availableParallelism(), model: cpus()[0]?.model ?? '', node: process.version };
  const text = JSON.stringify({ measuredAt: new Date().toISOString(), machine, ...measures }, null, 2);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${name}.json`), `${text}\n`);
}

/** Half of the values are at most `p50`, 99 of 100 at most `p99`; rounded to hundredths. */
export function percentiles(values: readonly number[]): {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
} {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
