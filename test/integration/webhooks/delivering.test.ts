import {
  type Batch,
  cancel,
  type Delivery,
  deliveryId,
  type Endpoint,
  newBatch,
  type OwnWebhook,
  ownReceiver,
  patchEndpoint,
  rotateOwn,
} from '@darkroom/shared/domain';
import { HOUR, MINUTE, NOON, SECOND } from '@darkroom/shared/testing/factories';
import { ownWebhookSecret } from '@darkroom/shared/webhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fanOut } from '../../../apps/worker/src/webhooks/fan-out.ts';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks, type TestWebhooks } from '../../support/webhook-lane.ts';
import { type Sink, startSink, verified } from '../../support/webhook-sink.ts';

let sink: Sink;
let test: TestWebhooks;
beforeEach(async () => {
  sink = await startSink();
  test = await openTestWebhooks({ failuresMax: 20, timeoutMs: 1_000 });
});
afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
});

/** The one delivery there is to a receiver. */
async function deliveryTo(receiver: string): Promise<Delivery> {
  const [one] = await test.deps.deliveries.list(TENANT, receiver, { limit: 1 });
  if (!one) throw new Error('there is no delivery');
  return one;
}
const endpointNow = async ({ id }: Endpoint) => test.deps.endpoints.read(TENANT, id);
const loggedTypes = async () => (await test.deps.events.read(TENANT, { limit: 100 })).map(({ type }) => type);

/** Lets time pass, and whatever is due in it happen. */
async function pass(ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    test.clock.advance(stepMs);
    await test.settle();
  }
}

describe('an event', () => {
  it('reaches an endpoint once, signed, with the job as it is then', async () => {
    const { secret } = await test.register(sink.url('/hook'), { headers: { 'x-shop': '7' } });
    await test.admit('job_a');

    await test.settle();
    await pass(HOUR);

    const [one, ...others] = sink.at('/hook');
    expect(others).toEqual([]);
    expect(one?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'darkroom', 'x-shop': '7' });
    const told = one && verified(secret, one);
    expect(told).toMatchObject({ type: 'job.queued', data: { id: 'job_a', status: 'queued' } });
    expect(Object.keys(told ?? {})).toEqual(['type', 'timestamp', 'data']);
  });

  it('reaches each endpoint that listens to its type, and none that does not, is disabled or is another tenant’s', async () => {
    await test.register(sink.url('/all'));
    await test.register(sink.url('/queued'), { events: ['job.queued'] });
    await test.register(sink.url('/succeeded'), { events: ['job.succeeded'] });
    await test.register(sink.url('/disabled'), { disabled: { reason: 'caller', at: 0 } });
    await test.register(sink.url('/other'), { tenant: 'other' });
    await test.admit('job_a');

    await test.settle();

    expect(sink.received.map(({ path }) => path).toSorted()).toEqual(['/all', '/queued']);
  });

  it('is sent again on the schedule under the same id, signed anew, until it arrives', async () => {
    const { id, secret } = await test.register(sink.url('/hook'));
    sink.answer('/hook', (res) => res.writeHead(sink.at('/hook').length < 3 ? 500 : 200).end('not today'));
    await test.admit('job_a');

    await test.settle();
    for (const wait of [4 * SECOND, SECOND, 299 * SECOND, SECOND]) await pass(wait);

    expect(sink.at('/hook')).toHaveLength(3);
    expect(new Set(sink.at('/hook').map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const [first, , third] = sink.at('/hook').map((one) => Number(one.headers['webhook-timestamp']));
    expect((third ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(305);
    for (const one of sink.at('/hook')) expect(() => verified(secret, one)).not.toThrow();
    expect(await deliveryTo(id)).toMatchObject({
      status: 'delivered',
      tries: 3,
      log: [{ http: 500, body: 'not today' }, { http: 500 }, { http: 200 }],
    });
  });

  it('leaves nothing on record of what only the receiver was told, though it says it back', async () => {
    const headers = { authorization: 'Basic dXNlcjpodW50ZXIy', 'x-shop-key': 'canary/9f2c/shop', 'x-shop': '7' };
    const { id } = await test.register(sink.url('/echo'), { headers });
    sink.answer('/echo', (res, received) => res.writeHead(500).end(JSON.stringify({ told: received.headers })));
    await test.admit('job_a');

    await test.settle();

    const signature = String(sink.received[0]?.headers['webhook-signature']);
    const { log } = await deliveryTo(id);
    const body = String(log[0]?.body);
    for (const told of [...Object.values(headers).slice(0, 2), 'dXNlcjpodW50ZXIy', signature, signature.slice(3)])
      expect(body).not.toContain(told);
    expect(JSON.parse(body)).toMatchObject({
      told: { 'x-shop-key': '[removed]', 'x-shop': '7', 'webhook-signature': '[removed]' },
    });
  });

  it('waits as long as a receiver asks', async () => {
    await test.register(sink.url('/hook'));
    sink.answer('/hook', (res) => res.writeHead(429, { 'retry-after': '600' }).end());
    await test.admit('job_a');

    await test.settle();
    await pass(599 * SECOND);
    expect(sink.at('/hook')).toHaveLength(1);

    await pass(2 * SECOND);
    expect(sink.at('/hook')).toHaveLength(2);
  });

  it('is dead after ten tries in 75 hours, and on record', async () => {
    const { id } = await test.register(sink.url('/hook'));
    sink.answer('/hook', 503);
    await test.admit('job_a');

    await test.settle();
    await pass(76 * HOUR, 10 * MINUTE);

    expect(sink.at('/hook')).toHaveLength(10);
    expect(await deliveryTo(id)).toMatchObject({ status: 'dead', cause: 'exhausted', tries: 10 });
  });

  it('goes to where the endpoint is by then, signed with the secrets of then', async () => {
    const endpoint = await test.register(sink.url('/old'));
    sink.answer('/old', 500);
    await test.admit('job_a');
    await test.settle();

    const { secret: _, ...record } = endpoint;
    const newer = await test.register(sink.url('/newer'), { events: [] });
    const sealed = test.deps.seal.seal(newer.secret, endpoint);
    const secrets = [{ sealed }, { ...endpoint.secrets[0], until: test.clock.now() + HOUR }];
    const moved = { ...record, version: 2, url: sink.url('/new'), secrets } as Endpoint;
    expect(await test.deps.endpoints.write(moved)).toBe(true);
    await pass(6 * SECOND);

    const [one] = sink.at('/new');
    expect(String(one?.headers['webhook-signature']).split(' ')).toHaveLength(2);
    expect(one && verified(newer.secret, one)).toEqual(one && verified(endpoint.secret, one));
  });

  it('of which the secret cannot be opened is not sent, which says nothing of the receiver', async () => {
    const { id } = await test.register(sink.url('/hook'), { secrets: [{ sealed: 'g1.not-by-this-key' }] });
    await test.admit('job_a');

    await test.settle();

    expect(sink.received).toEqual([]);
    expect(await deliveryTo(id)).toMatchObject({ status: 'pending', tries: 1, log: [{ error: expect.any(String) }] });
    expect(await test.deps.endpoints.health(TENANT, [id])).toMatchObject([{ failures: 0, waiting: 1 }]);
    expect(test.logged.map(({ event }) => event)).toContain('webhook.not_signed');
  });

  it('is sent with the secrets and headers that can be opened, and what cannot is told of', async () => {
    const { secret, ...made } = await test.register(sink.url('/hook'), { headers: { 'x-shop': 'seven' } });
    const unreadable = { sealed: 'g1.not-by-this-key', until: test.clock.now() + HOUR };
    const headers = { ...made.headers, 'x-key': unreadable.sealed };
    const secrets = [made.secrets[0], unreadable] as Endpoint['secrets'];
    expect(await test.deps.endpoints.write({ ...made, version: 2, headers, secrets })).toBe(true);
    await test.admit('job_a');

    await test.settle();

    const [one] = sink.at('/hook');
    expect(one && verified(secret, one)).toMatchObject({ type: 'job.queued' });
    expect(String(one?.headers['webhook-signature']).split(' ')).toHaveLength(1);
    expect(one?.headers).toMatchObject({ 'x-shop': 'seven' });
    expect(one?.headers).not.toHaveProperty('x-key');
    const told = { level: 'warn', event: 'webhook.not_opened', tenant: TENANT, receiver: made.id };
    const about = test.logged.filter(({ level }) => level !== 'info');
    expect(about).toMatchObject([
      { ...told, part: 'a secret' },
      { ...told, part: 'x-key' },
    ]);
  });
});

describe('a webhook of its own', () => {
  const told = (path: string) => sink.at(path).map(({ body }) => JSON.parse(body).type as string);
  const secretOf = (generation: number) => ownWebhookSecret(test.deps.ownKey, TENANT, generation);

  it('tells how a job ends, and other things only when it names them', async () => {
    const ending = await test.admit('job_a', { request: { webhook: { url: sink.url('/ends') } } });
    const events = ['job.queued' as const];
    const naming = await test.admit('job_b', { request: { webhook: { url: sink.url('/named'), events } } });
    for (const job of [ending, naming]) await test.write(cancel(job, test.clock.now()));

    await test.settle();

    expect([told('/ends'), told('/named')]).toEqual([['job.canceled'], ['job.queued']]);
    const [one] = sink.at('/ends');
    expect(one && verified(secretOf(0), one)).toMatchObject({ data: { id: 'job_a', status: 'canceled' } });
  });

  it('is signed with the secret before as well while that lasts', async () => {
    await test.deps.endpoints.writeOwnSecrets(TENANT, [
      { generation: 1 },
      { generation: 0, until: test.clock.now() + HOUR },
    ]);
    await test.write(cancel(await test.admit('job_a', { request: { webhook: { url: sink.url('/a') } } }), NOON));
    await test.settle();
    test.clock.advance(2 * HOUR);
    await test.write(cancel(await test.admit('job_b', { request: { webhook: { url: sink.url('/b') } } }), NOON));
    await test.settle();

    const [a, b] = [sink.at('/a')[0], sink.at('/b')[0]];
    expect(a && verified(secretOf(1), a)).toEqual(a && verified(secretOf(0), a));
    expect(b && verified(secretOf(1), b)).toMatchObject({ type: 'job.canceled' });
    expect(() => b && verified(secretOf(0), b)).toThrow('does not fit');
  });

  it('is signed with every secret that was promised to sign along, however often it was rotated since', async () => {
    for (const overlapMs of [24 * HOUR, HOUR]) {
      const rotated = rotateOwn(await test.deps.endpoints.ownSecrets(TENANT), { overlapMs, now: test.clock.now() });
      if (rotated) await test.deps.endpoints.writeOwnSecrets(TENANT, rotated);
    }
    await test.write(cancel(await test.admit('job_a', { request: { webhook: { url: sink.url('/a') } } }), NOON));
    await test.settle();

    const [one] = sink.at('/a');
    for (const generation of [0, 1, 2]) {
      expect(one && verified(secretOf(generation), one)).toMatchObject({ type: 'job.canceled' });
    }
  });

  it('of a batch tells of its rows only when it names their events', async () => {
    const [plain, naming] = ['bat_0199a9f0c8007000800000000000000a', 'bat_0199a9f0c8007000800000000000000b'];
    const events = ['job.canceled' as const, 'batch.completed' as const];
    await test.deps.batches.accept(aBatch(plain, { url: sink.url('/plain') }));
    await test.deps.batches.accept(aBatch(naming, { url: sink.url('/rows'), events }));
    for (const [n, id] of [plain, naming].entries()) {
      const row = await test.admit(`job_${n}`, { request: { batch: { id, key: 'row-0' } } });
      await test.write(cancel(row, test.clock.now()));
    }

    await test.settle();

    expect([told('/plain'), told('/rows')]).toEqual([[], ['job.canceled']]);
  });

  it('that is gone is sent nothing more of this, and its server is not held to be down', async () => {
    const url = sink.url('/gone');
    sink.answer('/gone', 410);
    await test.write(cancel(await test.admit('job_a', { request: { webhook: { url } } }), NOON));

    await test.settle();
    await pass(HOUR, 10 * MINUTE);

    expect(sink.at('/gone')).toHaveLength(1);
    expect(await deliveryTo(ownReceiver(url))).toMatchObject({ status: 'dead', cause: 'gone' });
    expect(await test.deps.endpoints.health(TENANT, [ownReceiver(url)])).toEqual([{ failures: 0, waiting: 0 }]);
  });
});

describe('an endpoint', () => {
  it('that says it is gone is disabled at once, others are told, and what waits goes on once it is enabled', async () => {
    const gone = await test.register(sink.url('/gone'));
    await test.register(sink.url('/watch'), { events: ['webhook_endpoint.disabled'] });
    sink.answer('/gone', 410);
    await test.admit('job_a');
    await test.settle();
    await test.admit('job_b');
    await pass(HOUR, 10 * MINUTE);

    expect(await endpointNow(gone)).toMatchObject({ disabled: { reason: 'gone' }, gaps: [{ from: 0 }, {}] });
    expect(sink.at('/gone')).toHaveLength(1);
    expect(sink.at('/watch').map(({ body }) => JSON.parse(body))).toMatchObject([
      { type: 'webhook_endpoint.disabled', data: { id: gone.id, enabled: false, disabled_reason: 'gone' } },
    ]);

    sink.answer('/gone', 200);
    const disabled = await endpointNow(gone);
    if (!disabled) throw new Error('it was removed');
    await test.deps.endpoints.write(patchEndpoint(disabled, { enabled: true }, test.clock.now()));
    await test.admit('job_c');
    await pass(SECOND);

    expect(sink.at('/gone').map(({ body }) => JSON.parse(body).data.id)).toEqual(['job_a', 'job_c']);
  });

  it('that fails again and again is told of at 50, 70 and 90 % of the limit, then disabled', async () => {
    const endpoint = await test.register(sink.url('/down'), { events: ['job.queued'] });
    sink.answer('/down', 500);
    for (let n = 0; n < 30; n++) await test.admit(`job_${n}`);

    await test.settle();
    await pass(6 * HOUR, MINUTE);

    const told = (await loggedTypes()).filter((type) => type.startsWith('webhook_endpoint.'));
    expect(told).toEqual([...Array(3).fill('webhook_endpoint.failing'), 'webhook_endpoint.disabled']);
    expect(await endpointNow(endpoint)).toMatchObject({ disabled: { reason: 'failing' } });
    expect(sink.at('/down').length).toBeGreaterThanOrEqual(20);
    expect(sink.at('/down').length).toBeLessThan(30);
  });

  it('that fails is left alone but for one probe at a time, and caught up with when it answers', async () => {
    const endpoint = await test.register(sink.url('/down'));
    sink.answer('/down', 500);
    for (let n = 0; n < 12; n++) await test.admit(`job_${n}`);
    await test.settle();
    const before = sink.at('/down').length;
    await pass(MINUTE, SECOND);

    // Probes at 5, 10, 20 and 40 seconds.
    expect(sink.at('/down').length - before).toBeLessThanOrEqual(5);
    expect((await test.deps.endpoints.health(TENANT, [endpoint.id]))[0]?.openUntil).toBeGreaterThan(test.clock.now());

    sink.answer('/down', 200);
    await pass(10 * MINUTE, 10 * SECOND);
    const arrived = sink.at('/down').map(({ body }) => JSON.parse(body).data.id as string);
    expect(new Set(arrived).size).toBe(12);
    expect(await test.deps.endpoints.health(TENANT, [endpoint.id])).toEqual([{ failures: 0, waiting: 0 }]);
  });

  it('that was removed is sent nothing more', async () => {
    const endpoint = await test.register(sink.url('/hook'));
    sink.answer('/hook', 500);
    await test.admit('job_a');
    await test.settle();
    await test.deps.endpoints.remove(TENANT, endpoint.id);

    await pass(HOUR, 10 * MINUTE);
    while (await test.deps.deliveries.dropRemoved(TENANT));

    expect(sink.at('/hook')).toHaveLength(1);
    expect(await test.deps.deliveries.read(TENANT, [(await deliveries(endpoint.id))[0] ?? ''])).toEqual([undefined]);
  });
});

describe('several deliverers', () => {
  it('send each event once between them', async () => {
    await test.register(sink.url('/a'));
    await test.register(sink.url('/b'));
    const others = [test.another(), test.another()];
    for (let n = 0; n < 60; n++) await test.admit(`job_${n}`);

    const all = [test.pump, ...others];
    do await Promise.all(all.map((one) => one.idle()));
    while ((await Promise.all(all.map((one) => one.round()))).includes(true));

    const sent = sink.received.map(({ path, headers }) => `${path} ${String(headers['webhook-id'])}`);
    expect(sent).toHaveLength(120);
    expect(new Set(sent).size).toBe(120);
  });

  it('take over what one that died had taken, when its lease ends', async () => {
    const { id } = await test.register(sink.url('/hook'));
    await test.admit('job_a');
    await fanOut(test.deps, TENANT);
    const claim = { max: 5, now: test.clock.now(), leaseMs: 45 * SECOND };
    expect((await test.deps.deliveries.claim(TENANT, id, claim)).deliveries).toHaveLength(1);

    await pass(44 * SECOND);
    expect(sink.received).toEqual([]);
    await pass(2 * SECOND);
    expect(sink.received).toHaveLength(1);
  });
});

describe('a deliverer that is told to stop', () => {
  it('sends nothing new, and lets what is under way end', async () => {
    const { id } = await test.register(sink.url('/hook'));
    const under = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    sink.answer('/hook', (res) => {
      under.resolve();
      void answer.promise.then(() => res.writeHead(200).end());
    });
    await test.admit('job_a');
    const stop = new AbortController();
    const running = test.pump.run(stop.signal);
    await under.promise;

    stop.abort();
    await running;
    await test.admit('job_b');
    answer.resolve();
    await test.pump.idle();

    expect(sink.received).toHaveLength(1);
    expect(await deliveryTo(id)).toMatchObject({ status: 'delivered', log: [{ http: 200 }] });
  });
});

describe('the log', () => {
  it('has a line for each try, without path, query, body or secret', async () => {
    const { secret } = await test.register(sink.url('/path-secret?token=query-secret'), {
      headers: { authorization: 'Bearer header-secret' },
    });
    sink.answer('/path-secret?token=query-secret', (res) => res.writeHead(500).end('answer-secret'));
    await test.admit('job_a', { request: { prompt: 'prompt-secret' } });

    await test.settle();

    expect(test.logged).toEqual([
      {
        level: 'info',
        event: 'webhook.tried',
        tenant: TENANT,
        delivery: expect.stringMatching(/^dlv_/),
        receiver: expect.stringMatching(/^whe_/),
        about: expect.stringMatching(/^evt_/),
        host: `127.0.0.1:${sink.port}`,
        try: 1,
        status: 'pending',
        http: 500,
        ms: expect.any(Number),
      },
    ]);
    expect(JSON.stringify(test.logged)).not.toMatch(new RegExp(`-secret|${secret.slice(6, 20)}`));
    expect(sink.received[0]?.body).not.toContain('prompt-secret');
  });
});

async function deliveries(receiver: string): Promise<string[]> {
  const all = await test.deps.events.read(TENANT, { limit: 10 });
  return all.map(({ id }) => deliveryId(id, receiver));
}

function aBatch(id: string, webhook: OwnWebhook): Batch {
  const now = test.clock.now();
  const facts = { total: 0, invalid: 0, shards: [], estimated: 0, priority: 5, metadata: {}, tags: [] };
  const route = { lane: 'standard' as const, reason: 'asked for' };
  return newBatch({ id, tenant: TENANT, createdAt: now, expiresAt: now + HOUR, ...facts, route, webhook });
}
