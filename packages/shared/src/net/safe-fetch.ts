/**
 * The only way out to a URL that a caller gave.
 *
 * Order matters: the URL's form is checked, then every address its host has, and only then is one of those very
 * addresses dialled. Nothing is resolved twice, no redirect is followed, no proxy of the environment is asked,
 * nothing is decompressed, and everything stops at a byte and at a time limit.
 */

import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import { AppError } from '../domain/errors.ts';
import { isPublicAddress } from './address.ts';
import { type Connect, pinTo } from './pin.ts';
import { notFetched, reasonFor, refusedUrl, tooLarge } from './refusal.ts';
import { createLookup, type Lookup } from './resolve.ts';
import { parseTarget, type Target, type UrlRules } from './target.ts';

export type SafeFetchOptions = UrlRules & {
  lookup?: Lookup;
  connect?: Connect;
  /** Addresses to allow although they are not public, for a development machine. */
  allowAddress?: (ip: string) => boolean;
};

export type DownloadOptions = {
  maxBytes: number;
  /** From the first name server asked to the last byte. Default 15,000. */
  timeoutMs?: number;
  /** Aborting rejects with the signal's own reason. */
  signal?: AbortSignal;
};

export type Download = { bytes: Buffer; contentType?: string; finalUrl: string };

export type SafeFetch = {
  /**
   * Fetches a public URL with one GET.
   *
   * @throws AppError `invalid_request` when a rule forbids the URL or no 200 came of it, `unsupported_media` when the
   * answer is compressed, `payload_too_large`; never retryable
   */
  download: (url: string, options: DownloadOptions) => Promise<Download>;
};

const CONNECT_TIMEOUT_MS = 3_000;
const TIMEOUT_MS = 15_000;
// A long answer of dead addresses must not use up the whole time.
const ADDRESSES_TRIED_MAX = 4;
// Some image servers refuse a request without a user agent, or answer in AVIF to one that does not say what it takes.
const REQUEST_HEADERS = {
  'user-agent': 'darkroom',
  accept: 'image/png, image/jpeg, image/webp',
  'accept-encoding': 'identity',
};

/** Builds the download guard. Opens nothing until a download is asked for. */
export function createSafeFetch(options: SafeFetchOptions = {}): SafeFetch {
  const { lookup = createLookup(), allowAddress = () => false, ...rules } = options;
  // HTTP/1.1 only: one request per connection, and nothing a server could push.
  const connect = options.connect ?? buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
  const isAllowed = (ip: string): boolean => isPublicAddress(ip) || allowAddress(ip);

  return {
    async download(text, { maxBytes, timeoutMs = TIMEOUT_MS, signal }) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const stop = signal ? AbortSignal.any([timeout, signal]) : timeout;
      try {
        const target = parseTarget(text, rules);
        const addresses = await checkedAddresses(target, lookup, isAllowed, stop);
        const pinned = pinTo(addresses.slice(0, ADDRESSES_TRIED_MAX), serverName(target), connect, stop);
        return await fetchOnce(target.url, pinned, maxBytes, stop);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AppError) throw error;
        const reason = timeout.aborted ? `it took longer than ${timeoutMs / 1_000} seconds` : reasonFor(error);
        throw notFetched(reason, error);
      }
    },
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
  if (addresses.length === 0) throw notFetched('its host name does not resolve');
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
    throw notFetched('its host name does not resolve', error);
  }
}

/** The name to ask for and check in TLS: none for an address, and never with the root's trailing dot. */
function serverName({ url, host, isAddress }: Target): string {
  return url.protocol === 'https:' && !isAddress ? host.replace(/\.$/, '') : '';
}

async function fetchOnce(url: URL, connect: Connect, maxBytes: number, signal: AbortSignal): Promise<Download> {
  // An agent for each download: a kept connection would outlive the check of its address.
  const dispatcher = new Agent({ connect, allowH2: false });
  try {
    const response = await request(url, { dispatcher, signal, headers: REQUEST_HEADERS });
    // Destroying the agent ends an unread body with an error, which nobody waits for.
    response.body.on('error', () => undefined);
    checkHead(response, maxBytes);
    const bytes = await readAll(response.body, maxBytes);
    const contentType = response.headers['content-type'];
    return { bytes, finalUrl: url.href, ...(typeof contentType === 'string' ? { contentType } : {}) };
  } finally {
    await dispatcher.destroy();
  }
}

function checkHead({ statusCode, headers }: Dispatcher.ResponseData, maxBytes: number): void {
  if (statusCode >= 300 && statusCode < 400) {
    throw notFetched(`the server answered ${statusCode}, and redirects are not followed`);
  }
  if (statusCode !== 200) throw notFetched(`the server answered ${statusCode}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new AppError('unsupported_media', {
      message: 'The answer of the URL is compressed (content-encoding), which is not unpacked.',
      fix: 'Give a URL that serves the file as it is.',
    });
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

async function readAll(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body) {
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, total);
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
