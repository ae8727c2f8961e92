/** Which objects callers may name by a `gs://` uri. */

import { AppError } from '../../domain/errors.ts';

/** What a bucket's name looks like; anything else could lead astray in the path of a request. */
const URI = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])\/(.+)$/s;

/**
 * Bucket and name behind `uri`; `undefined` when it names no object.
 *
 * @param own the installation's bucket: the images of all tenants lie there, so nobody reads it by name
 * @param allowed buckets that callers may read with the installation's credentials; `*` = any
 * @throws AppError `invalid_request` for a bucket that callers may not read
 */
export function parseForeignUri(
  uri: string,
  { own, allowed }: { own: string; allowed: readonly string[] },
): { bucket: string; name: string } | undefined {
  const [, bucket, name] = URI.exec(uri) ?? [];
  if (bucket === undefined || name === undefined) return undefined;
  if (bucket === own) {
    throw new AppError('invalid_request', {
      message: 'Objects of this installation are not read by their uri.',
      fix: 'Use {"asset": "ast_…"} for an upload of yours, or {"image": "img_…"} for an image of a job of yours.',
    });
  }
  if (!allowed.includes(bucket) && !allowed.includes('*')) {
    throw new AppError('invalid_request', {
      message: `The bucket ${bucket} is not one that this installation reads for its callers.`,
      fix: 'Have the operator add it to GCS_READ_BUCKETS, or upload the image with POST /v1/assets.',
    });
  }
  return { bucket, name };
}
