import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/** `/livez`: the process answers. `/readyz`: it can accept jobs and keep them. */
export function healthRouter(deps: Pick<ApiDeps, 'health'>): Router {
  const router = Router();
  router.get('/livez', (_req, res) => {
    res.json({ status: 'ok' });
  });
  router.get('/readyz', async (_req, res) => {
    const { ready, checks } = await deps.health();
    if (!ready) res.set('retry-after', '5');
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not_ready', checks });
  });
  return router;
}

/** `/metrics` tells about every tenant, so it needs a key with the scope `admin`. */
export function metricsRouter(deps: Pick<ApiDeps, 'metrics'>): Router {
  const router = Router();
  router.get('/', async (_req, res) => {
    callerOf(res, 'admin');
    const { type, text } = await deps.metrics.scrape();
    res.set('content-type', type).send(text);
  });
  return router;
}
