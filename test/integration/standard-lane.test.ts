import { randomUUID } from 'node:crypto';
import { MODELS } from '@darkroom/shared/domain';
import type { Log } from '@darkroom/shared/observability';
import { createWakeQueue, queueName } from '@darkroom/shared/queue/bullmq';
import { createRedisLines, openBlockingRedis, openPatientRedis } from '@darkroom/shared/storage/redis';
import { aJob } from '@darkroom/shared/testing/factories';
import { describe, expect, it, vi } from 'vitest';
import { WorkerEnv } from '../../apps/worker/src/config.ts';
import { startOps } from '../../apps/worker/src/ops.ts';
import type { Ran } from '../../apps/worker/src/standard/run-attempt.ts';
import { createStandardLane } from '../../apps/worker/src/worker.ts';
import { startPrivateRedis, testRedisUrl } from '../support/redis.ts';

const [{ id: model } = { id: '' }] = MODELS;
const message = (id: string) => {
  const now = Date.now();
  return {
    tenant: 'default',
    id,
    version: 1,
    model,
    lane: 'standard' as const,
    priority: 5,
    runAt: now,
    expiresAt: now + 3_600_000,
    job: aJob({ id }),
  };
};
const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

async function openLane(
  run: () => Promise<Ran>,
  arrived: (tenant: string, id: string) => Promise<number | undefined> = async () => undefined,
) {
  await using opened = new AsyncDisposableStack();
  const redis = opened.adopt(openPatientRedis(testRedisUrl()), (one) => one.disconnect());
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  opened.defer(async () => {
    const keys = await redis.keys(`${prefix}*`);
    if (keys.length) await redis.unlink(keys);
  });
  const lines = createRedisLines({ redis, prefix });
  const wakes = opened.use(createWakeQueue({ redis, prefix, lines, channels: [] }));
  const connections = opened.use(new DisposableStack());
  const ended: string[] = [];
  const lane = opened.use(
    createStandardLane({
      redis: () => connections.adopt(openBlockingRedis(testRedisUrl()), (one) => one.disconnect()),
      lookout: redis,
      prefix,
      concurrency: 1,
      lockMs: 10_000,
      run: () => run(),
      arrived,
      waiting: async () => 0,
      draining: new AbortController().signal,
      ended: (queue) => void ended.push(queue),
      log: quiet,
    }),
  );
  const owned = opened.move();
  return {
    lane,
    ended,
    send: (id: string) => wakes.enqueue([message(id)], Date.now()),
    look: async () => (await lane.look()).find(({ queue }) => queue === queueName(model)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('a look at the queues', () => {
  it('tells messages that lie there from those in hand', async () => {
    const go = Promise.withResolvers<Ran>();
    let took = 0;
    await using test = await openLane(() => {
      took++;
      return go.promise;
    });
    expect(await test.look()).toMatchObject({ waiting: false, room: true, taken: 0 });

    await test.send('job_1');
    expect(await test.look()).toMatchObject({ waiting: true, room: true, taken: 0 });

    test.lane.run();
    await vi.waitFor(() => expect(took).toBe(1), { timeout: 5_000 });
    await test.send('job_2');
    expect(await test.look()).toMatchObject({ waiting: true, room: false, taken: 1 });

    go.resolve({ type: 'done' });
    await vi.waitFor(() => expect(took).toBe(2), { timeout: 5_000 });
    await vi.waitFor(async () => expect(await test.look()).toMatchObject({ waiting: false, room: true }));
  });
});

it('lets the job of a message stand in line that nobody stands in', async () => {
  const runs = vi.fn<() => Promise<Ran>>().mockResolvedValueOnce({ type: 'empty' }).mockResolvedValue({ type: 'done' });
  const arrived = vi.fn<() => Promise<number | undefined>>().mockResolvedValue(0);
  await using test = await openLane(runs, arrived);
  test.lane.run();

  await test.send('job_1');

  await vi.waitFor(() => expect(runs).toHaveBeenCalledTimes(2));
  expect(arrived.mock.calls).toEqual([['default', 'job_1']]);
});

describe('a worker that ends', () => {
  it('is reported, for nobody takes its messages', async () => {
    await using test = await openLane(async () => ({ type: 'done' }));
    test.lane.run();

    test.lane.run(); // The second run of the same worker fails.

    await vi.waitFor(() => expect(test.ended).toEqual(MODELS.map(({ id }) => queueName(id))));
  });

  it('is not reported when it was told to', async () => {
    await using test = await openLane(async () => ({ type: 'done' }));
    test.lane.run();

    await test.lane.drain();

    expect(test.ended).toEqual([]);
  });

  it('makes the process red', async () => {
    const broken = new AbortController();
    let base = '';
    const log = { ...quiet, info: (fields: { metrics?: string }) => void (base = fields.metrics ?? base) };
    const config = WorkerEnv.parse({ REDIS_URL: testRedisUrl(), DARKROOM_SECRET: 'x'.repeat(32), GEMINI_API_KEY: 'k' });
    const scrape = async () => ({ type: 'text/plain', text: '' });
    const metrics = { called: () => {}, ended: () => {}, batchLines: () => {}, batchAlarm: () => {}, scrape };
    const check = async () => ({ ok: true as const, warnings: [] });
    await using _ops = await startOps({ config, log, metrics, check, broken: broken.signal });
    const livez = async () => (await fetch(base.replace('/metrics', '/livez'))).status;

    expect(await livez()).toBe(200);
    broken.abort('no messages are taken');
    expect(await livez()).toBe(503);
  });
});

it('tells of a Redis that is away once, and when it is there again', async () => {
  await using redis = await startPrivateRedis();
  await using opened = new AsyncDisposableStack();
  const lines: string[] = [];
  let tries = 0;
  const log = { ...quiet, warn: (_: object, event: string) => void lines.push(event) };
  const connections = opened.use(new DisposableStack());
  const connect = () => {
    const connection = connections.adopt(openBlockingRedis(redis.url), (one) => one.disconnect());
    connection.on('error', () => void tries++);
    return connection;
  };
  const lane = opened.use(
    createStandardLane({
      redis: connect,
      lookout: connect(),
      prefix: '',
      concurrency: 1,
      lockMs: 10_000,
      run: async () => ({ type: 'empty' }),
      arrived: async () => undefined,
      waiting: async () => 0,
      draining: new AbortController().signal,
      ended: () => {},
      log: { ...log, info: log.warn },
    }),
  );
  lane.run();
  await lane.look();

  await redis.kill();
  await vi.waitFor(() => expect(tries).toBeGreaterThan(50), { timeout: 20_000 });

  // A connection that broke and one that is refused are two kinds of trouble, at most.
  expect(lines.filter((event) => event === 'queue.trouble').length).toBeLessThanOrEqual(3);
  await redis.restart();
  await vi.waitFor(() => expect(lines.at(-1)).toBe('queue.recovered'), { timeout: 20_000 });
});
