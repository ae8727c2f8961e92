/** Who is told of an event. Pure. */

import {
  BATCH_ENDINGS,
  type Delivery,
  ENDINGS,
  type Endpoint,
  type EpochMs,
  type LoggedEvent,
  listensTo,
  newDelivery,
  type OwnWebhook,
  ownReceiver,
  type Tenant,
} from '@darkroom/shared/domain';

/**
 * The deliveries that an event comes to.
 *
 * @param own what the job or batch that it is about names itself; of a row's job, what its batch names
 */
export function deliveriesOf(
  tenant: Tenant,
  event: LoggedEvent,
  { endpoints, own }: { endpoints: Endpoint[]; own: OwnWebhook | undefined },
  now: EpochMs,
): Delivery[] {
  const facts = { tenant, event: event.id, type: event.type };
  const listening = endpoints.filter((endpoint) => listensTo(endpoint, event));
  const deliveries = listening.map(({ id }) => newDelivery({ ...facts, receiver: id }, now));
  if (own && wantsOwn(own, event)) {
    deliveries.push(newDelivery({ ...facts, receiver: ownReceiver(own.url), url: own.url }, now));
  }
  return deliveries;
}

/** A batch's is told of its rows' jobs only where it names them. */
function wantsOwn({ events }: OwnWebhook, event: LoggedEvent): boolean {
  return (events ?? (event.hooked ? ENDINGS : BATCH_ENDINGS)).includes(event.type);
}
