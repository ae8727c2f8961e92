import { EXIT, Exit } from './exit.ts';

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `07:00` (the next time it is that late here), `8h`, or a time in RFC 3339 → RFC 3339. @throws Exit */
export function parseDeadline(text: string, now: Date): string {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (clock) {
    const at = new Date(now);
    at.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (at <= now) at.setDate(at.getDate() + 1);
    return at.toISOString();
  }
  const span = /^(\d{1,4})([mhd])$/.exec(text);
  if (span) return new Date(now.getTime() + Number(span[1]) * (UNITS[span[2] ?? ''] ?? 0)).toISOString();
  const at = new Date(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(at.getTime())) return at.toISOString();
  throw new Exit(
    EXIT.invalid,
    `--deadline ${text}: say a time such as 07:00, a span such as 8h, or 2026-11-21T06:00:00Z.`,
  );
}

/** `1h` (ago), or a time in RFC 3339 → RFC 3339. @param option whose value it is. @throws Exit */
export function parsePast(option: string, text: string, now: Date): string {
  const span = /^(\d{1,4})([mhd])$/.exec(text);
  if (span) return new Date(now.getTime() - Number(span[1]) * (UNITS[span[2] ?? ''] ?? 0)).toISOString();
  const at = new Date(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(at.getTime())) return at.toISOString();
  throw new Exit(
    EXIT.invalid,
    `${option} ${text}: say a span such as 1h, which is that long ago, or 2026-11-21T06:00:00Z.`,
  );
}
