import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/** `/v1/doctor` tells about the whole installation, so it needs a key with the scope `admin`. */
export function doctorRouter(deps: Pick<ApiDeps, 'doctor'>): Router {
  const router = Router();
  router.get('/', async (_req, res) => {
    callerOf(res, 'admin');
    res.json(await deps.doctor());
  });
  return router;
}
