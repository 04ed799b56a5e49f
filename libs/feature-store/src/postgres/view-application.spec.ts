import { QuaysideError } from '@app/core';
import { FakeFeatureRows, FakeFeatureViewStore, ManualClock, featureViews } from '@app/testing';
import { ViewApplication } from './view-application';

const USERS = {
  name: 'users',
  version: 1,
  entities: [{ name: 'id', dtype: 'INT64' }],
  features: [{ name: 'x', dtype: 'FP32' }],
};

/** A store whose first calls fail. */
class ShakyStore extends FakeFeatureViewStore {
  failures: unknown[] = [];

  override apply() {
    const failure = this.failures.shift();
    return failure === undefined ? super.apply() : Promise.reject(failure);
  }
}

function build(document: object = USERS, rows = new FakeFeatureRows()) {
  const clock = new ManualClock();
  const views = featureViews(document);
  const store = new ShakyStore(views, clock, rows);
  const up = Promise.withResolvers<void>();
  const lines: { readonly level: string; readonly event: string; readonly msg: string }[] = [];
  const application = new ViewApplication({
    store,
    views,
    clock,
    database: { whenUp: () => up.promise },
    log: (level, line) => void lines.push({ level, ...line }),
  });
  application.start();
  return { clock, store, application, lines, rows, comeUp: () => up.resolve() };
}

/** Lets every promise that is due settle. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(ViewApplication.name, () => {
  it('waits for the database, applies the views and tells which', async () => {
    const { application, lines, comeUp } = build();
    await settled();
    expect(application.status()).toEqual({ state: 'waiting' });
    comeUp();
    await settled();
    expect(application.status()).toMatchObject({ state: 'applied', plan: { changes: [{ kind: 'create' }] } });
    expect(lines).toMatchObject([{ level: 'log', event: 'feature_views_applied', views: ['create users@1'] }]);
  });

  it('is silent where everything is applied already', async () => {
    const first = build();
    first.comeUp();
    await settled();
    const second = build(USERS, first.rows);
    second.comeUp();
    await settled();
    expect(second.application.status().state).toBe('applied');
    expect(second.lines).toEqual([]);
  });

  it('says loudly what is refused, and stays there', async () => {
    const first = build();
    first.comeUp();
    await settled();
    const second = build({ ...USERS, max_age: '1d' }, first.rows);
    second.comeUp();
    await settled();
    expect(second.application.status().state).toBe('refused');
    expect(second.lines).toMatchObject([{ level: 'error', event: 'feature_views_refused' }]);
    expect(second.lines[0]?.msg).toContain('users@1 was applied with other content');
    expect(second.application.refusal()).toContain('users@1 was applied with other content');
    expect(first.application.refusal()).toBe('');
    expect(second.application.refusalOf('users@1')).toMatchObject({
      code: 'features_unavailable',
      message: expect.stringContaining('users@1 was applied with other content') as string,
    });
    for (const view of ['users@2', 'others@1']) expect(second.application.refusalOf(view)).toBeUndefined();
    expect(first.application.refusalOf('users@1')).toBeUndefined();
  });

  it('tries again when the database goes away meanwhile, without a word, and after any other failure with one', async () => {
    const { application, clock, store, lines, comeUp } = build();
    store.failures = [new QuaysideError('database_unavailable', ''), new Error('what?')];
    comeUp();
    await settled();
    expect(application.status().state).toBe('waiting');
    await clock.advance(2000);
    await settled();
    expect(lines).toMatchObject([{ level: 'error', event: 'feature_views_failed' }]);
    await clock.advance(2000);
    await settled();
    expect(application.status().state).toBe('applied');
  });

  it('tells of a faulty document before there is a database', () => {
    const clock = new ManualClock();
    const faults = ['b.yaml', 'c.yaml'].map((at) => ({ at, says: 'it is empty' }));
    const store = new FakeFeatureViewStore(featureViews(), clock);
    const database = { whenUp: () => new Promise<void>(() => {}) };
    const application = new ViewApplication({ store, clock, database, views: { faults }, log: () => {} });
    expect(application.refusal()).toBe('Feature views are refused: b.yaml: it is empty, and 1 more reasons.');
  });

  it('begins nothing once it is closed', async () => {
    const { application, comeUp } = build();
    await application.close();
    comeUp();
    await settled();
    expect(application.status().state).toBe('waiting');
  });
});
