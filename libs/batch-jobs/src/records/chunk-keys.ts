/** Which file of a chunk a key names. */
export type ChunkFile =
  | { readonly kind: 'input'; readonly jobId: string; readonly idx: number }
  | { readonly kind: 'result'; readonly jobId: string; readonly idx: number; readonly epoch: number };

const KEY = /^jobs\/(job_[0-9a-f]{32})\/(?:in\/(\d{1,9})|out\/(\d{1,9})\.(\d{1,9}))\.jsonl$/;

/** The key of a chunk's rows. */
export function inputKey(jobId: string, idx: number): string {
  return `${jobPrefix(jobId)}in/${idx}.jsonl`;
}

/** The key of what one claim of a chunk writes; the epoch keeps two claims from writing one file. */
export function resultKey({ jobId, idx, epoch }: { jobId: string; idx: number; epoch: number }): string {
  return `${jobPrefix(jobId)}out/${idx}.${epoch}.jsonl`;
}

/** What the keys of all files of a job begin with. */
export function jobPrefix(jobId: string): string {
  return `jobs/${jobId}/`;
}

/** What a key names; undefined for what is no file of a chunk. */
export function parseChunkKey(key: string): ChunkFile | undefined {
  const [, jobId, input, output, epoch] = KEY.exec(key) ?? [];
  if (jobId === undefined) return undefined;
  if (input !== undefined) return { kind: 'input', jobId, idx: Number(input) };
  return { kind: 'result', jobId, idx: Number(output), epoch: Number(epoch) };
}
