/**
 * The rules for every URL that a caller gave, whatever is done with it.
 *
 * Order matters: the URL's form is checked, then every address its host has, and only then is one of those very
 * addresses dialled. Nothing is resolved twice on the way.
 */

import { buildConnector } from 'undici';
import { isLoopbackAddress, isPublicAddress } from './address.ts';
import { type Connect, pinTo } from './pin.ts';
import { refusedUrl } from './refusal.ts';
import { createLookup, type Lookup } from './resolve.ts';
import { parseTarget, type Target, type UrlRules } from './target.ts';

export type GuardOptions = UrlRules & {
  lookup?: Lookup;
  connect?: Connect;
  /** Addresses to allow although they are not public, for a development machine. */
  allowAddress?: (ip: string) => boolean;
};

export type Guard = {
  /** @throws AppError `invalid_request` naming the rule that the URL breaks */
  target(text: string): Target;
  /**
   * Resolves the target and checks all its addresses.
   *
   * @returns a connector that goes there and nowhere else, until the signal
   * @throws AppError `invalid_request` when an address is forbidden; another error when there is none
   */
  pin(target: Target, signal: AbortSignal): Promise<Connect>;
};

const CONNECT_TIMEOUT_MS = 3_000;
// A long answer of dead addresses must not use up the whole time.
const ADDRESSES_TRIED_MAX = 4;

/** Opens nothing. */
export function createGuard(options: GuardOptions): Guard {
  const { lookup = createLookup(), allowAddress = () => false, ...rules } = options;
  // HTTP/1.1 only: one request at a time on a connection, and nothing a server could push.
  const connect = options.connect ?? buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
  const isAllowed = (ip: string): boolean => isPublicAddress(ip) || allowAddress(ip);
  return {
    target: (text) => parseTarget(text, rules),
    pin: async (target, signal) => {
      const addresses = await checkedAddresses(target, lookup, isAllowed, signal);
      return pinTo(addresses.slice(0, ADDRESSES_TRIED_MAX), serverName(target), connect, signal);
    },
  };
}

/** For a development machine: `http:` and any port as well, and this machine itself by address or as `localhost`. */
export function localToo({ lookup = createLookup() }: { lookup?: Lookup } = {}): GuardOptions {
  return {
    allowHttp: true,
    allowedPorts: 'any',
    allowAddress: isLoopbackAddress,
    lookup: async (host) => (/^(.+\.)?localhost\.?$/.test(host) ? ['127.0.0.1', '::1'] : lookup(host)),
  };
}

/** For so long an origin that passed is taken to pass again: it is looked at anew before anything goes there. */
const PASSED_MS = 10_000;
const PASSED_MAX = 1_000;

/**
 * For an address that is to be posted to later.
 *
 * @returns dials nothing; throws AppError `invalid_request` for a URL that would be refused now, or whose host is not known
 */
export function createUrlCheck(options: GuardOptions & { timeoutMs?: number } = {}): (url: string) => Promise<void> {
  const { timeoutMs = 5_000, ...rules } = options;
  const guard = createGuard(rules);
  const passed = new Map<string, number>();
  return async (url) => {
    const target = guard.target(url);
    const { origin } = target.url;
    if ((passed.get(origin) ?? 0) > performance.now()) return;
    try {
      await guard.pin(target, AbortSignal.timeout(timeoutMs));
      if (passed.size >= PASSED_MAX) passed.clear();
      passed.set(origin, performance.now() + PASSED_MS);
    } catch (error) {
      if (!isUnresolved(error) && !isTimeout(error)) throw error;
      throw refusedUrl('its host name does not resolve', 'Check the host name; its name servers must answer.');
    }
  };
}

/** Every address of the target; one that is not public spoils them all, as the next answer could lead with it. */
async function checkedAddresses(
  { host, isAddress }: Target,
  lookup: Lookup,
  isAllowed: (ip: string) => boolean,
  signal: AbortSignal,
): Promise<string[]> {
  const addresses = isAddress ? [host] : await untilAborted(resolved(lookup, host), signal);
  if (addresses.length === 0) throw unresolved();
  if (addresses.every(isAllowed)) return addresses;
  throw refusedUrl(
    isAddress ? 'its address is not a public one' : 'its host name leads to an address that is not public',
    'Give a URL that is reachable from the public internet.',
  );
}

async function resolved(lookup: Lookup, host: string): Promise<string[]> {
  try {
    return await lookup(host);
  } catch (error) {
    throw unresolved(error);
  }
}

function unresolved(cause?: unknown): Error {
  return Object.assign(new Error('no such host name', { cause }), { code: 'ENOTFOUND' });
}

function isUnresolved(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOTFOUND';
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

/** The name to ask for and check in TLS: none for an address, and never with the root's trailing dot. */
function serverName({ url, host, isAddress }: Target): string {
  return url.protocol === 'https:' && !isAddress ? host.replace(/\.$/, '') : '';
}

/** `work`, unless the signal comes first; then the work goes on unheard. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
