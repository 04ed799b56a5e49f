import { parseConfig } from '@app/config';
import { HttpPolicy, isLoopback } from './http-policy';

describe(HttpPolicy.name, () => {
  it('takes its limits from the configuration', () => {
    const policy = new HttpPolicy(
      parseConfig({
        HTTP_BODY_LIMIT_BYTES: '2048',
        HTTP_INFERENCE_BODY_LIMIT_BYTES: '4096',
        JOB_BODY_LIMIT_BYTES: '8192',
        INFERENCE_DEADLINE_MS: '5',
      }),
    );
    expect(policy.bodyLimitBytes).toEqual({ small: 2048, inference: 4096, job: 8192 });
    expect(policy).toMatchObject({ deadlineMs: 5, loopbackOnly: true, corsOrigins: [] });
  });

  it.each([
    ['127.0.0.1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
  ])('knows whether %s is reached from elsewhere', (host, loopbackOnly) => {
    expect(new HttpPolicy(parseConfig({ HTTP_HOST: host })).loopbackOnly).toBe(loopbackOnly);
  });
});

describe(isLoopback.name, () => {
  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.255.1.9', '::1', '[::1]'])('holds for %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    '',
    'localhost.evil.com',
    '127.0.0.1.evil.com',
    '0.0.0.0',
    '::',
    '::2',
    '128.0.0.1',
    '127.1',
    'xlocalhost',
    '[::1].com',
  ])('does not hold for %j', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
