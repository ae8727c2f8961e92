import { MODELS } from '@darkroom/shared/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  actionWorkers,
  countJobs,
  diesAtStep,
  startAction,
  submitJobs,
  type TestActions,
  viewOf,
  watched,
} from '../../support/actions.ts';
import { doubtJob, failJob, succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let workers: TestActions;
let aheadMs: number;

beforeEach(async () => {
  aheadMs = 0;
  api = await startApi({ replace: () => ({ clock: { now: () => Date.now() + aheadMs } }) });
  workers = actionWorkers(api);
});
afterEach(async () => {
  await workers[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

const cancelTagged = { action: 'cancel', filter: { tag: 'sale' } };
const preview = async (body: object) =>
  (await api.call('POST', '/v1/actions', { body: { ...body, preview: true } })).json;

describe('a cancel of many jobs', () => {
  it('does what its preview counted, page by page, and nothing else', async () => {
    await submitJobs(api, 1_050, { tags: ['sale'] });
    await submitJobs(api, 3, { tags: ['keep'] });
    await submitJobs(api, 2, { tags: ['sale'] }, 'other');
    expect(await preview(cancelTagged)).toEqual({ preview: true, action: 'cancel', count: 1_050, at_least: false });
    expect(await countJobs(api, { status: 'canceled' })).toBe(0);

    const { id, expected } = await startAction(api, cancelTagged);
    await submitJobs(api, 1, { tags: ['sale'] }); // Later than the action: not meant.
    const { actions, written } = watched(api.deps.actions);
    await workers.round({ actions });

    expect(expected).toEqual({ count: 1_050, at_least: false });
    expect(await viewOf(api, id)).toMatchObject({
      status: 'done',
      counts: { matched: 1_050, done: 1_050, skipped: 0, failed: 0 },
      errors: [],
      started_at: expect.any(String),
      completed_at: expect.any(String),
    });
    expect(Math.max(...written.map(({ page }) => page?.ids.length ?? 0))).toBeLessThanOrEqual(200);
    expect(await countJobs(api, { status: 'canceled', tag: 'sale' })).toBe(1_050);
    expect(await countJobs(api, { status: 'queued' })).toBe(4);
    expect(await countJobs(api, { status: 'queued' }, 'other')).toBe(2);
    expect(await preview(cancelTagged)).toMatchObject({ count: 1 });
  });

  it('passes over jobs that end meanwhile, and counts them', async () => {
    const [first = '', second = ''] = await submitJobs(api, 5);
    const { id } = await startAction(api, { action: 'cancel', filter: {} });
    await workers.step(id);
    for (const job of [first, second]) await succeedJob(api.deps, job);

    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ counts: { matched: 5, done: 3, skipped: 2, failed: 0 } });
    expect(await countJobs(api, { status: 'succeeded' })).toBe(2);
  });

  it('meets jobs by everything that a list is filtered by', async () => {
    await submitJobs(api, 2, { metadata: { sku: '7' }, model: 'gemini-2.5-flash-image' });
    const { json: newest } = await api.call('GET', '/v1/jobs?limit=1');
    await submitJobs(api, 3, { lane: 'batch', metadata: { sku: '7' } });
    const counted = async (filter: object) => (await preview({ action: 'cancel', filter })).count;

    expect(await counted({})).toBe(5);
    expect(await counted({ metadata: { sku: '7' }, lane: 'batch' })).toBe(3);
    expect(await counted({ metadata: { sku: '8' } })).toBe(0);
    expect(await counted({ model: 'gemini-2.5-flash-image' })).toBe(2);
    expect(await counted({ status: 'running' })).toBe(0);
    const at = newest.data[0].created_at;
    expect((await counted({ created_before: at })) + (await counted({ created_after: at }))).toBeLessThan(5);
    expect(await counted({ created_after: '2999-01-01T00:00:00Z' })).toBe(0);
  });

  it('stops when it is aborted: the page under way is finished, and counted', async () => {
    await submitJobs(api, 450);
    const { id } = await startAction(api, { action: 'cancel', filter: {} });
    await workers.step(id);

    const aborting = await api.call('POST', `/v1/actions/${id}/abort`);
    await workers.round();
    const again = await api.call('POST', `/v1/actions/${id}/abort`);

    expect([aborting.status, aborting.json.status]).toEqual([200, 'aborting']);
    expect([again.status, again.json.status]).toEqual([200, 'aborted']);
    expect(again.json.counts).toEqual({ matched: 200, done: 200, skipped: 0, failed: 0 });
    expect(await countJobs(api, { status: 'queued' })).toBe(250);
  });

  it('that is aborted in the middle of a page still counts that page', async () => {
    await submitJobs(api, 2);
    const { id } = await startAction(api, { action: 'cancel', filter: {} });
    await workers.step(id);
    const original = workers.deps.ledger;
    let aborted: Promise<unknown> | undefined;
    const ledger: typeof workers.deps.ledger = {
      ...original,
      read: async (tenant, job) => {
        aborted ??= api.call('POST', `/v1/actions/${id}/abort`);
        await aborted;
        return original.read(tenant, job);
      },
    };

    await workers.step(id, { ledger });

    expect(await viewOf(api, id)).toMatchObject({ status: 'aborted', counts: { matched: 2, done: 2 } });
  });

  it('that is aborted between two pages is over at once; one that is over cannot be aborted', async () => {
    const idle = await startAction(api, { action: 'cancel', filter: {} });
    const aborted = await api.call('POST', `/v1/actions/${idle.id}/abort`);
    const over = await startAction(api, { action: 'cancel', filter: {} });
    await workers.round();
    const late = await api.call('POST', `/v1/actions/${over.id}/abort`);

    expect(aborted.json).toMatchObject({ status: 'aborted', counts: { matched: 0 } });
    expect([late.status, late.json.code, late.json.detail]).toEqual([409, 'conflict', 'The action is done already.']);
  });
});

describe('a retry of many jobs', () => {
  const failed = async (count: number, body: object = {}) => {
    const ids = await submitJobs(api, count, body);
    for (const id of ids) await failJob(api.deps, id);
    return ids;
  };
  const retryAll = { action: 'retry', filter: {} };

  it('makes failed jobs again as new ones, each once though its worker dies before it notes that', async () => {
    await failed(3);
    const { id } = await startAction(api, retryAll);
    const dies = watched(api.deps.actions, ({ page, counts }) => {
      if (!page && counts.done) throw new Error('killed');
    });

    await workers.round({ actions: dies.actions });
    expect(await viewOf(api, id)).toMatchObject({ status: 'running', counts: { matched: 3, done: 0 } });
    expect(workers.lines).toContainEqual(expect.objectContaining({ event: 'action.step_failed', action: id }));
    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ status: 'done', counts: { matched: 3, done: 3, skipped: 0 } });
    expect(await countJobs(api, { status: 'queued' })).toBe(3);
    expect(await countJobs(api, { status: 'failed' })).toBe(3);
  });

  it('goes on where it was after a death at any step, and makes each job again once', async () => {
    let at = 0;
    for (let died = true; died; ) {
      at++;
      const tag = `step-${at}`;
      await failed(3, { tags: [tag] });
      const { id } = await startAction(api, { action: 'retry', filter: { tag } });

      const { parts, isDead } = diesAtStep(workers.deps, at);
      await workers.round(parts);
      died = isDead();
      await workers.round();

      const { status, counts } = await viewOf(api, id);
      expect({ at, status, ...counts }).toEqual({ at, status: 'done', matched: 3, done: 3, skipped: 0, failed: 0 });
      expect(await countJobs(api, { tag, status: 'queued' })).toBe(3);
    }

    // Before and behind the page's record, each of its jobs, and the record of its end.
    expect(at - 1).toBe(2 + 3 * 2 + 2);
  });

  it('is done once by two workers who both believe that it is theirs', async () => {
    await failed(5);
    const { id } = await startAction(api, retryAll);
    await workers.step(id);

    await Promise.all([workers.step(id), workers.step(id)]);
    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ status: 'done', counts: { matched: 5, done: 5, skipped: 0 } });
    expect(await countJobs(api, { status: 'queued' })).toBe(5);
  });

  it('is left to the worker that is at it', async () => {
    await failed(1);
    const { id } = await startAction(api, retryAll);
    await using _held = await api.deps.actions.hold('default', id, 10_000);

    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ status: 'running', counts: { matched: 0 } });
  });

  it('leaves canceled jobs alone unless they are named, and sends held ones on when queued ones are', async () => {
    const [canceled = '', held = ''] = await submitJobs(api, 2, { on_unknown_outcome: 'hold' });
    await api.call('POST', `/v1/jobs/${canceled}/cancel`);
    expect((await doubtJob(api.deps, held)).state.phase).toBe('held');
    await submitJobs(api, 1);

    expect(await preview(retryAll)).toMatchObject({ count: 0 });
    expect(await preview({ action: 'retry', filter: { status: 'canceled' } })).toMatchObject({ count: 1 });
    const { id } = await startAction(api, { action: 'retry', filter: { status: 'queued' } });
    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ counts: { matched: 1, done: 1 } });
    expect((await api.call('GET', `/v1/jobs/${held}`)).json).not.toHaveProperty('phase', 'held');
    expect(await countJobs(api, {})).toBe(3);
  });
});

describe('a new priority for many jobs', () => {
  it('moves them to their new places in line', async () => {
    const ids = await submitJobs(api, 3);
    const before = await submitJobs(api, 1, { priority: 4, tags: ['other'] });
    const [last = ''] = await submitJobs(api, 1, { priority: 9, tags: ['moved'] });
    await api.deps.outbox.flush();
    const filter = { status: 'queued', tag: 'moved' };
    const { id } = await startAction(api, { action: 'reprioritise', filter, priority: 1 });

    await workers.round();
    await api.deps.outbox.flush();

    expect(await viewOf(api, id)).toMatchObject({ priority: 1, counts: { matched: 1, done: 1 } });
    const next = await inLine(api);
    expect([next.slice(0, 3).toSorted(), next.slice(3)]).toEqual([ids.toSorted(), [...before, last]]);
    expect((await api.deps.ledger.read('default', last))?.request.priority).toBe(1);
  });

  it('passes over a job that has begun', async () => {
    const [begun = ''] = await submitJobs(api, 2);
    const { id } = await startAction(api, { action: 'reprioritise', filter: {}, priority: 9 });
    await workers.step(id);
    await succeedJob(api.deps, begun);

    await workers.round();

    expect(await viewOf(api, id)).toMatchObject({ counts: { matched: 2, done: 1, skipped: 1 } });
  });
});

describe('an action', () => {
  it('fails when nobody got on with it for half a day, and is dropped a week after its end', async () => {
    await submitJobs(api, 1);
    const { id } = await startAction(api, { action: 'cancel', filter: {} });
    aheadMs = 13 * 3_600_000;
    await workers.round();
    expect(await viewOf(api, id)).toMatchObject({ status: 'failed', counts: { matched: 0 } });
    expect(await countJobs(api, { status: 'queued' })).toBe(1);

    aheadMs += 6 * 86_400_000;
    await workers.round();
    expect((await viewOf(api, id)).status).toBe('failed');
    aheadMs += 2 * 86_400_000;
    await workers.round();

    expect((await api.call('GET', `/v1/actions/${id}`)).status).toBe(404);
    expect((await api.call('GET', '/v1/actions')).json.data).toEqual([]);
  });

  it('of a draining worker is left to the next one', async () => {
    await submitJobs(api, 1);
    const { id } = await startAction(api, { action: 'cancel', filter: {} });
    await workers.round({ draining: AbortSignal.abort() });
    expect((await viewOf(api, id)).status).toBe('running');
  });
});

/** All jobs that stand in line, in the order in which they go. */
async function inLine({ deps }: TestApi): Promise<string[]> {
  const ids: string[] = [];
  for (const { id: model } of MODELS) {
    for (let next = await deps.lines.pick(model); next.type === 'job'; next = await deps.lines.pick(model))
      ids.push(next.turn.id);
  }
  return ids;
}
