/** What the `/files` route answers. */

import type { Readable } from 'node:stream';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { dispositionOf } from '../signed-life.ts';
import type { SignedFile } from './signature.ts';

export type OpenedFile = { info: ObjectInfo; headers: Record<string, string>; body: Readable };

/** An opened object with the headers of its answer: stored type, never sniffed, never run, cached no longer than it is valid. */
export function presentFile(info: ObjectInfo, body: Readable, file: SignedFile, now: number): OpenedFile {
  const headers = {
    'content-type': info.contentType,
    'content-length': String(info.bytes),
    'content-disposition': dispositionOf(info.contentType, file.downloadName),
    'cache-control': `private, max-age=${Math.max(0, Math.floor((file.expiresAt - now) / 1000))}, immutable`,
    'content-security-policy': "default-src 'none'; sandbox",
    'cross-origin-resource-policy': 'cross-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
  return { info, headers, body };
}
