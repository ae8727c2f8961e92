/** Gets on with an action, a bounded step at a time. What a crash leaves behind, the next step finds on its record. */

import {
  type Action,
  type ActionId,
  type ActionOutcome,
  AppError,
  beginPage,
  endPage,
  giveUpAction,
  isActionOver,
  type JobId,
  type JobsOrder,
  shortDigest,
  type Tenant,
  unreachable,
} from '../domain/index.ts';
import type { Actions, JobWalk } from '../ports/index.ts';
import { cancelJob } from './control-job.ts';
import { nextEvents, type ReplayDeps, replayEvents } from './replay.ts';
import { type ReprioritiseDeps, reprioritiseJob } from './reprioritise-job.ts';
import { retryJob } from './retry-job.ts';
import type { RetryDeps } from './submit-job.ts';
import { nextPage } from './walk-action.ts';

export type StepActionDeps = Omit<RetryDeps, 'deadlineMs'> &
  ReprioritiseDeps &
  ReplayDeps & { actions: Actions; walk: JobWalk };

/**
 * Does the page that is on record, or puts the next one there.
 *
 * @returns the action as it was written, and whether there is more to do now; `undefined` when there is nothing to do, or
 * somebody else changed it meanwhile
 * @throws whatever stood in the way of a job for the time being: the page stays on record, to be done again
 */
export async function stepAction(
  deps: StepActionDeps,
  tenant: Tenant,
  id: ActionId,
): Promise<{ action: Action; more: boolean } | undefined> {
  const { actions, clock, walk } = deps;
  const action = await actions.read(tenant, id);
  if (!action || isActionOver(action)) return undefined;
  const givenUp = giveUpAction(action, clock.now());
  if (givenUp) return written(deps, givenUp);
  const { order, page } = action;
  if (!page) {
    const next =
      order.action === 'replay'
        ? await nextEvents(deps, action, order)
        : await nextPage(walk, { ...action, order }, action.cursor);
    return next && written(deps, beginPage(action, next, clock.now()));
  }
  const outcomes =
    order.action === 'replay'
      ? await replayEvents(deps, tenant, order, page.ids)
      : await doPage(deps, action, order, page.ids);
  return account(deps, action, outcomes);
}

/** Notes what became of the page; on whatever the record is by then, since it may have been aborted meanwhile. */
async function account(deps: StepActionDeps, action: Action, outcomes: ActionOutcome[]) {
  const first = action.page?.ids[0];
  // Pages have no job in common: with another first one, somebody else has accounted for this page.
  for (let now: Action | undefined = action; now?.page?.ids[0] === first && now; ) {
    const ended = await written(deps, endPage(now, outcomes, deps.clock.now()));
    if (ended) return ended;
    now = await deps.actions.read(action.tenant, action.id);
  }
  return undefined;
}

async function written({ actions }: StepActionDeps, action: Action) {
  return (await actions.write(action)) ? { action, more: !isActionOver(action) } : undefined;
}

/** All jobs of a page, each to its end even if another one fails: nothing of it goes on behind the hold. */
async function doPage(deps: StepActionDeps, action: Action, order: JobsOrder, ids: JobId[]): Promise<ActionOutcome[]> {
  const results = await Promise.allSettled(ids.map((id) => outcomeOf(deps, action, order, id)));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function outcomeOf(deps: StepActionDeps, action: Action, order: JobsOrder, id: JobId): Promise<ActionOutcome> {
  try {
    await doOne(deps, action, order, id);
    return { type: 'done' };
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error;
    if (error.code === 'conflict' || error.code === 'not_found') return { type: 'skipped' };
    return { type: 'failed', fault: { job: id, code: error.code, detail: error.message } };
  }
}

/** As the caller's own call for this one job would, and safe to repeat like that one. */
async function doOne(
  deps: StepActionDeps,
  { id: action, tenant }: Action,
  order: JobsOrder,
  job: JobId,
): Promise<unknown> {
  switch (order.action) {
    case 'cancel':
      return cancelJob(deps, tenant, job);
    case 'retry':
      return retryJob({ ...deps, deadlineMs: order.deadlineMs }, tenant, job, {
        idempotencyKey: shortDigest({ action, job }),
        ...(order.key && { key: order.key }),
      });
    case 'reprioritise':
      return reprioritiseJob(deps, tenant, job, order.priority);
    default:
      return unreachable(order);
  }
}
