/** Looks up what a request names in a bucket. */
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import { imagesOf, Wire } from '../request/wire.ts';
import { isLoopback } from '../webhooks/loopback.ts';

const LOOKUP_MS = 10_000;

/** @throws GoogleError 400 when an object of the request is not there. Nothing off this machine is asked. */
export async function checkObjects(json: unknown, endpoint: string, closing: AbortSignal): Promise<void> {
  const wire = Wire.safeParse(json);
  if (!wire.success || !isLoopback(endpoint)) return;
  for (const { fileData } of imagesOf(wire.data)) {
    const [, bucket, name] = /^gs:\/\/([^/]+)\/(.+)$/.exec(fileData?.fileUri ?? '') ?? [];
    if (bucket === undefined || name === undefined) continue;
    if (await exists(endpoint, bucket, name, closing)) continue;
    throw new GoogleError(
      invalidArgument(`Unable to find the Google Cloud Storage object gs://${bucket}/${name}, or no access to it.`),
    );
  }
}

async function exists(endpoint: string, bucket: string, name: string, closing: AbortSignal): Promise<boolean> {
  const base = endpoint.replace(/\/$/, '');
  const url = `${base}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}`;
  const signal = AbortSignal.any([closing, AbortSignal.timeout(LOOKUP_MS)]);
  const response = await fetch(url, { signal }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok ?? false;
}
