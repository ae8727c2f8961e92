import { z } from 'zod';
import { parseMicros } from '../domain/money.ts';

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `"90s"`, `"8h"` → milliseconds. */
export function durationSchema(limits: { max: string }) {
  const maxMs = parseDuration(limits.max) ?? 0;
  return z
    .string()
    .regex(/^\d{1,6}[smhd]$/, 'must be a duration such as "90s", "15m", "8h" or "2d"')
    .transform((text) => parseDuration(text) ?? 0)
    .refine((ms) => ms > 0 && ms <= maxMs, `must be longer than 0 and at most ${limits.max}`)
    .meta({ type: 'string', examples: ['60s', '24h'] });
}

export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const unit = match?.[2] && UNITS[match[2]];
  return match && unit ? Number(match[1]) * unit : undefined;
}

/** `"0.30"` → 300000 micro-dollars. */
export const moneySchema = z
  .string()
  .refine((text) => parseMicros(text) !== undefined, 'must be dollars as a decimal string such as "0.30"')
  .transform((text) => parseMicros(text) ?? 0)
  .meta({ type: 'string', examples: ['0.30'] });

/** RFC 3339 in, epoch milliseconds out. */
export const instantSchema = z.iso
  .datetime({ offset: true, error: 'must be a time in RFC 3339 such as "2026-11-21T06:00:00Z"' })
  .transform((text) => Date.parse(text))
  .meta({ type: 'string', format: 'date-time' });
