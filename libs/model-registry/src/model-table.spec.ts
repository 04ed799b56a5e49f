import { QuaysideError, isQuaysideError } from '@app/core';
import { FakeModelRegistry, ManualClock } from '@app/testing';
import fc from 'fast-check';
import { ModelTable } from './model-table';

/** What may happen to a model `m`, in any order. `good` says whether a version's load passes. */
type Happening =
  | { readonly kind: 'put'; readonly version: number; readonly content: number; readonly good: boolean }
  | { readonly kind: 'remove' | 'evict' | 'crash' | 'heal' | 'unreadable'; readonly version: number }
  | { readonly kind: 'serve'; readonly version: number | undefined }
  | { readonly kind: 'policy'; readonly latest: number; readonly label: number }
  | { readonly kind: 'wait'; readonly ms: number };

const number = fc.integer({ min: 1, max: 4 });
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), version: number, content: number, good: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('remove', 'evict', 'crash', 'heal', 'unreadable'), version: number }),
  fc.record({ kind: fc.constant('serve' as const), version: fc.option(number, { nil: undefined }) }),
  fc.record({ kind: fc.constant('policy' as const), latest: number, label: number }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1000, 5000, 60_000) }),
);

class Model {
  readonly clock = new ManualClock();
  readonly registry = new FakeModelRegistry(this.clock);
  readonly requests: Promise<unknown>[] = [];

  async happen(what: Happening): Promise<void> {
    const { registry, clock } = this;
    if (what.kind === 'wait') return clock.advance(what.ms);
    if (what.kind === 'policy') {
      return registry.configure('m', { policy: { latest: what.latest }, labels: { stable: String(what.label) } });
    }
    const version = what.version === undefined ? undefined : String(what.version);
    if (what.kind === 'serve') return this.request(version);
    const reference = { model: 'm', version: version ?? '' };
    if (what.kind === 'put') this.put(reference, what);
    if (what.kind === 'unreadable') registry.addUnreadable({ ...reference, reason: 'It cannot be read.' });
    if (what.kind === 'remove') registry.remove('m', reference.version);
    if (what.kind === 'heal') registry.heal(reference);
    if (what.kind === 'evict') this.report(reference.version, { state: 'known' });
    if (what.kind === 'crash') this.report(reference.version, { state: 'failed', reason: 'It crashed.' });
  }

  private put(
    reference: { readonly model: string; readonly version: string },
    what: { content: number; good: boolean },
  ): void {
    if (what.good) this.registry.heal(reference);
    else this.registry.fail(reference, new QuaysideError('model_load_failed', 'It is broken.'));
    this.registry.add({ ...reference, content: String(what.content) });
  }

  private report(version: string, report: Parameters<ModelTable['report']>[1]): void {
    const details = this.registry.list()[0]?.versions.find((other) => other.version === version)?.details;
    if (details) this.registry.report(details, report);
  }

  private request(version: string | undefined): void {
    const outcome = this.registry.serve({ model: 'm', version }).catch((error: unknown) => {
      if (!isQuaysideError(error)) throw error;
    });
    this.requests.push(outcome);
  }
}

describe(ModelTable.name, () => {
  it('never makes a forbidden move, answers every request, and ends on the newest once all is well', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happenings, { maxLength: 40 }), async (story) => {
        const model = new Model();
        for (const what of story) await model.happen(what);
        await Promise.all(model.requests);
        for (let version = 1; version <= 4; version++) {
          await model.happen({ kind: 'put', version, content: 9, good: true });
        }
        await model.happen({ kind: 'wait', ms: 120_000 });
        expect((await model.registry.serve({ model: 'm', version: undefined })).version).toBe('4');
        await model.happen({ kind: 'wait', ms: 0 });
        await model.registry.close();
        expect(model.clock.pending).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('goes on answering while newer versions come, good or bad', async () => {
    const puts = fc.array(fc.record({ content: number, good: fc.boolean() }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(puts, async (newer) => {
        const model = new Model();
        await model.happen({ kind: 'put', version: 1, content: 1, good: true });
        let serving = Number((await model.registry.serve({ model: 'm', version: undefined })).version);
        for (const [index, { content, good }] of newer.entries()) {
          await model.happen({ kind: 'put', version: index + 2, content, good });
          expect(Number(model.registry.resolve({ model: 'm', version: undefined }).version)).toBe(serving);
          await model.happen({ kind: 'wait', ms: 0 });
          if (good) serving = index + 2;
          expect(Number(model.registry.resolve({ model: 'm', version: undefined }).version)).toBe(serving);
        }
        await model.registry.close();
      }),
    );
  });

  it('says when to come back, though what cannot be read is tried again only when it changes', async () => {
    const registry = new FakeModelRegistry(new ManualClock());
    registry.addUnreadable({ model: 'm', version: '1', reason: 'It cannot be read.' });
    await expect(registry.serve({ model: 'm', version: undefined })).rejects.toMatchObject({ retryAfterMs: 60_000 });
    expect(registry.list()[0]).toMatchObject({ defaultVersion: undefined, versions: [{ nextTrialAtMs: undefined }] });
  });
});
