import type { ChunkConsumer, ChunkRunner, JobStore, Reconciler } from '@app/batch-jobs';
import type { BlobStore } from '@app/blob-store';
import { ManualClock } from '@app/testing';
import { ChunkWork } from './chunk-work';

function build() {
  const clock = new ManualClock();
  const beats: PromiseWithResolvers<void>[] = [];
  const heartbeat = (): Promise<void> => {
    const beat = Promise.withResolvers<void>();
    beats.push(beat);
    return beat.promise;
  };
  const resolved = (): Promise<void> => Promise.resolve();
  const work = new ChunkWork({
    consumer: { start: () => {}, pause: resolved, whenIdle: resolved, close: resolved } as unknown as ChunkConsumer,
    reconciler: { start: () => {}, close: resolved } as unknown as Reconciler,
    runner: { heartbeat } as unknown as ChunkRunner,
    store: { probes: { running: () => Promise.resolve([]) } } as unknown as JobStore,
    blobs: {} as BlobStore,
    database: { whenUp: resolved },
    ...{ clock, heartbeatMs: 100, finishMs: 1000 },
  });
  return { work, clock, beats };
}

describe(ChunkWork.name, () => {
  it('goes on to say that it lives when the database did not hear it', async () => {
    const { work, clock, beats } = build();
    await work.start();
    await clock.advance(100);
    beats[0]?.reject(new Error('away'));
    await clock.advance(100);
    expect(beats).toHaveLength(2);
  });

  it('leaves no timer behind when it finishes while it says that it lives', async () => {
    const { work, clock, beats } = build();
    await work.start();
    await clock.advance(100);
    await work.finish();
    beats[0]?.resolve();
    await clock.advance(1000);
    expect(beats).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});
