import { randomUUID } from 'node:crypto';
import { type Job, MODELS, reprioritise } from '@darkroom/shared/domain';
import { createWakeQueue, queueName, queuePrefix, type WakeData } from '@darkroom/shared/queue/bullmq';
import { createRedisLines } from '@darkroom/shared/storage/redis';
import { aJob, NOON } from '@darkroom/shared/testing/factories';
import { toWake } from '@darkroom/shared/usecases';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const [{ id: model } = { id: '' }] = MODELS;

async function openQueue() {
  await using opened = new AsyncDisposableStack();
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const redis = opened.adopt(new Redis(testRedisUrl()), (one) => one.disconnect());
  opened.defer(async () => {
    const keys = await redis.keys(`${prefix}*`);
    if (keys.length) await redis.unlink(keys);
  });
  const lines = createRedisLines({ redis, prefix });
  const queue = opened.use(createWakeQueue({ redis, prefix, lines, channels: [] }));
  const messages = new Queue<WakeData>(queueName(model), {
    connection: redis,
    prefix: queuePrefix(prefix, model),
    skipVersionCheck: true,
  });
  opened.defer(() => messages.close());
  const owned = opened.move();
  return {
    lines,
    messages,
    send: (jobs: Job[]) => queue.enqueue(jobs.map(toWake), NOON),
    order: async () => {
      const ids: string[] = [];
      for (let picked = await lines.pick(model); picked.type === 'job'; picked = await lines.pick(model)) {
        ids.push(picked.turn.id);
        await lines.drop(picked.turn);
      }
      return ids;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const job = (id: string, priority = 5, runAt = NOON) => {
  const made = aJob({ id, request: { model, priority } });
  return { ...made, state: { ...made.state, runAt, createdAt: NOON } };
};

describe('a queue with lines', () => {
  it('lets jobs that are due stand in line, and sends one plain message for each', async () => {
    await using test = await openQueue();

    await test.send([job('late', 1), job('first', 9), job('mid', 5)]);
    await test.send([job('mid', 5)]);

    expect(await test.messages.getJobCounts('wait', 'prioritized', 'delayed')).toEqual({
      wait: 3,
      prioritized: 0,
      delayed: 0,
    });
    expect(await test.order()).toEqual(['first', 'mid', 'late']);
  });

  it('leaves a job that is not due yet to its message', async () => {
    await using test = await openQueue();

    await test.send([job('later', 5, NOON + 60_000)]);

    expect(await test.lines.pick(model)).toEqual({ type: 'empty' });
    expect(await test.messages.getJobCounts('wait', 'delayed')).toEqual({ wait: 0, delayed: 1 });
  });

  it('moves a job whose priority changes, and keeps a message for each that stands', async () => {
    await using test = await openQueue();
    const old = job('b', 3);
    await test.send([job('a', 5), old]);

    const changed = reprioritise(old, 8, NOON);
    if (changed) await test.send([changed.after]);

    expect(await test.messages.getJobCounts('wait')).toEqual({ wait: 3 });
    expect(await test.order()).toEqual(['b', 'a']);
  });
});
