import { isIPv4 } from 'node:net';

/** The address is on this machine. */
export function isLoopback(uri: string): boolean {
  const { protocol, hostname } = URL.parse(uri) ?? { protocol: '', hostname: '' };
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
}
