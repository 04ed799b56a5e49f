import { isIPv4, isIPv6 } from 'node:net';

const IPV6_GROUPS = 8;
const KEPT_IPV6_GROUPS = 3;

/** The network that an address belongs to, `/24` for IPv4 and `/48` for IPv6: enough to see who floods, too little to name a person. */
export function clientNetwork(address: string | undefined): string | null {
  if (address === undefined) return null;
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (isIPv4(mapped)) return `${mapped.slice(0, mapped.lastIndexOf('.'))}.0/24`;
  return isIPv6(address) ? ipv6Network(address) : null;
}

function ipv6Network(address: string): string {
  const [head = '', tail] = address.split('%')[0].split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const zeroes = tail === undefined ? 0 : IPV6_GROUPS - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(zeroes, 0)).fill('0'), ...right];
  return `${groups.slice(0, KEPT_IPV6_GROUPS).join(':')}::/48`;
}
