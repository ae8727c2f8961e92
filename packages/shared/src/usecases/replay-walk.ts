/** Which events a replay means: the same way for its preview and for its pages. */

import {
  type Delivery,
  deliveryId,
  type Endpoint,
  isInGap,
  type JobPosition,
  type LoggedEvent,
  type ReplayOrder,
  wants,
} from '../domain/index.ts';
import type { Deliveries, EventLog } from '../ports/index.ts';
import { placeBefore } from './event-log.ts';

export type WalkDeps = { events: EventLog; deliveries: Deliveries };

const STEP = 500;

type Step = { read: number; meant: LoggedEvent[]; reached: JobPosition | undefined };

/** The events of a replay, oldest first, as far as they have been fanned out: what comes later is sent by itself. */
export async function* walkEvents(
  { events, deliveries }: WalkDeps,
  endpoint: Endpoint,
  { since, until, types, onlyMissing }: ReplayOrder,
  cursor: JobPosition | undefined,
): AsyncGenerator<Step, void> {
  const { tenant } = endpoint;
  const end = await deliveries.cursor(tenant);
  if (end === undefined) return;
  const wanted = types ? { events: types } : endpoint;
  let after = cursor?.id ?? placeBefore(tenant, since);
  for (;;) {
    const found = await events.read(tenant, { after, limit: STEP });
    const inside = found.filter(({ at, id }) => at < until && id <= end);
    const last = inside.at(-1);
    const of = inside.filter((event) => isReplayable(endpoint, event) && wants(wanted, event.type));
    const records = await deliveries.read(
      tenant,
      of.map(({ id }) => deliveryId(id, endpoint.id)),
    );
    const meant = of.filter((event, i) => isMeant(endpoint, event, records[i], onlyMissing));
    const more = inside.length === found.length && found.length === STEP;
    yield { read: found.length, meant, reached: more && last ? { at: last.at, id: last.id } : undefined };
    if (!more || !last) return;
    after = last.id;
  }
}

/** As when they happened: nobody is sent its own troubles, or another's test. */
function isReplayable({ id }: Endpoint, { type, endpoint }: LoggedEvent): boolean {
  return type !== 'webhook_endpoint.test' && endpoint !== id;
}

/**
 * What waits is sent anyway. Of what arrived, the records go sooner or later; but of what was not to be sent when it happened
 * there never was one, and that was in a gap.
 */
function isMeant(endpoint: Endpoint, { at }: LoggedEvent, record: Delivery | undefined, onlyMissing: boolean): boolean {
  if (record?.status === 'pending') return false;
  if (!onlyMissing) return true;
  return record ? record.status === 'dead' : isInGap(endpoint, at);
}
