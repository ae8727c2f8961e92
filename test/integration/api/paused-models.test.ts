import { limitEnd } from '@darkroom/shared/testing/factories';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { beginJob, settleJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const HOUR = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const list = async () => (await api.call('GET', '/v1/limits')).json.data;
const resume = (model: string, key?: string) =>
  api.call('POST', `/v1/limits/${model}/resume`, key === undefined ? {} : { key });
let n = 0;
const submit = async (model: string, key?: string): Promise<string> => {
  const call = { body: { prompt: `mug ${(n += 1)}`, model }, ...(key && { key }) };
  return (await api.call('POST', '/v1/jobs', call)).json.id;
};

/** A job that met the end of a day's quota, and the pause that follows from it. */
async function park(model: string, tenant = 'default', key?: string): Promise<string> {
  const id = await submit(model, key);
  await settleJob(api.deps, id, await beginJob(api.deps, id, tenant), limitEnd('day', 5 * HOUR), tenant);
  await api.deps.quota.pause('gemini', model, 5 * HOUR, 'parked');
  return id;
}

it('lists the models that are paused, with the reason and the end', async () => {
  expect(await list()).toEqual([]);
  await api.deps.quota.pause('gemini', PRO, HOUR, 'parked');
  await api.deps.quota.pause('gemini', FLASH, 40_000, 'rate_limited');

  const limits = await list();

  expect(limits).toMatchObject([
    { channel: 'gemini', model: PRO, reason: 'parked' },
    { channel: 'gemini', model: FLASH, reason: 'rate_limited' },
  ]);
  const left = limits.map(({ until }: { until: string }) => Date.parse(until) - Date.now());
  expect(left[0]).toBeGreaterThan(HOUR - 10_000);
  expect(left[1]).toBeLessThanOrEqual(40_000);
  for (const model of [PRO, FLASH]) await resume(model);
});

it('lifts a pause and makes every tenant’s parked jobs of the model due, and no others', async () => {
  const acme = await api.addKey('acme');
  const parked = [await park(PRO), await park(PRO, 'acme', acme)];
  const other = await park(FLASH);
  const waiting = await submit(PRO);

  const { status, json } = await resume('pro');

  expect(status).toBe(200);
  expect(json).toEqual({ model: PRO, resumed: true, woken: 2 });
  expect(await list()).toMatchObject([{ model: FLASH }]);
  expect(await api.deps.quota.take('gemini', PRO)).toEqual({ granted: true });
  for (const [at, tenant] of ['default', 'acme'].entries()) {
    const job = await api.deps.ledger.read(tenant, parked[at] ?? '');
    expect(job?.state).toMatchObject({ status: 'queued', attempts: [{ error: 'upstream_quota_exhausted' }] });
    expect(job?.state.phase).toBeUndefined();
    expect(job?.state.runAt).toBeLessThanOrEqual(Date.now());
  }
  expect((await api.call('GET', `/v1/jobs/${other}`)).json).toMatchObject({ phase: 'parked' });
  expect((await api.deps.ledger.read('default', waiting))?.version).toBe(1);

  expect((await resume(PRO)).json).toEqual({ model: PRO, resumed: false, woken: 0 });
  expect(api.lines).toContainEqual(expect.objectContaining({ event: 'quota.resumed', model: PRO, woken: 2 }));
});

it('wants the scope admin for it, and a model that exists', async () => {
  const key = await api.addKey('default');

  expect((await resume(PRO, key)).json).toMatchObject({ code: 'forbidden', status: 403 });
  expect((await resume('gemini-9')).json).toMatchObject({ code: 'not_found', param: 'model' });
  expect((await api.call('GET', '/v1/limits', { key })).status).toBe(200);
});
