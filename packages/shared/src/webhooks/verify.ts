import { timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '../domain/index.ts';
import { signatureOf } from './sign.ts';

/** How far the sender's clock may be from ours, and how old a delivery may be, unless somebody says otherwise. */
const TOLERANCE_MS = 300_000;
const ID_LENGTH_MAX = 256;

/** `id` is the same each time one message is sent, and signed with it. `reason` is for the sender to read. */
export type Verification = { type: 'verified'; id: string } | { type: 'refused'; reason: string };

/**
 * Whether somebody who knows the secret signed this very body lately: Standard Webhooks, symmetric.
 *
 * @param headers in lower case, as Node has them
 * @param body the raw bytes: JSON that was parsed and written again is another body
 * @param secret `whsec_` and the key in base64; of several, one has to fit
 */
export function verifyWebhook(
  { headers, body }: { headers: Readonly<Record<string, string | string[] | undefined>>; body: Uint8Array },
  secret: string | readonly string[],
  now: EpochMs,
  toleranceMs: number = TOLERANCE_MS,
): Verification {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`]);
  if (typeof id !== 'string' || id === '' || id.length > ID_LENGTH_MAX) {
    return refused(`webhook-id must have 1 to ${ID_LENGTH_MAX} characters`);
  }
  if (typeof timestamp !== 'string' || !/^\d{1,11}$/.test(timestamp)) {
    return refused('webhook-timestamp must be in whole seconds since 1970');
  }
  if (Math.abs(now - Number(timestamp) * 1_000) > toleranceMs) {
    return refused(`webhook-timestamp is more than ${toleranceMs / 1_000} seconds from the time here`);
  }
  const given = typeof signatures === 'string' ? signatures.split(' ').filter((one) => one.startsWith('v1,')) : [];
  if (!given.length) return refused('webhook-signature has no entry of the form v1,SIGNATURE');
  const expected = [secret].flat().map((one) => signatureOf(one, { id, timestamp, body }));
  // All are compared, and each in the same time however much of it is right.
  const matches = given.flatMap((one) => expected.filter((fit) => isEqual(one, fit)));
  return matches.length ? { type: 'verified', id } : refused('no entry of webhook-signature fits the body');
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refused(reason: string): Verification {
  return { type: 'refused', reason };
}
