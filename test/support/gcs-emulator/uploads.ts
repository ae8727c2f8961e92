/** `POST` and `PUT /upload/storage/v1/b/BUCKET/o`: multipart, media and resumable. */

import type { Buckets } from './buckets.ts';
import { invalid } from './errors.ts';
import { parseMultipart } from './multipart.ts';
import type { ResumableUploads } from './resumable.ts';
import { type Asked, json, parseDescription, preconditionsOf, type Reply, readBody, resourceOf } from './wire.ts';

export async function upload(
  bucket: string,
  asked: Asked,
  buckets: Buckets,
  sessions: ResumableUploads,
): Promise<Reply> {
  switch (asked.url.searchParams.get('uploadType') ?? '') {
    case 'multipart':
      return uploadMultipart(bucket, asked, buckets);
    case 'media':
      return uploadMedia(bucket, asked, buckets);
    case 'resumable':
      return uploadResumable(bucket, asked, sessions);
    default:
      throw invalid('uploadType is multipart, media or resumable.');
  }
}

async function uploadMultipart(bucket: string, asked: Asked, buckets: Buckets): Promise<Reply> {
  const { resource, contentType, bytes } = parseMultipart(
    asked.request.headers['content-type'] ?? '',
    await readBody(asked.body()),
  );
  const { name, ...description } = parseDescription(resource);
  const type = description.contentType ?? contentType;
  const described = { ...description, ...(type !== undefined && { contentType: type }) };
  const stored = buckets.commit(bucket, nameOf(asked, name), bytes, described, preconditionsOf(asked.url));
  return json(200, resourceOf(stored, asked.url.origin));
}

async function uploadMedia(bucket: string, asked: Asked, buckets: Buckets): Promise<Reply> {
  const contentType = asked.request.headers['content-type'] ?? 'application/octet-stream';
  const bytes = await readBody(asked.body());
  const stored = buckets.commit(bucket, nameOf(asked), bytes, { contentType }, preconditionsOf(asked.url));
  return json(200, resourceOf(stored, asked.url.origin));
}

async function uploadResumable(bucket: string, asked: Asked, sessions: ResumableUploads): Promise<Reply> {
  const id = asked.url.searchParams.get('upload_id');
  if (id === null) return openSession(bucket, asked, sessions);
  if (asked.method === 'DELETE') return sessions.cancel(id);
  const result = await sessions.put(id, asked);
  return 'status' in result ? result : json(200, resourceOf(result, asked.url.origin));
}

async function openSession(bucket: string, asked: Asked, sessions: ResumableUploads): Promise<Reply> {
  const { name, ...description } = parseDescription((await readBody(asked.body())).toString());
  const contentType = asked.request.headers['x-upload-content-type']?.toString() ?? description.contentType;
  const described = { ...description, ...(contentType !== undefined && { contentType }) };
  const id = sessions.open(bucket, nameOf(asked, name), described, preconditionsOf(asked.url));
  const location = `${asked.url.origin}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&upload_id=${id}`;
  return { status: 200, headers: { location, 'x-guploader-uploadid': id } };
}

function nameOf(asked: Asked, inResource?: string): string {
  const name = asked.url.searchParams.get('name') ?? inResource;
  if (!name) throw invalid('Required: the name of the object.');
  return name;
}
