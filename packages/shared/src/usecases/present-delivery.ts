/** Deliveries as their tenant sees them. */

import {
  type Delivery,
  type DeliveryTry,
  type Endpoint,
  type EpochMs,
  isOwnReceiver,
  type Tenant,
} from '../domain/index.ts';
import { POST_HEADERS } from '../net/index.ts';
import type { Endpoints } from '../ports/index.ts';
import type { DeliveryView } from '../schemas/index.ts';
import { shownUrl } from './present-endpoint.ts';

const HIDDEN = '[redacted]';

/** Each with its endpoint as that is now. */
export async function presentDeliveries(
  { endpoints }: { endpoints: Endpoints },
  tenant: Tenant,
  deliveries: Delivery[],
): Promise<DeliveryView[]> {
  const receivers = [...new Set(deliveries.map(({ receiver }) => receiver))];
  const [known, health] = await Promise.all([
    Promise.all(receivers.map(async (id) => (isOwnReceiver(id) ? undefined : endpoints.read(tenant, id)))),
    endpoints.health(tenant, receivers),
  ]);
  const facts = new Map(receivers.map((id, i) => [id, { endpoint: known[i], pausedUntil: health[i]?.openUntil ?? 0 }]));
  return deliveries.map((delivery) => presentDelivery(delivery, facts.get(delivery.receiver) ?? { pausedUntil: 0 }));
}

type ReceiverFacts = { endpoint?: Endpoint | undefined; pausedUntil: EpochMs };

function presentDelivery(delivery: Delivery, { endpoint, pausedUntil }: ReceiverFacts): DeliveryView {
  const { id, event, type, receiver, status, cause, createdAt, endedAt, nextAt, log } = delivery;
  const url = delivery.url ?? endpoint?.url;
  const isNext = status === 'pending' && nextAt !== undefined && !endpoint?.disabled;
  return {
    id,
    event,
    type,
    ...(!isOwnReceiver(receiver) && { endpoint: receiver }),
    ...(url && { url: shownUrl(url) }),
    status,
    ...(cause && { cause }),
    created_at: iso(createdAt),
    ...(endedAt !== undefined && { completed_at: iso(endedAt) }),
    ...(isNext && { next_try_at: iso(Math.max(nextAt, pausedUntil)) }),
    tries: log.map((one) => presentTry(one, event, endpoint)),
    urls: {
      self: `/v1/deliveries/${id}`,
      event: `/v1/events/${event}`,
      resend: `/v1/deliveries/${id}/resend`,
    },
  };
}

function presentTry({ at, ms, http, error, body }: DeliveryTry, event: string, endpoint: Endpoint | undefined) {
  const own = Object.keys(endpoint?.headers ?? {}).map((name) => [name, HIDDEN] as const);
  return {
    at: iso(at),
    ms,
    ...(http !== undefined && { http }),
    ...(error && { error }),
    ...(body && { body }),
    request_headers: {
      ...Object.fromEntries(own),
      ...POST_HEADERS,
      'webhook-id': event,
      'webhook-timestamp': String(Math.floor(at / 1_000)),
      'webhook-signature': `v1,${HIDDEN}`,
    },
  };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
