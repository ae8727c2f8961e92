import type { BatchId } from '@darkroom/shared/domain';
import { AppError, isBatchOver, shortDigest } from '@darkroom/shared/domain';
import type { BatchView } from '@darkroom/shared/schemas';
import { getBatch, presentBatch, submitBatch } from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { openBatchBody } from '../http/batch-body.ts';
import { idempotencyKeyOf } from '../http/body.ts';

const MEBIBYTE = 1_048_576;
/** Seconds after which an open batch is worth another look. */
const LOOK_AGAIN = '5';
/** Bodies that arrive at one time: each holds up to two shards of 8 MB in memory, and its keys. */
const INGESTS_MAX = 8;
/** A caller who is answered before the end of the body may go on sending for this long. */
const LINGER_MS = 10_000;

export function batchesRouter(deps: ApiDeps): Router {
  const router = Router();
  const limit = ingestLimit();
  router.post('/', async (req, res) => submit(deps, limit, req, res));
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.json(await viewOf(deps, tenant, req.params.id));
  });
  return router;
}

async function submit(deps: ApiDeps, limit: IngestLimit, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:write');
  endUnread(req, res);
  requireAccepting(deps);
  using _place = limit.enter();
  const key = idempotencyKeyOf(req);
  const { bodyHash, ...body } = await openBatchBody(req, {
    tenant,
    templates: deps.templates,
    jsonBytesMax: deps.bodyLimitMb * MEBIBYTE,
    pace: deps.batchPace,
  });
  const submitted = await submitBatch(deps, {
    tenant,
    ...body,
    ...(key && { idempotency: { key: shortDigest(key), bodyHash } }),
  });
  if (submitted.type === 'checked') {
    res.json(submitted.check);
    return;
  }
  const { batch, replayed } = submitted;
  const over = isBatchOver(batch.status);
  res.set('location', `/v1/batches/${batch.id}`);
  if (replayed) res.set('idempotent-replayed', 'true');
  if (!over) res.set('retry-after', LOOK_AGAIN);
  res.status(over ? 200 : 202).json(await viewOf(deps, tenant, batch.id));
}

async function viewOf(deps: ApiDeps, tenant: string, id: BatchId): Promise<BatchView> {
  const { batch, totals } = await getBatch(deps, tenant, id);
  return presentBatch(batch, totals, deps.clock.now());
}

type IngestLimit = { enter(): Disposable };

function ingestLimit(): IngestLimit {
  let running = 0;
  return {
    enter: () => {
      if (running >= INGESTS_MAX) {
        throw new AppError('not_ready', {
          message: 'Too many batches are arriving just now.',
          retryable: true,
          retryAfterMs: 10_000,
        });
      }
      running++;
      return { [Symbol.dispose]: () => void running-- };
    },
  };
}

/** A body that is refused half way is read on and dropped, for the answer to be seen; not for ever. */
function endUnread(req: Request, res: Response): void {
  res.on('finish', () => {
    if (req.complete) return;
    const timer = setTimeout(() => req.socket.destroy(), LINGER_MS);
    timer.unref();
    for (const event of ['end', 'close'] as const) req.once(event, () => clearTimeout(timer));
  });
}

function requireAccepting(deps: ApiDeps): void {
  if (deps.accepting()) return;
  const message = 'No new batches are accepted just now.';
  throw new AppError('not_ready', { message, retryable: true, retryAfterMs: 10_000 });
}
