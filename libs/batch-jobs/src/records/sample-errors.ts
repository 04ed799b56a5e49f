import type { SampleError } from './job-record';

const MOST = 20;
const NUL = '\u0000';

/** The failed rows that a job shows: the first of all that are known, by index, without what PostgreSQL cannot store. */
export function withSamples(known: readonly SampleError[], more: readonly SampleError[]): readonly SampleError[] {
  const byIndex = new Map([...known, ...more.map(storable)].map((sample) => [sample.index, sample]));
  return [...byIndex.values()].sort((one, other) => one.index - other.index).slice(0, MOST);
}

function storable({ index, id, error }: SampleError): SampleError {
  return { index, id: storableText(id), error: { code: error.code, message: storableText(error.message) } };
}

/** A text as jsonb takes it: no NUL, and no half of a surrogate pair. */
export function storableText(text: string): string {
  return text.replaceAll(NUL, '').toWellFormed();
}
