import { type Clock, QuaysideError, newId } from '@app/core';
import type { Database, Queryable } from '@app/database';
import { type FeaturePlan, planFeatures } from '../rows/feature-plan';
import {
  type Erased,
  FeatureViewStore,
  type PushRequest,
  type PushResult,
  type RejectedRow,
  type ViewStatistics,
} from '../rows/feature-view-store';
import { type PreparedPush, invalid, preparePush } from '../rows/prepare-push';
import { PushTurns } from '../rows/push-turns';
import type { FeatureViews } from '../views/feature-views';
import { lockFeatures } from './feature-lock';
import { addHistoryPartitions } from './history-partitions';
import { writeRows } from './push-rows';
import { readRecorded, recordVersion } from './recorded-views';
import { ViewCounts } from './view-counts';

/** What the store is made of. */
export interface PostgresStoreParts {
  readonly database: Database;
  readonly views: FeatureViews;
  readonly clock: Clock;
}

interface StoredResult {
  readonly written: number;
  readonly skipped_older: number;
  readonly rejected: readonly RejectedRow[];
}

/** SQLSTATE of a row for which there is no partition, and of one that is there already. */
const NO_PARTITION = '23514';
const DUPLICATE = '23505';

/** Stored rows in PostgreSQL. */
export class PostgresFeatureViewStore extends FeatureViewStore {
  private readonly turns = new PushTurns();
  /** Whether this process's views are recorded, by this process or an earlier one. */
  private isApplied = false;
  private readonly counts: ViewCounts;

  constructor(private readonly parts: PostgresStoreParts) {
    super();
    this.counts = new ViewCounts(parts.database.main, parts.clock);
  }

  override async plan(): Promise<FeaturePlan> {
    return planFeatures(this.parts.views, await readRecorded(this.parts.database.main));
  }

  override async apply(): Promise<FeaturePlan> {
    const applied = await this.parts.database.main.transaction(async (tx) => {
      await lockFeatures(tx);
      await addHistoryPartitions(tx);
      const plan = planFeatures(this.parts.views, await readRecorded(tx));
      if (!plan.isRefused) await this.record(tx, plan);
      return plan;
    });
    this.isApplied = !applied.isRefused;
    return applied;
  }

  override async push(view: string, request: PushRequest): Promise<PushResult> {
    const nowUs = BigInt(this.parts.clock.epochMs()) * 1000n;
    const prepared = await preparePush(view, request, { views: this.parts.views, nowUs });
    return this.turns.take(async () => {
      const push = { prepared, viewId: await this.viewId(view), pushId: request.pushId?.toLowerCase() ?? newId() };
      const earlier = request.pushId === undefined ? undefined : await this.earlier(push);
      return earlier ?? this.write(push);
    });
  }

  override async erase(view: string, key: string): Promise<Erased> {
    this.parts.views.known(view);
    return this.parts.database.main.transaction(async (tx) => {
      const online = await tx.query(`delete from feature_online ${OF_ENTITY}`, [view, key]);
      const history = await tx.query(`delete from feature_history ${OF_ENTITY}`, [view, key]);
      return { online: online.rowCount, history: history.rowCount };
    });
  }

  override statistics(view?: string): Promise<readonly ViewStatistics[]> {
    return view === undefined ? this.counts.all() : this.counts.of(view);
  }

  private async record(tx: Queryable, { changes }: FeaturePlan): Promise<void> {
    for (const { view, version, kind } of changes) {
      const declared = kind === 'unchanged' ? undefined : this.parts.views.find(view, version);
      if (declared) await recordVersion(tx, declared);
    }
  }

  /**
   * The number of a view that is declared. What is not applied is applied first, so that nobody has to wait for the start
   * to end; what is refused takes no rows, as they would be written by other rules than those that are stored.
   */
  private async viewId(view: string): Promise<number> {
    const id = this.isApplied ? await this.recordedId(view) : undefined;
    if (id !== undefined) return id;
    const { isRefused } = await this.apply();
    const applied = isRefused ? undefined : await this.recordedId(view);
    if (applied !== undefined) return applied;
    const says = `View "${view}" could not be applied: something in the folder of views is refused. See the plan.`;
    throw new QuaysideError('features_unavailable', says);
  }

  private async recordedId(view: string): Promise<number | undefined> {
    const { rows } = await this.parts.database.main.query<{ id: number }>(
      'select id from feature_view where name = $1',
      [view],
    );
    return rows[0]?.id;
  }

  private async write(push: Push): Promise<PushResult> {
    try {
      return await this.writeOnce(push);
    } catch (error) {
      const code = (error as { readonly code?: string }).code;
      if (code === DUPLICATE) {
        const earlier = await this.earlier(push);
        if (earlier) return earlier;
      }
      if (code !== NO_PARTITION) throw error;
      await this.addPartitions();
      return this.writeOnce(push);
    }
  }

  private writeOnce({ prepared, viewId, pushId }: Push): Promise<PushResult> {
    return this.parts.database.main.transaction(async (tx) => {
      const written = await writeRows(tx, prepared, { viewId, pushId });
      const skipped = prepared.rows - prepared.rejected.length - written;
      const result: StoredResult = { written, skipped_older: skipped, rejected: prepared.rejected };
      await tx.query(
        'insert into feature_push (push_id, view_id, created_ts, result) values ($1, $2, clock_timestamp(), $3)',
        [pushId, viewId, JSON.stringify(result)],
      );
      return { ...toResult(pushId, result), isRepeated: false };
    });
  }

  /** What the first push with this id gave. */
  private async earlier({ pushId, viewId }: Push): Promise<PushResult | undefined> {
    const { rows } = await this.parts.database.main.query<{ view_id: number; result: string }>(
      'select view_id, result from feature_push where push_id = $1',
      [pushId],
    );
    const [first] = rows;
    if (first && first.view_id !== viewId) throw invalid('push_id', 'push_id_reused', 'was used for another view');
    return first && { ...toResult(pushId, JSON.parse(first.result) as StoredResult), isRepeated: true };
  }

  private addPartitions(): Promise<void> {
    return this.parts.database.main.transaction(async (tx) => {
      await lockFeatures(tx);
      await addHistoryPartitions(tx);
    });
  }
}

interface Push {
  readonly prepared: PreparedPush;
  readonly viewId: number;
  readonly pushId: string;
}

const OF_ENTITY = 'where view_id = (select id from feature_view where name = $1) and entity_key = $2';

function toResult(
  pushId: string,
  { written, skipped_older: skippedOlder, rejected }: StoredResult,
): Omit<PushResult, 'isRepeated'> {
  return { pushId, written, skippedOlder, rejected };
}
