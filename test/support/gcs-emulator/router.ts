/** Which part answers which path. */

import type { Buckets } from './buckets.ts';
import { invalid, notFound, Refusal } from './errors.ts';
import { copy, handleObject, list, mediaOf } from './objects.ts';
import type { ResumableUploads } from './resumable.ts';
import { checkSignedUrl } from './signed-url.ts';
import { upload } from './uploads.ts';
import { type Asked, json, parseDescription, type Reply, readBody, resourceOf } from './wire.ts';

export type Parts = {
  buckets: Buckets;
  sessions: ResumableUploads;
  /** PEM public keys by the e-mail address of their service account. */
  signers: ReadonlyMap<string, string>;
  now: () => number;
};

export async function route(asked: Asked, parts: Parts): Promise<Reply> {
  const path = asked.path.join('/');
  if (path.startsWith('upload/storage/v1/b/')) return upload(part(asked, 4), asked, parts.buckets, parts.sessions);
  if (path.startsWith('download/storage/v1/b/'))
    return handleObject(part(asked, 4), part(asked, 6), asked, parts.buckets);
  if (path.startsWith('storage/v1/b')) return handleBucket(asked, parts);
  return handleSigned(asked, parts);
}

async function handleBucket(asked: Asked, { buckets }: Parts): Promise<Reply> {
  const [, , , bucket, o, name, verb, , toBucket, , toName] = asked.path.map(decodeURIComponent);
  if (bucket === undefined) {
    const { name: created } = parseDescription((await readBody(asked.body())).toString());
    if (!created) throw invalid('Required: the name of the bucket.');
    buckets.create(created);
    return json(200, { kind: 'storage#bucket', name: created, id: created });
  }
  if (!buckets.has(bucket)) throw notFound('The specified bucket does not exist.');
  if (o === undefined) return json(200, { kind: 'storage#bucket', name: bucket, id: bucket });
  if (name === undefined) return list(bucket, asked, buckets);
  if (verb === undefined) return handleObject(bucket, name, asked, buckets);
  if (toBucket === undefined || toName === undefined) throw notFound('Not Found');
  const copied = resourceOf(
    await copy({ bucket, name }, { bucket: toBucket, name: toName }, asked, buckets),
    asked.url.origin,
  );
  const size = copied['size'];
  return json(
    200,
    verb === 'copyTo' ? copied : { done: true, objectSize: size, totalBytesRewritten: size, resource: copied },
  );
}

/** `GET /BUCKET/NAME?X-Goog-…`: what a signed URL points to. */
function handleSigned(asked: Asked, { buckets, signers, now }: Parts): Reply {
  if (!asked.url.searchParams.has('X-Goog-Signature')) {
    throw new Refusal(403, 'AccessDenied', 'Anonymous caller does not have storage.objects.get access.');
  }
  checkSignedUrl(asked, signers, now());
  const [bucket = '', ...name] = asked.path.map(decodeURIComponent);
  const reply = mediaOf(buckets.get(bucket, name.join('/')), asked);
  const disposition = asked.url.searchParams.get('response-content-disposition');
  const type = asked.url.searchParams.get('response-content-type');
  return {
    ...reply,
    headers: {
      ...reply.headers,
      ...(disposition !== null && { 'content-disposition': disposition }),
      ...(type !== null && { 'content-type': type }),
    },
  };
}

function part(asked: Asked, at: number): string {
  const segment = asked.path[at];
  if (segment === undefined) throw notFound('Not Found');
  return decodeURIComponent(segment);
}
