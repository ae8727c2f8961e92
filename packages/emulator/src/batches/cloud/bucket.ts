/** Objects of a bucket by the JSON API of Google's storage, at an endpoint of this machine. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isLoopback } from '../../webhooks/loopback.ts';

export type ObjectName = { bucket: string; name: string };

type At = { endpoint: string; signal: AbortSignal };

/** What `gs://bucket/name` names; a name may be empty. `undefined` = it is no such address. */
export function parseGsUri(uri: string): ObjectName | undefined {
  const [, bucket, name = ''] = /^gs:\/\/([a-z0-9][\w.-]{1,221})(?:\/(.*))?$/.exec(uri) ?? [];
  return bucket === undefined ? undefined : { bucket, name };
}

/** Appends an object to a file. @throws Error that says why not */
export async function fetchObject({ bucket, name }: ObjectName, path: string, { endpoint, signal }: At): Promise<void> {
  const url = `${baseOf(endpoint)}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}?alt=media`;
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`${response.status}: cannot read gs://${bucket}/${name}`);
  }
  await pipeline(withNewline(Readable.fromWeb(response.body)), createWriteStream(path, { flags: 'a' }));
}

/** Writes an object, which is read while it is sent. @throws Error that says why not */
export async function storeObject(
  { bucket, name }: ObjectName,
  bytes: AsyncIterable<Buffer>,
  { endpoint, signal }: At,
): Promise<void> {
  const query = new URLSearchParams({ uploadType: 'media', name }).toString();
  const response = await fetch(`${baseOf(endpoint)}/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Readable.toWeb(Readable.from(bytes, { objectMode: false })),
    duplex: 'half',
    signal,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${response.status}: cannot write gs://${bucket}/${name}`);
}

// Nothing off this machine is asked.
function baseOf(endpoint: string): string {
  if (!isLoopback(endpoint)) throw new Error(`403: ${endpoint} is not on this machine`);
  return endpoint.replace(/\/$/, '');
}

/** So that the first line of the next object begins a line. */
async function* withNewline(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* source;
  yield Buffer.from('\n');
}
