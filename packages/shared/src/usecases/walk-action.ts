/** Which jobs an action meets: the same way for its preview and for its pages. */

import {
  type ActionPage,
  type EpochMs,
  isActionable,
  isCountable,
  isMeant,
  type Job,
  type JobPosition,
  type JobsOrder,
  statusesOf,
  type Tenant,
} from '../domain/index.ts';
import type { JobWalk, WalkRange } from '../ports/index.ts';

/** Jobs that a preview reads, and steps it takes over indexes: about half a second, and never long at a time. */
const READ_MAX = 5_000;
const STEPS_MAX = 200;
const STEP = 250;
/** Jobs of one page, and steps in search of the first of them. */
const PAGE = 200;
const SEARCH_MAX = 20;

type Range = { tenant: Tenant; order: JobsOrder; createdAt: EpochMs };

/** How many jobs it would be done to now; `atLeast` = not all were looked at. */
export async function countJobs(walk: JobWalk, range: Range): Promise<{ count: number; atLeast: boolean }> {
  if (isCountable(range.order)) return { count: await walk.count(range.tenant, rangeOf(range)), atLeast: false };
  let count = 0;
  let read = 0;
  let after: JobPosition | undefined;
  for (let steps = 0; read < READ_MAX && steps < STEPS_MAX; steps++) {
    const step = await next(walk, range, { limit: STEP, after });
    count += step.meant.length;
    read += step.read;
    after = step.reached;
    if (!after) return { count, atLeast: false };
  }
  return { count, atLeast: true };
}

/** The next jobs that it is to be done to, behind `after`; none of them does not mean that there are no more. */
export async function nextPage(walk: JobWalk, range: Range, after: JobPosition | undefined): Promise<ActionPage> {
  let from = after;
  for (let steps = 1; ; steps++) {
    const { meant, reached } = await next(walk, range, { limit: PAGE, after: from });
    const found = meant.length > 0 || !reached || steps === SEARCH_MAX;
    if (found) return { ids: meant.map(({ id }) => id), ...(reached && { reached }) };
    from = reached;
  }
}

async function next(
  walk: JobWalk,
  range: Range,
  { limit, after }: { limit: number; after: JobPosition | undefined },
): Promise<{ meant: Job[]; read: number; reached: JobPosition | undefined }> {
  const { tenant, order } = range;
  const { jobs, reached } = await walk.next(tenant, { ...rangeOf(range), ...(after && { after }), limit });
  const meant = jobs.filter((job) => isMeant(order.filter, job) && isActionable(order, job));
  return { meant, read: jobs.length, reached };
}

function rangeOf({ order, createdAt }: Range): WalkRange {
  const { createdAfter, createdBefore = Number.POSITIVE_INFINITY } = order.filter;
  return {
    statuses: statusesOf(order),
    // Whoever came later is not meant: among them are the jobs that it makes itself.
    createdUntil: Math.min(createdAt, createdBefore - 1),
    ...(createdAfter !== undefined && { createdAfter }),
  };
}
