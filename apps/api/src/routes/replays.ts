/** `/v1/webhook-endpoints/{id}/replay`: events of a past time, sent (again) in the background. */

import { shortDigest } from '@darkroom/shared/domain';
import { parse, ReplayBody } from '@darkroom/shared/schemas';
import { previewReplay, submitReplay } from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { idempotencyKeyOf, jsonBody } from '../http/body.ts';
import { sendAccepted } from './actions.ts';

const BODY_MB = 1;

/** To be mounted where the endpoints are. */
export function replaysRouter(deps: ApiDeps): Router {
  const router = Router();
  router.post('/:id/replay', ...jsonBody(BODY_MB));
  router.post('/:id/replay', async (req, res) => replay(deps, req, res));
  return router;
}

async function replay(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'webhooks:write');
  const key = idempotencyKeyOf(req);
  const body = parse(ReplayBody, req.body);
  const { id } = req.params;
  if (body.preview) res.json(await previewReplay(deps, { tenant, id, body }));
  else {
    const asked = { tenant, id, body, ...(key && { idempotencyKey: shortDigest(key) }) };
    sendAccepted(res, await submitReplay(deps, asked));
  }
}
