import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const HOUR = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const places = async () => (await api.call('GET', '/v1/limits')).json.data;
const list = async () => (await places()).filter(({ until }: { until?: string }) => until !== undefined);
const resume = (model: string, key?: string) =>
  api.call('POST', `/v1/limits/${model}/resume`, key === undefined ? {} : { key });
const waitingFor = async (model: string) =>
  (await api.deps.lines.sizes(model)).reduce((sum, { waiting }) => sum + waiting, 0);
const pause = (model: string, ms: number, reason: 'parked' | 'rate_limited') =>
  api.deps.quotas.learn({ channel: 'gemini', model }, { type: 'pause', ms, reason, why: 'a test' });

it('lists the models that are paused, with the reason and the end', async () => {
  expect(await list()).toEqual([]);
  await pause(PRO, HOUR, 'parked');
  await pause(FLASH, 40_000, 'rate_limited');

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

it('lifts a pause, and lets go all who stand in line for the model, of whatever tenant', async () => {
  const acme = await api.addKey('acme');
  await pause(PRO, 5 * HOUR, 'parked');
  await pause(FLASH, 5 * HOUR, 'parked');
  for (const key of [undefined, acme]) {
    const call = { body: { prompt: 'a mug', model: PRO }, ...(key && { key }) };
    expect((await api.call('POST', '/v1/jobs', call)).status).toBe(202);
  }
  await expect.poll(() => waitingFor(PRO)).toBe(2);
  const picked = await api.deps.lines.pick(PRO);
  if (picked.type !== 'job') throw new Error(`nobody is next: ${JSON.stringify(picked)}`);
  await api.deps.lines.putBack(picked.turn, 5 * HOUR);

  const { status, json } = await resume('pro');

  expect([status, json]).toEqual([200, { model: PRO, resumed: true, woken: 2 }]);
  expect(await list()).toMatchObject([{ model: FLASH }]);
  expect(await api.deps.lines.pick(PRO)).toMatchObject({ type: 'job' });
  expect((await resume(PRO)).json).toMatchObject({ model: PRO, resumed: false });
  expect(api.lines).toContainEqual(expect.objectContaining({ event: 'quota.resumed', model: PRO, woken: 2 }));
});

it('wants the scope admin for it, and a model that exists', async () => {
  const key = await api.addKey('default');

  expect((await resume(PRO, key)).json).toMatchObject({ code: 'forbidden', status: 403 });
  expect((await resume('gemini-9')).json).toMatchObject({ code: 'not_found', param: 'model' });
  expect((await api.call('GET', '/v1/limits', { key })).status).toBe(200);
});
