import { QuaysideError, isQuaysideError } from '@app/core';
import type { ModelRegistry, ModelSettings, ModelVersion, VersionStatus } from '@app/model-registry';
import { type ManualClock, eventually } from '@app/testing';

/** A registry under test, with the means to change what exists. A change is seen when its method resolves. */
export interface RegistryBench {
  readonly registry: ModelRegistry;
  /** The clock that the registry's pauses run on. */
  readonly clock: ManualClock;
  /** Takes what was put in so far, as an application does when it starts. */
  start(): Promise<void>;
  /** Adds a version, or changes the content of the one that has this name. */
  put(version: { readonly model: string; readonly version: string; readonly content?: number }): Promise<void>;
  /** Adds or changes a version so that its files cannot be read. */
  putUnreadable(version: { readonly model: string; readonly version: string }): Promise<void>;
  remove(model: string, version: string): Promise<void>;
  /** Changes what the model says of all its versions. */
  configure(model: string, settings: Partial<ModelSettings>): Promise<void>;
  close(): Promise<void>;
}

/** Checks that a test scripts: each version's can be held or made to fail. */
class ScriptedChecks {
  readonly calls: string[] = [];
  readonly released: string[] = [];
  private readonly faults = new Map<string, Error>();
  private readonly gates = new Map<string, PromiseWithResolvers<void>>();

  constructor(registry: ModelRegistry) {
    registry.beforeServing('bind', async (version) => void this.calls.push(`bind ${nameOf(version)}`));
    registry.beforeServing('load', (version) => this.load(version));
    registry.afterServing(async (version) => void this.released.push(nameOf(version)));
  }

  fail(name: string, fault: Error = new QuaysideError('model_load_failed', 'It is broken.')): void {
    this.faults.set(name, fault);
  }

  heal(name: string): void {
    this.faults.delete(name);
  }

  hold(name: string): void {
    this.gates.set(name, Promise.withResolvers());
  }

  letGo(name: string): void {
    this.gates.get(name)?.resolve();
    this.gates.delete(name);
  }

  countOf(call: string): number {
    return this.calls.filter((other) => other === call).length;
  }

  private async load(version: ModelVersion): Promise<void> {
    const name = nameOf(version);
    this.calls.push(`load ${name}`);
    await this.gates.get(name)?.promise;
    const fault = this.faults.get(name);
    if (fault) throw fault;
  }
}

/** What every `ModelRegistry` promises. */
export function itBehavesLikeAModelRegistry(open: () => Promise<RegistryBench>): void {
  let bench: RegistryBench;
  let checks: ScriptedChecks;

  beforeEach(async () => {
    bench = await open();
    checks = new ScriptedChecks(bench.registry);
  });
  afterEach(() => bench.close());

  const serve = (model: string, version?: string) => bench.registry.serve({ model, version });
  const resolved = (model: string, version?: string) => bench.registry.resolve({ model, version }).version;
  const status = (model: string, version: string): VersionStatus => {
    const found = statusOf(bench.registry, model, version);
    if (!found) throw new Error(`${model}@${version} is not listed`);
    return found;
  };
  const becomes = (name: string, state: VersionStatus['state']) =>
    eventually(() => statusOf(bench.registry, ...split(name))?.state === state);

  describe('finding', () => {
    it('names what does not exist', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      expect(codeOf(() => resolved('b'))).toBe('model_not_found');
      expect(codeOf(() => resolved('a', '7'))).toBe('model_version_not_found');
      await expect(serve('b')).rejects.toMatchObject({ code: 'model_not_found' });
      expect(() => resolved('a', '7')).toThrow('Model "a" has no version or label "7". Live versions: 1.');
    });

    it('shows one model as it lists it, and names one that does not exist', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      expect(bench.registry.status('a')).toEqual(bench.registry.list()[0]);
      expect(codeOf(() => bench.registry.status('b'))).toBe('model_not_found');
    });

    it('lists models by name and versions from old to new', async () => {
      for (const version of ['10', '9']) await bench.put({ model: 'b', version });
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      const seen = bench.registry.list().map(({ model, versions }) => [model, versions.map(({ version }) => version)]);
      expect(seen).toEqual([
        ['a', ['1']],
        ['b', ['9', '10']],
      ]);
    });

    it('serves the newest version alone, if the model says nothing else', async () => {
      for (const version of ['1', '2']) await bench.put({ model: 'a', version });
      await bench.start();
      expect(resolved('a')).toBe('2');
      expect(codeOf(() => resolved('a', '1'))).toBe('model_version_not_found');
      expect(status('a', '1').served).toBe(false);
    });

    it('takes a label wherever it takes a version', async () => {
      for (const version of ['1', '2']) await bench.put({ model: 'a', version });
      await bench.configure('a', { labels: { stable: '1' } });
      await bench.start();
      expect(resolved('a', 'stable')).toBe('1');
      expect(resolved('a')).toBe('2');
      await bench.configure('a', { labels: { stable: '2' } });
      expect(resolved('a', 'stable')).toBe('2');
    });

    it('serves those that the model names', async () => {
      for (const version of ['1', '2', 'beta']) await bench.put({ model: 'a', version });
      await bench.configure('a', { policy: { specific: ['1', 'beta'] } });
      await bench.start();
      expect([resolved('a'), resolved('a', 'beta'), codeOf(() => resolved('a', '2'))]).toEqual([
        '1',
        'beta',
        'model_version_not_found',
      ]);
    });

    it('says of a version that cannot be read that it is unavailable, and serves the next newest', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.putUnreadable({ model: 'a', version: '2' });
      await bench.start();
      expect(resolved('a')).toBe('1');
      expect(codeOf(() => resolved('a', '2'))).toBe('model_unavailable');
      expect(status('a', '2')).toMatchObject({ state: 'failed', served: false, details: undefined });
      expect(status('a', '2').reason).not.toBe('');
    });
  });

  describe('serving', () => {
    it('runs every load check before the bind checks, once for all who wait', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      expect(status('a', '1').state).toBe('known');
      const served = await Promise.all(Array.from({ length: 50 }, () => serve('a')));
      expect(new Set(served).size).toBe(1);
      expect(checks.calls).toEqual(['load a@1', 'bind a@1']);
      expect(status('a', '1').state).toBe('ready');
    });

    it('starts pinned versions by itself', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.configure('a', { pinned: true });
      await bench.start();
      await becomes('a@1', 'ready');
      expect(bench.registry.list()[0]?.pinned).toBe(true);
    });

    it('refuses at once while a failed version pauses, then tries again at the next request', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      checks.fail('a@1');
      await expect(serve('a')).rejects.toMatchObject({ code: 'model_unavailable', retryAfterMs: 1000 });
      await bench.clock.advance(400);
      await expect(serve('a')).rejects.toMatchObject({ code: 'model_unavailable', retryAfterMs: 600 });
      expect(checks.countOf('load a@1')).toBe(1);
      expect(status('a', '1')).toMatchObject({ state: 'failed', reason: 'It is broken.' });
      checks.heal('a@1');
      await bench.clock.advance(600);
      expect(status('a', '1').state).toBe('known');
      await expect(serve('a')).resolves.toMatchObject({ version: '1' });
      expect(status('a', '1').reason).toBe('');
    });

    it('doubles the pause up to a minute', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      checks.fail('a@1');
      const pauses: (number | undefined)[] = [];
      for (let trial = 0; trial < 8; trial++) {
        const refusal = await refusalOf(serve('a'));
        pauses.push(refusal.retryAfterMs);
        await bench.clock.advance(refusal.retryAfterMs ?? 0);
      }
      expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    });

    it('serves the next newest when the newest fails, in the same request', async () => {
      for (const version of ['1', '2']) await bench.put({ model: 'a', version });
      await bench.start();
      checks.fail('a@2');
      await expect(serve('a')).resolves.toMatchObject({ version: '1' });
      expect(resolved('a')).toBe('1');
    });

    it('does not hold a lack of room against the version', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      checks.fail('a@1', new QuaysideError('model_capacity', 'No room.'));
      await expect(serve('a')).rejects.toMatchObject({ code: 'model_capacity' });
      expect(status('a', '1')).toMatchObject({ state: 'known', reason: 'No room.' });
      checks.heal('a@1');
      await expect(serve('a')).resolves.toMatchObject({ version: '1' });
    });

    it('keeps the text of a defect to itself', async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      checks.fail('a@1', new TypeError('secret of /etc/passwd'));
      const refusal = await refusalOf(serve('a'));
      expect(`${refusal.message} ${status('a', '1').reason}`).not.toContain('secret');
    });
  });

  describe('changing', () => {
    beforeEach(async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      await serve('a');
    });

    it('takes a new model without a restart', async () => {
      await bench.put({ model: 'mymodel', version: '1' });
      await expect(serve('mymodel')).resolves.toMatchObject({ model: 'mymodel', version: '1' });
    });

    it('lets the old version answer until the new one can, then releases it', async () => {
      checks.hold('a@2');
      await bench.put({ model: 'a', version: '2' });
      await eventually(() => checks.countOf('load a@2') === 1);
      expect([resolved('a'), (await serve('a')).version]).toEqual(['1', '1']);
      expect(checks.released).toEqual([]);
      checks.letGo('a@2');
      await becomes('a@2', 'ready');
      await eventually(() => checks.released.includes('a@1'));
      expect(resolved('a')).toBe('2');
      await becomes('a@1', 'known');
    });

    it('lets the old version answer when the new one is bad, shows why, and tries again by itself', async () => {
      checks.fail('a@2');
      await bench.put({ model: 'a', version: '2' });
      await becomes('a@2', 'failed');
      expect(status('a', '2').reason).toBe('It is broken.');
      expect(status('a', '2').nextTrialAtMs).toBeGreaterThan(bench.clock.epochMs());
      expect((await serve('a')).version).toBe('1');
      checks.heal('a@2');
      await bench.clock.advance(1000);
      await becomes('a@2', 'ready');
      await eventually(() => resolved('a') === '2');
    });

    it('lets the old version answer when the new one cannot be read', async () => {
      await bench.putUnreadable({ model: 'a', version: '2' });
      expect(status('a', '2').state).toBe('failed');
      expect((await serve('a')).version).toBe('1');
    });

    it('reloads a version whose content changed under its name', async () => {
      const before = bench.registry.resolve({ model: 'a', version: '1' });
      await bench.put({ model: 'a', version: '1', content: 2 });
      await eventually(() => bench.registry.resolve({ model: 'a', version: '1' }).digest !== before.digest);
      await eventually(() => checks.released.length === 1);
      expect(status('a', '1')).toMatchObject({ state: 'ready', reason: '' });
    });

    it('keeps the old content of a version when the changed one is bad', async () => {
      const before = await serve('a');
      checks.fail('a@1');
      await bench.put({ model: 'a', version: '1', content: 2 });
      await eventually(() => status('a', '1').reason !== '');
      expect(status('a', '1')).toMatchObject({ state: 'ready', details: { digest: before.digest } });
      expect((await serve('a')).digest).toBe(before.digest);
    });

    it('gives those who wait the version that they asked for, though it changed meanwhile', async () => {
      await bench.put({ model: 'b', version: '1' });
      const asked = bench.registry.resolve({ model: 'b', version: undefined });
      checks.hold('b@1');
      const waiting = serve('b');
      await eventually(() => checks.countOf('load b@1') === 1);
      await bench.put({ model: 'b', version: '1', content: 2 });
      checks.letGo('b@1');
      expect((await waiting).digest).toBe(asked.digest);
      await eventually(() => bench.registry.resolve({ model: 'b', version: undefined }).digest !== asked.digest);
    });

    it('releases and forgets what was removed', async () => {
      await bench.remove('a', '1');
      await eventually(() => checks.released.includes('a@1'));
      await eventually(() => bench.registry.list().length === 0);
      expect(codeOf(() => resolved('a'))).toBe('model_not_found');
    });
  });

  describe('reports', () => {
    let version: ModelVersion;

    beforeEach(async () => {
      await bench.put({ model: 'a', version: '1' });
      await bench.start();
      version = bench.registry.resolve({ model: 'a', version: undefined });
    });

    it('shows how far a load has come', async () => {
      checks.hold('a@1');
      const serving = serve('a');
      for (const state of ['probing', 'loading', 'warming'] as const) {
        bench.registry.report(version, { state });
        expect(status('a', '1').state).toBe(state);
      }
      checks.letGo('a@1');
      await serving;
      bench.registry.report(version, { state: 'loading' });
      expect(status('a', '1').state).toBe('ready');
    });

    it('takes the signature that the engine saw', async () => {
      const signature = { inputs: [], outputs: [{ name: 'z', dtype: 'FP64', shape: [1] }] } as const;
      bench.registry.report(version, { signature });
      expect((await serve('a')).signature).toEqual(signature);
      expect(bench.registry.resolve({ model: 'a', version: undefined }).digest).toBe(version.digest);
    });

    it('loads what was evicted at the next request, and not before', async () => {
      await serve('a');
      bench.registry.report(version, { state: 'known' });
      expect(status('a', '1').state).toBe('known');
      await serve('a');
      expect(checks.countOf('load a@1')).toBe(2);
    });

    it('pauses a version that keeps crashing, like one that does not load', async () => {
      await serve('a');
      bench.registry.report(version, { state: 'failed', reason: 'It crashed 3 times in a minute.' });
      await expect(serve('a')).rejects.toMatchObject({ code: 'model_unavailable', retryAfterMs: 1000 });
      expect(status('a', '1').reason).toBe('It crashed 3 times in a minute.');
      await bench.clock.advance(1000);
      await expect(serve('a')).resolves.toMatchObject({ version: '1' });
    });

    it('fails those who wait when a version breaks while it loads', async () => {
      checks.hold('a@1');
      const serving = refusalOf(serve('a'));
      bench.registry.report(version, { state: 'failed', reason: 'It crashed.' });
      checks.letGo('a@1');
      expect((await serving).code).toBe('model_unavailable');
      expect(status('a', '1').state).toBe('failed');
    });

    it('ignores a report on what is no longer known', async () => {
      await bench.remove('a', '1');
      await eventually(() => bench.registry.list().length === 0);
      bench.registry.report(version, { state: 'failed', reason: 'Late.' });
      expect(bench.registry.list()).toEqual([]);
    });
  });
}

function statusOf(registry: ModelRegistry, model: string, version: string): VersionStatus | undefined {
  const found = registry.list().find((other) => other.model === model);
  return found?.versions.find((other) => other.version === version);
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isQuaysideError(error)) return error.code;
    throw error;
  }
  return 'none';
}

async function refusalOf(call: Promise<unknown>): Promise<QuaysideError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (isQuaysideError(outcome)) return outcome;
  throw new Error(`not refused: ${String(outcome)}`);
}

function nameOf({ model, version }: ModelVersion): string {
  return `${model}@${version}`;
}

function split(name: string): [string, string] {
  const [model = '', version = ''] = name.split('@');
  return [model, version];
}
