import type { Clock } from '@app/core';
import type { Queryable } from '@app/database';
import type { ViewStatistics } from '../rows/feature-view-store';

interface CountRow {
  readonly view: string;
  readonly rows: bigint;
  readonly newest: bigint | null;
}

/** What was counted of a view, or is being counted. */
interface Count {
  readonly result: Promise<ViewStatistics | undefined>;
  /** Until when it is told again, on the monotonic clock. */
  untilMs: number;
}

const NAMES = 'select name from feature_view order by name';
const COUNT = `
  select name as view, count(entity_key) as rows, max(event_ts) as newest
  from feature_view left join feature_online on view_id = id where name = $1 group by id`;

/** Who asks often shall not keep PostgreSQL busy. */
const LONG_MS = 100;
const TOLD_FOR = 20;

/**
 * Counts the rows of views, which looks at every row. Who asks while a view is counted waits for that count; what took more than
 * 100 ms is told again for twenty times as long.
 */
export class ViewCounts {
  private readonly counts = new Map<string, Count>();

  constructor(
    private readonly queryable: Queryable,
    private readonly clock: Clock,
  ) {}

  /** Of every view that was applied, by name: one after the other, so that each has the time of a statement. */
  async all(): Promise<readonly ViewStatistics[]> {
    const { rows } = await this.queryable.query<{ name: string }>(NAMES);
    const counts: ViewStatistics[] = [];
    for (const { name } of rows) counts.push(...(await this.of(name)));
    return counts;
  }

  /** Of one view; none where it was never applied. */
  async of(view: string): Promise<readonly ViewStatistics[]> {
    const known = this.counts.get(view);
    if (known && this.clock.monotonicMs() < known.untilMs) return asList(await known.result);
    const count: Count = { result: this.count(view), untilMs: Infinity };
    this.counts.set(view, count);
    const beganAtMs = this.clock.monotonicMs();
    try {
      const counted = await count.result;
      const tookMs = this.clock.monotonicMs() - beganAtMs;
      count.untilMs = tookMs > LONG_MS ? this.clock.monotonicMs() + tookMs * TOLD_FOR : 0;
      return asList(counted);
    } catch (fault) {
      this.counts.delete(view);
      throw fault;
    }
  }

  private async count(view: string): Promise<ViewStatistics | undefined> {
    const { rows } = await this.queryable.query<CountRow>(COUNT, [view]);
    const [counted] = rows;
    if (!counted) return undefined;
    const newest = counted.newest !== null && { newestEventTsUs: counted.newest };
    return { view, rows: Number(counted.rows), ...newest };
  }
}

function asList(count: ViewStatistics | undefined): readonly ViewStatistics[] {
  return count ? [count] : [];
}
