import { randomBytes, randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, idFrom, newEndpoint } from '@darkroom/shared/domain';
import { createSafePost, type GuardOptions, localToo } from '@darkroom/shared/net';
import { Registry } from '@darkroom/shared/observability';
import { createFolderStore } from '@darkroom/shared/storage';
import {
  createRedisBatches,
  createRedisChanges,
  createRedisDeliveries,
  createRedisEndpoints,
  createRedisEvents,
  openBlockingRedis,
} from '@darkroom/shared/storage/redis';
import { DAY } from '@darkroom/shared/testing/factories';
import { createEventArchive, createEventLog } from '@darkroom/shared/usecases';
import { createSecretSeal, newWebhookSecret } from '@darkroom/shared/webhooks';
import type { WebhookDeps } from '../../apps/worker/src/webhooks/deps.ts';
import { fanOut } from '../../apps/worker/src/webhooks/fan-out.ts';
import { registerWebhookMetrics } from '../../apps/worker/src/webhooks/metrics.ts';
import { createPump, type Pump } from '../../apps/worker/src/webhooks/pump.ts';
import { openTestLedger, TENANT, type TestLedger } from './ledger.ts';
import { testRedisUrl } from './redis.ts';

type LogLine = { level: string; event: string } & Record<string, unknown>;

/** A deliverer without a process of its own: a real Redis, real sockets, and a clock that tests move. */
export type TestWebhooks = AsyncDisposable &
  TestLedger & {
    deps: WebhookDeps;
    pump: Pump;
    clock: { now: () => number; advance: (ms: number) => void };
    logged: LogLine[];
    /** Registers an endpoint. @returns it with its secret in clear */
    register: (url: string, more?: Partial<Endpoint>) => Promise<Endpoint & { secret: string }>;
    /** Rounds until there is nothing more to do now. */
    settle: () => Promise<void>;
    /** Another deliverer on the same records. */
    another: () => Pump;
  };

export async function openTestWebhooks(
  options: { redisUrl?: string; guard?: GuardOptions; timeoutMs?: number } & Partial<
    Pick<WebhookDeps, 'failuresMax' | 'concurrency'>
  > = {},
): Promise<TestWebhooks> {
  await using opened = new AsyncDisposableStack();
  const { redisUrl = testRedisUrl() } = options;
  const test = opened.use(await openTestLedger({ redisUrl }));
  const { redis, prefix, ledger } = test;
  await redis.sadd(`${prefix}tenants`, TENANT);
  const root = await mkdtemp(join(tmpdir(), 'webhooks-'));
  opened.defer(() => rm(root, { recursive: true, force: true }));
  const subscriber = opened.adopt(openBlockingRedis(redisUrl), (client) => client.disconnect());
  // The log tells time by Redis's own clock, so this one begins there.
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead, advance: (ms: number) => void (ahead += ms) };
  const store = createFolderStore({ root, publicUrl: 'http://127.0.0.1/', signingKey: randomBytes(32), clock });
  const recent = createRedisEvents({ redis, prefix });
  const endpoints = createRedisEndpoints({ redis, prefix });
  const deliveries = createRedisDeliveries({ redis, prefix, deadMs: 30 * DAY });
  const guard = { ...localToo(), ...options.guard };
  const poster = opened.use(createSafePost({ ...guard, ...(options.timeoutMs && { timeoutMs: options.timeoutMs }) }));
  const seal = createSecretSeal(randomBytes(32));
  const logged: LogLine[] = [];
  const write = (level: string) => (fields: object, event: string) => void logged.push({ ...fields, level, event });
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const deps: WebhookDeps = {
    ledger,
    store,
    batches: createRedisBatches({ redis, prefix, tailMs: DAY }),
    endpoints,
    deliveries,
    events: createEventLog({ recent, archive: createEventArchive(store), clock, retentionMs: 30 * DAY }),
    changes: await createRedisChanges({ redis, subscriber, prefix }),
    poster,
    seal,
    ownKey: randomBytes(32),
    clock,
    random: () => 0,
    log,
    metrics: registerWebhookMetrics(new Registry(), { ledger, endpoints, deliveries, clock }),
    failuresMax: options.failuresMax ?? 500,
    concurrency: options.concurrency ?? 64,
  };
  const pump = createPump(deps);
  const owned = opened.move();
  return {
    ...test,
    deps,
    pump,
    clock,
    logged,
    another: () => createPump(deps),
    register: async (url, more = {}) => {
      const secret = newWebhookSecret();
      const id = idFrom('whe', randomUUIDv7());
      const owner = { tenant: more.tenant ?? TENANT, id };
      // A second ago: Redis's clock may be a little behind.
      const made = newEndpoint(
        { ...owner, url, headers: {}, secret: seal.seal(secret, owner), enabled: true },
        clock.now() - 1_000,
      );
      const headers = Object.entries(more.headers ?? {}).map(([name, value]) => [name, seal.seal(value, owner)]);
      const endpoint = { ...made, ...more, headers: Object.fromEntries(headers) as Endpoint['headers'] };
      await endpoints.create(endpoint);
      return { ...endpoint, secret };
    },
    settle: async () => {
      // News takes its time from Redis to here; nothing waits for it.
      while (await fanOut(deps, TENANT));
      do await pump.idle();
      while (await pump.round());
      await pump.idle();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
