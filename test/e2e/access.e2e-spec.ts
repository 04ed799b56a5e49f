import { Door, outcome } from './door';
import { RawConnection } from './raw-http';

describe('on loopback', () => {
  let door: Door;

  beforeAll(async () => {
    door = await Door.open();
  });

  afterAll(() => door.close());

  const withHeader = async (header: string) => {
    await using connection = await RawConnection.to(door.url);
    connection.write(`GET /health HTTP/1.1\r\n${header}\r\n\r\n`);
    return outcome(await connection.answer());
  };

  it.each(['localhost', 'LOCALHOST:8080', '127.0.0.1:8080', '127.8.8.8', '[::1]:80', 'quayside.localhost'])(
    'a request to %s is answered',
    async (host) => {
      expect(await withHeader(`Host: ${host}`)).toBe('200');
    },
  );

  it.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '169.254.169.254',
    '0.0.0.0',
    '::1x',
    '10.0.0.1',
  ])('a request to %s is refused, as its name may resolve to this host by design of a web page', async (host) => {
    expect(await withHeader(`Host: ${host}`)).toBe('400 invalid_request');
  });

  it.each(['Forwarded: for=1.2.3.4', 'X-Forwarded-For: 1.2.3.4', 'X-Real-IP: 1.2.3.4', 'X-Forwarded-Host: a'])(
    'a request that was passed on (%s) is refused',
    async (header) => {
      expect(await withHeader(`Host: localhost\r\n${header}`)).toBe('400 invalid_request');
    },
  );

  it('a request that was passed on by a trusted proxy is answered', async () => {
    await using trusting = await Door.open({ settings: { HTTP_TRUSTED_PROXY_HOPS: '1' } });
    expect((await trusting.send('/health', { headers: { 'X-Forwarded-For': '1.2.3.4' } })).status).toBe(200);
  });
});

describe('pages of other origins', () => {
  const origin = 'https://app.example.com';
  const preflight = (door: Door, from: string) =>
    door.send('/predict', {
      method: 'OPTIONS',
      headers: {
        Origin: from,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'content-type',
      },
    });

  it('may not call by default', async () => {
    await using door = await Door.open();
    const answer = await preflight(door, origin);
    expect([answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([null, null]);
  });

  it('may call when their origin is listed, to the letter', async () => {
    await using door = await Door.open({ settings: { HTTP_CORS_ORIGINS: `${origin},http://localhost:3000` } });
    const { headers } = await preflight(door, origin);
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-allow-methods')).toContain('POST');
    expect(headers.get('access-control-allow-headers')).toMatch(/content-type/i);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    expect(headers.get('vary')).toBe('Origin');
    for (const other of ['https://app.example.com.evil.com', 'http://app.example.com', 'null', `${origin}:8443`]) {
      const refused = await preflight(door, other);
      expect([refused.headers.get('access-control-allow-origin'), refused.headers.get('vary')]).toEqual([
        null,
        'Origin',
      ]);
    }
    const seen = await door.send('/nowhere', { headers: { Origin: origin } });
    expect(seen.headers.get('access-control-allow-origin')).toBe(origin);
    expect(seen.headers.get('access-control-expose-headers')).toContain('X-Request-ID');
  });

  it('may all call when * is set', async () => {
    await using door = await Door.open({ settings: { HTTP_CORS_ORIGINS: '*' } });
    expect((await preflight(door, origin)).headers.get('access-control-allow-origin')).toBe('*');
  });
});
