/**
 * Signed URLs of a folder store: `PUBLIC_URL/files/KEY?expires=…&name=…&signature=…`.
 *
 * The signature is HMAC-SHA256 over key, expiry and name. Whoever holds the URL may GET that one object until it expires.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { isObjectKey } from '../object-key.ts';
import { LONGEST_SIGNED_MS } from '../signed-life.ts';

const PATH = '/files/';
const SHORTEST_KEY_BYTES = 32;

export type SignedFile = { key: string; expiresAt: number; downloadName: string | undefined };

/** @throws RangeError when the signing key is too short to be secret. */
export function assertSigningKey(signingKey: Buffer): void {
  if (signingKey.length < SHORTEST_KEY_BYTES)
    throw new RangeError(`a signing key has at least ${SHORTEST_KEY_BYTES} bytes`);
}

/** The URL's path and query, to be put behind the public address. */
export function signPath(file: SignedFile, signingKey: Buffer): string {
  const expires = Math.floor(file.expiresAt / 1000);
  const query = new URLSearchParams({ expires: String(expires) });
  if (file.downloadName !== undefined) query.set('name', file.downloadName);
  query.set('signature', sign(file.key, expires, file.downloadName, signingKey).toString('base64url'));
  return `${PATH}${file.key}?${query.toString()}`;
}

/**
 * Whether a request for `/files/…` carries a signature that holds now.
 *
 * Takes the same time for every wrong signature. The signature is judged before the expiry, so only a URL we made is told
 * that it expired.
 */
export function verifySignedUrl(
  pathAndQuery: string,
  signingKey: Buffer,
  now: number,
): SignedFile | 'expired' | 'forbidden' {
  const asked = parse(pathAndQuery);
  if (!asked) return 'forbidden';
  const expected = sign(asked.key, asked.expires, asked.name, signingKey);
  const given = Buffer.from(asked.signature, 'base64url');
  // Node reads several spellings as the same bytes; only the one we write is ours.
  if (given.toString('base64url') !== asked.signature) return 'forbidden';
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'forbidden';
  const expiresAt = asked.expires * 1000;
  if (expiresAt <= now) return 'expired';
  return expiresAt > now + LONGEST_SIGNED_MS ? 'forbidden' : { key: asked.key, expiresAt, downloadName: asked.name };
}

type Asked = { key: string; expires: number; name: string | undefined; signature: string };

function parse(pathAndQuery: string): Asked | undefined {
  const [path = '', query = ''] = pathAndQuery.split('?', 2);
  const params = new URLSearchParams(query);
  const expires = params.get('expires') ?? '';
  if (!path.startsWith(PATH) || !/^\d{1,12}$/.test(expires)) return undefined;
  const key = decode(path.slice(PATH.length));
  if (key === undefined || !isObjectKey(key)) return undefined;
  return {
    key,
    expires: Number(expires),
    name: params.get('name') ?? undefined,
    signature: params.get('signature') ?? '',
  };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

// JSON keeps the three apart, whatever characters the name has.
function sign(key: string, expires: number, name: string | undefined, signingKey: Buffer): Buffer {
  return createHmac('sha256', signingKey)
    .update(JSON.stringify(['darkroom-file-1', key, expires, name ?? null]))
    .digest();
}
