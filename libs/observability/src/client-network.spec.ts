import { clientNetwork } from './client-network';

describe(clientNetwork.name, () => {
  it.each([
    ['203.0.113.77', '203.0.113.0/24'],
    ['::ffff:203.0.113.77', '203.0.113.0/24'],
    ['2001:db8:1234:5678::1', '2001:db8:1234::/48'],
    ['2001:db8::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
  ])('cuts %s to %s', (address, network) => expect(clientNetwork(address)).toBe(network));

  it.each([undefined, '', 'not an address'])('knows no network of %p', (address) =>
    expect(clientNetwork(address)).toBeNull(),
  );
});
