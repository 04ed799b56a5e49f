import type { ErrorDetail, JsonRecord } from '@app/core';
import type { FeaturePlan } from './feature-plan';

/** Rows of one entity's values at one moment, as a client wrote them. */
export interface PushRow {
  /** The join keys, by name. */
  readonly entities: JsonRecord;
  /** When the values were true: RFC 3339 with a zone. */
  readonly event_ts: unknown;
  /** Values by feature, of any version of the view. One that is left out, or null, becomes null: a row replaces the whole row. */
  readonly features: JsonRecord;
}

/** A push of rows into one view. */
export interface PushRequest {
  readonly rows: readonly PushRow[];
  /** `all_or_nothing`: one bad row refuses the push. `partial`: bad rows are told, the others written. */
  readonly mode: 'all_or_nothing' | 'partial';
  /** A UUID of the client's: a repeated push does nothing and gives the first one's result. Absent: one is made. */
  readonly pushId?: string;
}

/** What became of the rows of a push: `written + skippedOlder + rejected.length` is their number. */
export interface PushResult {
  readonly pushId: string;
  /** Whether all of this became of an earlier push with the same id, and this one changed nothing. */
  readonly isRepeated: boolean;
  /** Rows that are now what reads see. */
  readonly written: number;
  /** Rows older than what is stored, or than another of the push: they stand in the history only. */
  readonly skippedOlder: number;
  readonly rejected: readonly RejectedRow[];
}

/** A row that was not taken, and everything that is wrong with it. */
export interface RejectedRow {
  readonly index: number;
  readonly details: readonly ErrorDetail[];
}

/** What was deleted of one entity. */
export interface Erased {
  readonly online: number;
  readonly history: number;
}

/** What is stored of one view. */
export interface ViewStatistics {
  readonly view: string;
  /** Entities with a row. */
  readonly rows: number;
  /** Microseconds since the epoch, UTC; absent where there is no row. */
  readonly newestEventTsUs?: bigint;
}

/** Most rows of one push. */
export const PUSH_ROW_LIMIT = 10_000;

/** A row whose moment is further in the future than this is a mistake of its writer's clock or unit. */
export const FUTURE_LIMIT_US = 300_000_000n;

/**
 * Writes stored rows, and records which views were applied. Every method throws database_unavailable while the store cannot
 * be reached. A row is one per view and entity: all versions of a view read from it, so a new version is never empty.
 */
export abstract class FeatureViewStore {
  /** What `apply` would do, and what it would refuse. Changes nothing. */
  abstract plan(): Promise<FeaturePlan>;

  /** Records every declared version, together or, where one is refused, none. A version that is recorded never changes its content. */
  abstract apply(): Promise<FeaturePlan>;

  /**
   * Writes rows in one transaction. An older row never replaces a newer one; of equal moments the last push wins. Throws
   * feature_view_not_found for a view that is not declared; features_unavailable while the declared views are refused; invalid_input with details for too many rows, for a bad row in
   * `all_or_nothing`, and for a push id of another view.
   */
  abstract push(view: string, request: PushRequest): Promise<PushResult>;

  /**
   * Deletes an entity's row and all its history. `key` as `entityKeyOf` writes it. Throws feature_view_not_found, and
   * features_unavailable as `push` does.
   */
  abstract erase(view: string, key: string): Promise<Erased>;

  /** Rows and newest event of every view that was applied, or of one. It looks at every row of these; what that takes long for may be told again. */
  abstract statistics(view?: string): Promise<readonly ViewStatistics[]>;
}
