import { once } from 'node:events';
import type { Tenant } from '@darkroom/shared/domain';
import type { EventLog } from '@darkroom/shared/ports';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { WebhookDeps } from '../../../apps/worker/src/webhooks/deps.ts';
import { fanOut } from '../../../apps/worker/src/webhooks/fan-out.ts';
import { createPump } from '../../../apps/worker/src/webhooks/pump.ts';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks, type TestWebhooks } from '../../support/webhook-lane.ts';
import { type Sink, startSink } from '../../support/webhook-sink.ts';

const OTHER = 'other';
let sink: Sink;
let test: TestWebhooks;
beforeEach(async () => {
  sink = await startSink();
  test = await openTestWebhooks({ concurrency: 2 });
  await test.redis.sadd(`${test.prefix}tenants`, OTHER);
});
afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
});

/** Something that happened. */
const tell = (tenant: Tenant) => test.deps.endpoints.tell(tenant, 'whe_another', 'webhook_endpoint.failing');
const paths = () => sink.received.map(({ path }) => path);

/** A deliverer that runs, until the test is over. */
function running(changed: Partial<WebhookDeps>): AsyncDisposable {
  const stop = new AbortController();
  const pump = createPump({ ...test.deps, ...changed });
  const run = pump.run(stop.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await run;
      await pump.idle();
    },
  };
}

it('a log that cannot be read holds up neither what is due nor the logs of others', async () => {
  const { events } = test.deps;
  const asked = new EventTarget();
  const over = Promise.withResolvers<void>();
  const read: EventLog['read'] = async (tenant, from) => {
    if (tenant === OTHER) {
      asked.dispatchEvent(new Event('asked'));
      await over.promise;
    }
    return events.read(tenant, from);
  };
  const waits = once(asked, 'asked');
  await test.register(sink.url('/due'), { tenant: OTHER });
  await test.register(sink.url('/new'));
  await tell(OTHER);
  await fanOut(test.deps, OTHER);
  await using _ = running({ events: { ...events, read } });
  // Let go first, whatever comes of this.
  using __ = { [Symbol.dispose]: () => over.resolve() };
  await waits;

  for (const count of [1, 2]) {
    await tell(TENANT);
    await expect.poll(() => paths().filter((path) => path === '/new')).toHaveLength(count);
  }

  expect(paths()).toContain('/due');
});

it('tenants take turns when there is one place', async () => {
  for (const tenant of [TENANT, OTHER]) {
    for (let n = 0; n < 5; n++) await test.register(sink.url(`/${tenant}`), { tenant });
    await tell(tenant);
    await fanOut(test.deps, tenant);
  }

  for (let n = 0; n < 2; n++) {
    await test.pump.round();
    await test.pump.idle();
  }

  expect(new Set(paths())).toEqual(new Set([`/${TENANT}`, `/${OTHER}`]));
});
