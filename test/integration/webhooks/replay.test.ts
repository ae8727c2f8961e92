import { type Delivery, type LoggedEvent, newDelivery } from '@darkroom/shared/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { actionWorkers, diesAtStep, submitJobs, type TestActions, viewOf, watched } from '../../support/actions.ts';
import { TENANT } from '../../support/ledger.ts';
import { type Call, startApi, type TestApi } from '../../support/start-api.ts';
import { anEndpoint } from '../../support/webhooks.ts';

let api: TestApi;
let workers: TestActions;
beforeEach(async () => {
  api = await startApi();
  workers = actionWorkers(api);
});
afterEach(async () => {
  await workers[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

const DAY = 86_400_000;
const HOUR_AGO = () => new Date(Date.now() - DAY / 24).toISOString();
const WHE = anEndpoint().id;

/** An endpoint that has been there for a day, of which nobody knows what it was sent. */
const begin = (more: object = {}) =>
  api.deps.endpoints.create(
    anEndpoint({ createdAt: Date.now() - DAY, gaps: [{ from: 0, until: Date.now() - DAY }], ...more }),
  );
/** Not sent anything of late. */
const deaf = () => ({ gaps: [{ from: 0, until: Date.now() + 60_000 }] });
const log = () => api.deps.events.read(TENANT, { limit: 5_000 });
const toDelivery = ({ id: event, type }: LoggedEvent): Delivery =>
  newDelivery({ tenant: TENANT, event, type, receiver: WHE }, Date.now());

/** What happens to the events so far: nothing, or each delivery as `end` leaves it. */
async function fanOut(end?: (delivery: Delivery, n: number) => Delivery | undefined): Promise<Delivery[]> {
  const { deliveries } = api.deps;
  const events = await log();
  const made = end ? events.map(toDelivery) : [];
  const now = Date.now();
  await deliveries.fanOut(TENANT, {
    from: await deliveries.cursor(TENANT),
    to: events.at(-1)?.id ?? '',
    deliveries: made,
    now,
  });
  const claim = await deliveries.claim(TENANT, WHE, { max: 5_000, now: now + 1, leaseMs: 9 });
  const tries = made
    .flatMap((delivery, n) => end?.(delivery, n) ?? [])
    .map((delivery) => ({ delivery, health: 'same' as const }));
  await deliveries.settle(TENANT, WHE, tries, { until: claim.until, now, pauseMs: 0, warnAt: [] });
  return made;
}
const ended =
  (status: 'delivered' | 'dead') =>
  (delivery: Delivery): Delivery => {
    const over = { ...delivery, status };
    delete over.nextAt;
    return over;
  };
const replay = async (body: object, call: Call = {}) =>
  api.call('POST', `/v1/webhook-endpoints/${WHE}/replay`, { body: { since: HOUR_AGO(), ...body }, ...call });
const statuses = async () => {
  const all = await api.deps.deliveries.list(TENANT, WHE, { limit: 5_000 });
  return Object.entries(Object.groupBy(all, ({ status }) => status))
    .map(([status, of]) => `${of?.length} ${status}`)
    .toSorted();
};

describe('a replay', () => {
  it('sends what did not arrive, as many as its preview counted, and nothing else', async () => {
    await begin();
    await submitJobs(api, 450, {});
    await fanOut((delivery, n) => [ended('delivered')(delivery), ended('dead')(delivery), undefined][n % 3]);
    expect((await replay({ preview: true })).json).toEqual({
      preview: true,
      action: 'replay',
      count: 150,
      at_least: false,
    });
    expect(await statuses()).toEqual(['150 dead', '150 delivered', '150 pending']);
    const { status, json } = await replay({});
    expect([status, json.expected.count]).toEqual([202, 150]);
    await workers.round();
    expect(await viewOf(api, json.id)).toMatchObject({
      action: 'replay',
      status: 'done',
      filter: { endpoint: WHE, only_missing: true },
      counts: { matched: 150, done: 150, skipped: 0, failed: 0 },
    });
    expect(await statuses()).toEqual(['150 delivered', '300 pending']);
  });

  it('sends all of it again when asked to, page by page', async () => {
    await begin();
    await submitJobs(api, 450, {});
    await fanOut(ended('delivered'));
    const { json } = await replay({ only_missing: false });
    const { actions, written } = watched(api.deps.actions);
    await workers.round({ actions });
    expect(Math.max(...written.map(({ page }) => page?.ids.length ?? 0))).toBe(200);
    expect((await viewOf(api, json.id)).counts.done).toBe(450);
    expect(await statuses()).toEqual(['450 pending']);
  });

  it('knows the types, the time and the wishes of the endpoint', async () => {
    await begin({ events: ['job.queued'], ...deaf() });
    const [first] = await submitJobs(api, 3, {});
    await api.call('POST', `/v1/jobs/${first}/cancel`);
    await fanOut();
    const count = async (body: object) => (await replay({ preview: true, ...body })).json.count;
    expect(await count({})).toBe(3);
    expect(await count({ types: ['job.canceled'] })).toBe(1);
    expect(await count({ types: ['job.*'] })).toBe(4);
    expect(await count({ until: new Date(Date.now() - 60_000).toISOString() })).toBe(0);
  });

  it('takes for delivered what nobody remembers, unless the endpoint was deaf then', async () => {
    await begin();
    await submitJobs(api, 2, {});
    await fanOut();
    const count = async () => (await replay({ preview: true })).json.count;
    expect(await count()).toBe(0);
    const endpoint = await api.deps.endpoints.read(TENANT, WHE);
    if (!endpoint) throw new Error('gone');
    await api.deps.endpoints.write({ ...endpoint, version: 2, ...deaf() });
    expect(await count()).toBe(2);
  });

  it('waits while the endpoint is disabled or has enough to do, and goes on then', async () => {
    await begin();
    await submitJobs(api, 450, {});
    const made = await fanOut(ended('dead'));
    const { json } = await replay({});
    const { deliveries, endpoints } = api.deps;
    const many = Array.from({ length: 5_001 }, (_, n) => ({ ...made[0], id: `dlv_${n}` })) as Delivery[];
    for (let n = 0; n < many.length; n += 1_000) {
      await deliveries.resend(TENANT, WHE, many.slice(n, n + 1_000), { now: Date.now(), first: false });
    }
    await workers.round();
    expect((await viewOf(api, json.id)).counts.done).toBe(0);

    const claim = await deliveries.claim(TENANT, WHE, { max: 9_999, now: Date.now() + 1, leaseMs: 9 });
    const tries = claim.deliveries.map((one) => ({ delivery: ended('delivered')(one), health: 'same' as const }));
    await deliveries.settle(TENANT, WHE, tries, { until: claim.until, now: Date.now(), pauseMs: 0, warnAt: [] });
    const endpoint = await endpoints.read(TENANT, WHE);
    if (!endpoint) throw new Error('gone');
    await endpoints.write({ ...endpoint, version: 2, disabled: { reason: 'failing', at: Date.now() } });
    await workers.round();
    expect((await viewOf(api, json.id)).counts.done).toBe(0);

    await endpoints.write({ ...endpoint, version: 3 });
    await workers.round();
    expect(await viewOf(api, json.id)).toMatchObject({ status: 'done', counts: { done: 450 } });
  });

  it('leaves alone what has not been fanned out: that is sent by itself', async () => {
    await begin();
    await submitJobs(api, 2, {});
    expect((await replay({ preview: true })).json.count).toBe(0);
  });

  it('goes on after a worker died at any step, with nothing left out', async () => {
    await begin();
    await submitJobs(api, 250, {});
    await fanOut(ended('dead'));
    const { json } = await replay({});
    for (let step = 1; step <= 4; step++) {
      await workers.round(diesAtStep(api.deps, step).parts);
    }
    await workers.round();
    expect((await viewOf(api, json.id)).status).toBe('done');
    expect(await statuses()).toEqual(['250 pending']);
  });

  it('is accepted once per key, can be aborted, and is over when its endpoint is gone', async () => {
    await begin();
    await submitJobs(api, 3, {});
    await fanOut(ended('dead'));
    const key = { headers: { 'idempotency-key': 'once' } };
    const body = { since: HOUR_AGO() };
    const [first, second] = [await replay(body, key), await replay(body, key)];
    expect([second.json.id, second.headers.get('idempotent-replayed')]).toEqual([first.json.id, 'true']);
    expect((await api.call('POST', `/v1/actions/${first.json.id}/abort`)).json.status).toBe('aborted');
    const { json } = await replay({});
    await api.deps.endpoints.remove(TENANT, WHE);
    await workers.round();
    expect((await viewOf(api, json.id)).counts.done).toBe(0);
    expect((await viewOf(api, json.id)).status).toBe('done');
  });

  it('refuses what cannot be meant, by name', async () => {
    expect((await replay({})).json).toMatchObject({ status: 404, param: 'id' });
    await begin();
    const wrong = async (body: object) => {
      const { status, json } = await replay(body);
      return [status, json.param];
    };
    expect(await wrong({ since: undefined })).toEqual([400, 'since']);
    expect(await wrong({ since: 'yesterday' })).toEqual([400, 'since']);
    expect(await wrong({ since: new Date(Date.now() + DAY).toISOString() })).toEqual([400, 'since']);
    expect(await wrong({ types: ['job.eaten'] })).toEqual([400, 'types[0]']);
    expect(await wrong({ only_missing: 'yes' })).toEqual([400, 'only_missing']);
    expect(await wrong({ more: 1 })).toEqual([400, 'more']);
    const other = await api.addKey('other', ['webhooks:write']);
    expect((await replay({}, { key: other })).status).toBe(404);
    expect((await replay({}, { key: await api.addKey('default') })).status).toBe(403);
    const endpoint = await api.deps.endpoints.read(TENANT, WHE);
    if (!endpoint) throw new Error('gone');
    await api.deps.endpoints.write({ ...endpoint, version: 2, disabled: { reason: 'caller', at: Date.now() } });
    expect(await wrong({})).toEqual([409, 'id']);
  });
});
