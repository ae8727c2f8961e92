import type { BatchId, Job } from '../domain/index.ts';
import type { Origin } from '../observability/trace.ts';
import type { Batches } from '../ports/index.ts';

/**
 * Where the spans of a job's attempt belong: under the submission that made the job; those of a batch's row in a trace of
 * their own, linked to the batch's submission. `undefined` = no trace was recorded. Never fails.
 */
export type OriginOf = (job: Pick<Job, 'tenant' | 'request' | 'state'>) => Promise<Origin | undefined>;

const BATCHES_KEPT = 1_000;

/** Asks for a batch's record once: a row of its own would have no room for what thousands have in common. */
export function createOriginOf({ batches }: { batches: Pick<Batches, 'read'> }): OriginOf {
  const known = new Map<BatchId, Promise<string | undefined>>();
  return async ({ tenant, request, state }) => {
    if (state.trace !== undefined) return { parent: state.trace };
    if (!request.batch) return undefined;
    const { id } = request.batch;
    const asked = known.get(id) ?? batches.read(tenant, id).then((batch) => batch?.trace);
    if (known.size >= BATCHES_KEPT) known.clear();
    known.set(id, asked);
    const trace = await asked.catch(() => void known.delete(id));
    return trace ? { links: [trace] } : undefined;
  };
}
