import { randomBytes } from 'node:crypto';
import type { ApiKey } from '@darkroom/shared/ports';
import {
  type CreatedKeyView,
  CreateKeyBody,
  type KeyList,
  type KeyView,
  ListKeysQuery,
  parse,
} from '@darkroom/shared/schemas';
import { type Request, type Response, Router } from 'express';
import type { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody } from '../http/body.ts';

/** API keys of every tenant, made, listed and revoked by whoever holds one with the scope `admin`. */
export function keysRouter({ keys }: Pick<ApiDeps, 'keys'>): Router {
  const router = Router();
  router.post('/', ...jsonBody(1), async (req, res) => {
    callerOf(res, 'admin');
    const key = `dk_live_${randomBytes(32).toString('base64url')}`;
    const view: z.output<typeof CreatedKeyView> = {
      ...presentKey(await keys.register(key, parse(CreateKeyBody, req.body))),
      key,
    };
    res.status(201).json(view);
  });
  router.get('/', async (req, res) => list(keys, req, res));
  router.delete('/:id', async (req, res) => {
    callerOf(res, 'admin');
    await keys.revoke(req.params.id);
    res.status(204).end();
  });
  return router;
}

async function list(keys: ApiDeps['keys'], req: Request, res: Response): Promise<void> {
  callerOf(res, 'admin');
  const { limit, after } = parse(ListKeysQuery, req.query);
  const page = await keys.list({ limit, ...(after !== undefined && { after }) });
  const { nextCursor } = page;
  if (nextCursor) res.set('link', `</v1/keys?limit=${limit}&after=${nextCursor}>; rel="next"`);
  const view: z.output<typeof KeyList> = {
    data: page.keys.map(presentKey),
    has_more: nextCursor !== undefined,
    ...(nextCursor && { next_cursor: nextCursor }),
  };
  res.json(view);
}

function presentKey({ keyId, tenant, scopes, createdAt }: ApiKey): KeyView {
  return {
    id: keyId,
    tenant,
    scopes: [...scopes],
    ...(createdAt !== undefined && { created_at: new Date(createdAt).toISOString() }),
  };
}
