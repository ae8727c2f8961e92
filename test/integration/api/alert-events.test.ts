import { errorRate, type Telling, tellOf, tellOfRetirement } from '@darkroom/shared/domain';
import { EventView } from '@darkroom/shared/schemas';
import { createRedisAlerts, createRedisEvents } from '@darkroom/shared/storage/redis';
import { DAY, NOON } from '@darkroom/shared/testing/factories';
import { archiveEvents, createEventArchive, createEventLog } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const MODEL = 'gemini-2.5-flash-image';

/** Tells an alert as a sweeper does. */
async function tell(tenant: string, telling: Telling | undefined): Promise<Telling['next'] | undefined> {
  const window = { windowMs: 600_000, now: () => NOON };
  const alerts = createRedisAlerts({ redis: api.redis, prefix: api.prefix, window });
  if (telling) await alerts.tell(tenant, telling);
  return telling?.next;
}

const seen = (failed: number) =>
  errorRate({ channel: 'gemini', model: MODEL, ended: 100, failed, times: new Map() }, 0.05);

/** Raised, told again, resolved. */
async function tellAll(tenant: string): Promise<void> {
  const raised = await tell(tenant, tellOf(seen(20), undefined, NOON));
  const again = await tell(tenant, tellOf(seen(10), raised, NOON + DAY));
  await tell(tenant, tellOf(seen(0), again, NOON + 2 * DAY));
}

it('an alert is an event like others, with the figure as it was and a sentence for people', async () => {
  const key = await api.addKey('operator');
  await tellAll('operator');
  const end = { model: MODEL, retiresOn: '2027-03-15', retiresAt: NOON + 7 * DAY, successor: 'gemini-next' };
  await tell('operator', tellOfRetirement(end, [30, 7], undefined, NOON));

  const { json } = await api.call('GET', '/v1/events?order=asc', { key });

  expect(() => json.data.map((event: unknown) => EventView.parse(event))).not.toThrow();
  const about = { alert: 'error_rate', channel: 'gemini', model: MODEL, threshold: 0.05, unit: 'ratio' };
  const since = new Date(NOON).toISOString();
  expect(json.data.map(({ type, data }: EventView) => [type, data])).toEqual([
    [
      'channel.degraded',
      {
        ...about,
        value: 0.2,
        since,
        reminder: false,
        message: `Now: 20 % of the calls to ${MODEL} through gemini failed; 5 % may.`,
      },
    ],
    ['channel.degraded', expect.objectContaining({ value: 0.1, since, reminder: true })],
    [
      'channel.recovered',
      expect.objectContaining({ value: 0, since, reminder: false, message: expect.stringMatching(/^Over: 0 %/) }),
    ],
    [
      'model.retiring',
      {
        alert: 'model_retirement',
        model: MODEL,
        value: 7,
        threshold: 7,
        unit: 'days',
        since,
        reminder: false,
        message: `${MODEL} is in use and ends on 2027-03-15, in 7 days. Move to gemini-next.`,
        retires_on: '2027-03-15',
        successor: 'gemini-next',
      },
    ],
  ]);
});

it('alerts can be asked for alone, and one by one', async () => {
  const key = await api.addKey('alone');
  await api.call('POST', '/v1/jobs', { key, body: { prompt: 'a red mug' } });
  await tellAll('alone');

  const { json } = await api.call('GET', '/v1/events?type=channel.recovered,alert.*', { key });

  expect(json.data).toHaveLength(1);
  expect((await api.call('GET', `/v1/events/${json.data[0].id}`, { key })).json).toEqual(json.data[0]);
});

it('an alert says the same once it rests in the object store', async () => {
  const key = await api.addKey('archived');
  await tellAll('archived');
  const before = (await api.call('GET', '/v1/events', { key })).json;
  const recent = createRedisEvents({ redis: api.redis, prefix: api.prefix });
  const archive = createEventArchive(api.deps.store);
  const clock = { now: () => Date.now() + 2 * DAY };
  const log = createEventLog({ recent, archive, clock, retentionMs: 30 * DAY });

  while (await archiveEvents({ recent, archive, log, clock }, 'archived'));

  expect(await recent.size('archived')).toBe(0);
  expect((await api.call('GET', '/v1/events', { key })).json).toEqual(before);
});
