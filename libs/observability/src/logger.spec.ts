import { createLog, productVersion, serializeError } from './logger';
import type { LogStream } from './log-stream';

function memoryStream(): { stream: LogStream; lines: string[] } {
  const lines: string[] = [];
  const stream = {
    write: (line: string) => void lines.push(line),
    flushSync: () => {},
    whenResumed: () => {},
  };
  return { stream: stream as unknown as LogStream, lines };
}

describe(createLog.name, () => {
  it('writes a line of JSON with level, time, version and process', () => {
    const { stream, lines } = memoryStream();
    createLog({ level: 'info', pretty: false, stream }).logger.info({ event: 'model_loaded', model: 'a' });
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      version: productVersion(),
      proc: 1,
      pid: process.pid,
      event: 'model_loaded',
      model: 'a',
    });
  });

  it('writes nothing below its level', () => {
    const { stream, lines } = memoryStream();
    const { logger } = createLog({ level: 'warn', pretty: false, stream });
    logger.info('no');
    logger.warn('yes');
    expect(lines).toHaveLength(1);
  });

  it('writes readable lines for a terminal', () => {
    const { stream, lines } = memoryStream();
    const { logger } = createLog({ level: 'info', pretty: true, stream });
    logger.info({
      event: 'request_completed',
      method: 'POST',
      path: '/predict',
      status: 200,
      duration_ms: 3.4,
      request_id: 'r',
    });
    logger.warn({ event: 'executor_crashed', signal: 'SIGKILL' });
    logger.info({ message: 'a@1 is ready', model: 'a' });
    // eslint-disable-next-line no-control-regex
    const plain = lines.map((line) => line.replace(/\x1b\[\d+m/g, '').trimEnd());
    expect(plain[0]).toMatch(/INFO: POST \/predict 200 3\.4 ms r$/);
    expect(plain[1]).toMatch(/WARN: executor_crashed signal=SIGKILL$/);
    expect(plain[2]).toMatch(/INFO: a@1 is ready$/);
  });
});

describe(serializeError.name, () => {
  it('keeps type, message, stack, code and causes, and leaves the rest', () => {
    const cause = Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' });
    const error = Object.assign(new TypeError('failed', { cause }), { headers: { authorization: 'secret' } });
    expect(serializeError(error)).toEqual({
      type: 'TypeError',
      message: 'failed',
      stack: error.stack,
      cause: { type: 'Error', message: 'no route', stack: cause.stack, code: 'EHOSTUNREACH' },
    });
  });

  it('ends where causes go in a circle, and takes what is no error', () => {
    const error = new Error('round');
    error.cause = error;
    expect(JSON.stringify(serializeError(error)).match(/round/g)?.length).toBeLessThan(20);
    expect(serializeError('text')).toEqual({ type: 'string', message: 'text' });
    expect(serializeError(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
  });
});
