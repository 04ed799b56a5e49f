import { randomBytes } from '@app/core';

const HEX_PER_TRACE_ID = 32;
const HEX_PER_SPAN_ID = 16;
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROES = /^0+$/;

/** Where a request stands in a distributed trace, as of the W3C Trace Context recommendation, level 1. */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** What is sent on: `00-<trace id>-<our span id>-<flags>`. */
  readonly traceparent: string;
}

/** Continues the trace of a `traceparent` header; one that is absent or invalid starts a new trace, without an error. */
export function continueTrace(header: string | undefined): TraceContext {
  const [traceId, flags] = (header !== undefined && parse(header)) || [randomHex(HEX_PER_TRACE_ID), '00'];
  return { traceId, traceparent: `00-${traceId}-${randomHex(HEX_PER_SPAN_ID)}-${flags}` };
}

function parse(header: string): readonly [traceId: string, flags: string] | undefined {
  const match = TRACEPARENT.exec(header);
  const [, traceId = '', spanId = '', flags = '', rest] = match ?? [];
  // Version 00 has exactly four fields; later versions may append some.
  const isMalformed =
    !match || ZEROES.test(traceId) || ZEROES.test(spanId) || (rest !== undefined && header.startsWith('00'));
  return isMalformed ? undefined : [traceId, flags];
}

function randomHex(digits: number): string {
  return randomBytes(digits / 2).toString('hex');
}
