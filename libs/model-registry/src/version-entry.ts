import type { Signature } from '@app/core';
import type { VersionState } from './model-registry';
import type { ModelVersion } from './model-version';

/** A version as it was found: with all that is known of it, or with the reason why its files cannot be served. */
export type FoundVersion = {
  readonly version: string;
  /** When its newest file was written, in milliseconds since the epoch. */
  readonly createdAtMs: number;
} & ({ readonly details: ModelVersion } | { readonly reason: string });

/** A change of a version's state, for the log. */
export interface VersionMove {
  readonly model: string;
  readonly version: string;
  /** SHA-256 of the version; empty when its files could not be read. */
  readonly digest: string;
  readonly from: VersionState;
  readonly to: VersionState;
  readonly reason: string;
  /** What lies behind a failure, when it is more than its reason. */
  readonly cause?: unknown;
}

/**
 * `known → probing → loading → warming → ready → draining → known`, and `failed` from any but `draining`. A load may
 * begin anywhere between `probing` and `warming`, and starts over when its process dies.
 */
const MOVES: Readonly<Record<VersionState, readonly VersionState[]>> = {
  known: ['probing', 'failed'],
  // Back to `known` when there was no room, which is no fault of the version's.
  probing: ['loading', 'warming', 'ready', 'failed', 'known'],
  loading: ['probing', 'warming', 'ready', 'failed', 'known'],
  warming: ['probing', 'loading', 'ready', 'failed', 'known'],
  // To `known` when it lost its memory to another model.
  ready: ['draining', 'known', 'failed'],
  draining: ['known'],
  failed: ['known'],
};

/**
 * One content of one version: the files under a name, as long as they have the same digest. Only `move` changes its
 * state; a move that MOVES does not allow is a defect and throws.
 */
export class VersionEntry {
  /** Why it failed or does not serve; stays through later trials until one succeeds. */
  reason = '';
  /** True from its success until it fails or drains. */
  proven = false;
  /** Failures in a row. */
  failures = 0;
  /** When it may be tried again, on the monotonic clock; absent: at any time, or only once its files change. */
  retryAtMs: number | undefined;
  /** The checks that run for it now. */
  flight: Promise<ModelVersion> | undefined;
  private current: VersionState = 'known';
  private seen: ModelVersion | undefined;

  constructor(
    readonly model: string,
    readonly found: FoundVersion,
    private readonly onMove: (move: VersionMove) => void,
  ) {
    this.seen = 'details' in found ? Object.freeze(found.details) : undefined;
    if ('reason' in found) this.move('failed', { reason: found.reason });
  }

  get version(): string {
    return this.found.version;
  }

  get state(): VersionState {
    return this.current;
  }

  /** Absent when its files could not be read; then it stays `failed` until they change. */
  get details(): ModelVersion | undefined {
    return this.seen;
  }

  /** Whether its checks run. */
  get isStarting(): boolean {
    return this.current === 'probing' || this.current === 'loading' || this.current === 'warming';
  }

  /** Whether both mean the same content. */
  isSame(other: FoundVersion): boolean {
    if (this.seen && 'details' in other) return this.seen.digest === other.details.digest;
    return 'reason' in this.found && 'reason' in other && this.found.reason === other.reason;
  }

  /** Replaces the signature that the file declares by the one that the engine saw. */
  learn(signature: Signature): void {
    if (!this.seen || JSON.stringify(this.seen.signature) === JSON.stringify(signature)) return;
    this.seen = Object.freeze({ ...this.seen, signature });
  }

  /** Makes every change of state. Throws on a move that does not exist. */
  move(to: VersionState, { reason = '', cause }: { readonly reason?: string; readonly cause?: unknown } = {}): void {
    const from = this.current;
    if (!MOVES[from].includes(to)) throw new Error(`${this.model}@${this.version} cannot go from ${from} to ${to}`);
    this.current = to;
    if (to === 'ready' || reason !== '') this.reason = reason;
    // What was drained has to prove itself anew, while what lost its memory is loaded again as it was.
    if (to === 'ready' || to === 'failed' || from === 'draining') this.proven = to === 'ready';
    const digest = this.seen?.digest ?? '';
    this.onMove({ model: this.model, version: this.version, digest, from, to, reason, cause });
  }
}
