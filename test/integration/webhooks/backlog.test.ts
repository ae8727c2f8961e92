import { isInGap, newDelivery, ownReceiver } from '@darkroom/shared/domain';
import { SECOND } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fanOut } from '../../../apps/worker/src/webhooks/fan-out.ts';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks, type TestWebhooks } from '../../support/webhook-lane.ts';

let test: TestWebhooks;
beforeEach(async () => {
  test = await openTestWebhooks();
});
afterEach(() => test[Symbol.asyncDispose]());

const NOWHERE = 'http://127.0.0.1:9/hook';

/** So many deliveries wait for a receiver, the first of them due since `dueAt`. */
async function wait(receiver: string, count: number, dueAt = test.clock.now()): Promise<void> {
  const key = test.key(`receiver:${receiver}:due`);
  for (let n = 0; n < count; n += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, count - n) }, (_, i) => [dueAt + n + i, `dlv_${n + i}`]);
    await test.redis.zadd(key, ...rows.flat());
  }
}
const waiting = async (receiver: string) => (await test.deps.endpoints.health(TENANT, [receiver]))[0]?.waiting;

describe('a burst of events', () => {
  it('waits in the log while a receiver that keeps up has enough to do', async () => {
    const { id } = await test.register(NOWHERE);
    await test.admit('job_a');
    await wait(id, 5_001);
    expect(await fanOut(test.deps, TENANT)).toBe(false);
    expect(await waiting(id)).toBe(5_001);

    await test.redis.zremrangebyrank(test.key(`receiver:${id}:due`), 0, 10);
    await fanOut(test.deps, TENANT);
    expect(await waiting(id)).toBe(4_991);
    expect((await test.deps.endpoints.read(TENANT, id))?.disabled).toBeUndefined();
  });

  it('does not wait for one that does not keep up, since others listen too', async () => {
    const slow = await test.register(NOWHERE);
    const other = await test.register('http://127.0.0.1:9/other');
    await test.admit('job_a');
    await wait(slow.id, 5_001, test.clock.now() - 60 * SECOND);
    await fanOut(test.deps, TENANT);
    expect([await waiting(slow.id), await waiting(other.id)]).toEqual([5_002, 1]);
  });

  it('disables an endpoint for which far too much waits, and remembers from where on it was sent nothing', async () => {
    const { id } = await test.register(NOWHERE);
    await test.admit('job_a');
    await fanOut(test.deps, TENANT);
    const at = (await test.deps.events.read(TENANT, { limit: 1 }))[0]?.at ?? 0;
    await wait(id, 100_001, test.clock.now() - 60 * SECOND);
    await test.admit('job_b');
    // As if nobody had read the log for long.
    test.clock.advance(3_600 * SECOND);
    await fanOut(test.deps, TENANT);
    const endpoint = await test.deps.endpoints.read(TENANT, id);
    expect(endpoint?.disabled).toMatchObject({ reason: 'backlog' });
    expect(endpoint && isInGap(endpoint, at + SECOND)).toBe(true);
  });

  it('is dead at once for an address that jobs name and that is flooded, and can be sent by hand', async () => {
    const receiver = ownReceiver(NOWHERE);
    const job = await test.admit('job_a', { request: { webhook: { url: NOWHERE, events: ['job.queued'] } } });
    await wait(receiver, 100_001, test.clock.now() - 60 * SECOND);
    await fanOut(test.deps, TENANT);
    const [event] = await test.deps.events.read(TENANT, { limit: 1 });
    if (!event) throw new Error('nothing was told');
    const facts = { tenant: TENANT, event: event.id, type: event.type, receiver, url: NOWHERE };
    const { id } = newDelivery(facts, 0);
    expect(event.job).toBe(job.id);
    expect(await test.deps.deliveries.read(TENANT, [id])).toMatchObject([
      { status: 'dead', cause: 'backlog', tries: 0 },
    ]);
    expect(await waiting(receiver)).toBe(100_001);
  });
});
