import type { Queryable } from '@app/database';
import { canonicalJson } from '../views/canonical-json';
import type { FeatureView } from '../views/feature-view';
import { type RecordedContent, recordContent } from '../views/view-content';
import type { RecordedVersion } from '../rows/feature-plan';

interface VersionRow {
  readonly view: string;
  readonly version: number;
  readonly content: string;
  readonly content_hash: string;
}

/** Every version that was ever applied. */
export async function readRecorded(queryable: Queryable): Promise<readonly RecordedVersion[]> {
  const { rows } = await queryable.query<VersionRow>(`
    select name as view, version, content, content_hash
    from feature_view_version join feature_view on id = view_id`);
  return rows.map(({ view, version, content, content_hash: contentHash }) => ({
    view,
    version,
    contentHash,
    content: JSON.parse(content) as RecordedContent,
  }));
}

/** Records a version, or what may change of one. Its content was compared before, under the features' lock. */
export async function recordVersion(tx: Queryable, view: FeatureView): Promise<void> {
  const entities = canonicalJson(view.entities.map(({ name, dtype }) => ({ name, dtype })));
  await tx.query('insert into feature_view (name, entities) values ($1, $2) on conflict (name) do nothing', [
    view.name,
    entities,
  ]);
  await tx.query(
    `insert into feature_view_version (view_id, version, content, content_hash)
     select id, $2, $3, $4 from feature_view where name = $1
     on conflict (view_id, version) do update set content = excluded.content
       where feature_view_version.content_hash = excluded.content_hash`,
    [view.name, view.version, canonicalJson(recordContent(view)), view.contentHash],
  );
}
