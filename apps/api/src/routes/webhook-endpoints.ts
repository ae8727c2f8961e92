/** `/v1/webhook-endpoints`: who is told of everything; and `/v1/webhook-secret`, for those that jobs name themselves. */

import { type Endpoint, shortDigest, type Tenant } from '@darkroom/shared/domain';
import {
  type CreatedEndpointView,
  CreateEndpointBody,
  ListDeliveriesQuery,
  parse,
  RotateSecretBody,
  UpdateEndpointBody,
  type WebhookEndpointView,
} from '@darkroom/shared/schemas';
import {
  createEndpoint,
  findEndpoint,
  listDeliveries,
  presentDeliveries,
  presentEndpoint,
  type Revealed,
  readOwnSecret,
  removeEndpoint,
  rotateEndpointSecret,
  rotateOwnSecret,
  testEndpoint,
  updateEndpoint,
} from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { idempotencyKeyOf, jsonBody } from '../http/body.ts';
import { optionalBody } from '../http/optional-body.ts';
import { sendPage } from '../http/send-page.ts';

const BODY_MB = 1;
/** Seconds after which a delivery that was just asked for is worth a look. */
const LOOK_AT_TEST = '1';

type EndpointRequest = Request<{ id: string }>;

export function webhookEndpointsRouter(deps: ApiDeps): Router {
  const router = Router();
  const body = jsonBody(BODY_MB);
  router.post('/', ...body);
  router.post('/', async (req, res) => create(deps, req, res));
  router.get('/', async (_req, res) => list(deps, res));
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.json(await present(deps, await findEndpoint(deps.endpoints, tenant, req.params.id)));
  });
  router.patch('/:id', ...body);
  router.patch('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    const patch = parse(UpdateEndpointBody, req.body);
    res.json(await present(deps, await updateEndpoint(deps, tenant, req.params.id, patch)));
  });
  router.delete('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    await removeEndpoint(deps, tenant, req.params.id);
    res.status(204).end();
  });
  router.post('/:id/rotate-secret', optionalBody(BODY_MB));
  router.post('/:id/rotate-secret', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    const { overlap } = parse(RotateSecretBody, req.body);
    await reveal(deps, res, await rotateEndpointSecret(deps, tenant, req.params.id, overlap));
  });
  router.post('/:id/test', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    const sent = await testEndpoint(deps, tenant, req.params.id);
    res.set({ location: sent.urls.delivery, 'retry-after': LOOK_AT_TEST });
    res.status(202).json(sent);
  });
  router.get('/:id/deliveries', async (req, res) => deliveries(deps, req, res));
  return router;
}

/** The secret of a tenant's jobs' and batches' own webhooks. */
export function webhookSecretRouter(deps: ApiDeps): Router {
  const router = Router();
  router.get('/', async (_req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    secretly(res).json(await readOwnSecret(deps, tenant));
  });
  router.post('/rotate', optionalBody(BODY_MB));
  router.post('/rotate', async (req, res) => {
    const { tenant } = callerOf(res, 'webhooks:write');
    const { overlap } = parse(RotateSecretBody, req.body);
    secretly(res).json(await rotateOwnSecret(deps, tenant, overlap));
  });
  return router;
}

async function create(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'webhooks:write');
  const key = idempotencyKeyOf(req);
  const body = parse(CreateEndpointBody, req.body);
  const created = await createEndpoint(deps, { tenant, body, ...(key && { idempotencyKey: shortDigest(key) }) });
  res.set('location', `/v1/webhook-endpoints/${created.endpoint.id}`);
  if (created.replayed) res.set('idempotent-replayed', 'true');
  await reveal(deps, res.status(201), created);
}

async function list(deps: ApiDeps, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  res.json({ data: await presentAll(deps, tenant, await deps.endpoints.list(tenant)) });
}

async function deliveries(deps: ApiDeps, req: EndpointRequest, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const page = await listDeliveries(deps, tenant, req.params.id, parse(ListDeliveriesQuery, req.query));
  sendPage(req, res, await presentDeliveries(deps, tenant, page.deliveries), page.nextCursor);
}

async function reveal(deps: ApiDeps, res: Response, { endpoint, secret }: Revealed): Promise<void> {
  const view: CreatedEndpointView = { ...(await present(deps, endpoint)), secret };
  secretly(res).json(view);
}

async function present(deps: ApiDeps, endpoint: Endpoint): Promise<WebhookEndpointView> {
  const [view] = await presentAll(deps, endpoint.tenant, [endpoint]);
  if (!view) throw new Error('an endpoint has a view');
  return view;
}

async function presentAll(deps: ApiDeps, tenant: Tenant, endpoints: Endpoint[]): Promise<WebhookEndpointView[]> {
  const health = await deps.endpoints.health(
    tenant,
    endpoints.map(({ id }) => id),
  );
  const now = deps.clock.now();
  return endpoints.map((endpoint, i) => presentEndpoint(endpoint, health[i] ?? { failures: 0, waiting: 0 }, now));
}

/** What is in the answer lies in nobody's cache. */
function secretly(res: Response): Response {
  return res.set('cache-control', 'no-store');
}
