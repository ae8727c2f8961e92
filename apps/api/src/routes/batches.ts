import { type Batch, type BatchTotals, isBatchOver, shortDigest } from '@darkroom/shared/domain';
import { type ItemView, ListBatchesQuery, ListItemsQuery, parse } from '@darkroom/shared/schemas';
import {
  getBatch,
  getItem,
  type Item,
  itemStatus,
  LINK_MS,
  listBatches,
  listItems,
  presentBatch,
  presentJob,
  waitForJob,
} from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { isSeen, waitOf } from '../http/conditional.ts';
import { sendPage } from '../http/send-page.ts';
import { controlRoutes } from './batch-control.ts';
import { streamBatchEvents } from './batch-events.ts';
import { exportRoutes } from './batch-exports.ts';
import { createBatchSubmission } from './batch-submit.ts';

type BatchRequest = Request<{ id: string }>;
type Standing = { batch: Batch; totals: BatchTotals };

/** Seconds after which an open batch is worth another look. */
const LOOK_AGAIN = '5';

export function batchesRouter(deps: ApiDeps): Router {
  const router = Router();
  const submit = createBatchSubmission(deps);
  router.post('/', async (req, res) => submit(req, res));
  router.get('/', async (req, res) => list(deps, req, res));
  router.get('/:id', async (req, res) => get(deps, req, res));
  router.get('/:id/events', async (req, res) => streamBatchEvents(deps, req, res));
  router.get('/:id/items', async (req, res) => items(deps, req, res));
  router.get('/:id/items/:key', async (req, res) => item(deps, req, res));
  exportRoutes(router, deps);
  controlRoutes(router, deps);
  return router;
}

async function list(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const page = await listBatches(deps.batches, tenant, parse(ListBatchesQuery, req.query));
  const now = deps.clock.now();
  const data = await Promise.all(
    page.batches.map(async (batch) => presentBatch(batch, await deps.batches.totals(tenant, batch.id), now)),
  );
  sendPage(req, res, data, page.nextCursor);
}

async function get(deps: ApiDeps, req: BatchRequest, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const read = () => getBatch(deps, tenant, req.params.id);
  const found = await read();
  const waitMs = waitOf(req);
  const seen = req.get('if-none-match');
  const standing = waitMs > 0 ? await untilChanged(deps, res, { found, read, waitMs, seen }) : found;
  const etag = etagOf(standing);
  const over = isBatchOver(standing.batch.status);
  res.set('etag', etag);
  if (!over) res.set('retry-after', LOOK_AGAIN);
  if (isSeen(seen, etag)) {
    res.status(304).end();
    return;
  }
  res.set('cache-control', 'private, max-age=0');
  res.json(presentBatch(standing.batch, standing.totals, deps.clock.now()));
}

/** Whoever names a version waits for the next one; whoever names none waits for the end. */
function untilChanged(
  deps: ApiDeps,
  res: Response,
  wait: { found: Standing; read: () => Promise<Standing>; waitMs: number; seen: string | undefined },
): Promise<Standing> {
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  const { tenant, id } = wait.found.batch;
  return waitForJob({
    changes: deps.changes,
    tenant,
    id,
    read: wait.read,
    done: (now) => isBatchOver(now.batch.status) || (wait.seen !== undefined && !isSeen(wait.seen, etagOf(now))),
    timeoutMs: wait.waitMs,
    signal: AbortSignal.any([gone.signal, deps.draining]),
  });
}

/** Counts change without the record's version. */
function etagOf({ batch, totals }: Standing): string {
  return `W/"${batch.version}-${shortDigest(totals)}"`;
}

async function items(deps: ApiDeps, req: BatchRequest, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { batch } = await getBatch(deps, tenant, req.params.id);
  const page = await listItems(deps, batch, parse(ListItemsQuery, req.query));
  const data = await Promise.all(page.items.map((one) => itemView(deps, batch, one.row.key, one)));
  sendPage(req, res, data, page.nextCursor);
}

async function item(deps: ApiDeps, req: Request<{ id: string; key: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { batch } = await getBatch(deps, tenant, req.params.id);
  const { key, job } = await getItem(deps, batch, req.params.key);
  // Links inside are signed anew each time; nobody may serve them from a cache for longer than they live.
  res.set('cache-control', `private, max-age=0, stale-if-error=${LINK_MS / 2_000}`);
  res.json(await itemView(deps, batch, key, { job }));
}

async function itemView(
  deps: ApiDeps,
  batch: Batch,
  key: string,
  item: Pick<Item, 'job'>,
): Promise<z.output<typeof ItemView>> {
  if (item.job) return presentJob(deps, item.job);
  return { key, batch: batch.id, status: itemStatus(batch, item) };
}
