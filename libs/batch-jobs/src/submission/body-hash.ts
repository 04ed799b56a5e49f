import { type Hash, createHash } from 'node:crypto';
import { limitBytes } from '../input/input-limits';
import type { JobSubmission } from './job-submission';

/** What tells whether two submissions are the same: SHA-256 over the options, to which the bytes as sent are added. */
export function bodyHash(submission: JobSubmission): Hash {
  const { idempotencyKey: _, signal: __, input, ...options } = submission;
  const stream = 'stream' in input ? { format: input.stream.format, encoding: input.stream.encoding } : {};
  const hash = createHash('sha256').update(sorted({ ...options, ...stream }));
  return 'rows' in input ? hash.update(input.body) : hash;
}

/** The hash of a whole submission, read to its end and kept nowhere; no bytes where it has come whole. Throws body_too_large, and what the input throws. */
export async function readHash(
  submission: JobSubmission,
  bytes: AsyncIterable<Uint8Array> | undefined,
  maxBytes: number,
): Promise<string> {
  const hash = bodyHash(submission);
  if (!bytes) return hash.digest('hex');
  for await (const piece of limitBytes(bytes, { maxBytes, what: 'as sent' })) hash.update(piece);
  return hash.digest('hex');
}

/** JSON in which the order of keys says nothing. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}
