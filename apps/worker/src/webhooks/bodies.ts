/** What is sent of events: made at the moment of sending, once for all who are sent it then. */

import type { Delivery, EpochMs, EventId, LoggedEvent, Tenant } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { presentEvents } from '@darkroom/shared/usecases';
import type { WebhookDeps } from './deps.ts';

/** Of each delivery: the body to send; `undefined` when its event is kept no longer, or cannot be shown. */
export type Bodies = (tenant: Tenant, deliveries: Delivery[]) => Promise<(string | undefined)[]>;

/** A body is sent for so long. Its links are good for much longer. */
const FRESH_MS = 1_000;
const KEPT_MAX = 2_000;

export function createBodies(deps: WebhookDeps): Bodies {
  const kept = new Map<string, { at: EpochMs; body: Promise<string | undefined> }>();
  return async (tenant, deliveries) => {
    const now = deps.clock.now();
    const key = (id: EventId) => `${tenant} ${id}`;
    // A clock may be set back; no body is the fresher for it.
    const isFresh = (id: EventId) => Math.abs(now - (kept.get(key(id))?.at ?? Number.NEGATIVE_INFINITY)) < FRESH_MS;
    const stale = deliveries.map(({ event }) => event).filter((id) => !isFresh(id));
    const made = makeBodies(deps, tenant, stale);
    for (const id of stale) {
      kept.delete(key(id));
      kept.set(key(id), { at: now, body: made.then((bodies) => bodies.get(id)) });
    }
    const wanted = deliveries.map(({ event }) => kept.get(key(event))?.body);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_MAX) break;
      kept.delete(oldest);
    }
    made.catch(() => stale.forEach((id) => kept.delete(key(id))));
    return Promise.all(wanted.map(async (body) => body));
  };
}

async function makeBodies(deps: WebhookDeps, tenant: Tenant, ids: EventId[]): Promise<Map<EventId, string>> {
  const events = await Promise.all(ids.map((id) => deps.events.find(tenant, id)));
  const known = events.filter((event) => event !== undefined);
  try {
    return new Map(await present(deps, tenant, known));
  } catch {
    // One of them that cannot be shown must not hold up the others.
    const each = known.map((event) =>
      present(deps, tenant, [event]).catch((error: unknown) => {
        deps.log.error({ tenant, about: event.id, ...describeError(error) }, 'webhook.not_shown');
        return [];
      }),
    );
    return new Map((await Promise.all(each)).flat());
  }
}

async function present(deps: WebhookDeps, tenant: Tenant, events: LoggedEvent[]): Promise<[EventId, string][]> {
  const views = await presentEvents(deps, tenant, events);
  return views.map(({ id, ...message }) => [id, JSON.stringify(message)]);
}
