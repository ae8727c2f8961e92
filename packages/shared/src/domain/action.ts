/**
 * An action: one thing done to every job that a filter means, or to every event of a time, in the background and in bounded
 * pages.
 *
 *   running ─→ done | failed          aborting ─→ aborted          (aborting: a page was under way)
 *
 * Jobs are met from the newest to the oldest, as they stand then; whoever was accepted after the action is not met. A page
 * is on record before anything is done to its jobs, and the cursor moves when all of them are accounted for. Whoever finds
 * a page on record does it (again): each thing done is such that twice is as good as once, so after a crash no job is
 * left out, and none is done twice.
 */

import { isRetriable } from './batch-rows.ts';
import type { EndpointId } from './endpoint.ts';
import type { ErrorCode } from './errors.ts';
import type { LoggedType } from './event.ts';
import { type EpochMs, isTerminal, type Job, type JobId, type JobStatus, type Tenant } from './job.ts';
import type { JobFilter } from './job-filter.ts';

export type ActionId = string;

export const ACTION_STATUSES = ['running', 'aborting', 'done', 'aborted', 'failed'] as const;
export type ActionStatus = (typeof ACTION_STATUSES)[number];

export const JOB_ACTIONS = ['cancel', 'retry', 'reprioritise'] as const;
export type JobAction = (typeof JOB_ACTIONS)[number];
export const ACTION_KINDS = [...JOB_ACTIONS, 'replay'] as const;

/** What is to be done, and to which jobs. */
export type JobsOrder =
  /** Of a job that is made again: how long it may take, and the key that asks for it, where that has limits of its own. */
  { filter: JobFilter } & (
    | { action: 'cancel' }
    | { action: 'retry'; deadlineMs: number; key?: string }
    | { action: 'reprioritise'; priority: number }
  );

/** Events that an endpoint is to be sent (again): from `since` to before `until`, of `types`, or of all that it wants. */
export type ReplayOrder = {
  action: 'replay';
  endpoint: EndpointId;
  since: EpochMs;
  until: EpochMs;
  types?: LoggedType[];
  /** Leaves out those that arrived. */
  onlyMissing: boolean;
};

export type ActionOrder = JobsOrder | ReplayOrder;

/** A place in the order of creation, between two jobs; in a replay, behind an event. */
export type JobPosition = { at: EpochMs; id: string };

/** The jobs or events to be done next, and how far the cursor goes by that; without it, they are the last. */
export type ActionPage = { ids: string[]; reached?: JobPosition };

/** `skipped` = it stood in another way when its turn came: nothing was left to do. */
export type ActionCounts = { matched: number; done: number; skipped: number; failed: number };

export type ActionFault = { job: JobId; code: ErrorCode; detail: string };

export type Action = {
  id: ActionId;
  tenant: Tenant;
  /** 1 when accepted, one more with each change. */
  version: number;
  order: ActionOrder;
  status: ActionStatus;
  createdAt: EpochMs;
  startedAt?: EpochMs;
  completedAt?: EpochMs;
  /** What was counted when it was accepted; `atLeast` = there may be more. */
  expected: { count: number; atLeast: boolean };
  counts: ActionCounts;
  /** Jobs older than this are still to be met; or events later than this. */
  cursor?: JobPosition;
  /** Under way. */
  page?: ActionPage;
  /** When it last got on. */
  movedAt: EpochMs;
  /** Of the first jobs that it failed for. */
  faults: ActionFault[];
};

/** What became of one job of a page. */
export type ActionOutcome = { type: 'done' | 'skipped' } | { type: 'failed'; fault: ActionFault };

/** Most faults on record. */
const FAULTS_MAX = 10;
/**
 * An action that has not got on for so long fails: jobs that nobody was there to cancel yesterday should not end out of the
 * blue today. Well below the day for which a repeated step is known to have made its new jobs already.
 */
const PATIENCE_MS = 12 * 3_600_000;

/** Statuses in which there is anything to do to a job. The first ones are meant when the filter names none. */
const STATUSES: Record<JobAction, { usual: readonly JobStatus[]; others: readonly JobStatus[] }> = {
  cancel: { usual: ['queued', 'running'], others: [] },
  // Others only by name: nobody asks to pay again for what was refused or canceled, unless they say so. Of queued jobs,
  // those that are held.
  retry: { usual: ['failed', 'expired'], others: ['canceled', 'blocked', 'queued'] },
  reprioritise: { usual: ['queued'], others: [] },
};

/** The statuses that a filter of this kind of action may name. */
export function actionStatuses(kind: JobAction): readonly JobStatus[] {
  return [...STATUSES[kind].usual, ...STATUSES[kind].others];
}

/** The statuses of the jobs that are met. */
export function statusesOf({ action, filter }: JobsOrder): readonly JobStatus[] {
  return filter.status === undefined ? STATUSES[action].usual : [filter.status];
}

/** Whether there is anything to do to a job that the filter means. */
export function isActionable(order: JobsOrder, job: Job): boolean {
  const { state, request } = job;
  if (!statusesOf(order).includes(state.status)) return false;
  switch (order.action) {
    case 'cancel':
      return true;
    case 'retry':
      if (!isTerminal(state.status)) return state.phase === 'held';
      // Not one that is paid for all the same, or may yet be.
      return isRetriable(job) || (order.filter.status === state.status && !state.open && !state.lateImages.length);
    default:
      return request.priority !== order.priority;
  }
}

/** Whether the status and the time of every job that is met say all that the order asks for: then nobody need read them to count them. */
export function isCountable({ action, filter }: JobsOrder): boolean {
  const { tag, model, lane, metadata } = filter;
  return action === 'cancel' && tag === undefined && !model && !lane && !Object.keys(metadata).length;
}

export function isActionOver({ status }: Pick<Action, 'status'>): boolean {
  return status === 'done' || status === 'aborted' || status === 'failed';
}

export function newAction(facts: Pick<Action, 'id' | 'tenant' | 'order' | 'createdAt' | 'expected'>): Action {
  return {
    ...facts,
    version: 1,
    status: 'running',
    counts: { matched: 0, done: 0, skipped: 0, failed: 0 },
    movedAt: facts.createdAt,
    faults: [],
  };
}

/** These jobs are next. A page without jobs is behind it at once. */
export function beginPage(action: Action, page: ActionPage, now: EpochMs): Action {
  const started = { ...action, version: action.version + 1, startedAt: action.startedAt ?? now, movedAt: now };
  if (!page.ids.length) return moveTo(started, page.reached, now);
  return { ...started, page, counts: { ...action.counts, matched: action.counts.matched + page.ids.length } };
}

/** Every job of the page under way is accounted for. */
export function endPage(action: Action, outcomes: ActionOutcome[], now: EpochMs): Action {
  const { page, ...rest } = action;
  const count = (type: ActionOutcome['type']) => outcomes.filter((outcome) => outcome.type === type).length;
  const faults = outcomes.flatMap((outcome) => (outcome.type === 'failed' ? [outcome.fault] : []));
  const counts = {
    matched: rest.counts.matched,
    done: rest.counts.done + count('done'),
    skipped: rest.counts.skipped + count('skipped'),
    failed: rest.counts.failed + count('failed'),
  };
  const ended = {
    ...rest,
    version: action.version + 1,
    counts,
    faults: [...rest.faults, ...faults].slice(0, FAULTS_MAX),
  };
  return moveTo({ ...ended, movedAt: now }, page?.reached, now);
}

function moveTo(action: Action, reached: JobPosition | undefined, now: EpochMs): Action {
  if (action.status === 'aborting') return { ...action, status: 'aborted', completedAt: now };
  return reached ? { ...action, cursor: reached } : { ...action, status: 'done', completedAt: now };
}

/** Begins no further page; one that is under way is done to its end. `undefined` when there is nothing to abort (any more). */
export function abortAction(action: Action, now: EpochMs): Action | undefined {
  if (action.status !== 'running') return undefined;
  const aborting: Action = { ...action, version: action.version + 1, status: 'aborting' };
  return action.page ? aborting : { ...aborting, status: 'aborted', completedAt: now };
}

/** Ends an action that has not got on for too long; `undefined` while it has time. */
export function giveUpAction(action: Action, now: EpochMs): Action | undefined {
  if (isActionOver(action) || now - action.movedAt < PATIENCE_MS) return undefined;
  const { page: _page, ...rest } = action;
  const status = action.status === 'aborting' ? 'aborted' : 'failed';
  return { ...rest, version: action.version + 1, status, completedAt: now };
}
