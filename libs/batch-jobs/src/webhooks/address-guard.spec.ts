import { ForbiddenReceiver, checkedAddresses, isPublicAddress, webhookUrlFault } from './address-guard';

const NOBODY: ReadonlySet<string> = new Set();

describe(isPublicAddress.name, () => {
  it.each([
    ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...['169.254.169.254', '192.0.0.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '192.0.2.1'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8'],
    ...['::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', 'fe80::1%eth0', 'localhost', ''],
  ])('refuses %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '192.169.0.1', '2606:4700::1111', '2a00:1450::1'])(
    'takes %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
});

describe(webhookUrlFault.name, () => {
  it.each([
    ['no URL', 'example.com/hook'],
    ['another protocol', 'ftp://example.com/'],
    ['plain http', 'http://example.com/'],
    ['a password', 'https://user:secret@example.com/'],
    ['a loopback address', 'https://127.0.0.1/'],
    ['one in disguise', 'https://0x7f.1/'],
    ['one as a number', 'https://2130706433/'],
    ['one of IPv6', 'https://[::1]/'],
    ['a mapped one', 'https://[::ffff:7f00:1]/'],
  ])('finds %s', (_, url) => {
    expect(webhookUrlFault(url, NOBODY)).toMatch(/^(It|Its) /);
  });

  it('finds nothing in what is public, or allowed by name', () => {
    expect(webhookUrlFault('https://example.com/hook?x=1', NOBODY)).toBeUndefined();
    expect(webhookUrlFault('http://127.0.0.1:8080/', new Set(['127.0.0.1']))).toBeUndefined();
    expect(webhookUrlFault('http://hooks.internal:8080/', new Set(['hooks.internal:8080']))).toBeUndefined();
    expect(webhookUrlFault('http://hooks.internal:8081/', new Set(['hooks.internal:8080']))).toBeDefined();
  });
});

describe(checkedAddresses.name, () => {
  const resolving = (...addresses: string[]) => ({
    allowedHosts: NOBODY,
    resolve: () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
  });
  const url = new URL('https://example.com/');

  it('gives the addresses that were checked', async () => {
    await expect(checkedAddresses(url, resolving('8.8.8.8'))).resolves.toEqual([{ address: '8.8.8.8', family: 4 }]);
  });

  it.each([[['127.0.0.1']], [['8.8.8.8', '10.0.0.1']], [['8.8.8.8', '::1']], [['169.254.169.254']], [[]]])(
    'refuses a name that leads to %j',
    async (addresses) => {
      await expect(checkedAddresses(url, resolving(...addresses))).rejects.toBeInstanceOf(ForbiddenReceiver);
    },
  );

  it('lets a host that is allowed by name be anywhere', async () => {
    const allowed = { ...resolving('10.0.0.1'), allowedHosts: new Set(['example.com']) };
    await expect(checkedAddresses(url, allowed)).resolves.toMatchObject([{ address: '10.0.0.1' }]);
  });
});
