/** `/v1/actions`: one thing done to every job that a filter means, in the background. */

import { type Action, isActionOver, shortDigest } from '@darkroom/shared/domain';
import { CreateActionBody, ListActionsQuery, parse } from '@darkroom/shared/schemas';
import {
  listActions,
  presentAction,
  previewAction,
  readAction,
  stopAction,
  submitAction,
} from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { requireAccepting } from '../http/accepting.ts';
import { callerOf } from '../http/authenticate.ts';
import { idempotencyKeyOf, jsonBody } from '../http/body.ts';
import { boundedKey, limitSubmissions } from '../http/submission-limit.ts';

/** A filter. */
const BODY_MB = 1;
/** Seconds after which an open action is worth another look. */
const LOOK_AGAIN = '2';

export function actionsRouter(deps: ApiDeps): Router {
  const router = Router();
  router.post('/', ...jsonBody(BODY_MB));
  router.post('/', async (req, res) => create(deps, req, res));
  router.get('/', async (req, res) => list(deps, req, res));
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    const action = await readAction(deps.actions, tenant, req.params.id);
    if (!isActionOver(action)) res.set('retry-after', LOOK_AGAIN);
    res.json(presentAction(action));
  });
  router.post('/:id/abort', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:write');
    res.json(presentAction(await stopAction(deps, tenant, req.params.id)));
  });
  return router;
}

async function create(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const caller = callerOf(res, 'jobs:write');
  const { tenant } = caller;
  const key = idempotencyKeyOf(req);
  const body = parse(CreateActionBody, req.body);
  if (body.preview) {
    res.json(await previewAction(deps, tenant, body));
    return;
  }
  if (body.action === 'retry') {
    await limitSubmissions(deps, res, caller);
    requireAccepting(deps);
  }
  const submission = { tenant, body, ...(key && { idempotencyKey: shortDigest(key) }), ...boundedKey(deps, caller) };
  sendAccepted(res, await submitAction(deps, submission));
}

/** The handle of an action that was accepted just now, or by the same request before. */
export function sendAccepted(res: Response, { action, replayed }: { action: Action; replayed: boolean }): void {
  res.set('location', `/v1/actions/${action.id}`);
  if (replayed) res.set('idempotent-replayed', 'true');
  const over = isActionOver(action);
  if (!over) res.set('retry-after', LOOK_AGAIN);
  res.status(over ? 200 : 202).json(presentAction(action));
}

async function list(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { actions, nextCursor } = await listActions(deps.actions, tenant, parse(ListActionsQuery, req.query));
  if (nextCursor) {
    const query = new URLSearchParams({ ...(req.query as Record<string, string>), after: nextCursor });
    res.set('link', `</v1/actions?${query.toString()}>; rel="next"`);
  }
  const data = actions.map(presentAction);
  res.json({ data, has_more: nextCursor !== undefined, ...(nextCursor && { next_cursor: nextCursor }) });
}
