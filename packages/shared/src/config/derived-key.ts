import { hkdfSync } from 'node:crypto';
import type { Secret } from './env.ts';

/**
 * What keys are made of the one secret of an installation: `links` signs them, `api-keys` peppers those, `webhook-secrets`
 * seals what endpoints are signed for with, and of `webhook-own` comes what signs for addresses that jobs name.
 */
export type KeyUse = 'links' | 'api-keys' | 'webhook-secrets' | 'webhook-own';

/** The key for one use, 32 bytes by HKDF-SHA256: whatever comes to light of it tells nothing about the others. */
export function derivedKey(secret: Secret, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', secret.reveal(), '', `darkroom ${use}`, 32));
}
