import { keyBoundsOf, shareOf } from '@darkroom/shared/config';
import { AppError, chooseModel } from '@darkroom/shared/domain';
import { lookAtBounds, lookAtLimits, resumeModel, sightOf } from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/** How much of the provider's limits is used, whom they keep waiting, what bounds the caller itself, and an operator's way to end that. */
export function limitsRouter(deps: Pick<ApiDeps, 'quotas' | 'lines' | 'channels' | 'log'>): Router {
  const router = Router();
  const { channels } = deps;
  const specs = channels.channels;
  router.get('/', async (_req, res) => {
    const { tenant, keyId, scopes } = callerOf(res, 'jobs:read');
    const key = { id: keyId, bounds: keyBoundsOf(channels, keyId) };
    const [data, own] = await Promise.all([
      lookAtLimits(deps, specs, sightOf(scopes)),
      lookAtBounds(deps, specs, { tenant, share: shareOf(channels, tenant), key }),
    ]);
    res.json({ data, own });
  });
  router.post('/:model/resume', async (req, res) => {
    const { keyId } = callerOf(res, 'admin');
    const choice = chooseModel(req.params.model);
    if (choice.type !== 'model') {
      throw new AppError('not_found', {
        message: 'There is no such model.',
        param: 'model',
        fix: 'See GET /v1/models for all of them.',
      });
    }
    const resumed = await resumeModel({ ...deps, specs }, choice.model.id);
    deps.log.info({ ...resumed, keyId }, 'quota.resumed');
    res.json(resumed);
  });
  return router;
}
