/** Deliveries as their tenant sees them, and one sent again. */

import {
  AppError,
  type Delivery,
  type DeliveryId,
  deliveryId,
  type EventId,
  isOwnReceiver,
  resent,
  type Tenant,
} from '../domain/index.ts';
import type { Clock, Deliveries, Endpoints, EventLog } from '../ports/index.ts';
import { DELIVERY_ID, type ListDeliveriesQuery, type TestSentView } from '../schemas/index.ts';
import { assertEnabled, findEndpoint } from './webhook-endpoints.ts';

export type DeliveryDeps = { deliveries: Deliveries; endpoints: Endpoints; clock: Clock };

/** @throws AppError `not_found`: for what is somebody else's, and for one that is kept no longer */
export async function findDelivery(
  { deliveries }: Pick<DeliveryDeps, 'deliveries'>,
  tenant: Tenant,
  id: string,
): Promise<Delivery> {
  const [delivery] = DELIVERY_ID.test(id) ? await deliveries.read(tenant, [id]) : [];
  if (delivery) return delivery;
  throw new AppError('not_found', {
    message: 'There is no such delivery.',
    param: 'id',
    fix: 'One that arrived is kept for three days at most, one that did not for as long as its event.',
  });
}

/** To an endpoint, the newest event first. @throws AppError `not_found` */
export async function listDeliveries(
  { deliveries, endpoints }: DeliveryDeps,
  tenant: Tenant,
  id: string,
  { status, limit, after }: ListDeliveriesQuery,
): Promise<{ deliveries: Delivery[]; nextCursor?: DeliveryId }> {
  await findEndpoint(endpoints, tenant, id);
  const found = await deliveries.list(tenant, id, {
    limit: limit + 1,
    ...(status && { status }),
    ...(after !== undefined && { before: after }),
  });
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  return { deliveries: page, ...(last && { nextCursor: last.id }) };
}

/** Of one event: to the endpoints that there are, and to the address that its job or batch names. @throws AppError `not_found` */
export async function deliveriesOfEvent(
  { deliveries, endpoints, events }: DeliveryDeps & { events: EventLog },
  tenant: Tenant,
  id: EventId,
): Promise<Delivery[]> {
  const event = await events.find(tenant, id);
  if (!event) throw new AppError('not_found', { message: 'There is no such event.', param: 'id' });
  const receivers = ['own', ...(await endpoints.list(tenant)).map((endpoint) => endpoint.id)];
  const found = await deliveries.read(
    tenant,
    receivers.map((receiver) => deliveryId(id, receiver)),
  );
  return found.filter((delivery) => delivery !== undefined);
}

/** Sends it (again), by a schedule that begins anew; one that is on its way already is left alone. @throws AppError `not_found`, `conflict` */
export async function resendDelivery(deps: DeliveryDeps, tenant: Tenant, id: string): Promise<Delivery> {
  const delivery = await findDelivery(deps, tenant, id);
  const { receiver, status } = delivery;
  if (!isOwnReceiver(receiver)) assertEnabled(await receiverOf(deps, tenant, receiver));
  if (status === 'pending') return delivery;
  const now = deps.clock.now();
  const again = resent(delivery, now);
  await deps.deliveries.resend(tenant, receiver, [again], { now, first: true });
  return again;
}

async function receiverOf({ endpoints }: DeliveryDeps, tenant: Tenant, receiver: string) {
  const endpoint = await endpoints.read(tenant, receiver);
  if (endpoint) return endpoint;
  throw new AppError('conflict', { message: 'The endpoint of this delivery was deleted.', param: 'id' });
}

/** Tells an endpoint, and nobody else, that it is being tested. @throws AppError `not_found`, or `conflict` while it is disabled */
export async function testEndpoint(deps: DeliveryDeps, tenant: Tenant, id: string): Promise<TestSentView> {
  assertEnabled(await findEndpoint(deps.endpoints, tenant, id));
  const event = await deps.endpoints.tell(tenant, id, 'webhook_endpoint.test');
  const delivery = deliveryId(event, id);
  return { event, delivery, urls: { event: `/v1/events/${event}`, delivery: `/v1/deliveries/${delivery}` } };
}
