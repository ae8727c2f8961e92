import { hkdfSync } from 'node:crypto';
import type { Secret } from './env.ts';

/** What keys are made of the one secret of an installation: `links` signs them, `api-keys` peppers those. */
export type KeyUse = 'links' | 'api-keys';

/** The key for one use, 32 bytes by HKDF-SHA256: whatever comes to light of it tells nothing about the others. */
export function derivedKey(secret: Secret, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', secret.reveal(), '', `darkroom ${use}`, 32));
}
