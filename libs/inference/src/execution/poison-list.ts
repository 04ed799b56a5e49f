import { createHash } from 'node:crypto';
import { type ModelVersion, versionKey } from '@app/model-registry';
import { rowsOfCall } from '../scheduling/pieces';
import type { TaskInput } from '../tasks/task';
import type { Batch } from './executor';

/** A batch's question: what is asked of which version. */
type Question = Pick<Batch, 'version' | 'calls'>;

/**
 * Remembers for a while what killed two processes, so that a client who repeats it does not kill two more each time.
 * Rows are known by a hash; nothing is hashed while the list is empty, as it nearly always is.
 */
export class PoisonList {
  private readonly untilMs = new Map<string, number>();

  constructor(private readonly keepMs: number) {}

  /** Remembers each row of a question from now on. */
  add(question: Question, nowMs: number): void {
    for (const hash of hashesOf(question)) this.untilMs.set(hash, nowMs + this.keepMs);
  }

  /** Whether a row of the question killed its processes lately. */
  has(question: Question, nowMs: number): boolean {
    if (this.untilMs.size === 0) return false;
    for (const [hash, untilMs] of this.untilMs) if (untilMs <= nowMs) this.untilMs.delete(hash);
    return this.untilMs.size > 0 && hashesOf(question).some((hash) => this.untilMs.has(hash));
  }
}

/** Of every row that can run alone: whoever asks about it with others is to be known, too. */
function hashesOf({ version, calls }: Question): readonly string[] {
  return calls.flatMap((call) => {
    if (!call.splittable) return [hashOf(version, call)];
    return Array.from({ length: call.rows }, (_, row) => hashOf(version, rowsOfCall(call, row, 1)));
  });
}

function hashOf(version: ModelVersion, { tensors, ...rest }: TaskInput): string {
  const hash = createHash('sha256').update(versionKey(version)).update(JSON.stringify(rest));
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    hash.update(JSON.stringify([name, dtype, shape, bytes.byteLength])).update(bytes);
  }
  return hash.digest('hex');
}
