/** Sizes and checksums. CRC32C is native code: the JavaScript one of the GCS client costs a hundred times more. */

import { createReadStream, lstatSync, type Stats } from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import type { LocalFile } from '../ports/object-store.ts';
import { damagedBytes } from './object-errors.ts';

const READ_BYTES = 1024 * 1024;

/** Unsigned CRC32C of a buffer, or of a file read once. */
export async function checksumOf(body: Buffer | LocalFile): Promise<number> {
  if (Buffer.isBuffer(body)) return crc32c(body);
  let sum = 0;
  for await (const chunk of createReadStream(body.path, { highWaterMark: READ_BYTES })) sum = crc32c(chunk, sum);
  return sum;
}

/**
 * How many bytes a body has.
 *
 * @throws AppError `internal` when a local file is not a plain file of the size its caller counted
 */
export function sizeOf(key: string, body: Buffer | LocalFile): number {
  if (Buffer.isBuffer(body)) return body.length;
  const file = statOf(key, body);
  if (!file.isFile() || file.size !== body.bytes) throw damagedBytes(key);
  return body.bytes;
}

function statOf(key: string, { path }: LocalFile): Stats {
  try {
    return lstatSync(path);
  } catch (cause) {
    throw damagedBytes(key, cause);
  }
}

/** The form object stores speak on the wire: base64 of the four bytes, big end first. */
export function encodeChecksum(sum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sum);
  return bytes.toString('base64');
}

/** The number behind `encodeChecksum`'s text. */
export function decodeChecksum(text: string): number {
  return Buffer.from(text, 'base64').readUInt32BE();
}
