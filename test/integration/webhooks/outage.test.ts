/** A receiver that is down for three hours, from its owner's side: HTTP in, webhooks out, a clock that is moved. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { derivedKey, type Secret } from '@darkroom/shared/config';
import { createSafePost, localToo } from '@darkroom/shared/net';
import { Registry } from '@darkroom/shared/observability';
import { createFolderStore } from '@darkroom/shared/storage';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { registerWebhookMetrics } from '../../../apps/worker/src/webhooks/metrics.ts';
import { createPump, type Pump } from '../../../apps/worker/src/webhooks/pump.ts';
import { actionWorkers, viewOf } from '../../support/actions.ts';
import { failJob, succeedJob } from '../../support/run-job.ts';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';
import { type Received, type Sink, startSink, verified } from '../../support/webhook-sink.ts';

const SECRET = randomBytes(32).toString('hex');
const FAILURES_MAX = 10;

let opened: AsyncDisposableStack;
let api: TestApi;
let sink: Sink;
let pump: Pump;
let aheadMs: number;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  aheadMs = 0;
  const clock = { now: () => Date.now() + aheadMs };
  const root = await mkdtemp(join(tmpdir(), 'outage-'));
  opened.defer(() => rm(root, { recursive: true, force: true }));
  sink = opened.use(await startSink());
  api = opened.use(
    await startApi({
      env: { WEBHOOK_HTTP: 'true', DARKROOM_SECRET: SECRET },
      // Links run out by the clock that is moved.
      replace: ({ publicUrl }) => ({
        clock,
        store: createFolderStore({ root, publicUrl, signingKey: randomBytes(32), clock }),
      }),
    }),
  );
  const { deps } = api;
  pump = createPump({
    ...deps,
    poster: opened.use(createSafePost(localToo())),
    seal: deps.secrets,
    ownKey: derivedKey({ reveal: () => SECRET } as Secret, 'webhook-own'),
    random: Math.random,
    metrics: registerWebhookMetrics(new Registry(), deps),
    failuresMax: FAILURES_MAX,
    concurrency: 64,
  });
});
afterEach(() => opened.disposeAsync());

type Owner = { tenant: string; key: string; endpoint: string; secret: string; path: string };

/** A tenant with an endpoint of its own. */
async function anOwner(tenant: string, path: string): Promise<Owner> {
  const key = await api.addKey(tenant, ['jobs:read', 'jobs:write', 'webhooks:write']);
  const { json } = await api.call('POST', '/v1/webhook-endpoints', { key, body: { url: sink.url(path) } });
  return { tenant, key, endpoint: json.id, secret: json.secret, path };
}

/** Rounds until there is nothing to do at this time. */
async function settle(): Promise<void> {
  do await pump.idle();
  while (await pump.round());
  await pump.idle();
}

/** Ten minutes of business: an image, and a failure. */
async function tenMinutes({ tenant, key }: Owner, n: number): Promise<void> {
  const submit = async (kind: string) =>
    (await api.call('POST', '/v1/jobs', { key, body: { prompt: `${kind} ${n}`, webhook: { url: sink.url('/own') } } }))
      .json.id;
  await succeedJob(api.deps, await submit('mug'), tenant);
  if (tenant === 'default') await failJob(api.deps, await submit('cup'));
}

const idOf = ({ headers }: Received): string => String(headers['webhook-id']);
const wellSigned = (secret: string, received: Received[]): Json[] => received.map((one) => verified(secret, one));
const eventsOf = async ({ key }: Owner): Promise<string[]> =>
  (await api.call('GET', '/v1/events?limit=200', { key })).json.data
    .filter(({ type }: Json) => !type.startsWith('webhook_endpoint.'))
    .map(({ id }: Json) => id);

/** Three hours in which one owner's receiver fails. @returns what it was asked meanwhile */
async function threeHoursDown(down: Owner, up: Owner): Promise<void> {
  sink.answer(down.path, 500);
  for (let n = 0; n < 18; n++) {
    await tenMinutes(down, n);
    await tenMinutes(up, n);
    await settle();
    aheadMs += 10 * MINUTE;
  }
}

it('misses nothing once it is enabled again and the rest is replayed, and nobody else notices', async () => {
  const down = await anOwner('default', '/down');
  const up = await anOwner('other', '/up');
  await threeHoursDown(down, up);

  expect(sink.at('/up').map(idOf).toSorted()).toEqual((await eventsOf(up)).toSorted());
  const view = (await api.call('GET', `/v1/webhook-endpoints/${down.endpoint}`, { key: down.key })).json;
  expect(view).toMatchObject({ enabled: false, disabled_reason: 'failing' });
  const told = (await api.call('GET', '/v1/events?type=webhook_endpoint.*', { key: down.key })).json.data;
  expect(told.map(({ type }: Json) => type)).toEqual([
    'webhook_endpoint.disabled',
    ...Array(3).fill('webhook_endpoint.failing'),
  ]);

  sink.answer(down.path, 204);
  const failed = sink.at(down.path).length;
  const since = new Date(Date.now() - 60_000).toISOString();
  const call = (method: string, path: string, body: object) => api.call(method, path, { key: down.key, body });
  await call('PATCH', `/v1/webhook-endpoints/${down.endpoint}`, { enabled: true });
  const { json } = await call('POST', `/v1/webhook-endpoints/${down.endpoint}/replay`, { since, only_missing: true });
  await using workers = actionWorkers(api);
  await workers.round();
  await settle();

  expect(await viewOf(api, json.id)).toMatchObject({ status: 'done' });
  const arrived = sink.at(down.path).slice(failed);
  const all = await eventsOf(down);
  expect(all.length).toBeGreaterThan(100);
  expect([...new Set(arrived.map(idOf))].toSorted()).toEqual(all.toSorted());
  const messages = wellSigned(down.secret, arrived);
  const image = messages.find(({ type }) => type === 'job.succeeded').data.images[0];
  expect((await fetch(image.url)).status).toBe(200);
  aheadMs += 24 * 60 * MINUTE;
  expect((await fetch(image.url)).status).toBe(403);
});

it('sends each tenant its own, and what jobs name is signed by the secret of their tenant', async () => {
  const [one, other] = [await anOwner('default', '/one'), await anOwner('other', '/other')];
  await tenMinutes(one, 1);
  await tenMinutes(other, 1);
  await settle();
  const jobsOf = async ({ key }: Owner) =>
    (await api.call('GET', '/v1/jobs', { key })).json.data.map(({ id }: Json) => id).toSorted();
  for (const owner of [one, other]) {
    const about: string[] = wellSigned(owner.secret, sink.at(owner.path)).map(({ data }) => data.id);
    expect([...new Set(about)].toSorted()).toEqual(await jobsOf(owner));
    const { secret } = (await api.call('GET', '/v1/webhook-secret', { key: owner.key })).json;
    const own = sink.at('/own').filter((received) => about.includes(JSON.parse(received.body).data.id));
    const types: string[] = wellSigned(secret, own).map(({ type }) => type);
    expect(types.toSorted()).toEqual(owner === one ? ['job.failed', 'job.succeeded'] : ['job.succeeded']);
  }
});
