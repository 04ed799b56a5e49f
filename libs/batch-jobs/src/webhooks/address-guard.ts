import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** An address that was looked at, and found fit to connect to. */
export interface CheckedAddress {
  readonly address: string;
  readonly family: number;
}

/** Finds the addresses of a host name. */
export type Resolve = (hostname: string) => Promise<readonly CheckedAddress[]>;

/** A receiver that must not be connected to. The message says why, and names no address of ours. */
export class ForbiddenReceiver extends Error {}

/** IANA's special-purpose registries: this host and network, private, shared, link-local with the clouds' metadata, and the like. */
const NOT_PUBLIC_IPV4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
/** Of IPv6 only this is public at all: neither loopback, unique local, link-local nor mapped addresses are in it. */
const GLOBAL_IPV6 = ['2000::/3'];
/** In it, what carries an IPv4 address or is for documentation. */
const NOT_PUBLIC_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const forbidden = [blockList(NOT_PUBLIC_IPV4, 'ipv4'), blockList(NOT_PUBLIC_IPV6, 'ipv6')] as const;
const global = blockList(GLOBAL_IPV6, 'ipv6');

function blockList(networks: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** Whether an address is one of the public internet. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !forbidden[0].check(address, 'ipv4');
  return family === 6 && global.check(address, 'ipv6') && !forbidden[1].check(address, 'ipv6');
}

/** What is wrong with the URL of a receiver, in a sentence, before any name is looked up; undefined: nothing. */
export function webhookUrlFault(text: string, allowedHosts: ReadonlySet<string>): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return 'It is not a URL of a web server.';
  if (url.username || url.password) return 'It has a user name or a password in it.';
  if (isAllowed(url, allowedHosts)) return undefined;
  if (url.protocol !== 'https:') return 'It is not https.';
  const host = hostOf(url);
  return isIP(host) && !isPublicAddress(host) ? 'Its address is not a public one.' : undefined;
}

/**
 * The addresses to connect to, all of them checked: whoever connects to these is not led elsewhere by a name that changes its
 * mind. A host that is allowed by name may be anywhere. Throws ForbiddenReceiver, or what the resolver throws.
 */
export async function checkedAddresses(
  url: URL,
  { allowedHosts, resolve = resolveAll }: { readonly allowedHosts: ReadonlySet<string>; readonly resolve?: Resolve },
): Promise<readonly CheckedAddress[]> {
  const fault = webhookUrlFault(url.href, allowedHosts);
  if (fault !== undefined) throw new ForbiddenReceiver(fault);
  const host = hostOf(url);
  const family = isIP(host);
  const addresses = family ? [{ address: host, family }] : await resolve(host);
  const isFit = isAllowed(url, allowedHosts) || addresses.every(({ address }) => isPublicAddress(address));
  if (!isFit || addresses.length === 0) throw new ForbiddenReceiver('Its name leads to an address that is not public.');
  return addresses;
}

function isAllowed(url: URL, allowedHosts: ReadonlySet<string>): boolean {
  return allowedHosts.has(hostOf(url)) || allowedHosts.has(url.host);
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function resolveAll(hostname: string): Promise<readonly CheckedAddress[]> {
  return lookup(hostname, { all: true });
}
