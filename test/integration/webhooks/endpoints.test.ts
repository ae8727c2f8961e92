import { eventId, newDelivery, type OwnGenerations } from '@darkroom/shared/domain';
import { createRedisDeliveries, createRedisEndpoints, createRedisEvents } from '@darkroom/shared/storage/redis';
import { DAY, NOON } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../../support/ledger.ts';
import { anEndpoint } from '../../support/webhooks.ts';

let test: TestLedger;
beforeEach(async () => {
  test = await openTestLedger();
});
afterEach(() => test[Symbol.asyncDispose]());

const open = () => createRedisEndpoints({ redis: test.redis, prefix: test.prefix });
const openDeliveries = () => createRedisDeliveries({ redis: test.redis, prefix: test.prefix, deadMs: 30 * DAY });

/** Makes deliveries that wait for an endpoint. */
async function wait(receiver: string, count: number) {
  const event = (seq: number) => eventId(TENANT, { ms: NOON, seq });
  const deliveries = openDeliveries();
  const made = Array.from({ length: count }, (_, seq) =>
    newDelivery({ tenant: TENANT, event: event(seq), type: 'job.queued', receiver }, NOON),
  );
  await deliveries.fanOut(TENANT, { from: undefined, to: event(count), deliveries: made, now: NOON });
  return deliveries;
}

it('makes an endpoint once, and no more than fifty', async () => {
  const endpoints = open();
  const one = anEndpoint();
  expect(await endpoints.create(one)).toBe('created');
  expect(await test.resend()).toEqual({ first: 'created', second: 'created' });
  for (let n = 1; n < 50; n++) await endpoints.create(anEndpoint({ id: `whe_${n}`, createdAt: NOON + n }));
  expect(await endpoints.create(anEndpoint({ id: 'whe_50' }))).toBe('full');
  expect(await endpoints.read(TENANT, one.id)).toEqual(one);
  expect((await endpoints.list(TENANT)).map(({ id }) => id).slice(0, 2)).toEqual(['whe_49', 'whe_48']);
});

it('lets one of two writers win, and tells with the change', async () => {
  const endpoints = open();
  const one = anEndpoint();
  await endpoints.create(one);
  const disabled = { ...one, version: 2, disabled: { reason: 'failing' as const, at: NOON } };
  expect(await endpoints.write(disabled, 'webhook_endpoint.disabled')).toBe(true);
  expect(await test.resend()).toEqual({ first: 1, second: 1 });
  expect(await endpoints.write({ ...one, version: 2, description: 'mine' })).toBe(false);
  expect(await endpoints.read(TENANT, one.id)).toEqual(disabled);
  const { events } = await createRedisEvents({ redis: test.redis, prefix: test.prefix }).after(TENANT, undefined, 9);
  expect(events).toMatchObject([{ type: 'webhook_endpoint.disabled', endpoint: one.id }]);
});

it('sends a disabled endpoint nothing, and goes on with what waits once it is enabled', async () => {
  const endpoints = open();
  const one = anEndpoint();
  await endpoints.create(one);
  const deliveries = await wait(one.id, 3);
  await endpoints.write({ ...one, version: 2, disabled: { reason: 'caller', at: NOON } });
  expect(await deliveries.ready(TENANT, NOON, 9)).toEqual([]);
  expect((await deliveries.claim(TENANT, one.id, { max: 9, now: NOON, leaseMs: 1_000 })).deliveries).toEqual([]);
  await endpoints.write({ ...one, version: 3 });
  expect(await deliveries.ready(TENANT, NOON, 9)).toEqual([one.id]);
  expect(await endpoints.health(TENANT, [one.id])).toEqual([{ failures: 0, waiting: 3, dueAt: NOON }]);
});

it('drops all that waits for an endpoint that is removed', async () => {
  const endpoints = open();
  const one = anEndpoint();
  await endpoints.create(one);
  const deliveries = await wait(one.id, 450);
  await endpoints.remove(TENANT, one.id);
  expect(await deliveries.ready(TENANT, NOON, 9)).toEqual([]);
  let steps = 0;
  while (await deliveries.dropRemoved(TENANT)) steps++;
  expect(steps).toBeGreaterThan(1);
  const left = Object.keys(await test.dump()).filter((key) => !key.endsWith('events:fan-out'));
  expect(left).toEqual([]);
});

it('goes on with what waits when an endpoint that was removed is made again', async () => {
  const endpoints = open();
  const one = anEndpoint();
  await endpoints.create(one);
  const deliveries = await wait(one.id, 3);
  await endpoints.remove(TENANT, one.id);
  await endpoints.create(one);
  expect(await deliveries.dropRemoved(TENANT)).toBe(false);
  expect(await endpoints.health(TENANT, [one.id])).toMatchObject([{ waiting: 3 }]);
});

it('keeps every generation of the secret for addresses that jobs name, each decided from the one before', async () => {
  const endpoints = open();
  expect(await endpoints.ownSecrets(TENANT)).toEqual([{ generation: 0 }]);
  const first: OwnGenerations = [{ generation: 1 }, { generation: 0, until: NOON }];
  const second: OwnGenerations = [{ generation: 2 }, ...first];

  expect(await endpoints.writeOwnSecrets(TENANT, second)).toBe(false);
  expect(await endpoints.writeOwnSecrets(TENANT, first)).toBe(true);
  expect(await endpoints.writeOwnSecrets(TENANT, first)).toBe(false);
  expect(await endpoints.writeOwnSecrets(TENANT, second)).toBe(true);
  expect(await endpoints.ownSecrets(TENANT)).toEqual(second);
});

it('knows a rotation again that reaches Redis twice', async () => {
  const evalsha = test.redis.evalsha.bind(test.redis);
  const twice = new Proxy(test.redis, {
    get: (redis, name) =>
      name === 'evalsha'
        ? async (...args: Parameters<typeof evalsha>) => evalsha(...args).then(() => evalsha(...args))
        : Reflect.get(redis, name),
  });
  const endpoints = createRedisEndpoints({ redis: twice, prefix: test.prefix });
  await open().writeOwnSecrets(TENANT, [{ generation: 1 }, { generation: 0, until: NOON }]);

  expect(await endpoints.writeOwnSecrets(TENANT, [{ generation: 2 }])).toBe(true);
  expect(await endpoints.ownSecrets(TENANT)).toEqual([{ generation: 2 }]);
});
