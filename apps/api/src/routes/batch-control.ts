import { PatchBatchBody, parse } from '@darkroom/shared/schemas';
import { type BatchAction, changeBatch, controlBatch, getBatch, presentBatch } from '@darkroom/shared/usecases';
import type { Request, Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody } from '../http/body.ts';
import { limitSubmissions } from '../http/submission-limit.ts';

const ACTIONS: readonly BatchAction[] = ['pause', 'resume', 'cancel', 'retry-failed'];
/** Three fields. */
const PATCH_MB = 1;

/** Adds what a caller may do to a batch to its router. */
export function controlRoutes(router: Router, deps: ApiDeps): void {
  for (const action of ACTIONS) {
    router.post(`/:id/${action}`, async (req: Request<{ id: string }>, res) => {
      const caller = callerOf(res, 'jobs:write');
      const { tenant } = caller;
      if (action === 'retry-failed') await limitSubmissions(deps, res, caller);
      await controlBatch(deps, tenant, req.params.id, action);
      await answer(deps, tenant, req.params.id, res);
    });
  }
  router.patch('/:id', ...jsonBody(PATCH_MB));
  router.patch('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:write');
    const { deadline, priority, max_cost: maxCost } = parse(PatchBatchBody, req.body);
    await changeBatch(deps, tenant, req.params.id, { deadline, priority, maxCost });
    await answer(deps, tenant, req.params.id, res);
  });
}

/** The rows follow in their own time: the view says how far. */
async function answer(deps: ApiDeps, tenant: string, id: string, res: Response): Promise<void> {
  const { batch, totals } = await getBatch(deps, tenant, id);
  res.json(presentBatch(batch, totals, deps.clock.now()));
}
