/** What a request is allowed by. */
import type { IncomingMessage } from 'node:http';

const BEARER = /^Bearer\s+/i;

/** The header carries a Bearer token. */
export function isBearer(authorization: string | undefined): boolean {
  return authorization !== undefined && BEARER.test(authorization);
}

/** The API key, from its header or the address, or else the Bearer token; empty = none. */
export function credentialOf({ headers }: IncomingMessage, { searchParams }: URL): string {
  const { authorization = '' } = headers;
  const token = isBearer(authorization) ? authorization.replace(BEARER, '').trim() : '';
  return String(headers['x-goog-api-key'] ?? searchParams.get('key') ?? token);
}
