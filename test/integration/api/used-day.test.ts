/** A limit of calls a day that the configuration has: that it is used up is told, though no provider says so. */

import { wait } from '@darkroom/shared/domain';
import { EventView } from '@darkroom/shared/schemas';
import { chooseFor, createPlaces, updateJob } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { usedDaysOnce } from '../../../apps/worker/src/sweeper/used-days.ts';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const USED = 'its calls of the day are used';
const CHANNELS = `
channels:
  - id: small
    kind: gemini
    credentials: { api_key: env:NOT_SET_HERE }
    models:
      pro: { limits: { rpd: 3 } }
      flash: { limits: { rpd: 3, day: rolling } }
`;

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ channelsFile: CHANNELS });
  for (const model of [PRO, FLASH])
    for (const n of [1, 2, 3]) {
      const place = { channel: 'small', model };
      await api.deps.quotas.take(place, `att_${model}_${n}`, { tokens: 100, images: 1, cost: 1_000 });
    }
});
afterAll(() => api[Symbol.asyncDispose]());

const placesOf = async (path: string): Promise<Json[]> =>
  (await api.call('GET', path)).json.data.flatMap((one: Json) => one.models ?? [one]);

it('is a pause with its end and its reason, wherever limits are shown', async () => {
  const [limit] = await placesOf('/v1/limits');
  const [place] = await placesOf('/v1/channels');

  expect(limit).toMatchObject({ model: PRO, reason: 'parked', until: expect.any(String), why: USED });
  expect(limit.windows).toContainEqual({ window: 'day', used: 3, limit: 3, free_at: limit.until });
  expect(place).toMatchObject({ health: 'parked', parked: { reason: 'parked', until: place.until, why: USED } });
  // Both by the clock of the store, in whole milliseconds, of two looks.
  expect(Math.abs(Date.parse(place.until) - Date.parse(limit.until))).toBeLessThan(10);
});

it('is told to the operator once, whoever looks and however often', async () => {
  const deps = { ...api.deps, channels: { specs: api.deps.channels.channels } };

  const told = await Promise.all([usedDaysOnce(deps), usedDaysOnce(deps)]);
  expect(await usedDaysOnce(deps)).toBe(0);

  expect(told.reduce((sum, one) => sum + one, 0)).toBe(2);
  const { json } = await api.call('GET', '/v1/events?type=quota.parked&order=asc');
  const events = json.data.map((event: unknown) => EventView.parse(event));
  expect(events.map(({ data }: EventView) => 'model' in data && data.model).toSorted()).toEqual([PRO, FLASH]);
  expect(events[0].data).toMatchObject({ alert: 'quota_parked', channel: 'small', why: USED, unit: 'seconds' });
});

it('is told apart from a job that waits for such a limit, which has the same type, by `data.alert`', async () => {
  const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', model: 'pro' } })).json;
  await updateJob(api.deps.ledger, 'default', id, (job) => wait(job, 'parked', api.deps.clock.now()));

  const { data } = (await api.call('GET', '/v1/events?type=quota.parked')).json;

  expect(data.map(({ data }: Json) => ('alert' in data ? data.channel : data.id))).toEqual([id, 'small', 'small']);
  expect(data.filter(({ data }: Json) => 'alert' in data && 'id' in data)).toEqual([]);
});

it('is what a job waits for where several channels are looked at', async () => {
  const { breakers, quotas, clock, ledger, channels } = api.deps;
  const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: 'a cup', model: 'pro' } })).json;
  const job = await ledger.read('default', id);
  if (!job) throw new Error('no job');
  const places = createPlaces({ breakers, quotas, clock });

  const deps = { channels: { specs: channels.channels }, places, clock, random: Math.random };

  expect(await chooseFor(deps, job, { look: true })).toMatchObject({ type: 'wait', reason: 'parked' });
});
