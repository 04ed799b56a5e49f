import { ERROR_CATALOGUE, type ErrorCode, QuaysideError } from '@app/core';
import { HTTP_ERRORS } from './http-errors';
import { asQuaysideError, renderError } from './render-error';

const IDS = { requestId: 'request-1', traceId: '4bf92f3577b34da6a3ce929d0e0e4736' };
const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
const OUR_FAULTS = CODES.filter((code) => HTTP_ERRORS[code].status >= 500);

describe(renderError.name, () => {
  it('renders the fields of the contract in their order', () => {
    const detail = { field: 'inputs[0].shape', code: 'shape_mismatch', message: 'No.' };
    const { status, headers, body } = renderError(
      new QuaysideError('invalid_input', 'Wrong.', { details: [detail] }),
      IDS,
    );
    expect(status).toBe(400);
    expect(headers).toEqual({ 'x-should-retry': 'false' });
    expect(JSON.stringify(body)).toBe(
      JSON.stringify({
        error: {
          code: 'invalid_input',
          type: 'invalid_request_error',
          message: 'Wrong.',
          param: 'inputs[0].shape',
          details: [detail],
          status: 400,
          retryable: false,
          retry_after_ms: null,
          request_id: IDS.requestId,
          trace_id: IDS.traceId,
          docs_url: 'docs/errors.md#invalid_input',
        },
      }),
    );
  });

  it('shows ten details at most', () => {
    const details = Array.from({ length: 11 }, (_, index) => ({ field: `f${index}`, code: 'wrong', message: 'No.' }));
    expect(
      renderError(new QuaysideError('invalid_request', 'Wrong.', { details }), IDS).body.error.details,
    ).toHaveLength(10);
  });

  it.each(OUR_FAULTS)('shows of %s the fixed sentence only', (code) => {
    const details = [{ field: '/etc/secret', code: 'native', message: 'ORT: at 0x1' }];
    const { body } = renderError(new QuaysideError(code, 'libonnxruntime.so: /etc/secret', { details }), IDS);
    expect(body.error).toMatchObject({ message: ERROR_CATALOGUE[code], details: [], param: null });
    expect(JSON.stringify(body)).not.toMatch(/secret|ORT|libonnx/);
  });

  it.each(CODES)('gives for %s headers that agree with the body', (code) => {
    const { headers, body } = renderError(new QuaysideError(code, 'x', { retryAfterMs: 2500 }), IDS);
    const { retryable, retry_after_ms: retryAfterMs } = body.error;
    expect(headers['x-should-retry']).toBe(String(retryable));
    expect(headers['retry-after-ms']).toBe(retryAfterMs === null ? undefined : String(retryAfterMs));
    expect(headers['Retry-After']).toBe(retryAfterMs === null ? undefined : String(Math.ceil(retryAfterMs / 1000)));
  });

  it.each([
    [0, 1, 1],
    [10_000, 8000, 12_000],
    [600_000, 30_000, 30_000],
  ])('spreads a wait of %i ms within its bounds', (predictedMs, leastMs, mostMs) => {
    const { body } = renderError(new QuaysideError('overloaded', 'x', { retryAfterMs: predictedMs }), IDS);
    expect(body.error.retry_after_ms).toBeGreaterThanOrEqual(leastMs);
    expect(body.error.retry_after_ms).toBeLessThanOrEqual(mostMs);
  });

  it('says where the time went when a deadline passed', () => {
    const late = new QuaysideError('deadline_exceeded', 'x', { stage: 'queued' });
    expect(renderError(late, IDS).body.error).toMatchObject({ status: 504, stage: 'queued' });
  });
});

describe(asQuaysideError.name, () => {
  it('keeps an error of the catalogue, and makes internal of any other, with its cause', () => {
    const known = new QuaysideError('model_not_found', 'x');
    const defect = new TypeError('x is not a function');
    expect(asQuaysideError(known)).toBe(known);
    expect(asQuaysideError(defect)).toMatchObject({ code: 'internal', cause: defect });
    expect(asQuaysideError(undefined)).toMatchObject({ code: 'internal' });
  });
});
