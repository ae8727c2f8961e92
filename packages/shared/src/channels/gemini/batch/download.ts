/** A result file, streamed. Both of the provider's addresses for it are tried. */

import type { Readable } from 'node:stream';
import type { Done } from '../../../ports/batch-channel.ts';
import { reasonOf } from '../../http/exchange.ts';
import { parseJson, TEXT_MAX, toAnswer } from '../../http/wire-answer.ts';
import { type Api, notDone, type Reply } from './api.ts';
import { filePath } from './names.ts';
import { isNoFile } from './stored-file.ts';

/** Of an error answer no more is read. */
const ERROR_BYTES = 1 << 20;
/** What an address that is not served may answer. */
const NOT_SERVED: ReadonlySet<number> = new Set([400, 403, 404, 405, 501]);

type Opened = { type: 'open'; body: Readable } | Exclude<Reply, { type: 'ok' }>;

/**
 * Opens the file. A body that breaks off, or falls silent for `idleMs`, errors; it never ends short of a length that was told.
 */
export async function download(
  api: Api,
  { fileName, idleMs }: { fileName: string; idleMs: number },
  signal: AbortSignal,
): Promise<Done<{ body: Readable | 'gone' }>> {
  const path = `${filePath(fileName)}:download?alt=media`;
  const first = await openBody(api, { url: api.url(path), idleMs }, signal);
  if (first.type === 'open') return { type: 'done', body: first.body };
  if (!isNotServed(first)) return notDone(first);
  const second = await openBody(api, { url: api.url(path, 'download'), idleMs }, signal);
  if (second.type === 'open') return { type: 'done', body: second.body };
  // Gone means paid and lost: said only when the provider itself says so, and the other address does not say "later".
  const gone = isNotServed(second) && (isNoFile(first) || isNoFile(second));
  return gone ? { type: 'done', body: 'gone' } : notDone(second);
}

function isNotServed(opened: Exclude<Opened, { type: 'open' }>): boolean {
  return opened.type === 'refused' && NOT_SERVED.has(opened.answer.httpStatus);
}

async function openBody(
  { dispatcher, headers }: Api,
  { url, idleMs }: { url: URL; idleMs: number },
  signal: AbortSignal,
): Promise<Opened> {
  const startedAt = performance.now();
  try {
    const given = await headers(signal);
    const { statusCode, body, ...head } = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: given,
      signal,
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
    });
    if (statusCode === 200) return { type: 'open', body };
    const text = await textOf(body);
    const parsed = parseJson(text);
    const ms = Math.round(performance.now() - startedAt);
    const end = { status: statusCode, headers: flat(head.headers), blobs: [], ms };
    return { type: 'refused', answer: toAnswer(end, parsed === undefined ? text.slice(0, TEXT_MAX) : parsed) };
  } catch (error) {
    return { type: 'unknown', reason: reasonOf(error) };
  }
}

/** What comes of an error's body: its status stands, whatever becomes of it. */
async function textOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ERROR_BYTES) break;
    }
  } catch {
    // What came before it broke off is all there is.
  }
  return Buffer.concat(chunks).toString('utf8');
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value ?? '')]));
}
