/** Channels, limits and models as tables of a terminal. Pure. */

import type { ChannelView, LimitView, ModelView, PlaceView } from '@darkroom/shared/schemas';
import { dollars, shortTime } from './words.ts';

/** One row for each model of each channel. */
export function channelTable(channels: readonly ChannelView[]): string[] {
  const head = ['CHANNEL', 'KIND', 'MODEL', 'HEALTH', 'UNTIL', 'CALLS', 'ERRORS', 'P50', 'P95'];
  const rows = channels.flatMap(({ id, kind, override, models }) =>
    models.map((place) => [
      id,
      kind,
      place.model,
      healthOf(place, override),
      // It is left alone no longer: the next job tries it, and nothing else does.
      place.health === 'broken' && place.breaker.state === 'half_open' ? 'next call' : untilOf(place.until),
      ...figuresOf(place),
    ]),
  );
  return table([head, ...rows]);
}

function healthOf({ health, breaker }: PlaceView, override: ChannelView['override']): string {
  if (override === 'open') return 'out (held back)';
  if (override === 'drain') return 'out (drained)';
  if (health === 'out' && breaker.out) return breaker.out === 'auth' ? 'out (key refused)' : 'out (model retired)';
  return health;
}

function figuresOf({ calls, error_rate: errors, p50_ms: p50, p95_ms: p95 }: PlaceView): string[] {
  const percent = errors === undefined ? '-' : `${(100 * errors).toFixed(errors > 0 && errors < 0.1 ? 1 : 0)} %`;
  return [String(calls), percent, secondsOf(p50), secondsOf(p95)];
}

function secondsOf(ms: number | undefined): string {
  return ms === undefined ? '-' : `${(ms / 1_000).toFixed(1)} s`;
}

/** Windows that all models of a channel share. */
const OF_CHANNEL: ReadonlySet<string> = new Set(['spend', 'channel_concurrency']);

/** One row for each window that is limited or used, and for each pause; what all models of a channel share is told once. */
export function limitTable(limits: readonly LimitView[]): string[] {
  const head = ['CHANNEL', 'MODEL', 'WINDOW', 'USED', 'LIMIT', 'LEARNT UNTIL', 'FREE AT'];
  const rows = limits.flatMap(({ channel, model, reason, until, windows }, n) => [
    ...(reason ? [[channel, model, `paused (${reason})`, '-', '-', '-', untilOf(until)]] : []),
    ...windows
      .filter(({ used, limit }) => Number(used) > 0 || limit !== undefined)
      .filter(({ window }) => !OF_CHANNEL.has(window) || limits[n - 1]?.channel !== channel)
      .map(({ window, used, limit, learnt, free_at: freeAt }) => [
        channel,
        OF_CHANNEL.has(window) ? 'all' : model,
        window,
        amountOf(used),
        amountOf(limit),
        untilOf(learnt?.until),
        untilOf(freeAt),
      ]),
  ]);
  return rows.length ? table([head, ...rows]) : ['Nothing is used, and no limit is known yet.'];
}

/** One row for each model. `1K` = its price where it is cheapest. */
export function modelTable(models: readonly ModelView[]): string[] {
  const head = ['MODEL', 'ALIAS', 'SIZES', '1K', 'NOW', 'UNTIL', 'CHANNELS', 'ENDS'];
  const rows = models.map(({ id, aliases, sizes, prices, health, until, channels, retires_on: ends, successor }) => [
    id,
    aliases[0] ?? '-',
    sizes.join(' '),
    amountOf(prices['standard']?.['1K']),
    channels.length ? health : 'no channel',
    untilOf(until),
    channels.map(({ channel }) => channel).join(' ') || '-',
    ends ? `${ends}${successor ? `, then ${successor}` : ''}` : '-',
  ]);
  return table([head, ...rows]);
}

/** Money comes as text. */
function amountOf(amount: number | string | undefined): string {
  if (amount === undefined) return '-';
  return typeof amount === 'string' ? dollars(amount) : String(amount);
}

function untilOf(time: string | undefined): string {
  return time ? shortTime(time) : '-';
}

function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
