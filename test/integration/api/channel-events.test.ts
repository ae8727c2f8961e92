import { randomUUID } from 'node:crypto';
import type { Place, Transition } from '@darkroom/shared/domain';
import { createLog } from '@darkroom/shared/observability';
import { EventView } from '@darkroom/shared/schemas';
import { createRedisAlerts, createRedisBreakers } from '@darkroom/shared/storage/redis';
import { MINUTE, NOON } from '@darkroom/shared/testing/factories';
import { type ChannelTeller, createChannelTeller } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const PLACE: Place = { channel: 'gemini-a', model: 'gemini-3-pro-image' };
const log = createLog({ level: 'silent', program: 'test' });

function openTeller(tenant: string): ChannelTeller {
  const window = { windowMs: 600_000, now: () => NOON };
  return createChannelTeller({
    alerts: createRedisAlerts({ redis: api.redis, prefix: api.prefix, window }),
    log,
    tenant,
  });
}

async function eventsOf(tenant: string, query = ''): Promise<EventView[]> {
  const key = await api.addKey(tenant);
  const { json } = await api.call('GET', `/v1/events?order=asc${query}`, { key });
  return json.data.map((event: unknown) => EventView.parse(event));
}

it('a channel that is left alone is an event of the operator, and so is its return', async () => {
  const teller = openTeller('operator');
  const breakers = createRedisBreakers({ redis: api.redis, prefix: api.prefix });
  const changes: Transition[] = [];
  for (const end of ['timeout', 'timeout', 'timeout', 'timeout', 'unavailable', 'auth'] as const) {
    changes.push(...[(await breakers.note(PLACE, randomUUID(), end)) ?? []].flat());
  }
  // A worker whose answer was lost tells once more.
  for (const change of [...changes, ...changes]) await teller.tell(change);
  await breakers.override(PLACE.channel, 'close');
  await teller.closed(PLACE.channel, [PLACE.model]);
  await teller.closed(PLACE.channel, [PLACE.model]);

  const events = await eventsOf('operator');

  expect(events.map(({ type }) => type)).toEqual([
    'channel.opened',
    'channel.opened',
    'channel.recovered',
    'channel.recovered',
  ]);
  const [opened, out] = events.map(({ data }) => data);
  expect(opened).toEqual({
    alert: 'breaker',
    ...PLACE,
    value: 1,
    threshold: 0.5,
    unit: 'ratio',
    since: expect.any(String),
    reminder: false,
    message: expect.stringContaining('through gemini-a are held back: 5 calls in a row failed'),
    why: expect.stringContaining('server error'),
    breaker: 'open',
    error_rate: 1,
    until: expect.any(String),
  });
  expect(out).toMatchObject({ channel: 'gemini-a', why: 'the provider refuses the key or the project' });
  for (const absent of ['model', 'value', 'threshold', 'unit', 'error_rate']) expect(out).not.toHaveProperty(absent);
});

it('a place that is parked is told of once, under the type that parked jobs have', async () => {
  const tellers = Array.from({ length: 4 }, () => openTeller('parker'));
  const parking = { until: NOON + 10 * MINUTE, ms: 10 * MINUTE, why: 'the day is used up' };

  const told = await Promise.all(tellers.map((teller) => teller.parked(PLACE, parking)));

  expect(told.filter((one) => one)).toHaveLength(1);
  expect(await eventsOf('parker', '&type=quota.*')).toEqual([
    expect.objectContaining({
      type: 'quota.parked',
      data: expect.objectContaining({ ...PLACE, unit: 'seconds', value: 600, why: 'the day is used up' }),
    }),
  ]);
});
