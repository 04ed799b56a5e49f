import { type Clock, QuaysideError, type Timer, isQuaysideError } from '@app/core';
import type { Database } from '@app/database';
import { type FeaturePlan, type PlannedChange, sentenceOf } from '../rows/feature-plan';
import type { FeatureViewStore } from '../rows/feature-view-store';
import { viewReference } from '../views/feature-view';
import type { FeatureViews } from '../views/feature-views';

/** How far the declared views have come: `waiting → applied | refused`. */
export type ApplicationState =
  /** The database was not reached yet, or failed meanwhile; it is tried again. */
  | 'waiting'
  /** Every declared version is recorded. */
  | 'applied'
  /** Something may not be recorded, so nothing was; it takes other documents and a new start. */
  | 'refused';

/** What the application of views is made of. */
export interface ApplicationParts {
  readonly database: Pick<Database, 'whenUp'>;
  readonly store: FeatureViewStore;
  readonly views: Pick<FeatureViews, 'faults'>;
  readonly clock: Clock;
  log(
    level: 'log' | 'warn' | 'error',
    line: { readonly event: string; readonly msg: string; readonly [key: string]: unknown },
  ): void;
}

const RETRY_MS = 2000;

/** Applies the declared views in the background, once the database is there. Nothing waits for it. */
export class ViewApplication {
  private state: ApplicationState = 'waiting';
  private latest: FeaturePlan | undefined;
  private refused: ReadonlyMap<string, PlannedChange> = new Map();
  private timer: Timer | undefined;
  private trial: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly parts: ApplicationParts) {}

  /** Where it stands, and what was applied or refused; from memory. */
  status(): { readonly state: ApplicationState; readonly plan?: FeaturePlan } {
    return { state: this.state, ...(this.latest && { plan: this.latest }) };
  }

  /** Why views are not served as their files say, for people; empty when nothing is refused. From memory. */
  refusal(): string {
    const [first, ...others] = this.latest ? reasonsIn(this.latest) : this.parts.views.faults.map(sentenceOf);
    if (first === undefined) return '';
    return `Feature views are refused: ${first}${others.length > 0 ? `, and ${others.length} more reasons.` : '.'}`;
  }

  /**
   * What a read by this version of a view, `name@version`, is refused with: its document is not what was applied under
   * that number, so what is stored would be read by other rules than those it was written by. From memory.
   */
  refusalOf(view: string): QuaysideError | undefined {
    const change = this.refused.get(view);
    if (!change) return undefined;
    const says = `The stored features of ${view} are not served: ${change.says[0] ?? 'it is refused'}.`;
    return new QuaysideError('features_unavailable', says);
  }

  /** Begins to wait for the database. */
  start(): void {
    void this.parts.database.whenUp().then(() => this.attempt());
  }

  /** Resolves when no trial is under way; none begins any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    await this.trial;
  }

  private attempt(): void {
    if (this.isClosed) return;
    this.trial = this.apply().catch((fault: unknown) => this.tryLater(fault));
  }

  private async apply(): Promise<void> {
    const plan = await this.parts.store.apply();
    this.latest = plan;
    const refused = plan.changes.filter(({ kind }) => kind === 'refuse');
    this.refused = new Map(refused.map((change) => [viewReference({ ...change, name: change.view }), change]));
    this.state = plan.isRefused ? 'refused' : 'applied';
    if (plan.isRefused) return this.tellRefusal(plan);
    const changed = plan.changes.filter(({ kind }) => kind !== 'unchanged');
    if (changed.length === 0) return;
    const views = changed.map(({ view, version, kind }) => `${kind} ${view}@${version}`);
    this.parts.log('log', {
      event: 'feature_views_applied',
      views,
      msg: `${views.length} feature views were applied.`,
    });
  }

  private tellRefusal(plan: FeaturePlan): void {
    const reasons = reasonsIn(plan);
    const msg = `No feature view was applied: ${reasons.join('; ')}`;
    this.parts.log('error', { event: 'feature_views_refused', reasons, msg });
  }

  private tryLater(fault: unknown): void {
    const isAway = isQuaysideError(fault) && fault.code === 'database_unavailable';
    if (!isAway)
      this.parts.log('error', {
        event: 'feature_views_failed',
        err: fault,
        msg: 'Feature views could not be applied.',
      });
    if (!this.isClosed) this.timer = this.parts.clock.setTimer(RETRY_MS, () => this.attempt());
  }
}

/** Everything for which a plan is refused. */
function reasonsIn({ changes, faults }: FeaturePlan): readonly string[] {
  return [...faults, ...changes.filter(({ kind }) => kind === 'refuse').map(({ says }) => says[0] ?? '')];
}
