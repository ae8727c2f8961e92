/** `POST /v1/batches`. */

import { AppError, isBatchOver, shortDigest } from '@darkroom/shared/domain';
import { presentBatch, submitBatch } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { openBatchBody } from '../http/batch-body.ts';
import { idempotencyKeyOf } from '../http/body.ts';
import { boundedKey, limitSubmissions } from '../http/submission-limit.ts';

const MEBIBYTE = 1_048_576;
/** Seconds after which a batch that was just accepted is worth a look. */
const LOOK_AGAIN = '5';
/** Bodies that arrive at one time: each holds up to two shards of 8 MB in memory, and its keys. */
const INGESTS_MAX = 8;
/** Of one tenant: three who are slow leave room for the others. */
const INGESTS_OF_TENANT_MAX = 3;
/** A caller who is answered before the end of the body may go on sending for this long. */
const LINGER_MS = 10_000;

export function createBatchSubmission(deps: ApiDeps): (req: Request, res: Response) => Promise<void> {
  const arriving: string[] = [];
  return async (req, res) => {
    const caller = callerOf(res, 'jobs:write');
    const { tenant } = caller;
    endUnread(req, res);
    await limitSubmissions(deps, res, caller);
    requireAccepting(deps);
    if (arriving.length >= INGESTS_MAX) throw notNow('Too many batches are arriving just now.');
    if (arriving.filter((other) => other === tenant).length >= INGESTS_OF_TENANT_MAX) {
      throw notNow('Too many of your batches are arriving just now.');
    }
    arriving.push(tenant);
    try {
      await submit(deps, req, res);
    } finally {
      arriving.splice(arriving.indexOf(tenant), 1);
    }
  };
}

async function submit(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const caller = callerOf(res, 'jobs:write');
  const { tenant } = caller;
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
    ...boundedKey(deps, caller),
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
  const totals = await deps.batches.totals(tenant, batch.id);
  res.status(over ? 200 : 202).json(presentBatch(batch, totals, deps.clock.now()));
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
  if (!deps.accepting()) throw notNow('No new batches are accepted just now.');
}

function notNow(message: string): AppError {
  return new AppError('not_ready', { message, retryable: true, retryAfterMs: 10_000 });
}
