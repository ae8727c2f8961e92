import { createHmac, randomUUID } from 'node:crypto';

export type SignedWebhook = { raw: string; headers: Record<string, string> };

/** A webhook as its sender signs it: Standard Webhooks, symmetric. */
export function signWebhook(
  secret: string,
  body: unknown,
  { id = randomUUID(), atMs = Date.now() }: { id?: string; atMs?: number } = {},
): SignedWebhook {
  const raw = JSON.stringify(body);
  const timestamp = String(Math.floor(atMs / 1_000));
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${raw}`).digest('base64');
  return {
    raw,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
  };
}
