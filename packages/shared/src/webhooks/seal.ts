/** Secrets of endpoints at rest: AES-256-GCM, bound to the endpoint they are of, so that none can be put in another's place. */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Endpoint } from '../domain/index.ts';

export type SecretOwner = Pick<Endpoint, 'tenant' | 'id'>;

export type SecretSeal = {
  seal: (secret: string, of: SecretOwner) => string;
  /** @throws Error when it was sealed for another endpoint or under another key, or was changed */
  open: (sealed: string, of: SecretOwner) => string;
};

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** So that another form may be told from this one. */
const FORM = 'g1.';

/** @param key 32 bytes, for this use alone */
export function createSecretSeal(key: Buffer): SecretSeal {
  return {
    seal: (secret, of) => {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(nameOf(of));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return FORM + Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
    },
    open: (sealed, of) => {
      try {
        return decipher(key, sealed, of);
      } catch (cause) {
        throw new Error('the secret was not sealed for this endpoint with the DARKROOM_SECRET of today', { cause });
      }
    },
  };
}

function decipher(key: Buffer, sealed: string, of: SecretOwner): string {
  if (!sealed.startsWith(FORM)) throw new Error('it has another form');
  const bytes = Buffer.from(sealed.slice(FORM.length), 'base64url');
  const text = bytes.subarray(IV_BYTES + TAG_BYTES);
  const opening = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(nameOf(of))
    .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([opening.update(text), opening.final()]).toString('utf8');
}

function nameOf({ tenant, id }: SecretOwner): Buffer {
  return Buffer.from(JSON.stringify([tenant, id]));
}
