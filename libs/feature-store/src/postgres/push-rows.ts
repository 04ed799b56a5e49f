import { STORED_CODEC, encodeTimestamp } from '@app/core';
import type { Queryable } from '@app/database';
import type { PreparedPush, PreparedRow } from '../rows/prepare-push';

/** A checked push on its way into the tables. */
export interface PushTarget {
  readonly viewId: number;
  readonly pushId: string;
}

// An older row changes nothing and is not returned; of equal moments the later push wins. `written_at` is taken when the
// row is locked, so that it grows with every write of a row.
const UPSERT = `
  insert into feature_online (view_id, entity_key, event_ts, written_at, data, codec)
  select $1, key, event_ts, clock_timestamp(), data, ${STORED_CODEC}
  from unnest($2::text[], $3::timestamptz[], $4::jsonb[]) as pushed(key, event_ts, data)
  on conflict (view_id, entity_key) do update
    set event_ts = excluded.event_ts, written_at = clock_timestamp(), data = excluded.data, codec = excluded.codec
    where excluded.event_ts >= feature_online.event_ts
  returning entity_key`;

const REMEMBER = `
  insert into feature_history (view_id, entity_key, event_ts, created_ts, push_id, data, codec)
  select $1, key, event_ts, clock_timestamp(), $5::uuid, data, ${STORED_CODEC}
  from unnest($2::text[], $3::timestamptz[], $4::jsonb[]) as pushed(key, event_ts, data)`;

/** Writes rows and history; gives how many rows are now what reads see. */
export async function writeRows(tx: Queryable, push: PreparedPush, { viewId, pushId }: PushTarget): Promise<number> {
  if (push.online.length === 0) return 0;
  const { rowCount } = await tx.query(UPSERT, [viewId, ...columnsOf(push.online)]);
  await tx.query(REMEMBER, [viewId, ...columnsOf(push.history), pushId]);
  return rowCount;
}

/** One parameter per column, which PostgreSQL takes twice as fast as one per value. */
function columnsOf(rows: readonly PreparedRow[]): readonly (readonly string[])[] {
  return [
    rows.map(({ key }) => key),
    rows.map(({ eventTsUs }) => encodeTimestamp(eventTsUs)),
    rows.map(({ data }) => data),
  ];
}
