import { continueTrace } from './trace-context';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

describe(continueTrace.name, () => {
  it('continues a valid trace with its flags, under a span of our own', () => {
    const { traceId, traceparent } = continueTrace(`00-${TRACE}-${PARENT}-01`);
    expect(traceId).toBe(TRACE);
    expect(traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    expect(traceparent).not.toContain(PARENT);
  });

  it('takes what a later version appends', () => {
    expect(continueTrace(`01-${TRACE}-${PARENT}-01-more`).traceId).toBe(TRACE);
  });

  it.each([
    undefined,
    '',
    'garbage',
    `00-${TRACE}-${PARENT}-01-more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`,
  ])('starts a new trace for %p', (header) => {
    const { traceId, traceparent } = continueTrace(header);
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(traceparent).toContain(traceId);
    expect(traceId).not.toBe(TRACE);
  });

  it('never gives an id twice', () => {
    const ids = Array.from({ length: 1000 }, () => continueTrace(undefined).traceId);
    expect(new Set(ids).size).toBe(1000);
  });
});
