/** `/storage/v1/b/BUCKET/o…`: describe, read, change, delete, list and copy objects. */

import type { Buckets, StoredObject } from './buckets.ts';
import { Refusal } from './errors.ts';
import { type Asked, json, parseDescription, preconditionsOf, type Reply, readBody, resourceOf } from './wire.ts';

export async function handleObject(bucket: string, name: string, asked: Asked, buckets: Buckets): Promise<Reply> {
  const preconditions = preconditionsOf(asked.url);
  switch (asked.method) {
    case 'DELETE':
      buckets.remove(bucket, name, preconditions);
      return { status: 204 };
    case 'PATCH': {
      const { name: _, ...changes } = parseDescription((await readBody(asked.body())).toString());
      return json(200, resourceOf(buckets.patch(bucket, name, changes, preconditions), asked.url.origin));
    }
    default: {
      const object = buckets.get(bucket, name);
      buckets.check(bucket, name, preconditions);
      const generation = asked.url.searchParams.get('generation');
      if (generation !== null && Number(generation) !== object.generation)
        throw new Refusal(404, 'notFound', 'No such generation.');
      if (asked.url.searchParams.get('alt') === 'media') return mediaOf(object, asked);
      return json(200, resourceOf(object, asked.url.origin));
    }
  }
}

/** The bytes, or the range asked for, with the headers GCS puts on them. */
export function mediaOf(object: StoredObject, asked: Asked): Reply {
  const bytes = object.read();
  const { description } = object;
  const headers: Record<string, string> = {
    'content-type': description.contentType ?? 'application/octet-stream',
    etag: `"${object.generation}-${object.metageneration}"`,
    'x-goog-hash': `crc32c=${object.crc32c},md5=${object.md5Hash}`,
    'x-goog-generation': String(object.generation),
    'x-goog-metageneration': String(object.metageneration),
    'x-goog-stored-content-encoding': description.contentEncoding ?? 'identity',
    'x-goog-stored-content-length': String(object.size),
    'accept-ranges': 'bytes',
    'last-modified': new Date(object.updatedAt).toUTCString(),
  };
  if (description.contentDisposition !== undefined) headers['content-disposition'] = description.contentDisposition;
  if (description.cacheControl !== undefined) headers['cache-control'] = description.cacheControl;
  const range = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(asked.request.headers.range ?? '');
  if (!range) return { status: 200, headers, body: bytes };
  const start = range[1] === undefined ? Math.max(0, bytes.length - Number(range[3])) : Number(range[1]);
  const end = Math.min(range[2] ? Number(range[2]) : bytes.length - 1, bytes.length - 1);
  if (start >= bytes.length || end < start) {
    throw new Refusal(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable');
  }
  const part = bytes.subarray(start, end + 1);
  return { status: 206, headers: { ...headers, 'content-range': `bytes ${start}-${end}/${bytes.length}` }, body: part };
}

/** One page of names, with those below `delimiter` folded into prefixes. The page token is the last name shown. */
export function list(bucket: string, asked: Asked, buckets: Buckets): Reply {
  const params = asked.url.searchParams;
  const [prefix, delimiter, after] = [
    params.get('prefix') ?? '',
    params.get('delimiter') ?? '',
    params.get('pageToken') ?? '',
  ];
  const most = Math.min(Number(params.get('maxResults') ?? 1000), 1000);
  const items: StoredObject[] = [];
  const prefixes = new Set<string>();
  let last = after;
  let more = false;
  for (const object of buckets.all(bucket)) {
    if (!object.name.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : object.name.indexOf(delimiter, prefix.length);
    const shown = cut === -1 ? object.name : object.name.slice(0, cut + delimiter.length);
    if (shown <= after || prefixes.has(shown)) continue;
    more = items.length + prefixes.size === most;
    if (more) break;
    if (cut === -1) items.push(object);
    else prefixes.add(shown);
    last = shown;
  }
  return json(200, {
    kind: 'storage#objects',
    items: items.map((object) => resourceOf(object, asked.url.origin)),
    ...(prefixes.size > 0 && { prefixes: [...prefixes] }),
    ...(more && { nextPageToken: last }),
  });
}

/** Copies within the emulator; a rewrite is done at once. */
export async function copy(
  from: { bucket: string; name: string },
  to: { bucket: string; name: string },
  asked: Asked,
  buckets: Buckets,
): Promise<StoredObject> {
  const source = buckets.get(from.bucket, from.name);
  const { name: _, ...changes } = parseDescription((await readBody(asked.body())).toString());
  const description = { ...source.description, ...changes };
  return buckets.commit(to.bucket, to.name, source.read(), description, preconditionsOf(asked.url));
}
