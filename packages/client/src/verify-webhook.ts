/** The receiving side of webhooks. */

import type { EventView } from '@darkroom/shared/schemas';
import { verifyWebhook as verify } from '@darkroom/shared/webhooks';

/** The request was not sent by Darkroom, not lately, or not as it has arrived: answer it 400 and do nothing. */
export class WebhookVerificationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WebhookVerificationError';
  }
}

/** As Node or `fetch` have them: names in any case. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | string[] | undefined>>;

export type ReceivedWebhook = {
  /** The raw bytes, or their text: JSON that was parsed and written again is another body. */
  body: string | Uint8Array;
  headers: WebhookHeaders;
  /** `whsec_…` of the endpoint; several while they are rotated: one of them has to fit. */
  secret: string | readonly string[];
  /** How far the sender's clock may be from the one here, and how old a request may be. Default 5 minutes. */
  toleranceMs?: number;
};

const TOLERANCE_MS = 300_000;
/** Shorter ones are no secret: an empty one, as a missing variable leaves it, would let anybody sign. */
const KEY_BYTES_MIN = 16;

/**
 * The event that a webhook brings, once it is certain that it comes from Darkroom.
 *
 * Its `id` is the same each time it is sent: keep it, and skip what was handled before.
 *
 * @throws WebhookVerificationError for what must not be trusted, TypeError for a secret that is none
 */
export function verifyWebhook({ body, headers, secret, toleranceMs = TOLERANCE_MS }: ReceivedWebhook): EventView {
  const secrets = [secret].flat();
  if (!secrets.length || !secrets.every(isSecret)) throw new TypeError('secret must be whsec_ and a key in base64');
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const found = verify({ headers: lowerCase(headers), body: bytes }, secrets, Date.now(), toleranceMs);
  if (found.type === 'refused') throw new WebhookVerificationError(found.reason);
  return { id: found.id, ...(JSON.parse(new TextDecoder().decode(bytes)) as object) } as EventView;
}

function isSecret(secret: unknown): boolean {
  const key = typeof secret === 'string' && /^whsec_([A-Za-z0-9+/_-]+={0,2})$/.exec(secret)?.[1];
  return typeof key === 'string' && (key.replace(/=+$/, '').length * 3) / 4 >= KEY_BYTES_MIN;
}

function lowerCase(headers: WebhookHeaders): Record<string, string | string[] | undefined> {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}
