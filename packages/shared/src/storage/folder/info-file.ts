/** The sidecar: what an object is, beside its bytes. */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { storageUnavailable } from '../object-errors.ts';
import { errorCode } from './disk-errors.ts';

const schema = z.object({
  bytes: z.int().nonnegative(),
  contentType: z.string(),
  crc32c: z.int().nonnegative(),
  custom: z.record(z.string(), z.string()),
});

/** The text of an object's sidecar. */
export function formatInfo({ bytes, contentType, crc32c, custom }: ObjectInfo): string {
  return `${JSON.stringify({ bytes, contentType, crc32c, custom })}\n`;
}

/** Reads the sidecar at `path`, or `undefined` when there is none. */
export async function readInfo(path: string, key: string): Promise<ObjectInfo | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    return { key, ...schema.parse(JSON.parse(text)) };
  } catch (cause) {
    throw storageUnavailable(`The description of ${key} cannot be read.`, cause, `Restore ${path}.`);
  }
}
