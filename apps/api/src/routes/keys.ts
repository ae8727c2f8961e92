import { randomBytes } from 'node:crypto';
import { CreateKeyBody, type KeyView, parse } from '@darkroom/shared/schemas';
import { Router } from 'express';
import type { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody } from '../http/body.ts';

/** API keys, made and revoked by whoever holds one with the scope `admin`. */
export function keysRouter({ keys }: Pick<ApiDeps, 'keys'>): Router {
  const router = Router();
  router.post('/', ...jsonBody(1), async (req, res) => {
    callerOf(res, 'admin');
    const { tenant, scopes } = parse(CreateKeyBody, req.body);
    const key = `dk_live_${randomBytes(32).toString('base64url')}`;
    const { keyId } = await keys.register(key, { tenant, scopes });
    const view: z.output<typeof KeyView> = { id: keyId, tenant, scopes, key };
    res.status(201).json(view);
  });
  router.delete('/:id', async (req, res) => {
    callerOf(res, 'admin');
    await keys.revoke(req.params.id);
    res.status(204).end();
  });
  return router;
}
