/** Files at the provider: what lies under a name, and its end. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Loose, objectOf, textOf } from '../../../domain/lenient.ts';
import type { Done } from '../../../ports/batch-channel.ts';
import { type Api, hasErrorBody, notDone, type Reply, rejected, unknown } from './api.ts';
import { filePath } from './names.ts';
import { pause } from './pause.ts';

export const MIME = 'application/jsonl';
/** Half a minute in all. */
const LOOKS = 10;

type Expected = {
  path: string;
  bytes: number;
  fileName: string;
  /** The name was there before this upload. */
  taken: boolean;
};

/** Whether the provider's file is the local one, once it is ready for use. */
export async function confirmFile(
  api: Api,
  expected: Expected,
  signal: AbortSignal,
): Promise<Done<{ fileName: string }>> {
  const { fileName, taken } = expected;
  for (let looks = 1; looks <= LOOKS; looks++) {
    const reply = await api.call({ method: 'GET', url: api.url(filePath(fileName)) }, signal);
    if (taken && isNoFile(reply)) return conflict(`${fileName} is taken by a file that is not this account's`);
    if (reply.type !== 'ok') return notDone(reply);
    const view = objectOf(reply.body);
    if (view['state'] !== 'PROCESSING') return judge(api, view, expected, signal);
    if (!(await pause(looks, signal))) break;
  }
  return unknown(`${fileName} is uploaded, but not ready for use`);
}

/** Deletes a file. Safe to call twice; a file that expired is deleted. */
export async function deleteFile(api: Api, fileName: string, signal: AbortSignal): Promise<Done<object>> {
  const reply = await api.call({ method: 'DELETE', url: api.url(filePath(fileName)) }, signal);
  if (reply.type === 'ok' || isNoFile(reply)) return { type: 'done' };
  return notDone(reply);
}

/**
 * The provider has no such file for this account: it answers 403 for files that expired, which is not the 403 of a refused
 * key, and 404 with its own error body, which no proxy on the way writes.
 */
export function isNoFile(reply: Reply): boolean {
  if (reply.type !== 'refused' || !hasErrorBody(reply.answer)) return false;
  if (reply.answer.httpStatus === 404) return true;
  const judged = notDone(reply);
  return reply.answer.httpStatus === 403 && judged.type === 'rejected' && !judged.verdict.channelDown;
}

async function judge(
  api: Api,
  view: Loose,
  expected: Expected,
  signal: AbortSignal,
): Promise<Done<{ fileName: string }>> {
  const { fileName, taken } = expected;
  const usable = view['state'] !== 'FAILED';
  if (usable && (await isSame(view, expected))) return { type: 'done', fileName };
  if (taken && usable) return conflict(`${fileName} holds other bytes`);
  // It came out wrong on the way or over there: the name is given free, so that the next upload can have it.
  await deleteFile(api, fileName, signal);
  return unknown(`${fileName} did not come out as it was sent`);
}

function conflict(message: string): Done<never> {
  return rejected({ code: 'object_conflict', retryable: false, http: 409 }, message);
}

async function isSame(view: Loose, { path, bytes, taken }: Expected): Promise<boolean> {
  if (Number(view['sizeBytes']) !== bytes) return false;
  const hash = textOf(view['sha256Hash']);
  if (hash === undefined) return !taken; // the size must do, where the bytes are known to be ours
  const hex = await sha256Of(path);
  const given = Buffer.from(hash, 'base64');
  // The provider encodes the digest's hexadecimal letters; its documentation says the digest.
  return given.toString('latin1').toLowerCase() === hex || given.toString('hex') === hex;
}

async function sha256Of(path: string): Promise<string> {
  const sha256 = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), sha256);
  return sha256.digest('hex');
}
