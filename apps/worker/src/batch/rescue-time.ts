/**
 * When chunks are to be taken back from the provider: looked ahead as they are sealed, and again when a caller has changed
 * the deadline or the money of members that are under way. Then is decided which of them go, and the others get more time.
 *
 *   a sweep gives rows their new terms → it notes their chunks → each is decided anew from its members → the note goes
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
  type ProviderBatchState,
  type Rescuable,
  type Rescue,
  rescheduled,
  takenBack,
  type WayOut,
} from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { ifReadable } from '@darkroom/shared/usecases';
import { each } from '../sweeper/each.ts';
import { countLeaving } from './demand.ts';
import type { BatchDeps } from './deps.ts';
import { type Leaver, leaversOf } from './funds.ts';

/** Different deadlines of a chunk that are looked at. */
const INSTANTS_MAX = 32;
/** Members' records read side by side. */
const WIDTH = 50;
/** Between two looks at whether they may leave that may not. */
const REVIEW_MS = 300_000;

type Chunk = Pick<ProviderBatch, 'id' | 'model' | 'createdAt'> & Partial<Pick<ProviderBatch, 'state' | 'submittedAt'>>;
type RescueDeps = Pick<BatchDeps, 'plan' | 'rules' | 'pool' | 'batches' | 'callers' | 'specs' | 'clock'>;
/** A member that has to leave the lane by then, and its share of those that can. @see Leaver */
type Leaving = { at: EpochMs; share: number };
/** `kept` = those that would have to, and may not: they have not the money, or their batch is paused. */
type Ends = { leaving: Leaving[]; kept: Leaving[] };

/**
 * When those members that can be must be taken back: so that the standard lane can make them one by one in time, and
 * before them all others of the batch lane that are due by then and might come back as well.
 */
export async function rescueTime(deps: RescueDeps, chunk: Chunk, jobs: Job[]): Promise<Rescue> {
  const times = await deps.plan.times(chunk.model);
  return rescueOf(deps, chunk, await endsOf(deps, jobs, times), times);
}

async function endsOf(deps: RescueDeps, jobs: Job[], times: LaneTimes, paused: Job[] = []): Promise<Ends> {
  const { leavers, poor } = await leaversOf(deps, jobs);
  const kept = [...poor, ...paused].map((job) => ({ job, share: 1 }));
  const way = { ...times, specs: deps.specs };
  return { leaving: leavingOf(leavers, way), kept: leavingOf(kept, way) };
}

function leavingOf(leavers: Leaver[], way: WayOut): Leaving[] {
  return leavers.flatMap(({ job, share }) => {
    const at = leaveBatchBy(job, way);
    return at === undefined ? [] : [{ at, share }];
  });
}

/** The instants by which some of them have to leave, and how many by each. */
function instantsOf(ends: Leaving[]): { due: EpochMs; own: number }[] {
  const distinct = [...new Set(ends.map(({ at }) => at))].toSorted((a, b) => a - b);
  const every = Math.ceil(distinct.length / INSTANTS_MAX);
  const instants = distinct.filter((_, n) => n % every === 0 || n === distinct.length - 1);
  return instants.map((due) => {
    const own = ends.filter(({ at }) => at <= due).reduce((sum, { share }) => sum + share, 0);
    return { due, own: Math.ceil(own) };
  });
}

/** A provider batch may go to its end, but not beyond the chunk's own time. */
function outlivedAt({ createdAt, submittedAt = createdAt }: Chunk, { rules }: Pick<BatchDeps, 'rules'>): EpochMs {
  return Math.min(createdAt, submittedAt) + rules.lifeMs;
}

async function rescueOf(deps: RescueDeps, chunk: Chunk, ends: Ends, times: LaneTimes): Promise<Rescue> {
  const { plan } = deps;
  const { id, model, state = 'sealing' } = chunk;
  const instants = instantsOf(ends.leaving);
  const dues = instants.map(({ due }) => due);
  const leaving = await countLeaving(deps, model, dues, times, id);
  const bounds = instants.map(({ due: rescueDue, own }, n) => {
    const { waiting = 0, sent = 0 } = leaving[n] ?? {};
    // The members lie in the pool until they are sealed.
    const here = state === 'sealing' ? Math.max(waiting, own) : waiting + own;
    return { rescueAt: rescueDue - (here + sent) * plan.rescueMsPerJob, rescueDue, rescueSize: own };
  });
  const [first] = bounds.toSorted((a, b) => a.rescueAt - b.rescueAt);
  return { ...within(outlivedAt(chunk, deps), first), ...reviewOf(ends, deps) };
}

function within(most: EpochMs, rescue?: Rescue): Rescue {
  return rescue ? { ...rescue, rescueAt: Math.min(most, rescue.rescueAt) } : { rescueAt: most };
}

/** Whether they may is of no interest before time is short, nor when there is none left. */
function reviewOf({ kept }: Ends, { plan, clock }: RescueDeps): Pick<Rescue, 'reviewAt'> {
  const now = clock.now();
  const instants = instantsOf(kept.filter(({ at }) => at > now));
  if (!instants.length) return {};
  const shortAt = Math.min(...instants.map(({ due, own }) => due - own * plan.rescueMsPerJob));
  return { reviewAt: Math.max(shortAt, now + REVIEW_MS) };
}

/**
 * The chunk as it goes back now that its time has come; `undefined` when it stays, for another time to come. By its
 * members, their money and the other chunks as they are: a less hopeful one goes before it. Waiting jobs do so anyway,
 * by themselves.
 */
export async function comeToRescue(
  deps: EndsDeps & Pick<BatchDeps, 'log'>,
  batch: ProviderBatch,
): Promise<ProviderBatch | undefined> {
  const { plan, batches, clock, log } = deps;
  const now = clock.now();
  if (now >= outlivedAt(batch, deps) || batch.cancelAskedAt !== undefined) return batch;
  const ends = await endsNow(deps, batch, await plan.times(batch.model));
  const instants = instantsOf(ends.leaving);
  const others = (await batches.open()).filter((other) => other.id !== batch.id && isBackable(other, batch));
  const bounds = instants.map(({ due, own }) => {
    const chunks = others.filter(({ rescueDue }) => rescueDue !== undefined && rescueDue <= due).map(asRescuable);
    const all = [...chunks, { ...batch, leaving: own }];
    const { go, nextAt } = takenBack(all, { due, msPerJob: plan.rescueMsPerJob, now });
    return { go, rescueAt: nextAt, rescueDue: due, rescueSize: own };
  });
  for (const other of others) {
    const goesFirst = other.rescueAt > now && bounds.some(({ go }) => go.has(other.id));
    const sooner = goesFirst && rescheduled(other, { ...rescueIn(other), rescueAt: now });
    if (sooner) await batches.write(sooner);
  }
  const going = bounds.findLast(({ go }) => go.has(batch.id));
  const [first] = bounds.toSorted((a, b) => a.rescueAt - b.rescueAt);
  const rescue = going
    ? { ...rescueIn(going), rescueAt: Math.min(batch.rescueAt, now) }
    : { ...within(outlivedAt(batch, deps), first && rescueIn(first)), ...reviewOf(ends, deps) };
  const next = rescheduled(batch, rescue);
  if (next && !(await batches.write(next))) return undefined;
  if (going) return next ?? batch;
  log.info({ providerBatch: batch.id, rescueAt: rescue.rescueAt, before: batch.rescueAt }, 'chunk.rescheduled');
  return undefined;
}

const BACKABLE: ReadonlySet<ProviderBatchState> = new Set(['sealed', 'creating', 'submitted']);

/** Its members would come to the same lane, and are not on their way there. */
function isBackable({ state, model, stray, cancelAskedAt }: ProviderBatch, like: ProviderBatch): boolean {
  return BACKABLE.has(state) && model === like.model && !stray && cancelAskedAt === undefined;
}

function asRescuable({ size, rescueSize: leaving = size, ...chunk }: ProviderBatch): Rescuable {
  return { ...chunk, leaving };
}

function rescueIn({ rescueAt, rescueDue, rescueSize }: Rescue): Rescue {
  return { rescueAt, ...(rescueDue !== undefined && { rescueDue }), ...(rescueSize !== undefined && { rescueSize }) };
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
export async function rescueNow(deps: EndsDeps, batch: ProviderBatch): Promise<Rescue> {
  const times = await deps.plan.times(batch.model);
  return rescueOf(deps, batch, await endsNow(deps, batch, times), times);
}

type EndsDeps = RescueDeps & Pick<BatchDeps, 'ledger' | 'isPaused'>;

/** Rows of a paused batch stay: by themselves they would wait as well, and be made by nobody. */
async function endsNow(deps: EndsDeps, batch: ProviderBatch, times: LaneTimes): Promise<Ends> {
  const members = await deps.batches.members(batch.id);
  const open: Job[] = [];
  for (let at = 0; at < members.length; at += WIDTH) {
    const step = members.slice(at, at + WIDTH);
    const jobs = await Promise.all(
      step.map(async ({ tenant, job, attempt }) => {
        const record = await ifReadable(deps.ledger.read(tenant, job));
        return record?.state.open === attempt && !isTerminal(record.state.status) ? record : undefined;
      }),
    );
    open.push(...jobs.filter((job) => job !== undefined));
  }
  const paused = new Set<Job>();
  for (const job of open) {
    const { batch: row } = job.request;
    if (row && (await deps.isPaused(job.tenant, row.id))) paused.add(job);
  }
  const going = open.filter((job) => !paused.has(job));
  return endsOf(deps, going, times, [...paused]);
}
