import type { ModelVersion } from '@app/model-registry';
import { ManualClock } from '@app/testing';
import { withinDeadline } from './within-deadline';

const iris = { model: 'iris', version: '1', digest: 'a'.repeat(64) } as ModelVersion;

function aContext(signal = new AbortController().signal) {
  return { requestId: 'r-1', traceparent: '', deadlineAtMs: 1000, signal };
}

describe(withinDeadline.name, () => {
  it('gives the version as soon as it serves', async () => {
    const clock = new ManualClock();
    await expect(withinDeadline(Promise.resolve(iris), aContext(), clock, iris)).resolves.toBe(iris);
    expect(clock.pending).toBe(0);
  });

  it('answers model_not_ready with a time to wait when the load outlasts the caller', async () => {
    const clock = new ManualClock();
    const waiting = withinDeadline(new Promise(() => {}), aContext(), clock, iris);
    const settled = expect(waiting).rejects.toMatchObject({ code: 'model_not_ready', retryAfterMs: 1000 });
    await clock.advance(1000);
    await settled;
  });

  it('stops waiting when the client leaves, or has left', async () => {
    const clock = new ManualClock();
    const client = new AbortController();
    const waiting = withinDeadline(new Promise(() => {}), aContext(client.signal), clock, iris);
    client.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'client_closed' });
    await expect(withinDeadline(new Promise(() => {}), aContext(client.signal), clock, iris)).rejects.toMatchObject({
      code: 'client_closed',
    });
  });
});
