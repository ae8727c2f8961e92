/**
 * Standard Webhooks, symmetric: what a receiver checks a delivery by.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */

import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import type { EpochMs, Tenant } from '../domain/index.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** What is signed: `id` is the same each time one message is sent, `timestamp` in whole seconds is that of this time. */
export type SignedParts = { id: string; timestamp: string; body: string | Uint8Array };

/** What a secret signs with; made once for many messages, as making it costs more than signing. */
export function signingKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
}

/** One entry of the header `webhook-signature`. @param key `signingKey` of a secret, or the secret: `whsec_` and base64 */
export function signatureOf(key: KeyObject | string, { id, timestamp, body }: SignedParts): string {
  const hmac = createHmac('sha256', typeof key === 'string' ? signingKey(key) : key);
  return `v1,${hmac.update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
}

/** The headers that a message is sent with. @param keys each of them signs, the newest first */
export function signatureHeaders(
  keys: readonly (KeyObject | string)[],
  { id, body, at }: { id: string; body: string; at: EpochMs },
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(at / 1_000));
  const signatures = keys.map((key) => signatureOf(key, { id, timestamp, body }));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** A secret for a new endpoint, or to put in the place of its old one. */
export function newWebhookSecret(): string {
  return toSecret(randomBytes(SECRET_BYTES));
}

/**
 * The secret that signs what is sent to addresses that a tenant's jobs and batches name. It is stored nowhere.
 *
 * @param key of this installation, for this use alone
 * @param generation rises with each rotation
 */
export function ownWebhookSecret(key: Buffer, tenant: Tenant, generation: number): string {
  return toSecret(Buffer.from(hkdfSync('sha256', key, '', `${generation} ${tenant}`, SECRET_BYTES)));
}

function toSecret(key: Buffer): string {
  return `${PREFIX}${key.toString('base64')}`;
}
