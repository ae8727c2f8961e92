/**
 * Reading bytes from GCS, past the client.
 *
 * The client answers every download that fails or is left early by destroying the connection pool of the whole process,
 * and with it the uploads under way. So downloads are requests of our own, with the client's endpoint and credentials.
 */

import { Readable } from 'node:stream';
import type { Storage } from '@google-cloud/storage';
import { crc32c } from '@node-rs/crc32';
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { decodeChecksum } from '../checksum.ts';
import { damagedBytes, storageUnavailable } from '../object-errors.ts';
import { translate } from './gcs-errors.ts';

export type Download = (
  bucket: string,
  name: string,
  range?: { start: number; end?: number },
) => Promise<{ bytes: number; body: Readable } | undefined>;

/** Downloads with the endpoint and credentials of `storage`. A connection silent for `silenceMs` is given up. */
export function createDownload(storage: Storage, options: { authenticate: boolean; silenceMs: number }): Download {
  const { authenticate, silenceMs } = options;
  const limits = { headersTimeout: silenceMs, bodyTimeout: silenceMs, connectTimeout: silenceMs };
  const dispatcher = new EnvHttpProxyAgent(limits);

  return async (bucket, name, range) => {
    const url = new URL(`${storage.apiEndpoint}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`);
    const headers = {
      ...(authenticate && (await credentialHeaders(storage, url))),
      ...(range && { range: `bytes=${range.start}-${range.end ?? ''}` }),
    };
    const response = await send(dispatcher, url, headers, name);
    const { statusCode, body } = response;
    if (statusCode === 200 || statusCode === 206) {
      const expected = range ? undefined : declaredChecksum(response.headers);
      return { bytes: Number(response.headers['content-length']), body: watch(body, expected, name) };
    }
    await body.dump();
    if (statusCode === 404) return undefined;
    // Nothing lies beyond the end of an object, as nothing lies there in a file.
    if (statusCode === 416) return { bytes: 0, body: Readable.from([]) };
    throw translate(Object.assign(new Error(`GCS answered ${statusCode}`), { status: statusCode }), name);
  };
}

async function credentialHeaders(storage: Storage, url: URL): Promise<Record<string, string>> {
  try {
    return Object.fromEntries(await storage.authClient.getRequestHeaders(url));
  } catch (error) {
    throw storageUnavailable('Darkroom has no valid Google credentials.', error, 'Set GOOGLE_APPLICATION_CREDENTIALS.');
  }
}

async function send(dispatcher: Dispatcher, url: URL, headers: Record<string, string>, name: string) {
  try {
    return await dispatcher.request({ origin: url.origin, path: url.pathname + url.search, method: 'GET', headers });
  } catch (error) {
    throw translate(error, name);
  }
}

/** The sum of the bytes on the wire; objects stored compressed are unpacked by GCS, so their sum is of other bytes. */
function declaredChecksum(headers: Record<string, string | string[] | undefined>): number | undefined {
  const sum = /crc32c=([^,\s]+)/.exec(String(headers['x-goog-hash']))?.[1];
  const unpacked = headers['x-goog-stored-content-encoding'] !== 'identity';
  return sum === undefined || unpacked ? undefined : decodeChecksum(sum);
}

/** The body, with failures in the words of the store, and an error at its end when its bytes are not the stored ones. */
function watch(body: Readable, expected: number | undefined, name: string): Readable {
  const stream = Readable.from(checked(body, expected, name), { objectMode: false });
  body.on('error', () => undefined); // Leaving early is one; whoever left does not care.
  stream.once('close', () => body.destroy());
  return stream;
}

async function* checked(
  body: AsyncIterable<Buffer>,
  expected: number | undefined,
  name: string,
): AsyncGenerator<Buffer> {
  let sum = 0;
  try {
    for await (const chunk of body) {
      if (expected !== undefined) sum = crc32c(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    throw translate(error, name);
  }
  if (expected !== undefined && sum !== expected) throw damagedBytes(name);
}
