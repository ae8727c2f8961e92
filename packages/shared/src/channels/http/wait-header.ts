/** How long an answer's headers ask to wait, whichever of them says it. */

import { retryAfterMs } from '../../net/retry-after.ts';

/** What may be used up, as `x-ratelimit-remaining-…` counts it. */
const COUNTED = ['', '-requests', '-images', '-tokens'];
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const WEEK_S = 7 * 24 * 3_600;

type Headers = Readonly<Record<string, string>>;

/**
 * The `retry-after` of an error answer, in whole seconds as text: from `retry-after` itself, seconds or a date,
 * `retry-after-ms`, or the `x-ratelimit-reset` of what is used up. Dates are read by the answer's own clock, its `date`.
 */
export function waitHeader(headers: Headers): string | undefined {
  // Without a date this is no number, nor is any wait that is counted from it: our own clock may be an hour off.
  const now = Date.parse(headers['date'] ?? '');
  const asked = toMs(headers['retry-after-ms']) ?? retryAfterMs(headers['retry-after'], now) ?? resetMs(headers, now);
  return asked === undefined || Number.isNaN(asked) ? undefined : String(Math.min(WEEK_S, Math.ceil(asked / 1_000)));
}

function toMs(text: string | undefined): number | undefined {
  return text && /^\d{1,12}$/.test(text.trim()) ? Number(text) : undefined;
}

/** The longest wait among the limits that are used up; a reset of one that has room is no wait. */
function resetMs(headers: Headers, now: number): number | undefined {
  const waits = COUNTED.filter((what) => Number(headers[`x-ratelimit-remaining${what}`] ?? 0) <= 0)
    .map((what) => spanOf(headers[`x-ratelimit-reset${what}`], now))
    .filter((ms) => ms !== undefined);
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** `1m30s`, `20ms`; an instant in ms or s since the epoch; or seconds from now. */
function spanOf(text: string | undefined, now: number): number | undefined {
  const clean = text?.trim() ?? '';
  if (clean.length > 40) return undefined;
  if (/^\d+(?:\.\d+)?$/.test(clean)) {
    const number = Number(clean);
    if (number > 1e11) return Math.max(0, number - now);
    return number > 1e8 ? Math.max(0, number * 1_000 - now) : number * 1_000;
  }
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(clean)) return undefined;
  const parts = [...clean.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[String(unit)] ?? 0), 0);
}
