import type { DatabaseStatus } from '@app/database';
import type { Executor, SlotStatus } from '@app/inference';
import { FakeModelRegistry, ManualClock } from '@app/testing';
import { Readiness } from './readiness';

/** A pool in which each process has the given state. */
function poolOf(...states: readonly SlotStatus['state'][]): Executor {
  const slots = states.map((state) => ({ state, holds: [] }));
  return { status: () => ({ slots }) } as unknown as Executor;
}

interface Changes {
  readonly executor?: Executor;
  readonly allowEmpty?: boolean;
  /** Whether Redis answers; absent: there is none. */
  readonly redis?: boolean;
  /** Default: there is none. */
  readonly database?: DatabaseStatus;
  /** Why feature views are refused; default: they are not. */
  readonly refusal?: string;
}

function build({
  executor = poolOf('idle', 'busy'),
  allowEmpty = false,
  redis,
  database = 'off',
  refusal = '',
}: Changes = {}) {
  const clock = new ManualClock();
  const registry = new FakeModelRegistry(clock);
  const results = { sharesResults: () => redis };
  const features = { refusal: () => refusal };
  const parts = { registry, executor, results, clock, features, database: { status: () => database } };
  return { clock, registry, readiness: new Readiness({ ...parts, options: { allowEmpty } }) };
}

/** Lets what the registry has begun settle. */
const settled = (clock: ManualClock): Promise<void> => clock.advance(0);

describe(Readiness.name, () => {
  it('is starting without a model, unless it may be empty', () => {
    expect(build().readiness.state()).toBe('starting');
    expect(build().readiness.modelsHealth()).toEqual({ status: 'down', reason: 'No model was found.' });
    expect(build({ allowEmpty: true }).readiness.state()).toBe('ready');
  });

  it('is degraded, and no worse, while Redis does not answer', () => {
    const state = (redis?: boolean) => build({ allowEmpty: true, ...(redis !== undefined && { redis }) }).readiness;
    expect(state().redisHealth()).toBeUndefined();
    expect(state(true).redisHealth()).toEqual({ status: 'up', reason: '' });
    expect(state(true).state()).toBe('ready');
    expect(state(false).redisHealth()).toMatchObject({ status: 'degraded' });
    expect(state(false).state()).toBe('degraded');
  });

  it('is degraded, and says why, while feature views are refused', () => {
    const { readiness } = build({ allowEmpty: true, refusal: 'users@1 was applied with other content' });
    expect(readiness.report()).toMatchObject({
      status: 'degraded',
      components: { features: { status: 'degraded', reason: 'users@1 was applied with other content' } },
    });
    expect(build({ allowEmpty: true }).readiness.report().components).not.toHaveProperty('features');
  });

  it.each([
    ['starting', 'degraded', 'degraded'],
    ['up', 'ready', 'up'],
    ['down', 'degraded', 'degraded'],
    ['off', 'ready', undefined],
  ] as const)('with a PostgreSQL that is %s, is %s', (database, state, component) => {
    const { readiness } = build({ allowEmpty: true, database });
    expect(readiness.state()).toBe(state);
    expect(readiness.databaseHealth()?.status).toBe(component);
  });

  it('is ready with a model that is not pinned and was not loaded', () => {
    const { readiness, registry } = build();
    registry.add({ model: 'lazy' });
    expect(readiness.state()).toBe('ready');
  });

  it('waits until every pinned model has been loaded and warmed', async () => {
    const { readiness, registry, clock } = build();
    const version = { model: 'slow', version: '1' };
    const release = registry.hold(version);
    registry.configure('slow', { pinned: true });
    registry.add(version);
    await settled(clock);
    expect(readiness.state()).toBe('starting');
    expect(readiness.hasStarted()).toBe(false);
    expect(readiness.models()).toMatchObject([{ name: 'slow', pinned: true }]);
    expect(readiness.modelsHealth().reason).toBe('Not ready: slow.');
    release();
    await settled(clock);
    expect(readiness.state()).toBe('ready');
    expect(readiness.models()).toEqual([{ name: 'slow', version: '1', state: 'ready', pinned: true, reason: '' }]);
  });

  it('tells once when it becomes ready', async () => {
    const { readiness, registry, clock } = build();
    const told = jest.fn();
    void readiness.whenReady().then(told);
    await clock.advance(1000);
    expect(told).not.toHaveBeenCalled();
    registry.add({ model: 'lazy' });
    await clock.advance(1000);
    expect(told).toHaveBeenCalledTimes(1);
    expect(clock.pending).toBe(0);
  });

  it('is degraded, not down, when a newer version fails and the older one serves', async () => {
    const { readiness, registry, clock } = build();
    registry.configure('m', { pinned: true });
    registry.add({ model: 'm', version: '1' });
    await settled(clock);
    registry.fail({ model: 'm', version: '2' }, new Error('corrupt'));
    registry.add({ model: 'm', version: '2' });
    await settled(clock);
    expect(readiness.state()).toBe('degraded');
    expect(readiness.models()).toMatchObject([{ name: 'm', version: '1', state: 'ready' }]);
    expect(readiness.modelsHealth()).toEqual({ status: 'degraded', reason: 'A version failed: m.' });
  });

  it.each([
    [['dead', 'starting'], 'starting', 'down'],
    [['dead', 'idle'], 'degraded', 'degraded'],
    [['loading', 'idle'], 'ready', 'up'],
    [[], 'starting', 'down'],
  ] as const)('with executors %j is %s', (states, state, executors) => {
    const { readiness, registry } = build({ executor: poolOf(...states) });
    registry.add({ model: 'm' });
    expect(readiness.state()).toBe(state);
    expect(readiness.executorsHealth().status).toBe(executors);
  });

  it('never forgets that it has started, and drains for ever', () => {
    const { readiness, registry } = build();
    registry.add({ model: 'm', version: '1' });
    expect(readiness.hasStarted()).toBe(true);
    registry.remove('m', '1');
    expect([readiness.state(), readiness.hasStarted()]).toEqual(['starting', true]);
    registry.add({ model: 'm', version: '1' });
    readiness.startDraining();
    expect([readiness.state(), readiness.hasStarted()]).toEqual(['draining', true]);
  });
});
