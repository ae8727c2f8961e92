/** How long a provider asks to wait. */

import { type Loose, objectOf } from './lenient.ts';

const WEEK_MS = 7 * 24 * 3_600_000;
const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/**
 * The longest wait that an error answer asks for: RetryInfo, "Please retry in …" or "try again in …", or the Retry-After header.
 *
 * @returns whole milliseconds, at most a week; `undefined` when nothing was asked
 */
export function retryAfterOf(details: Loose[], message: string, header: string | undefined): number | undefined {
  const asked = [
    ...details.map((detail) => durationOf(detail['retryDelay'] ?? detail['retry_delay'])),
    durationOf(/(?:retry|try again) (?:in|after) ((?:[\d.]+\s*(?:ms|[dhms](?!illi))\s*)+)/i.exec(message)?.[1]),
    header && /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1_000 : undefined,
  ].filter((ms) => ms !== undefined);
  return asked.length > 0 ? Math.min(WEEK_MS, Math.max(...asked)) : undefined;
}

/** Milliseconds of `"34s"`, `"34.4s"`, `"1h52m56.4s"` or `{seconds, nanos}`, rounded up. */
function durationOf(value: unknown): number | undefined {
  if (typeof value === 'object' && value !== null) {
    const { seconds, nanos } = objectOf(value);
    return toMs(Number(seconds ?? 0) * 1_000 + Number(nanos ?? 0) / 1e6);
  }
  if (typeof value !== 'string' || value.length > 100) return undefined;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[dhms])/gi)];
  if (parts.length === 0) return undefined;
  return toMs(
    parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[String(unit).toLowerCase()] ?? 0), 0),
  );
}

function toMs(ms: number): number | undefined {
  return Number.isFinite(ms) && ms >= 0 ? Math.ceil(ms) : undefined;
}
