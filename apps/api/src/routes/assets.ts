import { AppError } from '@darkroom/shared/domain';
import { type AssetView, parse } from '@darkroom/shared/schemas';
import { findAsset, naming, REFERENCE_BYTES_MAX, storeAsset } from '@darkroom/shared/usecases';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody, readBody } from '../http/body.ts';

export const AssetFromUrl = z.strictObject({ url: z.string().max(2_048) }).meta({ id: 'AssetFromUrl' });

type Stored = Awaited<ReturnType<typeof storeAsset>>;

/** Reference images, uploaded once and named by their content. */
export function assetsRouter(deps: ApiDeps): Router {
  const router = Router();
  const jsonOnly: RequestHandler = (req, _res, next) => (req.is('application/json') ? next() : next('route'));
  router.post('/', jsonOnly, ...jsonBody(1), async (req, res) => download(deps, req, res));
  router.post('/', async (req, res) => upload(deps, req, res));
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    const sha256 = /^ast_([0-9a-f]{64})$/.exec(req.params.id)?.[1];
    const asset = sha256 ? await findAsset(deps.store, tenant, sha256) : undefined;
    if (!asset) throw new AppError('not_found', { message: 'There is no such asset.', param: 'id' });
    present(res, asset, 200);
  });
  return router;
}

async function download(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:write');
  const { url } = parse(AssetFromUrl, req.body);
  const read = () => deps.safeFetch.download(url, { maxBytes: REFERENCE_BYTES_MAX });
  present(res, await naming('url', async () => storeAsset(deps.store, tenant, (await read()).bytes)), 201);
}

/** What the bytes are is sniffed; what the header claims does not matter, as long as it does not claim to be something else. */
async function upload(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:write');
  const type = req.get('content-type') ?? 'application/octet-stream';
  if (!/^(image\/|application\/octet-stream)/.test(type)) {
    throw new AppError('unsupported_content_type', {
      message: 'The body must be the bytes of an image, or JSON with a url.',
      param: 'Content-Type',
      fix: 'Send image/png, image/jpeg or image/webp.',
    });
  }
  const read = () => readBody(req, REFERENCE_BYTES_MAX);
  present(res, await naming('body', async () => storeAsset(deps.store, tenant, await read())), 201);
}

function present(res: Response, { sha256, mime, width, height, bytes }: Stored, status: 200 | 201): void {
  const view: z.output<typeof AssetView> = { id: `ast_${sha256}`, mime, width, height, bytes, sha256 };
  res.status(status).json(view);
}
