import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../support/redis.ts';
import {
  startForWebhookCrashes,
  surviveWebhook,
  WEBHOOK_POINTS,
  type WebhookSystem,
} from '../support/webhook-crash.ts';

let redis: PrivateRedis;
let test: WebhookSystem;
beforeAll(async () => {
  redis = await startPrivateRedis();
  test = await startForWebhookCrashes(redis);
}, 60_000);
afterAll(async () => {
  await test[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

describe('a SIGKILL of the deliverer, and of Redis after it', { timeout: 100_000 }, () => {
  it.each(WEBHOOK_POINTS)('at %s loses no event, and sends what it sends again under the same id', async (point) => {
    const survived = await surviveWebhook(point, test);

    // Queued, started and succeeded of each job.
    expect(survived.events).toBe(12);
    // Nobody knows that a receiver has answered but who died; of the claim that was under way there are ten at most.
    expect(survived.again).toBeLessThanOrEqual(point === 'webhook.sent' ? 20 : 10);
  });
});
