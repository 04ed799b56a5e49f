import type { ModelReference, Signature } from '@app/core';
import type { ModelVersion } from './model-version';

/**
 * Where a version stands. `known → probing → loading → warming → ready → draining → known`; any of the middle ones may
 * end in `failed`, and `failed` starts again at `known` when its back-off is over or its files change.
 */
export const VERSION_STATES = ['known', 'probing', 'loading', 'warming', 'ready', 'draining', 'failed'] as const;

/** One of the states of a version. */
export type VersionState = (typeof VERSION_STATES)[number];

/** What the outside sees of one version. */
export interface VersionStatus {
  readonly version: string;
  readonly state: VersionState;
  /** Why it failed, or why it is not served; empty when there is nothing to say. */
  readonly reason: string;
  /** When a failed version is tried again, in milliseconds since the epoch. */
  readonly nextTrialAtMs?: number;
  /** Whether the policy serves it now. */
  readonly served: boolean;
  /** Everything else that is known of it; absent when its files could not be read. */
  readonly details?: ModelVersion;
}

/** What the outside sees of one model. */
export interface ModelStatus {
  readonly model: string;
  readonly pinned: boolean;
  /** The version that answers when none is named; absent when none can. */
  readonly defaultVersion?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** When the model's newest file was written, in milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** Newest last. */
  readonly versions: readonly VersionStatus[];
}

/** The version that stands for its model where one is shown: the one that answers by default; without one, the newest. */
export function shownVersion({ versions, defaultVersion }: ModelStatus): VersionStatus | undefined {
  return versions.find(({ version }) => version === defaultVersion) ?? versions.at(-1);
}

/** `load` checks run before `bind` checks. */
export type ServingStep = 'load' | 'bind';

/** What must succeed before a version is served. A throw makes it `failed` with that reason; an older one stays. */
export type ServingCheck = (version: ModelVersion) => Promise<void>;

/** A change that those who load and run models report of a version. */
export type VersionReport =
  | { readonly state: 'probing' | 'loading' | 'warming' }
  /** The engine opened it and saw this signature. */
  | { readonly signature: Signature }
  /** It lost its memory to another model: the next request loads it again. */
  | { readonly state: 'known' }
  | { readonly state: 'failed'; readonly reason: string };

/**
 * Which models and versions exist, what their signature is and where they stand. It finds versions and holds their
 * states; it loads nothing itself, and calls only what registered with it.
 */
export abstract class ModelRegistry {
  /**
   * The version that a reference means now, from memory, without waiting for it to load.
   * Throws model_not_found, model_version_not_found, model_unavailable (when every version has failed).
   */
  abstract resolve(reference: ModelReference): ModelVersion;
  /** The version that a reference means, where it serves already; undefined where there is something to wait for. Throws as `resolve` does. */
  abstract serving(reference: ModelReference): ModelVersion | undefined;
  /**
   * Resolves when the version that the reference means can serve; joins a load that is under way. When the reference
   * names no version and the newest fails, the next one that the policy allows serves.
   * Throws as `resolve` does, and model_unavailable, model_capacity, model_not_ready.
   */
  abstract serve(reference: ModelReference): Promise<ModelVersion>;
  /** Every model in order of its name; no I/O. */
  abstract list(): readonly ModelStatus[];
  /** One model, whatever state it is in; no I/O. Throws model_not_found, and model_not_ready while models are still looked for. */
  abstract status(model: string): ModelStatus;
  /** Registers what must succeed before any version is served. Call it before the application has started. */
  abstract beforeServing(step: ServingStep, check: ServingCheck): void;
  /** Registers what happens to a version that is no longer served, such as waiting for its requests and unloading it. */
  abstract afterServing(release: (version: ModelVersion) => Promise<void>): void;
  /** Takes a change of a version's state. A report on a version that is no longer known is ignored. */
  abstract report(version: ModelVersion, report: VersionReport): void;
}
