/** Crashes of the deliverer: it dies at a named step, Redis with it, both come back, and nothing is lost. */

import { setTimeout as sleep } from 'node:timers/promises';
import { WEBHOOK_CRASH_POINTS } from '@darkroom/shared/observability';
import { Webhook } from 'standardwebhooks';
import { ahead } from './batch-system.ts';
import { died } from './crash.ts';
import { aBody, type Env, type System, startSystem } from './system.ts';
import { type Received, type Sink, startSink } from './webhook-sink.ts';

export type WebhookPoint = (typeof WEBHOOK_CRASH_POINTS)[number];

/** Brings Redis down and up again, as a power cut does. */
export type Killable = { url: string; kill: () => Promise<void>; restart: () => Promise<void> };

/** `again`: requests beyond one for each event and receiver, all under the same id. */
export type WebhookSurvived = { point: WebhookPoint; events: number; requests: number; again: number };

export type WebhookSystem = AsyncDisposable & {
  system: System;
  sink: Sink;
  redis: Killable;
  /** Of the endpoint, and of addresses that jobs name. */
  secrets: { endpoint: string; own: string };
};

type LoggedView = { id: string; type: string; data: { id: string } };

const JOBS = 4;
const LOCAL: Env = { WEBHOOK_HTTP: 'true' };
/** Alerts go to somebody else's log: how many events there are is counted. */
const OTHERS: Env = { WORKER_ROLES: 'standard,batch,sweeper', ALERTS_TENANT: 'operator' };
/** What a dead deliverer had taken is free after its lease, which is a minute. */
const LEASE_OVER_MS = 61_000;
const ARRIVES_WITHIN_MS = 40_000;

/** Everything but the deliverer. */
export async function startForWebhookCrashes(redis: Killable): Promise<WebhookSystem> {
  await using opened = new AsyncDisposableStack();
  const sink = opened.use(await startSink());
  const system = opened.use(
    await startSystem({ redisUrl: redis.url, apiEnv: LOCAL, workerEnv: { ...LOCAL, ...OTHERS }, workers: 1 }),
  );
  const { client } = system;
  const made = await client.call<{ secret: string }>('POST', '/v1/webhook-endpoints', {
    body: { url: sink.url('/endpoint') },
  });
  const own = await client.call<{ secret: string }>('GET', '/v1/webhook-secret');
  if (!made.body.secret || !own.body.secret) throw new Error(`no secret: ${JSON.stringify([made.body, own.body])}`);
  const owned = opened.move();
  return {
    system,
    sink,
    redis,
    secrets: { endpoint: made.body.secret, own: own.body.secret },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Lets the deliverer die at a step, and Redis after it; both come back.
 *
 * @param nth at which of its passings
 * @throws when an event does not arrive, or anything arrives that is not what its id and its signature say
 */
export async function surviveWebhook(point: WebhookPoint, test: WebhookSystem, nth = 1): Promise<WebhookSurvived> {
  const { system, sink, redis } = test;
  const before = await eventsOf(system);
  const requestsBefore = sink.received.length;
  const deliverer = system.addWorker({ WORKER_ROLES: 'webhooks' });
  await deliverer.start({ CRASH_AT: `${point}:${nth}` });
  const webhook = { url: sink.url('/own') };
  const ids = await Promise.all(Array.from({ length: JOBS }, async () => (await submit(system, webhook)).id));
  await died(deliverer, ARRIVES_WITHIN_MS);
  await redis.kill();
  await redis.restart();
  await deliverer.start(ahead(LEASE_OVER_MS));
  await Promise.all(ids.map((id) => system.client.end(id, ARRIVES_WITHIN_MS)));
  const known = new Set(before.map(({ id }) => id));
  const events = (await eventsOf(system)).filter(({ id }) => !known.has(id));
  const due = events.map(({ id }) => `/endpoint ${id}`);
  due.push(...events.filter(({ type }) => type === 'job.succeeded').map(({ id }) => `/own ${id}`));
  const came = () => new Set(sink.received.map(nameOf));
  const missing = () => due.filter((one) => !came().has(one));
  for (const end = performance.now() + ARRIVES_WITHIN_MS; missing().length && performance.now() < end; )
    await sleep(50);
  if (missing().length)
    throw new Error(`${point}: these never came: ${missing().join()}\n${deliverer.output().slice(-3_000)}`);
  await deliverer.stop();
  const requests = sink.received.slice(requestsBefore);
  for (const one of requests) insistOnTruth(one, test.secrets, events);
  const again = requests.length - new Set(requests.map(nameOf)).size;
  return { point, events: events.length, requests: requests.length, again };
}

async function submit({ client }: System, webhook: { url: string }) {
  return client.insist(aBody({ webhook }), crypto.randomUUID());
}

async function eventsOf({ client }: System): Promise<LoggedView[]> {
  const found: LoggedView[] = [];
  for (let after = ''; ; ) {
    const path = `/v1/events?limit=100${after && `&after=${after}`}`;
    const { body } = await client.call<{ data: LoggedView[]; next_cursor?: string }>('GET', path);
    found.push(...body.data);
    if (!body.next_cursor) return found;
    after = body.next_cursor;
  }
}

function nameOf({ path, headers }: Received): string {
  return `${path} ${String(headers['webhook-id'])}`;
}

/** Signed now with the secret of whom it came to, and telling the event whose id it has. */
function insistOnTruth(one: Received, secrets: WebhookSystem['secrets'], events: LoggedView[]): void {
  const secret = one.path === '/own' ? secrets.own : secrets.endpoint;
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  const headers = Object.fromEntries(names.map((name) => [name, String(one.headers[name])]));
  const id = headers['webhook-id'] ?? '';
  const told = new Webhook(secret).verify(one.body, headers) as LoggedView;
  const event = events.find((known) => known.id === id);
  if (event?.type !== told.type || event.data.id !== told.data.id) throw new Error(`${id} is not ${one.body}`);
  if (Buffer.byteLength(one.body) >= 20_000) throw new Error(`${id} is too long`);
}

export const WEBHOOK_POINTS: readonly WebhookPoint[] = WEBHOOK_CRASH_POINTS;
