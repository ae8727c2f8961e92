/**
 * V4 signed URLs, checked as GCS checks them: credential scope, signature over the canonical request, expiry of at most 7 days.
 *
 * @see https://cloud.google.com/storage/docs/authentication/canonical-requests
 */

import { createHash, createVerify } from 'node:crypto';
import { Refusal } from './errors.ts';
import type { Asked } from './wire.ts';

const LONGEST_SECONDS = 7 * 24 * 60 * 60;

/** @throws Refusal 400 when expired or malformed, 403 when the signature is not one of a known signer. */
export function checkSignedUrl(asked: Asked, signers: ReadonlyMap<string, string>, now: number): void {
  const params = asked.url.searchParams;
  const [email, ...scope] = (params.get('X-Goog-Credential') ?? '').split('/');
  const date = params.get('X-Goog-Date') ?? '';
  const seconds = Number(params.get('X-Goog-Expires'));
  const signedAt = parseDate(date);
  if (
    params.get('X-Goog-Algorithm') !== 'GOOG4-RSA-SHA256' ||
    scope.join('/') !== `${date.slice(0, 8)}/auto/storage/goog4_request`
  ) {
    throw new Refusal(400, 'AuthenticationRequired', 'Invalid algorithm or credential scope.');
  }
  if (!Number.isInteger(seconds) || seconds <= 0 || seconds > LONGEST_SECONDS) {
    throw new Refusal(400, 'AuthenticationRequired', 'X-Goog-Expires must be between 1 and 604800 seconds.');
  }
  const publicKey = signers.get(email ?? '');
  if (publicKey === undefined || !signatureHolds(asked, publicKey)) {
    throw new Refusal(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    );
  }
  if (now > signedAt + seconds * 1000) throw new Refusal(400, 'ExpiredToken', 'The provided token has expired.');
}

function signatureHolds(asked: Asked, publicKey: string): boolean {
  const params = asked.url.searchParams;
  const signature = Buffer.from(params.get('X-Goog-Signature') ?? '', 'hex');
  const host = asked.request.headers.host ?? '';
  // GCS listens on the default port, so its clients sign a host without one.
  return [host, host.replace(/:\d+$/, '')].some((name) => {
    const hash = createHash('sha256').update(canonicalRequest(asked, name)).digest('hex');
    const scope = (params.get('X-Goog-Credential') ?? '').split('/').slice(1).join('/');
    const text = ['GOOG4-RSA-SHA256', params.get('X-Goog-Date'), scope, hash].join('\n');
    return createVerify('RSA-SHA256').update(text).verify(publicKey, signature);
  });
}

function canonicalRequest(asked: Asked, host: string): string {
  const params = asked.url.searchParams;
  const query = [...params]
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const signed = params.get('X-Goog-SignedHeaders') ?? '';
  const headers = signed.split(';').map((name) => `${name}:${name === 'host' ? host : valueOf(asked, name)}\n`);
  return [asked.method, asked.url.pathname, query, headers.join(''), signed, 'UNSIGNED-PAYLOAD'].join('\n');
}

const valueOf = (asked: Asked, name: string): string =>
  String(asked.request.headers[name] ?? '')
    .trim()
    .replaceAll(/\s{2,}/g, ' ');

const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function parseDate(text: string): number {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const at = Date.parse(iso);
  if (Number.isNaN(at)) throw new Refusal(400, 'AuthenticationRequired', 'X-Goog-Date is malformed.');
  return at;
}
