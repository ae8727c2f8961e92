/** How all of it is spoken of on a terminal. Pure. */

import type {
  BatchCheckView,
  BatchView,
  DeliveryView,
  EventView,
  JobView,
  OwnLimits,
  ResumedModel,
  WebhookEndpointView,
} from '@darkroom/shared/schemas';

const OVER = ['succeeded', 'blocked', 'failed', 'canceled', 'expired'] as const;

/** Rows whose fate is sealed. */
export function doneOf({ counts }: BatchView): number {
  return OVER.reduce((sum, status) => sum + counts[status], 0);
}

/** `bat_…  running  120 of 200, 2 failed  $4.10 of about $8.20  until 06:12 UTC`. */
export function describeBatch(batch: BatchView): string {
  return `${batch.id}  ${describeProgress(batch)}${batch.eta ? `  until ${batch.eta.slice(11, 16)} UTC` : ''}`;
}

/** The same, short enough to stand beside a bar. */
export function describeProgress(batch: BatchView): string {
  const { counts, cost } = batch;
  const bad = OVER.slice(1).flatMap((status) => (counts[status] ? [`${counts[status]} ${status}`] : []));
  const shared = counts.deduplicated ? [`${counts.deduplicated} shared`] : [];
  const done = [`${doneOf(batch)} of ${counts.total}`, ...bad, ...shared].join(', ');
  return `${batch.status}  ${done}  ${dollars(cost.actual)} of about ${dollars(cost.estimated)}`;
}

/** Dollars as a person says them: cents, or a tenth of one where cents say nothing. */
export function dollars(amount: string): string {
  const value = Number(amount);
  return `$${value.toFixed(value >= 1 || value === 0 ? 2 : 4)}`;
}

/** `job_…  queued (rate_limited)  $0.00  3 before it  likely at 2026-11-21 06:12:30Z`. */
export function describeJob({ id, status, phase, cost, queue }: JobView): string {
  const before = queue?.position === undefined ? '' : `  ${queue.position} before it`;
  const eta = queue?.eta ? `  likely at ${shortTime(queue.eta)}` : '';
  return `${id}  ${status}${phase ? ` (${phase})` : ''}  ${dollars(cost.actual)}${before}${eta}`;
}

/** `2026-11-21T06:12:30.000Z` → `2026-11-21 06:12:30Z`. */
export function shortTime(time: string): string {
  return `${time.slice(0, 19).replace('T', ' ')}Z`;
}

/** A row error, as one line. */
export function describeRowError({ line, key, path, message }: BatchCheckView['errors'][number]): string {
  return `  line ${line}${key ? ` (${key})` : ''}: ${message.startsWith(path) ? message : `${path} ${message}`}`;
}

/** What a batch would cost, lane by lane. */
export function describeCheck({ counts, cost, lane, route }: BatchCheckView): string[] {
  const prices = Object.entries(cost).map(([name, price]) => `${name} ${dollars(price)}${name === lane ? ' ←' : ''}`);
  return [
    `${counts.rows} ${counts.rows === 1 ? 'row' : 'rows'}, ${counts.invalid === 0 ? 'all valid' : `${counts.invalid} not valid`}`,
    `${prices.join('   ')}   (${route})`,
  ];
}

/** `whe_…  https://example.com/hook  enabled  3 waiting`. */
export function describeEndpoint({ id, url, enabled, disabled_reason: reason, health }: WebhookEndpointView): string {
  const failing = health.failures ? `, ${health.failures} failures in a row` : '';
  return `${id}  ${url}  ${enabled ? 'enabled' : `disabled (${reason})`}  ${health.waiting} waiting${failing}`;
}

/** `dlv_…  job.succeeded  dead (exhausted)  10 tries, the last: 500`. */
export function describeDelivery({ id, type, status, cause, tries, next_try_at: next }: DeliveryView): string {
  const last = tries.at(-1);
  const end = last
    ? `${tries.length} ${tries.length === 1 ? 'try' : 'tries'}, the last: ${last.http ?? last.error}`
    : '';
  return `${id}  ${type}  ${status}${cause ? ` (${cause})` : ''}  ${end}${next ? `  next at ${next}` : ''}`.trimEnd();
}

/** `2026-11-21T06:00:00.000Z  job.succeeded  job_…`. */
export function describeEvent({ timestamp, type, data }: EventView): string {
  return `${timestamp}  ${type}  ${'id' in data ? data.id : data.message}`;
}

/** `gemini-3-pro-image  was paused, and goes on  12 jobs in line`. */
export function describeResumed({ model, resumed, woken }: ResumedModel): string {
  const was = resumed ? 'was paused, and goes on' : 'was not paused by its provider';
  return `${model}  ${was}  ${woken} ${woken === 1 ? 'job' : 'jobs'} in line`;
}

/** `acme: weight 2, at most 20 calls of a model at once; gemini-3-pro-image: 3 running, 7 waiting`; likewise of the key. */
export function describeBounds({ tenant: { name, weight, ...tenant }, key }: OwnLimits): string[] {
  const share = weight === 1 ? [] : [`weight ${weight}`];
  return [
    ...describeBounded(name, [...share, ...wordsOf(tenant)], tenant.models),
    ...(key ? describeBounded(key.id, wordsOf(key), key.models) : []),
  ];
}

function wordsOf(bounds: Partial<NonNullable<OwnLimits['key']>>): string[] {
  const { concurrency, starts_per_minute: starts, submissions_per_minute: submissions } = bounds;
  return [
    ...(concurrency === undefined ? [] : [`at most ${concurrency} calls of a model at once`]),
    ...(starts === undefined ? [] : [`at most ${starts} calls of a model a minute`]),
    ...(submissions === undefined ? [] : [`at most ${submissions} submissions a minute`]),
  ];
}

function describeBounded(name: string, words: string[], models: OwnLimits['tenant']['models'] = []): string[] {
  if (words.length === 0) return [];
  const now = models.map(({ model, waiting, running }) => `${model}: ${running} running, ${waiting} waiting`);
  return [[`${name}: ${words.join(', ')}`, ...now].join('; ')];
}
