/** How fast events reach their receivers, beside a bare loop that signs and posts; and beside a receiver that is dead. */

import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { derivedKey, Secret } from '@darkroom/shared/config';
import { type Delivery, type Endpoint, idFrom, newEndpoint, resent } from '@darkroom/shared/domain';
import { createRedisDeliveries, createRedisEndpoints, createRedisLedger } from '@darkroom/shared/storage/redis';
import { aJob, anImage, DAY } from '@darkroom/shared/testing/factories';
import { createSecretSeal, newWebhookSecret } from '@darkroom/shared/webhooks';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import type { Child } from './parts/child.ts';
import { alternate, median, percentile } from './parts/sample.ts';
import { BENCH_SECRET, openStand, type Stand } from './parts/stand.ts';

const TENANT = 'bench';
/** Posts at a time, on both sides; a receiver gets ten. */
const IN_FLIGHT = 64;
const RECEIVERS = 7;
/** Of a job with an image, in short. */
const BODY_BYTES = 900;
const DEAD_WAITING = 10_000;

export async function* webhook(options: BenchOptions): AsyncGenerator<Figure> {
  if (options.wants('webhook.rate')) yield* rate(options);
  if (options.wants('webhook.dead_neighbour')) yield* deadNeighbour(options);
}

/** Deliveries a second of one worker, from due to settled, each with a look at its job and links signed anew. */
async function* rate({ quick }: BenchOptions): AsyncGenerator<Figure> {
  const events = quick ? 300 : 900;
  await using stand = await openStand();
  const sink = await startSink(stand);
  const place = await openPlace(stand, '');
  const bare = stand.start('../baselines/post-loop.ts', 'bare');
  await bare.printed(/ready/);
  await Promise.all(Array.from({ length: RECEIVERS }, (_, n) => place.register(`${sink.url}/${n}`, ['job.queued'])));
  for (let n = 0; n < events; n++) await place.admit(`job_${n}`);
  const count = events * RECEIVERS;
  const perSecond = (ms: number) => count / (ms / 1_000);
  const arrived = sink.child.ask<number>({ ask: 'expect', count });
  const worker = await startWorker(stand, '');
  await arrived;
  const product = async () => {
    await place.idle();
    const all = await place.deliveries();
    const took = sink.child.ask<number>({ ask: 'expect', count });
    const [ms] = await Promise.all([took, place.resend(all)]);
    return perSecond(ms);
  };
  const baseline = async () => {
    const took = sink.child.ask<number>({ ask: 'expect', count });
    const run = bare.ask({ ask: 'run', url: `${sink.url}/bare`, count, inFlight: IN_FLIGHT, bytes: BODY_BYTES });
    const [ms] = await Promise.all([took, run]);
    return perSecond(ms);
  };
  await product();
  await baseline();
  const taken = await alternate(quick ? 3 : 5, { product, baseline });
  const rates = { value: median(taken.product), baseline: median(taken.baseline) };
  yield figure('webhook.rate', '/s', rates, { of: 'ratio', is: '>=', than: 0.6 });
  await worker[Symbol.asyncDispose]();
}

/** How old events are when they reach an endpoint, with and without a dead one beside it for which ten thousand wait. */
async function* deadNeighbour({ quick }: BenchOptions): AsyncGenerator<Figure> {
  const events = quick ? 60 : 200;
  await using stand = await openStand();
  const sink = await startSink(stand);
  const sides = { product: await openPlace(stand, 'beside:'), baseline: await openPlace(stand, 'alone:') };
  await sides.product.register(`${sink.url}/dead`, ['webhook_endpoint.failing']);
  const send = async (place: Place, endpoint: Endpoint) => {
    const ages = sink.child.ask<number[]>({ ask: 'ages', count: events });
    for (let n = 0; n < events; n++) {
      await place.endpoints.tell(TENANT, endpoint.id, 'webhook_endpoint.test');
      await sleep(10);
    }
    return percentile(await ages, 0.95);
  };
  const [beside, alone] = await Promise.all([
    sides.product.register(`${sink.url}/beside`, ['webhook_endpoint.test']),
    sides.baseline.register(`${sink.url}/alone`, ['webhook_endpoint.test']),
  ]);
  for (let n = 0; n < DEAD_WAITING; n += 100)
    await Promise.all(
      Array.from({ length: 100 }, () => sides.product.endpoints.tell(TENANT, alone.id, 'webhook_endpoint.failing')),
    );
  await startWorker(stand, 'beside:');
  await startWorker(stand, 'alone:');
  await sides.product.untilWaiting(DEAD_WAITING);
  const product = () => send(sides.product, beside);
  const baseline = () => send(sides.baseline, alone);
  await product();
  await baseline();
  const taken = await alternate(quick ? 3 : 5, { product, baseline });
  const p95 = { value: median(taken.product), baseline: median(taken.baseline) };
  yield figure('webhook.dead_neighbour', 'ms', p95, { of: 'ratio', is: '<=', than: 1.25 });
}

async function startSink(stand: Stand): Promise<{ child: Child; url: string }> {
  const child = stand.start('./sink.ts', 'sink');
  return { child, url: await child.printed(/listening on (\S+)/) };
}

function startWorker(stand: Stand, prefix: string): Promise<Child> {
  const env = {
    WORKER_ROLES: 'webhooks',
    WEBHOOK_HTTP: 'true',
    WEBHOOK_CONCURRENCY: String(IN_FLIGHT),
    REDIS_PREFIX: prefix,
  };
  return stand.startWorker({ gemini: 'http://127.0.0.1', concurrency: 1, env: { ...env, LOG_LEVEL: 'info' } });
}

type Place = Awaited<ReturnType<typeof openPlace>>;

/** A tenant of its own under a prefix, and what the bench does to it. */
async function openPlace({ redis }: Stand, prefix: string) {
  await redis.sadd(`${prefix}tenants`, TENANT);
  const endpoints = createRedisEndpoints({ redis, prefix });
  const deliveries = createRedisDeliveries({ redis, prefix, deadMs: 30 * DAY });
  const ledger = createRedisLedger({ redis, prefix });
  const seal = createSecretSeal(derivedKey(new Secret(BENCH_SECRET), 'webhook-secrets'));
  const waiting = async () => {
    const listed = await endpoints.list(TENANT);
    const health = await endpoints.health(
      TENANT,
      listed.map(({ id }) => id),
    );
    return health.reduce((sum, one) => sum + one.waiting, 0);
  };
  const until = async (is: (count: number) => boolean) => {
    while (!is(await waiting())) await sleep(20);
  };
  return {
    endpoints,
    register: async (url: string, events: NonNullable<Endpoint['events']>) => {
      const owner = { tenant: TENANT, id: idFrom('whe', randomUUIDv7()) };
      const facts = { ...owner, url, events, headers: {}, enabled: true };
      const made = newEndpoint({ ...facts, secret: seal.seal(newWebhookSecret(), owner) }, Date.now() - 1_000);
      await endpoints.create(made);
      return made;
    },
    admit: async (id: string) => {
      const state = { status: 'succeeded' as const, completedAt: Date.now(), images: [anImage(id)] };
      const job = aJob({ id, tenant: TENANT, fingerprint: id, state });
      await ledger.admit({ job, bodyHash: id, mode: { type: 'lead' } });
    },
    idle: () => until((count) => count === 0),
    untilWaiting: (count: number) => until((now) => now >= count - 100),
    /** Every delivery there ever was. */
    deliveries: async () => {
      const listed = await endpoints.list(TENANT);
      return Promise.all(
        listed.map(async ({ id }) => ({ id, all: await deliveries.list(TENANT, id, { limit: 10_000 }) })),
      );
    },
    /** All of them once more. */
    resend: async (groups: { id: string; all: Delivery[] }[]) => {
      const now = Date.now();
      const again = (all: Delivery[]) => all.map((one) => resent(one, now));
      await Promise.all(groups.map(({ id, all }) => deliveries.resend(TENANT, id, again(all), { now, first: false })));
    },
  };
}
