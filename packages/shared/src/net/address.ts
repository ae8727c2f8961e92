import { isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3');

// Parts of 2000::/3 that are no ordinary hosts: protocol assignments (Teredo, benchmarking, ORCHID among them),
// documentation twice, and 6to4, which carries a v4 address inside and so would lead back to a private one.
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((cidr) => ipaddr.IPv6.parseCIDR(cidr));

/**
 * Whether `ip` belongs to an ordinary host of the public internet.
 *
 * Takes the canonical spellings only: what `node:net` does not call an address, and anything with a zone id, is not public.
 * IPv4 in IPv6 (`::ffff:a.b.c.d`) is judged as the IPv4 address it is.
 */
export function isPublicAddress(ip: string): boolean {
  if (isIP(ip) === 0 || ip.includes('%')) return false;
  const address = ipaddr.process(isIPv6(ip) ? inHex(ip) : ip);
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast';
  return address.match(GLOBAL_UNICAST_V6) && !SPECIAL_V6.some((network) => address.match(network));
}

/** Whether `ip` is this machine itself; in canonical spelling, as above. */
export function isLoopbackAddress(ip: string): boolean {
  return isIP(ip) !== 0 && !ip.includes('%') && ipaddr.process(isIPv6(ip) ? inHex(ip) : ip).range() === 'loopback';
}

/** `::8.8.8.8`, which ipaddr.js takes for the mapped `::ffff:8.8.8.8`, becomes `::808:808`, which it reads rightly. */
function inHex(ip: string): string {
  return new URL(`http://[${ip}]`).hostname.slice(1, -1);
}
