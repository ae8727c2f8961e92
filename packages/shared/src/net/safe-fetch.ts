/**
 * The only way to fetch from a URL that a caller gave.
 *
 * The guard decides where it may go. No redirect is followed, no proxy of the environment is asked, nothing is
 * decompressed, and everything stops at a byte and at a time limit.
 */

import { Agent, type Dispatcher, request } from 'undici';
import { AppError } from '../domain/errors.ts';
import { createGuard, type GuardOptions } from './guard.ts';
import type { Connect } from './pin.ts';
import { notFetched, reasonFor, tooLarge } from './refusal.ts';

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

const TIMEOUT_MS = 15_000;
// Some image servers refuse a request without a user agent, or answer in AVIF to one that does not say what it takes.
const REQUEST_HEADERS = {
  'user-agent': 'darkroom',
  accept: 'image/png, image/jpeg, image/webp',
  'accept-encoding': 'identity',
};

/** Builds the download guard. Opens nothing until a download is asked for. */
export function createSafeFetch(options: GuardOptions = {}): SafeFetch {
  const guard = createGuard(options);
  return {
    async download(text, { maxBytes, timeoutMs = TIMEOUT_MS, signal }) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const stop = signal ? AbortSignal.any([timeout, signal]) : timeout;
      try {
        const target = guard.target(text);
        return await fetchOnce(target.url, await guard.pin(target, stop), maxBytes, stop);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AppError) throw error;
        const reason = timeout.aborted ? `it took longer than ${timeoutMs / 1_000} seconds` : reasonFor(error);
        throw notFetched(reason, error);
      }
    },
  };
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
