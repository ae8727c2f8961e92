/** Sending bytes to GCS: one request up to 32 MB, a resumable upload above. */

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CreateWriteStreamOptions, File } from '@google-cloud/storage';
import type { LocalFile, PutOptions } from '../../ports/object-store.ts';
import { encodeChecksum } from '../checksum.ts';
import { dispositionOf } from '../signed-life.ts';

/** One request costs least; above this, a line that breaks should not cost all that was sent. */
export const LARGEST_SINGLE_REQUEST = 32 * 1024 * 1024;

// Each read passes through every stream of the client: at 64 kB that costs a third more CPU than at 1 MB.
const READ_BYTES = 1024 * 1024;

// Without a size the client keeps only its last few bytes, and cannot go on where a broken connection left it.
const PIECE_BYTES = 8 * 1024 * 1024;

/** Creates the object, or throws what the client throws. The client compares checksums before it reports success. */
export async function upload(
  file: File,
  body: Buffer | LocalFile,
  options: PutOptions,
  resumable: boolean,
): Promise<void> {
  const source = Buffer.isBuffer(body)
    ? Readable.from([body])
    : createReadStream(body.path, { highWaterMark: READ_BYTES });
  await pipeline(source, file.createWriteStream(writeOptions(options, resumable)));
}

function writeOptions({ contentType, custom, crc32c }: PutOptions, resumable: boolean): CreateWriteStreamOptions {
  return {
    resumable,
    ...(resumable && { chunkSize: PIECE_BYTES }),
    validation: 'crc32c',
    preconditionOpts: { ifGenerationMatch: 0 },
    metadata: {
      contentType,
      contentDisposition: dispositionOf(contentType),
      cacheControl: 'private, max-age=86400, immutable',
      metadata: custom ?? {},
      // Declared, so that GCS refuses other bytes instead of storing them first.
      ...(crc32c !== undefined && { crc32c: encodeChecksum(crc32c) }),
    },
  };
}
