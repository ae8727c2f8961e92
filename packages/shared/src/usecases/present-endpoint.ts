import type { Endpoint, EndpointId, EpochMs, OwnWebhook, ReceiverHealth } from '../domain/index.ts';
import type { JobView, WebhookEndpointView } from '../schemas/index.ts';

/** What a caller sees of an endpoint: nothing of its secrets, nor of the values of its headers. */
export function presentEndpoint(
  endpoint: Endpoint,
  health: ReceiverHealth & { waiting: number },
  now: EpochMs,
): WebhookEndpointView {
  const { id, url, description, events, headers, secrets, disabled, createdAt } = endpoint;
  const self = endpointPath(id);
  const old = secrets.flatMap(({ until = 0 }) => (until > now ? [iso(until)] : []));
  return {
    id,
    url: shownUrl(url),
    ...(description && { description }),
    ...(events && { events }),
    headers: Object.keys(headers),
    enabled: !disabled,
    ...(disabled && { disabled_reason: disabled.reason, disabled_at: iso(disabled.at) }),
    created_at: iso(createdAt),
    health: presentHealth(health, now),
    ...(old.length && { old_secrets_until: old }),
    urls: { self, deliveries: `${self}/deliveries`, test: `${self}/test` },
  };
}

export function endpointPath(id: EndpointId): string {
  return `/v1/webhook-endpoints/${id}`;
}

function presentHealth(
  { failures, failingSince, openUntil = 0, waiting }: ReceiverHealth & { waiting: number },
  now: EpochMs,
): WebhookEndpointView['health'] {
  return {
    failures,
    ...(failingSince !== undefined && { failing_since: iso(failingSince) }),
    ...(openUntil > now && { paused_until: iso(openUntil) }),
    waiting,
  };
}

/** A job's or batch's own webhook, in a view of that. */
export function presentOwn(webhook: OwnWebhook | undefined): Pick<JobView, 'webhook'> {
  if (!webhook) return {};
  const { url, events } = webhook;
  return { webhook: { url: shownUrl(url), ...(events && { events }) } };
}

/** Without the query string, where receivers put their secrets. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
