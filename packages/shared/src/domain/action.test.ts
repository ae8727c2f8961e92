import { describe, expect, it } from 'vitest';
import { aJob, NOON } from '../testing/factories.ts';
import {
  type Action,
  type ActionOutcome,
  abortAction,
  actionStatuses,
  beginPage,
  endPage,
  giveUpAction,
  isActionable,
  type JobsOrder,
  newAction,
} from './action.ts';
import { JOB_STATUSES, type JobState } from './job.ts';

const CANCEL: JobsOrder = { action: 'cancel', filter: { metadata: {} } };
const HOUR = 3_600_000;

function anAction(changes: Partial<Action> = {}): Action {
  const facts = { id: 'act_1', tenant: 'default', order: CANCEL, createdAt: NOON };
  return { ...newAction({ ...facts, expected: { count: 2, atLeast: false } }), ...changes };
}

const reached = { at: NOON - 5, id: 'job_2' };
const DONE: ActionOutcome = { type: 'done' };

describe('a page', () => {
  it('is on record with the jobs it met, and moves the cursor when all of them are accounted for', () => {
    const begun = beginPage(anAction(), { ids: ['job_1', 'job_2'], reached }, NOON + 1);
    const ended = endPage(begun, [DONE, { type: 'skipped' }], NOON + 2);

    expect(begun).toMatchObject({ version: 2, startedAt: NOON + 1, counts: { matched: 2, done: 0 } });
    expect(begun.cursor).toBeUndefined();
    expect(ended).toMatchObject({ version: 3, status: 'running', cursor: reached, counts: { done: 1, skipped: 1 } });
    expect(ended.page).toBeUndefined();
  });

  it('without a place to go on from is the last one', () => {
    const last = beginPage(anAction(), { ids: ['job_1'] }, NOON + 1);

    expect(endPage(last, [DONE], NOON + 2)).toMatchObject({ status: 'done', completedAt: NOON + 2 });
    expect(beginPage(anAction(), { ids: [] }, NOON + 1)).toMatchObject({ status: 'done', counts: { matched: 0 } });
    expect(beginPage(anAction(), { ids: [], reached }, NOON + 1)).toMatchObject({ status: 'running', cursor: reached });
  });

  it('keeps the first faults, and counts all', () => {
    const ids = Array.from({ length: 30 }, (_, n) => `job_${n}`);
    const begun = beginPage(anAction(), { ids }, NOON);
    const failed = ids.map(
      (job): ActionOutcome => ({ type: 'failed', fault: { job, code: 'record_unreadable', detail: 'It is none.' } }),
    );

    const ended = endPage(begun, failed, NOON);

    expect(ended.counts.failed).toBe(30);
    expect(ended.faults.map(({ job }) => job)).toEqual(ids.slice(0, 10));
  });
});

describe('an abort', () => {
  it('ends an action between two pages at once, and one in a page behind that page', () => {
    const begun = beginPage(anAction(), { ids: ['job_1'], reached }, NOON);

    const aborting = abortAction(begun, NOON + 1);

    expect(abortAction(anAction(), NOON + 1)).toMatchObject({ status: 'aborted', completedAt: NOON + 1 });
    expect(aborting).toMatchObject({ status: 'aborting', page: begun.page });
    expect(aborting && endPage(aborting, [DONE], NOON + 2)).toMatchObject({ status: 'aborted', counts: { done: 1 } });
  });

  it('changes nothing about one that is over, or being aborted', () => {
    for (const status of ['aborting', 'aborted', 'done', 'failed'] as const)
      expect(abortAction(anAction({ status }), NOON)).toBeUndefined();
  });
});

describe('an action that does not get on', () => {
  it('is given up after twelve hours, counted from the last page', () => {
    const moved = beginPage(anAction(), { ids: ['job_1'] }, NOON + 5 * HOUR);

    expect(giveUpAction(moved, NOON + 17 * HOUR - 1)).toBeUndefined();
    const givenUp = giveUpAction(moved, NOON + 17 * HOUR);
    expect(givenUp).toMatchObject({ status: 'failed', counts: { matched: 1, done: 0 } });
    expect(givenUp?.page).toBeUndefined();
    expect(giveUpAction(anAction({ status: 'aborting' }), NOON + 12 * HOUR)).toMatchObject({ status: 'aborted' });
    expect(giveUpAction(anAction({ status: 'done' }), NOON + 99 * HOUR)).toBeUndefined();
  });
});

describe('a job', () => {
  const retry = (filter: JobsOrder['filter']): JobsOrder => ({ action: 'retry', filter, deadlineMs: HOUR });
  const actionable = (order: JobsOrder, state: Partial<JobState>) => {
    const job = aJob();
    return isActionable(order, { ...job, state: { ...job.state, ...state } });
  };

  it('is canceled while it is open', () => {
    const found = JOB_STATUSES.filter((status) => actionable(CANCEL, { status }));
    expect(found).toEqual(actionStatuses('cancel'));
  });

  it('is made again when it failed or expired; canceled or blocked only by name; never when it is paid for', () => {
    const any = retry({ metadata: {} });
    const late = { key: 'k', n: 0, mime: 'image/png', width: 1, height: 1, bytes: 1, sha256: '' };

    expect(JOB_STATUSES.filter((status) => actionable(any, { status }))).toEqual(['failed', 'expired']);
    for (const status of ['canceled', 'blocked'] as const)
      expect(actionable(retry({ status, metadata: {} }), { status })).toBe(true);
    expect(actionable(any, { status: 'failed', open: 'att_1' })).toBe(false);
    for (const status of ['failed', 'canceled'] as const)
      expect(actionable(retry({ status, metadata: {} }), { status, lateImages: [late] })).toBe(false);
    expect(actionable(retry({ status: 'queued', metadata: {} }), { status: 'queued', phase: 'held' })).toBe(true);
    expect(actionable(retry({ status: 'queued', metadata: {} }), { status: 'queued' })).toBe(false);
  });

  it('gets another priority while it is queued and has another one', () => {
    const order = (priority: number): JobsOrder => ({ action: 'reprioritise', filter: { metadata: {} }, priority });
    const { priority } = aJob().request;

    expect(JOB_STATUSES.filter((status) => actionable(order(priority + 1), { status }))).toEqual(['queued']);
    expect(actionable(order(priority), { status: 'queued' })).toBe(false);
  });
});
