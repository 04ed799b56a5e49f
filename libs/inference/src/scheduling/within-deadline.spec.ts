import { QuaysideError } from '@app/core';
import { ManualClock } from '@app/testing';
import { withinDeadline } from './within-deadline';

function aContext(signal = new AbortController().signal) {
  return { requestId: 'r-1', traceparent: '', deadlineAtMs: 1000, signal };
}

/** Work that never ends by itself. */
function endless() {
  const begin = jest.fn((_gone: AbortSignal) => new Promise<never>(() => {}));
  return { begin, late: () => new QuaysideError('model_not_ready', 'Too late.', { retryAfterMs: 1000 }) };
}

describe(withinDeadline.name, () => {
  it('gives what the work gives, and leaves no timer behind', async () => {
    const clock = new ManualClock();
    const work = { ...endless(), begin: () => Promise.resolve('done') };
    await expect(withinDeadline(aContext(), clock, work)).resolves.toBe('done');
    expect(clock.pending).toBe(0);
  });

  it('answers at the deadline when the work outlasts the caller, and tells the work', async () => {
    const clock = new ManualClock();
    const work = endless();
    const settled = expect(withinDeadline(aContext(), clock, work)).rejects.toMatchObject({
      code: 'model_not_ready',
      retryAfterMs: 1000,
    });
    await clock.advance(1000);
    await settled;
    expect(work.begin.mock.calls[0]?.[0].aborted).toBe(true);
  });

  it('waits on where the deadline has become a later one meanwhile', async () => {
    const clock = new ManualClock();
    const context = { ...aContext(), deadlineAtMs: 1000 };
    let error: unknown;
    const ended = withinDeadline(context, clock, endless()).catch((reason: unknown) => (error = reason));
    context.deadlineAtMs = 1500;
    await clock.advance(1499);
    expect(error).toBeUndefined();
    await clock.advance(1);
    await ended;
    expect(error).toMatchObject({ code: 'model_not_ready' });
    expect(clock.pending).toBe(0);
  });

  it('stops waiting when the client leaves, or has left', async () => {
    const clock = new ManualClock();
    const client = new AbortController();
    const waiting = withinDeadline(aContext(client.signal), clock, endless());
    client.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'client_closed' });
    await expect(withinDeadline(aContext(client.signal), clock, endless())).rejects.toMatchObject({
      code: 'client_closed',
    });
  });
});
