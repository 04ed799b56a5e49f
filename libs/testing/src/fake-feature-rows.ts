import { type Clock, QuaysideError, STORED_CODEC, newId } from '@app/core';
import {
  type Erased,
  type FeaturePlan,
  type FeatureRead,
  FeatureReader,
  FeatureViewStore,
  FeatureViews,
  type PreparedRow,
  type PushRequest,
  type PushResult,
  type RecordedVersion,
  type RowReference,
  type ViewStatistics,
  decodeRow,
  planFeatures,
  preparePush,
  readViewDocument,
  recordedVersion,
} from '@app/feature-store';

interface KeptRow extends PreparedRow {
  readonly view: string;
}

/** What `FakeFeatureViewStore` and `FakeFeatureReader` share, as two processes share a database. */
export class FakeFeatureRows {
  readonly online = new Map<string, KeptRow>();
  history: readonly KeptRow[] = [];
  readonly recorded: RecordedVersion[] = [];
  readonly pushes = new Map<string, { readonly view: string; readonly result: PushResult }>();
}

/** Views of a test, from what their YAML would say. Throws with every fault. */
export function featureViews(...documents: readonly object[]): FeatureViews {
  const views = new FeatureViews(
    documents.map((document) => {
      const read = readViewDocument({ kind: 'FeatureView', ...document });
      if ('faults' in read) throw new Error(read.faults.join('; '));
      return read.view;
    }),
  );
  if (views.faults.length > 0) throw new Error(views.faults.map(({ says }) => says).join('; '));
  return views;
}

/** Stored rows in memory, with the checks and rules of the real store. */
export class FakeFeatureViewStore extends FeatureViewStore {
  constructor(
    private readonly views: FeatureViews,
    private readonly clock: Clock,
    readonly rows = new FakeFeatureRows(),
  ) {
    super();
  }

  override plan(): Promise<FeaturePlan> {
    return Promise.resolve(planFeatures(this.views, this.rows.recorded));
  }

  override async apply(): Promise<FeaturePlan> {
    const plan = await this.plan();
    for (const { view, version } of plan.isRefused ? [] : plan.changes) this.record(view, version);
    return plan;
  }

  override async push(view: string, request: PushRequest): Promise<PushResult> {
    const nowUs = BigInt(this.clock.epochMs()) * 1000n;
    const prepared = await preparePush(view, request, { views: this.views, nowUs });
    if ((await this.apply()).isRefused) throw new QuaysideError('features_unavailable', 'The views are refused.');
    const pushId = request.pushId?.toLowerCase() ?? newId();
    const earlier = this.rows.pushes.get(pushId);
    if (earlier && earlier.view !== view) throw reused();
    if (earlier) return { ...earlier.result, isRepeated: true };
    const written = prepared.online.filter((row) => this.put({ view, ...row })).length;
    this.rows.history = [...this.rows.history, ...prepared.history.map((row) => ({ view, ...row }))];
    const skippedOlder = prepared.rows - prepared.rejected.length - written;
    const result = { pushId, isRepeated: false, written, skippedOlder, rejected: prepared.rejected };
    this.rows.pushes.set(pushId, { view, result });
    return result;
  }

  override async erase(view: string, key: string): Promise<Erased> {
    this.views.known(view);
    const before = this.rows.history.length;
    this.rows.history = this.rows.history.filter((row) => row.view !== view || row.key !== key);
    const online = this.rows.online.delete(placeOf({ view, key })) ? 1 : 0;
    return Promise.resolve({ online, history: before - this.rows.history.length });
  }

  override statistics(view?: string): Promise<readonly ViewStatistics[]> {
    const names = [...new Set(this.rows.recorded.map((recorded) => recorded.view))].sort();
    const wanted = names.filter((name) => view === undefined || name === view);
    return Promise.resolve(wanted.map((name) => this.statisticsOf(name)));
  }

  private statisticsOf(view: string): ViewStatistics {
    const events = [...this.rows.online.values()].filter((row) => row.view === view).map((row) => row.eventTsUs);
    const newest = events.reduce<bigint | undefined>(
      (most, us) => (most === undefined || us > most ? us : most),
      undefined,
    );
    return { view, rows: events.length, ...(newest !== undefined && { newestEventTsUs: newest }) };
  }

  private record(name: string, version: number): void {
    const view = this.views.find(name, version);
    const at = this.rows.recorded.findIndex((other) => other.view === name && other.version === version);
    if (view) this.rows.recorded.splice(at < 0 ? this.rows.recorded.length : at, 1, recordedVersion(view));
  }

  private put(row: KeptRow): boolean {
    const stored = this.rows.online.get(placeOf(row));
    if (stored && stored.eventTsUs > row.eventTsUs) return false;
    this.rows.online.set(placeOf(row), row);
    return true;
  }
}

/** Reads rows of `FakeFeatureRows`; a test may make it time out, and sees what was asked. */
export class FakeFeatureReader extends FeatureReader {
  /** The references of every read, in order. */
  readonly reads: (readonly RowReference[])[] = [];
  private isSlow = false;

  constructor(
    private readonly views: FeatureViews,
    private readonly rows: FakeFeatureRows,
  ) {
    super();
  }

  /** Every read from now on times out, until `recover`. */
  timeOut(): void {
    this.isSlow = true;
  }

  /** Reads are answered again. */
  recover(): void {
    this.isSlow = false;
  }

  override read(wanted: readonly RowReference[], { signal }: { readonly signal?: AbortSignal }): Promise<FeatureRead> {
    this.reads.push(wanted);
    if (this.isSlow || signal?.aborted) return Promise.resolve({ kind: 'timeout' });
    const stored = new Map(this.rows.online);
    const asked = new Set(wanted.map(placeOf));
    const rows: Extract<FeatureRead, { kind: 'rows' }>['rows'] = (view, key) => {
      const row = asked.has(placeOf({ view, key })) ? stored.get(placeOf({ view, key })) : undefined;
      return row && decodeRow({ ...row, codec: STORED_CODEC }, this.views);
    };
    return Promise.resolve({ kind: 'rows', rows });
  }
}

function placeOf({ view, key }: RowReference): string {
  return `${view} ${key}`;
}

function reused(): QuaysideError {
  const message = 'push_id was used for another view.';
  return new QuaysideError('invalid_input', message, {
    details: [{ field: 'push_id', code: 'push_id_reused', message }],
  });
}
