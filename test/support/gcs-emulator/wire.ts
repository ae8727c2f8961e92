/** Reading requests and writing answers. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Description, Preconditions, StoredObject } from './buckets.ts';
import { invalid, Refusal } from './errors.ts';

const LARGEST_BODY = 512 * 1024 * 1024;

export type Asked = {
  method: string;
  /** Undecoded path segments, so that a `/` inside a name stays apart from one between names. */
  path: string[];
  url: URL;
  request: IncomingMessage;
  /** Yields the body; breaks off where a fault says so. */
  body: () => AsyncIterable<Buffer>;
};

export type Reply = { status: number; headers?: Record<string, string>; body?: Buffer };

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8', ...headers }, body };
}

/** Any throw as GCS would word it. */
export function refusal(error: unknown): Reply {
  const { status, reason, message } =
    error instanceof Refusal
      ? error
      : new Refusal(500, 'backendError', error instanceof Error ? error.message : 'unknown');
  return json(status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });
}

export function send(response: ServerResponse, { status, headers = {}, body }: Reply, withBody: boolean): void {
  response.writeHead(status, { 'content-length': String(body?.length ?? 0), ...headers });
  response.end(withBody ? body : undefined);
}

export async function readBody(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > LARGEST_BODY) throw new Refusal(413, 'uploadTooLarge', 'The body is larger than this emulator takes.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function preconditionsOf(url: URL): Preconditions {
  const names = [
    'ifGenerationMatch',
    'ifGenerationNotMatch',
    'ifMetagenerationMatch',
    'ifMetagenerationNotMatch',
  ] as const;
  const found: Preconditions = {};
  for (const name of names) {
    const value = url.searchParams.get(name);
    if (value !== null) found[name] = Number(value);
  }
  return found;
}

const TEXTS = ['contentType', 'contentDisposition', 'contentEncoding', 'cacheControl', 'md5Hash', 'crc32c'] as const;

/** The writable fields in an object resource sent by a client. */
export function parseDescription(text: string): Description & { name?: string } {
  const given: unknown = text.trim() === '' ? {} : parseJson(text);
  if (typeof given !== 'object' || given === null) throw invalid('The object resource is not an object.');
  const fields = new Map(Object.entries(given));
  const found: Description & { name?: string } = {};
  for (const name of [...TEXTS, 'name'] as const) {
    const value: unknown = fields.get(name);
    if (typeof value === 'string') found[name] = value;
  }
  const metadata: unknown = fields.get('metadata');
  if (typeof metadata === 'object' && metadata !== null) {
    found.metadata = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, String(value)]));
  }
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('Parse Error');
  }
}

/** The object resource of the JSON API. */
export function resourceOf(object: StoredObject, origin: string): Record<string, unknown> {
  const link = `${origin}/storage/v1/b/${object.bucket}/o/${encodeURIComponent(object.name)}`;
  return {
    kind: 'storage#object',
    id: `${object.bucket}/${object.name}/${object.generation}`,
    selfLink: link,
    mediaLink: `${link}?generation=${object.generation}&alt=media`,
    ...object.description,
    name: object.name,
    bucket: object.bucket,
    generation: String(object.generation),
    metageneration: String(object.metageneration),
    size: String(object.size),
    md5Hash: object.md5Hash,
    crc32c: object.crc32c,
    etag: `${object.generation}-${object.metageneration}`,
    storageClass: 'STANDARD',
    timeCreated: new Date(object.createdAt).toISOString(),
    updated: new Date(object.updatedAt).toISOString(),
  };
}
