import { RequestContext } from './request-context';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe(RequestContext.name, () => {
  it.each(['a', 'A.b_c:d-9', 'x'.repeat(128)])('keeps the request id %p of the caller', (id) => {
    expect(new RequestContext({ 'x-request-id': id }).requestId).toBe(id);
  });

  it.each(['', 'a b', 'a, b', 'a\r\nb', 'x'.repeat(129), 'é', undefined])('replaces %p by a UUIDv7', (id) => {
    expect(new RequestContext({ 'x-request-id': id }).requestId).toMatch(UUID_V7);
  });

  it('tells whoever asks, before or after, that the client has left', () => {
    const context = new RequestContext();
    const early = context.signal;
    expect(early.aborted).toBe(false);
    context.abort();
    expect([early.aborted, context.signal.aborted]).toEqual([true, true]);
    const unasked = new RequestContext();
    unasked.abort();
    expect(unasked.signal.aborted).toBe(true);
  });
});
