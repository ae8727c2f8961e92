import { shortDigest, type Tenant } from '../domain/index.ts';
import { releaseJob } from './control-job.ts';
import { getJob } from './get-job.ts';
import { type Again, type RetryDeps, recall, type Submitted, submitAgain } from './submit-job.ts';

/**
 * Sends a held job on as itself, and makes an ended one again as a new job.
 *
 * Under one key either happens once. A held job is released before its key is kept: after a crash between the two the
 * job is open, which is an answer to the same key as well.
 *
 * @throws AppError `conflict` when there is nothing to retry
 */
export async function retryJob(deps: RetryDeps, tenant: Tenant, id: string, again: Again = {}): Promise<Submitted> {
  const { idempotencyKey } = again;
  const bodyHash = shortDigest({ retry: id });
  const seen = idempotencyKey ? await recall(deps, { tenant, idempotencyKey }, bodyHash) : undefined;
  if (seen) return seen;
  const released = await releaseJob(deps, tenant, id, { again: idempotencyKey !== undefined });
  if (!released) return submitAgain(deps, await getJob(deps, tenant, id), again);
  if (idempotencyKey) await deps.ledger.remember(tenant, idempotencyKey, { id, bodyHash });
  return { job: released, replayed: false, dedup: 'miss' };
}
