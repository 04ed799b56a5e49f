import { createHash } from 'node:crypto';
import { versionKey } from '@app/model-registry';
import type { Batch } from './executor';

/** A batch's question: what is asked of which version. */
type Question = Pick<Batch, 'version' | 'calls'>;

/**
 * Remembers for a while what killed two processes, so that a client who repeats it does not kill two more each time.
 * Questions are known by a hash; nothing is hashed while the list is empty, as it nearly always is.
 */
export class PoisonList {
  private readonly untilMs = new Map<string, number>();

  constructor(private readonly keepMs: number) {}

  /** Remembers a question from now on. */
  add(question: Question, nowMs: number): void {
    this.untilMs.set(hashOf(question), nowMs + this.keepMs);
  }

  /** Whether the question killed its processes lately. */
  has(question: Question, nowMs: number): boolean {
    for (const [hash, untilMs] of this.untilMs) if (untilMs <= nowMs) this.untilMs.delete(hash);
    return this.untilMs.size > 0 && this.untilMs.has(hashOf(question));
  }
}

function hashOf({ version, calls }: Question): string {
  const hash = createHash('sha256').update(versionKey(version));
  for (const { tensors, ...rest } of calls) {
    hash.update(JSON.stringify(rest));
    for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
      hash.update(JSON.stringify([name, dtype, shape, bytes.byteLength])).update(bytes);
    }
  }
  return hash.digest('hex');
}
