import { afterTry, type Delivery, type DeliveryOutcome, newDelivery, ownReceiver } from '@darkroom/shared/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, startApi, type TestApi } from '../../../support/start-api.ts';

const HOOK = 'https://receiver.example/hook?token=s3cret';
const PATH = '/v1/webhook-endpoints';
const HOUR = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ lookup: async () => ['93.184.215.14'] });
});
afterAll(() => api[Symbol.asyncDispose]());

const ok: DeliveryOutcome = { type: 'answered', http: 204 };
const wrong: DeliveryOutcome = { type: 'answered', http: 500, body: 'no such order' };
const lost: DeliveryOutcome = { type: 'failed', reason: 'the connection broke off' };

const endpointOf = async (body: object = {}): Promise<Json> =>
  (await api.call('POST', PATH, { body: { url: HOOK, ...body } })).json;

/** A delivery of a fresh event to a receiver, after tries that came to these ends. */
async function delivered(to: Pick<Delivery, 'receiver' | 'url'>, outcomes: DeliveryOutcome[]): Promise<Delivery> {
  const { deliveries, events } = api.deps;
  await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', dedup: false } });
  const [event] = await events.readBack('default', { limit: 1 });
  if (!event) throw new Error('nothing was told');
  const now = Date.now();
  let delivery = newDelivery({ tenant: 'default', event: event.id, type: event.type, ...to }, now);
  const from = await deliveries.cursor('default');
  await deliveries.fanOut('default', { from, to: event.id, deliveries: [delivery], now });
  if (!outcomes.length) return delivery;
  const { until } = await deliveries.claim('default', to.receiver, { max: 9, now: now + 1, leaseMs: HOUR });
  for (const outcome of outcomes) delivery = afterTry(delivery, { outcome, at: now, ms: 12 }, now, () => 0);
  const rules = { until, now, pauseMs: 0, warnAt: [] };
  await deliveries.settle('default', to.receiver, [{ delivery, health: 'same' }], rules);
  return delivery;
}

const get = async (id: string): Promise<Json> => (await api.call('GET', `/v1/deliveries/${id}`)).json;

describe('a delivery', () => {
  it('shows what was sent, what came of it, and what comes next', async () => {
    const endpoint = await endpointOf({ headers: { authorization: 'Bearer t0ken', 'x-shop': '7' } });

    const { id, event } = await delivered({ receiver: endpoint.id }, [wrong, lost]);

    const view = await get(id);
    expect(view).toMatchObject({
      id,
      event,
      type: 'job.queued',
      endpoint: endpoint.id,
      url: 'https://receiver.example/hook',
      status: 'pending',
      tries: [
        { http: 500, ms: 12, body: 'no such order' },
        { error: 'the connection broke off', ms: 12 },
      ],
      urls: { self: `/v1/deliveries/${id}`, event: `/v1/events/${event}`, resend: `/v1/deliveries/${id}/resend` },
    });
    const [{ at, request_headers: sent }] = view.tries;
    expect(sent).toEqual({
      'content-type': 'application/json',
      'user-agent': 'darkroom',
      accept: '*/*',
      'accept-encoding': 'identity',
      authorization: '[redacted]',
      'x-shop': '[redacted]',
      'webhook-id': event,
      'webhook-timestamp': String(Math.floor(Date.parse(at) / 1_000)),
      'webhook-signature': 'v1,[redacted]',
    });
    expect(Date.parse(view.next_try_at) - Date.parse(at)).toBe(300_000);
    expect(JSON.stringify(view)).not.toMatch(/s3cret|t0ken/);
  });

  it('has no next try while its endpoint is disabled', async () => {
    const { id: endpoint } = await endpointOf();
    const { id } = await delivered({ receiver: endpoint }, [wrong]);

    await api.call('PATCH', `${PATH}/${endpoint}`, { body: { enabled: false } });
    expect(await get(id)).not.toHaveProperty('next_try_at');
    expect((await api.call('POST', `/v1/deliveries/${id}/resend`)).json).toMatchObject({
      status: 409,
      code: 'conflict',
    });
    await api.call('PATCH', `${PATH}/${endpoint}`, { body: { enabled: true } });
    expect(await get(id)).toHaveProperty('next_try_at');
  });

  it('to an address that a job names shows that, without its query string', async () => {
    const { id } = await delivered({ receiver: ownReceiver(HOOK), url: HOOK }, [{ type: 'answered', http: 410 }]);

    const view = await get(id);

    expect(view).toMatchObject({ url: 'https://receiver.example/hook', status: 'dead', cause: 'gone' });
    expect(view).not.toHaveProperty('endpoint');
    expect((await api.call('POST', `/v1/deliveries/${id}/resend`)).status).toBe(202);
  });

  it('is sent again when it is over, and left alone while it is on its way', async () => {
    const { id: endpoint } = await endpointOf();
    const over = await delivered({ receiver: endpoint }, [ok]);
    expect(await get(over.id)).toMatchObject({ status: 'delivered', completed_at: expect.any(String) });

    const again = await api.call('POST', `/v1/deliveries/${over.id}/resend`);

    expect([again.status, again.json.status, again.json.event]).toEqual([202, 'pending', over.event]);
    expect(again.json.tries).toHaveLength(1);
    expect(await get(over.id)).toEqual(again.json);
    const { waiting } = (await api.call('GET', `${PATH}/${endpoint}`)).json.health;
    expect([waiting, (await api.call('POST', `/v1/deliveries/${over.id}/resend`)).json]).toEqual([1, again.json]);
  });

  it('of an endpoint that is gone is not sent again', async () => {
    const { id: endpoint } = await endpointOf();
    const { id } = await delivered({ receiver: endpoint }, [ok]);
    await api.call('DELETE', `${PATH}/${endpoint}`);

    const { status, json } = await api.call('POST', `/v1/deliveries/${id}/resend`);

    expect([status, json.detail]).toEqual([409, 'The endpoint of this delivery was deleted.']);
  });
});

describe('deliveries', () => {
  it('are listed by endpoint, the newest event first, by status and page by page', async () => {
    const { id: endpoint } = await endpointOf();
    const [first, second, third] = [
      await delivered({ receiver: endpoint }, [ok]),
      await delivered({ receiver: endpoint }, []),
      await delivered({ receiver: endpoint }, [ok]),
    ];
    const list = async (query = ''): Promise<Json> =>
      (await api.call('GET', `${PATH}/${endpoint}/deliveries${query}`)).json;
    const ids = ({ data }: Json) => data.map(({ id }: Json) => id);

    expect(ids(await list())).toEqual([third.id, second.id, first.id]);
    expect(ids(await list('?status=delivered'))).toEqual([third.id, first.id]);
    const page = await api.call('GET', `${PATH}/${endpoint}/deliveries?limit=2`);
    expect([ids(page.json), page.json.has_more]).toEqual([[third.id, second.id], true]);
    const next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
    const last = (await api.call('GET', next)).json;
    expect([ids(last), last.has_more]).toEqual([[first.id], false]);
  });

  it('are listed by event, to endpoints and to what its job names', async () => {
    const [a, b] = [await endpointOf(), await endpointOf()];
    const { event } = await delivered({ receiver: a.id }, [ok]);
    const facts = { tenant: 'default', event, type: 'job.queued' as const };
    const others = [
      newDelivery({ ...facts, receiver: b.id }, Date.now()),
      newDelivery({ ...facts, receiver: ownReceiver(HOOK), url: HOOK }, Date.now()),
    ];
    for (const one of others)
      await api.deps.deliveries.resend('default', one.receiver, [one], { now: Date.now(), first: false });

    const { json } = await api.call('GET', `/v1/events/${event}/deliveries`);

    const told = new Set(json.data.map(({ endpoint = 'own' }: Json) => endpoint));
    expect([json.data.length, told]).toEqual([3, new Set([a.id, b.id, 'own'])]);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['status=lost', 'status'],
    ['after=yesterday', 'after'],
    ['since=2026-11-21', 'since'],
  ])('are not listed by %s', async (query, param) => {
    const { id } = await endpointOf();

    const { status, json } = await api.call('GET', `${PATH}/${id}/deliveries?${query}`);

    expect([status, json.param]).toEqual([400, param]);
  });

  it('of another tenant are answered word for word as unknown ones', async () => {
    const { id: endpoint } = await endpointOf();
    const { id, event } = await delivered({ receiver: endpoint }, [ok]);
    const key = await api.addKey('other', ['jobs:read', 'webhooks:write']);
    const unknown = `dlv_${'0'.repeat(32)}`;
    const said = async (method: string, path: string) => {
      const { status, json } = await api.call(method, path, { key });
      return { ...json, status, request_id: '' };
    };

    for (const [method, tail] of [['GET', ''] as const, ['POST', '/resend'] as const]) {
      const foreign = await said(method, `/v1/deliveries/${id}${tail}`);
      expect(foreign).toMatchObject({ status: 404, detail: 'There is no such delivery.' });
      expect(foreign).toEqual(await said(method, `/v1/deliveries/${unknown}${tail}`));
      expect(foreign).toEqual(await said(method, `/v1/deliveries/nothing${tail}`));
    }
    const none = await said('GET', `/v1/events/evt_${'0'.repeat(32)}/deliveries`);
    expect(await said('GET', `/v1/events/${event}/deliveries`)).toEqual(none);
  });
});
