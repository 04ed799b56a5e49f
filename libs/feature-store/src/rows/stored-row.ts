import { type JsonRecord, STORED_CODEC, type StoredValue, decodeStored, ownValue } from '@app/core';
import type { FeatureViews } from '../views/feature-views';
import type { StoredRow } from './feature-reader';

/** A row as it is stored. */
export interface WrittenRow {
  readonly view: string;
  readonly eventTsUs: bigint;
  /** Canonical JSON of its values by feature. */
  readonly data: string;
  /** By which rules `data` is written. */
  readonly codec: number;
}

/** The values of a stored row, of every feature that the views know. Throws for rows of another codec, and damaged ones. */
export function decodeRow({ view, eventTsUs, data, codec }: WrittenRow, views: FeatureViews): StoredRow {
  if (codec !== STORED_CODEC) throw new Error(`Rows of view "${view}" are written in codec ${codec}.`);
  const stored = JSON.parse(data) as JsonRecord;
  const values: Record<string, StoredValue | null> = {};
  for (const { name, dtype } of views.featuresOf(view).values()) {
    // A feature may be called `constructor`, which every object has.
    const json = ownValue(stored, name) ?? null;
    values[name] = json === null ? null : decodeStored(dtype, json);
  }
  return { eventTsUs, values };
}
