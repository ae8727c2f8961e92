/** Signatures of webhooks: Standard Webhooks with a shared secret, and RS256 JWTs with a key that anyone can fetch. */
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const JWT_LIFE_S = 300;

export type Signed = { id: string; timestampS: number; body: string };

/** A new secret, as it is shown once. */
export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/** The `webhook-signature` header: one signature for each secret that is valid. */
export function signShared({ id, timestampS, body }: Signed, secrets: readonly string[]): string {
  const text = `${id}.${timestampS}.${body}`;
  return secrets.map((secret) => `v1,${createHmac('sha256', keyOf(secret)).update(text).digest('base64')}`).join(' ');
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
}

export type TokenSigner = {
  /** The `webhook-signature` header: a JWT for one receiver. */
  token(signed: Signed, audience: string): string;
  /** The JWKS in which its key is found. */
  jwks(): { keys: Record<string, unknown>[] };
};

const ISSUER = 'https://generativelanguage.googleapis.com';
const KEY_ID = 'emulator-1';

export function createTokenSigner(): TokenSigner {
  // A moment's work, spared to those who never ask.
  let made: KeyObject | undefined;
  const key = () => {
    made ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    return made;
  };
  return {
    token({ id, timestampS }, audience) {
      const claims = { iss: ISSUER, aud: audience, iat: timestampS, exp: timestampS + JWT_LIFE_S, jti: id };
      const text = [{ alg: 'RS256', typ: 'JWT', kid: KEY_ID }, claims].map(encode).join('.');
      return `${text}.${sign('RSA-SHA256', Buffer.from(text), key()).toString('base64url')}`;
    },
    jwks: () => {
      const jwk = createPublicKey(key()).export({ format: 'jwk' });
      return { keys: [{ ...jwk, kid: KEY_ID, alg: 'RS256', use: 'sig' }] };
    },
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
