/**
 * A file, uploaded by the resumable protocol: start, chunks, the last of which finalizes.
 *
 * Uploads cost nothing and the name is chosen beforehand, so any step may be repeated: a broken chunk goes on from where the
 * provider says it got to, a lost session starts anew, and a name that is taken is fine when it holds the same bytes. What
 * lies there is always looked at before it is called done.
 */

import { type FileHandle, open } from 'node:fs/promises';
import type { BatchChannel, Done } from '../../../ports/batch-channel.ts';
import { type Api, type NotDone, notDone, type Reply, unknown } from './api.ts';
import { chosenFile } from './names.ts';
import { pause } from './pause.ts';
import { confirmFile, MIME } from './stored-file.ts';

/** What the provider's own client sends at once, and a multiple of every granularity it asks for. */
const CHUNK = 8 << 20;
/** A slow line needs a minute for a chunk at 1 Mbit/s; what got through counts all the same. */
const CHUNK_TIMEOUT_MS = 120_000;
const TROUBLES_MAX = 5;

type LocalUpload = Parameters<BatchChannel['upload']>[0];

/** Where an upload stands. */
type Step =
  | { type: 'open'; url: URL; offset: number }
  /** The whole file is there, or another one under its name. */
  | { type: 'stored'; taken: boolean }
  /** Something broke: ask the session at `url` how far it got. */
  | { type: 'trouble'; url: URL; end: NotDone }
  | { type: 'over'; end: NotDone };

/** @throws RangeError for a name that the provider would refuse, or a file that is empty; Error when it cannot be read */
export async function uploadFile(
  api: Api,
  file: LocalUpload,
  signal: AbortSignal,
): Promise<Done<{ fileName: string }>> {
  const fileName = chosenFile(file.name);
  if (file.bytes < 1) throw new RangeError(`${file.path} is empty: the provider takes no empty files`);
  await using handle = await open(file.path);
  const upload: Upload = { api, file, fileName, signal, handle, buffer: Buffer.allocUnsafeSlow(chunkOf(file, 0)) };
  let step = await start(upload);
  for (let troubles = 0; ; ) {
    switch (step.type) {
      case 'open':
        step = await sendChunk(upload, step);
        break;
      case 'stored':
        return confirmFile(api, { path: file.path, bytes: file.bytes, fileName, taken: step.taken }, signal);
      case 'trouble':
        troubles += 1;
        if (troubles > TROUBLES_MAX || !(await pause(troubles, signal))) return step.end;
        step = await resume(upload, step.url);
        break;
      default:
        return step.end;
    }
  }
}

type Upload = {
  api: Api;
  file: LocalUpload;
  fileName: string;
  signal: AbortSignal;
  handle: FileHandle;
  /** Holds one chunk at a time. */
  buffer: Buffer;
};

function chunkOf({ bytes }: LocalUpload, offset: number): number {
  return Math.min(CHUNK, bytes - offset);
}

async function start({ api, file, fileName, signal }: Upload): Promise<Step> {
  const headers = {
    'x-goog-upload-protocol': 'resumable',
    'x-goog-upload-command': 'start',
    'x-goog-upload-header-content-length': String(file.bytes),
    'x-goog-upload-header-content-type': MIME,
  };
  const { displayName, bytes } = file;
  const body = { file: { name: fileName, displayName, mimeType: MIME, sizeBytes: String(bytes) } };
  const reply = await api.call({ method: 'POST', url: api.url('files', 'upload'), headers, body }, signal);
  if (reply.type !== 'ok')
    return isTaken(reply) ? { type: 'stored', taken: true } : { type: 'over', end: notDone(reply) };
  const url = sessionUrl(api, reply.headers['x-goog-upload-url']);
  return url ? { type: 'open', url, offset: 0 } : { type: 'over', end: unknown('the upload was given no address') };
}

async function sendChunk(upload: Upload, { url, offset }: Extract<Step, { type: 'open' }>): Promise<Step> {
  const { api, file, signal } = upload;
  const body = await readChunk(upload, offset);
  const end = offset + body.length;
  const commands = [...(body.length > 0 ? ['upload'] : []), ...(end === file.bytes ? ['finalize'] : [])];
  const headers = { 'x-goog-upload-command': commands.join(', '), 'x-goog-upload-offset': String(offset) };
  const reply = await api.call({ method: 'POST', url, headers, body, timeoutMs: CHUNK_TIMEOUT_MS }, signal);
  if (reply.type !== 'ok') return afterBadChunk(reply, url);
  const status = reply.headers['x-goog-upload-status'];
  if (status === 'final') return { type: 'stored', taken: false };
  if (status === 'active' && end < file.bytes) return { type: 'open', url, offset: end };
  return { type: 'trouble', url, end: unknown(`the upload is ${status ?? 'in no known state'}`) };
}

function afterBadChunk(reply: Exclude<Reply, { type: 'ok' }>, url: URL): Step {
  if (isTaken(reply)) return { type: 'stored', taken: true };
  const end = notDone(reply);
  // 400 is how a wrong offset is refused, 404 and 410 how a session that is gone is.
  const mends = reply.type !== 'refused' || reply.answer.httpStatus >= 500 || isLost(reply, 400, 404, 410);
  return mends ? { type: 'trouble', url, end } : { type: 'over', end };
}

async function resume(upload: Upload, url: URL): Promise<Step> {
  const { api, file, signal } = upload;
  const reply = await api.call({ method: 'POST', url, headers: { 'x-goog-upload-command': 'query' } }, signal);
  if (reply.type !== 'ok') {
    return isLost(reply, 400, 404, 410) ? start(upload) : { type: 'trouble', url, end: notDone(reply) };
  }
  const status = reply.headers['x-goog-upload-status'];
  if (status === 'final') return { type: 'stored', taken: false };
  const offset = Number(reply.headers['x-goog-upload-size-received'] ?? Number.NaN);
  const known = Number.isSafeInteger(offset) && offset >= 0 && offset <= file.bytes;
  return status === 'active' && known ? { type: 'open', url, offset } : start(upload);
}

async function readChunk({ handle, file, buffer }: Upload, offset: number): Promise<Buffer> {
  const length = chunkOf(file, offset);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`${file.path} ended before its ${file.bytes} bytes`);
    done += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** The provider names a host of its own; whatever stands between is ours to keep. */
function sessionUrl({ baseUrl }: Api, given: string | undefined): URL | undefined {
  const url = URL.parse(given ?? '');
  if (!url) return undefined;
  const prefix = url.origin === baseUrl.origin ? '' : baseUrl.pathname.replace(/\/$/, '');
  return new URL(`${baseUrl.origin}${prefix}${url.pathname}${url.search}`);
}

function isTaken(reply: Reply): boolean {
  return isLost(reply, 409);
}

function isLost(reply: Reply, ...statuses: number[]): boolean {
  return reply.type === 'refused' && statuses.includes(reply.answer.httpStatus);
}
