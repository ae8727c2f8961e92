/**
 * When chunks are to be taken back from the provider: decided as they are sealed, and again when a caller has moved the
 * deadline of members that are under way.
 *
 *   a sweep gives rows their new deadlines → it notes their chunks → each is decided anew from its members → the note goes
 *
 * A note goes only after the decision that was made behind it: whoever dies in between leaves it to the next.
 */

import {
  type EpochMs,
  isCallOut,
  isTerminal,
  type Job,
  type LaneTimes,
  leaveBatchBy,
  type ProviderBatch,
  type ProviderBatchId,
  rescheduled,
} from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { ifReadable } from '@darkroom/shared/usecases';
import { each } from '../sweeper/each.ts';
import { countLeaving } from './demand.ts';
import type { BatchDeps } from './deps.ts';

/** Different deadlines of a chunk that are looked at. */
const INSTANTS_MAX = 32;
/** Members' records read side by side. */
const WIDTH = 50;

type Rescue = Pick<ProviderBatch, 'rescueAt' | 'rescueDue'>;
type Chunk = Pick<ProviderBatch, 'id' | 'model' | 'createdAt'> & Partial<Pick<ProviderBatch, 'state' | 'submittedAt'>>;
type RescueDeps = Pick<BatchDeps, 'plan' | 'rules' | 'pool' | 'batches'>;

/**
 * When those members that can be must be taken back: so that the standard lane can make them one by one in time, and
 * before them all others of the batch lane that are due by then and might come back as well.
 */
export async function rescueTime(deps: RescueDeps, chunk: Chunk, jobs: Job[]): Promise<Rescue> {
  const times = await deps.plan.times(chunk.model);
  return rescueOf(deps, chunk, leavingOf(jobs, times), times);
}

function leavingOf(jobs: Job[], times: LaneTimes): EpochMs[] {
  return jobs.map((job) => leaveBatchBy(job, times)).filter((at) => at !== undefined);
}

/** @param ends when members have to leave the lane */
async function rescueOf(deps: RescueDeps, chunk: Chunk, ends: EpochMs[], times: LaneTimes): Promise<Rescue> {
  const { plan, rules } = deps;
  const { id, model, createdAt, submittedAt = createdAt, state = 'sealing' } = chunk;
  const distinct = [...new Set(ends)].toSorted((a, b) => a - b);
  const every = Math.ceil(distinct.length / INSTANTS_MAX);
  const instants = distinct.filter((_, n) => n % every === 0 || n === distinct.length - 1);
  const leaving = await countLeaving(deps, model, instants, times, id);
  const bounds = instants.map((rescueDue, n) => {
    const { waiting = 0, sent = 0 } = leaving[n] ?? {};
    const own = ends.filter((at) => at <= rescueDue).length;
    // The members lie in the pool until they are sealed.
    const here = state === 'sealing' ? Math.max(waiting, own) : waiting + own;
    return { rescueAt: rescueDue - (here + sent) * plan.rescueMsPerJob, rescueDue };
  });
  const [first] = bounds.toSorted((a, b) => a.rescueAt - b.rescueAt);
  const outlivedAt = Math.min(createdAt, submittedAt) + rules.lifeMs;
  return first ? { ...first, rescueAt: Math.min(outlivedAt, first.rescueAt) } : { rescueAt: outlivedAt };
}

/** Decides anew for every chunk whose members were given other deadlines. */
export async function renewRescues(deps: BatchDeps): Promise<void> {
  const { batches, holdMs, draining, log } = deps;
  const noted = await batches.patched();
  if (!noted.length) return;
  await using held = await batches.hold('renew-rescues', holdMs);
  if (!held) return;
  const chunks = [...Map.groupBy(noted, ({ chunk }) => chunk)];
  // One after the other: each counts the members of those before it.
  const failed = await each(chunks, 1, async ([id, notes]) => {
    if (!draining.aborted && (await renew(deps, id))) await batches.patchDone(notes);
  });
  for (const { item, error } of failed)
    log.warn({ providerBatch: item[0], ...describeError(error) }, 'chunk.not_renewed');
}

/** @returns whether the chunk needs it no more; else it is in the middle of something that this would disturb */
async function renew(deps: BatchDeps, id: ProviderBatchId): Promise<boolean> {
  const { batches, clock, rules, holdMs, log } = deps;
  if (!isOnItsWay(await batches.read(id))) return true;
  await using held = await batches.hold(id, holdMs);
  const batch = held && (await batches.read(id));
  if (!batch || batch.state === 'sealing' || isCallOut(batch, rules, clock.now())) return false;
  const next = rescheduled(batch, await rescueNow(deps, batch));
  if (!next) return true;
  if (!(await batches.write(next))) return false;
  log.info({ providerBatch: id, rescueAt: next.rescueAt, before: batch.rescueAt }, 'chunk.rescheduled');
  return true;
}

/** Whoever collects a chunk that has ended asks for himself, and its records are his to write. */
function isOnItsWay(batch: ProviderBatch | undefined): boolean {
  return batch !== undefined && batch.state !== 'ended' && batch.state !== 'closed';
}

/** By the records of those members that are open in it as they are now. */
export async function rescueNow(deps: RescueDeps & Pick<BatchDeps, 'ledger'>, batch: ProviderBatch): Promise<Rescue> {
  const times = await deps.plan.times(batch.model);
  const members = await deps.batches.members(batch.id);
  const ends: EpochMs[] = [];
  for (let at = 0; at < members.length; at += WIDTH) {
    const step = members.slice(at, at + WIDTH);
    const jobs = await Promise.all(
      step.map(async ({ tenant, job, attempt }) => {
        const record = await ifReadable(deps.ledger.read(tenant, job));
        return record?.state.open === attempt && !isTerminal(record.state.status) ? record : undefined;
      }),
    );
    const open = jobs.filter((job) => job !== undefined);
    ends.push(...leavingOf(open, times));
  }
  return rescueOf(deps, batch, ends, times);
}
