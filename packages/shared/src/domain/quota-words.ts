/** The quota that a refusal names in its words, where it has no field for it. */

import type { QuotaHit } from './verdict.ts';

/** `Rate limit reached for m in organization o on images per min (IPM): Limit 5, Used 5, Requested 1.` */
const COUNTED = /\b(requests|images|tokens) per (min|hour|day)\w{0,3}(?: \([A-Z]{1,5}\))?: limit:? ?([\d,]{1,15})/i;
/** `Rate limit exceeded: free-models-per-day` */
const NAMED = /\b[a-z]+(?:-[a-z]+){0,4}-per-(min|hour|day)(?:ute)?\b/i;

/** What a refusal's message says of the limit that was hit; none when it names none. */
export function quotasInWords(message: string): QuotaHit[] {
  const counted = COUNTED.exec(message);
  if (counted) {
    const [, what = '', span = '', limit = ''] = counted;
    const value = Number(limit.replaceAll(',', ''));
    return [{ id: `${what} per ${span}`.toLowerCase(), ...countedOf(what), ...spanOf(span), value }];
  }
  const named = NAMED.exec(message);
  return named ? [{ id: named[0].slice(0, 200), ...spanOf(named[1]) }] : [];
}

function countedOf(what: string): Pick<QuotaHit, 'of'> {
  const of = (['requests', 'images', 'tokens'] as const).find((word) => word === what.toLowerCase());
  return of ? { of } : {};
}

function spanOf(word: string | undefined): Pick<QuotaHit, 'per'> {
  const per = (['minute', 'hour', 'day'] as const).find((span) => span.startsWith(word?.toLowerCase() ?? '-'));
  return per ? { per } : {};
}
