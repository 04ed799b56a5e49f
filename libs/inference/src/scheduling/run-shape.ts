import type { Tensor } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { TaskInput } from '../tasks/task';

/** What rows must share to run together, and how large they are. */
export interface RunShape {
  /** Equal for calls whose rows may share a run: types, shapes of a row (or the class of its length), outputs wanted. */
  readonly key: string;
  /** Estimated tokens of the longest row; 0 where the model reads no text. */
  readonly rowTokens: number;
  readonly rowBytes: number;
  readonly bytes: number;
}

/** Texts of up to 32, 64, 128, … tokens wait apart: run together, the short ones would be padded to the long ones. */
const SHORTEST_BUCKET = 32;
/** Before a text of the model was read. */
const USUAL_BYTES_PER_TOKEN = 4;
const NEWEST = 0.05;
/** An element of BYTES is its length in four bytes, then its bytes. */
const LENGTH_BYTES = 4;

/** The shape of a call; `bytesPerToken` is what the model's texts had lately. */
export function runShapeOf(version: ModelVersion, input: TaskInput, bytesPerToken: number): RunShape {
  const bytes = bytesOf(input);
  const sizes = { rowBytes: bytes / input.rows, bytes };
  if (!version.text) return { key: keyOf(input), rowTokens: 0, ...sizes };
  const longest = longestText(input.tensors['text'], input.rows);
  const rowTokens = Math.max(1, Math.min(Math.ceil(longest / bytesPerToken), version.text.maxTokens));
  return { key: `text:${bucketOf(rowTokens)}`, rowTokens, ...sizes };
}

/** How many UTF-8 bytes a token of this model's texts has; what it learns from answers makes runs better, never answers. */
export class TokenLength {
  bytesPerToken = USUAL_BYTES_PER_TOKEN;

  /** A call of texts turned out to have so many tokens. */
  observe(input: TaskInput, tokens: number): void {
    const bytes = (input.tensors['text']?.bytes.byteLength ?? 0) - input.rows * LENGTH_BYTES;
    if (tokens > 0 && bytes > 0) this.bytesPerToken += NEWEST * (bytes / tokens - this.bytesPerToken);
  }
}

function bucketOf(tokens: number): number {
  let bucket = SHORTEST_BUCKET;
  while (bucket < tokens) bucket *= 2;
  return bucket;
}

function keyOf({ tensors, outputs }: TaskInput): string {
  let key = outputs.join();
  for (const name in tensors) {
    const { dtype, shape } = tensors[name];
    key += `;${name}:${dtype}`;
    for (let at = 1; at < shape.length; at += 1) key += `,${shape[at]}`;
  }
  return key;
}

function bytesOf({ tensors }: TaskInput): number {
  let bytes = 0;
  for (const name in tensors) bytes += tensors[name].bytes.byteLength;
  return bytes;
}

function longestText({ bytes }: Tensor, rows: number): number {
  if (rows === 1) return bytes.byteLength - LENGTH_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let longest = 0;
  for (let at = 0; at < bytes.byteLength;) {
    const length = view.getUint32(at, true);
    longest = Math.max(longest, length);
    at += LENGTH_BYTES + length;
  }
  return longest;
}
