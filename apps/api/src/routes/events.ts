import { AppError, type LoggedEvent, type Tenant } from '@darkroom/shared/domain';
import { assertBounded, type EventView, ListEventsQuery, parse, StreamEventsQuery } from '@darkroom/shared/schemas';
import { deliveriesOfEvent, LINK_MS, listEvents, presentDeliveries, presentEvents } from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { createTenantStreams } from '../http/tenant-events.ts';

/** What happened: as a list, one by one, and as a stream. */
export function eventsRouter(deps: ApiDeps): Router {
  const router = Router();
  const stream = createTenantStreams(deps);
  router.get('/', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    assertBounded(req.query);
    res.vary('accept');
    // JSON first: whoever takes anything gets an answer that ends.
    if (req.accepts(['application/json', 'text/event-stream']) !== 'text/event-stream') await list(deps, req, res);
    else await stream(tenant, parse(StreamEventsQuery, req.query), req, res);
  });
  router.get('/:id', async (req, res) => get(deps, req, res));
  router.get('/:id/deliveries', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    const found = await deliveriesOfEvent(deps, tenant, req.params.id);
    res.json({ data: await presentDeliveries(deps, tenant, found) });
  });
  return router;
}

async function list(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { events, nextCursor } = await listEvents(deps.events, tenant, parse(ListEventsQuery, req.query));
  const data = await presentEvents(deps, tenant, events);
  if (nextCursor) res.set('link', `</v1/events?${nextQuery(req, nextCursor)}>; rel="next"`);
  res.json({ data, has_more: nextCursor !== undefined, ...(nextCursor && { next_cursor: nextCursor }) });
}

/** The query of the page after this one; `type` may stand in it several times. */
function nextQuery(req: Request, nextCursor: string): string {
  const query = new URLSearchParams();
  // Checked by the schema: each is a text, or several.
  for (const [name, value] of Object.entries(req.query as Record<string, string | string[]>))
    for (const one of [value].flat()) query.append(name, one);
  query.set('after', nextCursor);
  return query.toString();
}

async function get(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const event = await deps.events.find(tenant, req.params.id);
  if (!event) throw new AppError('not_found', { message: 'There is no such event.', param: 'id' });
  // Links inside are signed anew each time; nobody may serve them from a cache for longer than they live.
  res.set('cache-control', `private, max-age=0, stale-if-error=${LINK_MS / 2_000}`);
  res.json(await presentOne(deps, tenant, event));
}

async function presentOne(deps: ApiDeps, tenant: Tenant, event: LoggedEvent): Promise<EventView | undefined> {
  const [view] = await presentEvents(deps, tenant, [event]);
  return view;
}
