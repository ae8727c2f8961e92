/** Reads request bodies, bounded. */
import type { IncomingMessage } from 'node:http';
import { GoogleError, invalidArgument } from './google-error.ts';

const REQUEST_BYTES_MAX = 100 * 1024 * 1024;

/** The whole body. @throws GoogleError 400 when it is larger than the API takes. */
export async function readBody(request: IncomingMessage, bytesMax = REQUEST_BYTES_MAX): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new GoogleError(invalidArgument(`Request payload size exceeds the limit: ${bytesMax} bytes.`));
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as JSON. @throws GoogleError 400 in the words of Google's parser. */
export async function readJson(request: IncomingMessage, bytesMax = REQUEST_BYTES_MAX): Promise<unknown> {
  const body = await readBody(request, bytesMax);
  try {
    return JSON.parse(body.toString('utf8') || '{}');
  } catch (error) {
    const reason = error instanceof Error ? error.message : '';
    throw new GoogleError(invalidArgument(`Invalid JSON payload received. ${reason}`));
  }
}
