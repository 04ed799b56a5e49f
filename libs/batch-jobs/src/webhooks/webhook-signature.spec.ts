import { parseWebhookSecrets, signWebhook } from './webhook-signature';

/** The example of the specification's libraries. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const MESSAGE = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1614265330, body: '{"test": 2432232314}' };
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const OTHER = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe(signWebhook.name, () => {
  it('signs as the libraries of Standard Webhooks do', () => {
    expect(signWebhook(MESSAGE, parseWebhookSecrets(SECRET))).toBe(SIGNATURE);
  });

  it('signs with both secrets while they change', () => {
    const [other, known, ...more] = signWebhook(MESSAGE, parseWebhookSecrets(`${OTHER}, ${SECRET}`)).split(' ');
    expect([known, more]).toEqual([SIGNATURE, []]);
    expect(other).not.toBe(SIGNATURE);
  });

  it('signs each of id, time and body', () => {
    const keys = parseWebhookSecrets(SECRET);
    for (const change of [{ id: 'msg_x' }, { timestamp: 1614265331 }, { body: '{"test": 2432232315}' }])
      expect(signWebhook({ ...MESSAGE, ...change }, keys)).not.toBe(SIGNATURE);
  });
});

describe(parseWebhookSecrets.name, () => {
  it.each([
    ['nothing', ''],
    ['no prefix', SECRET.slice(6)],
    ['too few bytes', 'whsec_c2hvcnQ='],
    ['too many bytes', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['no base64', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!'],
    ['three', [SECRET, SECRET, SECRET].join(',')],
    ['an empty second', `${SECRET},`],
  ])('refuses %s, and does not repeat it', (_, text) => {
    expect(() => parseWebhookSecrets(text)).toThrow(/^(A webhook secret is|There are more than two)/);
    expect(() => parseWebhookSecrets(text)).not.toThrow(/MfKQ9r8G/);
  });
});
