/** What jobs do with several channels, when what one of them may do is not what the next one may. */

import { BREAKER_RULES, begin, lineStandingOf, modelOf } from '@darkroom/shared/domain';
import { HOUR, SECOND } from '@darkroom/shared/testing/factories';
import { chooseFor } from '@darkroom/shared/usecases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeReady } from '../../apps/worker/src/standard/call.ts';
import type { AttemptDeps } from '../../apps/worker/src/standard/deps.ts';
import { finishAttempt } from '../../apps/worker/src/standard/finish-attempt.ts';
import { letGo } from '../../apps/worker/src/standard/let-go.ts';
import { runNext } from '../../apps/worker/src/standard/run-attempt.ts';
import { createSemaphore } from '../../apps/worker/src/standard/semaphore.ts';
import { sweepOnce } from '../../apps/worker/src/sweeper/sweep.ts';
import { openTestAttempts, type TestAttempts } from '../support/attempts.ts';
import { TENANT } from '../support/ledger.ts';
import { type ChannelSettings, withChannels } from '../support/several-channels.ts';
import { replyWith } from '../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-3.1-flash-image';
const DEMAND = { images: 1, tokens: 10, cost: 10 };

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

async function open(...channels: ChannelSettings[]): Promise<TestAttempts> {
  const attempts = cleanup.use(await openTestAttempts());
  return { ...attempts, deps: await withChannels(attempts, channels, cleanup) };
}

const priced = (dollars: string, limits = {}) => ({
  price: { per_image: { '1K': dollars } },
  capabilities: { sizes: ['1K'] },
  limits,
});

/** Serves until somebody was served, or nobody can be for a while. */
async function serveOne(deps: AttemptDeps, model: string): Promise<void> {
  const draining = AbortSignal.timeout(1_500);
  await runNext({ ...deps, draining }, model, createSemaphore(1));
}

async function submit({ test, deps }: TestAttempts, body: object): Promise<string> {
  const { job } = await test.submit({ prompt: 'a red mug', model: PRO, size: '1K', ...body });
  await deps.lines.add([lineStandingOf(job, deps.channels.specs)]);
  return job.id;
}

describe('a job whose max_cost pays for one channel only', () => {
  const cheap = { id: 'cheap', models: { pro: priced('0.02', { rpm: 1 }) } };
  const dear = { id: 'dear', models: { pro: priced('0.30') } };

  it('keeps nobody from the others while it waits for that one', async () => {
    const world = await open(cheap, dear);
    await world.deps.quotas.take({ channel: 'cheap', model: PRO }, 'att_other', DEMAND);
    const poor = await submit(world, { max_cost: '0.134', priority: 9 });
    const rich = await submit(world, { prompt: 'a blue mug', priority: 1 });

    await serveOne(world.deps, PRO);

    expect([(await world.test.read(poor)).state.status, (await world.test.read(rich)).state.status]).toEqual([
      'queued',
      'succeeded',
    ]);
  });
});

describe('a cheaper channel and a dearer one', () => {
  const limited = { rpm: 6 };

  it('are called in this order: all of what the cheaper one allows in a minute goes first', async () => {
    const world = await open(
      { id: 'dear', models: { pro: priced('0.10', limited) } },
      { id: 'cheap', models: { pro: priced('0.02', limited) } },
    );
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) ids.push(await submit(world, { prompt: `mug ${n}` }));

    for (const _ of ids) await serveOne(world.deps, PRO);

    const jobs = await Promise.all(ids.map((id) => world.test.read(id)));
    const called = jobs.map(({ state }) => state.attempts.map(({ channel }) => channel).join());
    expect(called).toEqual([...Array.from({ length: 6 }, () => 'cheap'), 'dear']);
  });
});

it('a job whose key is refused waits for another channel that has used up its minute', async () => {
  const refusal = {
    error: { code: 403, message: 'Your API key was reported as leaked.', status: 'PERMISSION_DENIED' },
  };
  const attempts = cleanup.use(await openTestAttempts(replyWith(403, refusal)));
  const channels = [
    { id: 'refused', order: 1, models: { pro: {} } },
    { id: 'full', order: 2, models: { pro: { limits: { rpm: 1 } } } },
  ];
  const world = { ...attempts, deps: await withChannels(attempts, channels, cleanup) };
  await world.deps.quotas.take({ channel: 'full', model: PRO }, 'att_other', DEMAND);
  const id = await submit(world, {});

  await serveOne(world.deps, PRO);

  const { state } = await world.test.read(id);
  expect(state).toMatchObject({ status: 'queued', attempts: [{ channel: 'refused', error: 'upstream_auth' }] });
});

it('a job with money waits for a channel that was taken out of the file, and is not said to lack money', async () => {
  const world = cleanup.use(await openTestAttempts());
  const id = await submit(world, { routing: { channels: ['gemini'] }, max_cost: '5.00' });
  const deps = await withChannels(world, [{ id: 'other', models: { pro: {} } }], cleanup);

  await serveOne(deps, PRO);

  expect((await world.test.read(id)).state).toMatchObject({ status: 'queued', phase: 'backoff', attempts: [] });
});

describe('a chain of models', () => {
  it('is gone along behind a job that has none, and that no channel can make now', async () => {
    const world = await open({ id: 'pro', models: { pro: {} } }, { id: 'flash', models: { 'nano-banana-2': {} } });
    await world.deps.breakers.override('pro', 'drain');
    const plain = await submit(world, { prompt: 'a blue mug', priority: 9 });
    const chained = await submit(world, { routing: { models: [PRO, FLASH] } });

    await serveOne(world.deps, PRO);

    expect((await world.test.read(plain)).state.model).toBeUndefined();
    expect((await world.test.read(chained)).state).toMatchObject({ status: 'queued', model: FLASH });
  });

  it('is not gone on along by a job that can wait, and cannot pay for the next model', async () => {
    const world = await open({ id: 'only', models: { pro: {}, [FLASH]: priced('0.30') } });
    const lesson = { type: 'pause', ms: 2 * HOUR, reason: 'parked', why: 'the day’s limit' } as const;
    await world.deps.quotas.learn({ channel: 'only', model: PRO }, lesson);
    const id = await submit(world, { routing: { models: [PRO, FLASH] }, max_cost: '0.20' });

    await serveOne(world.deps, PRO);

    expect((await world.test.read(id)).state).toMatchObject({ status: 'queued', phase: 'parked' });
  });

  it('is gone on along by a job that cannot pay for its own model', async () => {
    const world = await open({ id: 'only', models: { pro: priced('0.30'), [FLASH]: priced('0.05') } });
    const id = await submit(world, { routing: { models: [PRO, FLASH] }, max_cost: '0.20' });

    await serveOne(world.deps, PRO);

    expect(modelOf(await world.test.read(id))).toBe(FLASH);
  });

  it('is gone on along while an operator holds the only channel of its own model', async () => {
    const world = await open({ id: 'a', models: { pro: {} } }, { id: 'b', models: { [FLASH]: {} } });
    await world.deps.breakers.override('a', 'drain');
    const id = await submit(world, { routing: { models: [PRO, FLASH] } });

    await serveOne(world.deps, PRO);

    expect(modelOf(await world.test.read(id))).toBe(FLASH);
  });
});

describe('a job that no channel can be called for', () => {
  const breakAt = async ({ deps: { breakers } }: TestAttempts, channel: string) => {
    for (let n = 0; n < BREAKER_RULES.faultsInARow; n++)
      await breakers.note({ channel, model: PRO }, `att_${channel}_${n}`, 'unavailable');
  };
  it.each([['a'], ['a', 'b']])('backs off while their breakers are open: %s, %s', async (...ids: string[]) => {
    const world = await open(...ids.map((id) => ({ id, models: { pro: {} } })));
    for (const id of ids) await breakAt(world, id);
    const id = await submit(world, {});

    await serveOne(world.deps, PRO);

    expect((await world.test.read(id)).state).toMatchObject({ status: 'queued', phase: 'backoff', attempts: [] });
  });

  it('is parked while a limit keeps it from the one that is not broken', async () => {
    const world = await open({ id: 'a', models: { pro: {} } }, { id: 'b', models: { pro: {} } });
    await breakAt(world, 'a');
    await world.deps.breakers.override('a', 'drain');
    const lesson = { type: 'pause', ms: HOUR, reason: 'parked', why: 'the day’s limit' } as const;
    await world.deps.quotas.learn({ channel: 'b', model: PRO }, lesson);
    const id = await submit(world, {});

    await serveOne(world.deps, PRO);

    expect((await world.test.read(id)).state).toMatchObject({ status: 'queued', phase: 'parked', attempts: [] });
  });
});

describe('a placeholder that the caller allows', () => {
  const routing = { placeholder: true };

  it('ends a job that can pay for no channel', async () => {
    const world = await open({ id: 'only', models: { pro: priced('0.30') } });
    const id = await submit(world, { routing, max_cost: '0.20' });

    await serveOne(world.deps, PRO);

    expect((await world.test.read(id)).state).toMatchObject({ status: 'succeeded', images: [{ placeholder: true }] });
  });

  it('ends a job at its deadline that no channel could be called for', async () => {
    const world = await open({ id: 'only', models: { pro: {} } });
    const { deps, test } = world;
    await deps.breakers.override('only', 'drain');
    const [stands, plain] = [await submit(world, { routing }), await submit(world, { prompt: 'a blue mug' })];
    await serveOne(deps, PRO);
    test.clock.advance(2 * HOUR);
    await deps.lines.open(PRO, 'only');
    await serveOne(deps, PRO);
    await test.redis.sadd(`${test.prefix}tenants`, TENANT);

    await sweepOnce({ ...test, ...deps, letGo: (job, attempt) => letGo(deps, job, attempt) });

    const { state } = await test.read(stands);
    expect(state).toMatchObject({ status: 'succeeded', attempts: [], images: [{ n: 0, placeholder: true }] });
    expect(await test.store.head(state.images[0]?.key ?? '')).toBeDefined();
    expect((await test.read(plain)).state.status).toBe('expired');
    expect(await test.ledger.totals(TENANT)).toMatchObject({ actualCost: 0, inDoubtCost: 0 });
  });
});

it('gives back its leave when the spool cannot be looked at', async () => {
  const world = await open({ id: 'only', models: { pro: { limits: { concurrency: 1 } } } });
  const { deps } = world;
  const spool = { ...deps.spool, usage: () => Promise.reject(new Error('input/output error')) };
  await submit(world, {});

  await serveOne({ ...deps, spool }, PRO).catch(() => undefined);

  const place = { channel: 'only', model: PRO };
  await expect
    .poll(() => deps.quotas.take(place, 'att_next', DEMAND), { timeout: 5 * SECOND })
    .toEqual({ granted: true });
});

describe('a worker that dies between leave and lease', () => {
  const alone = { models: { pro: { limits: { concurrency: 1 } } } };

  it('holds nothing any more once its intent is found', async () => {
    const { deps, test } = await open({ id: 'only', ...alone });
    const id = (await test.submit({ prompt: 'a red mug', model: PRO, size: '1K' })).job.id;
    const place = { channel: 'only', model: PRO };
    const entry = await deps.spool.intend({ tenant: TENANT, job: id, attempt: 'att_dead' }, place);
    await deps.quotas.take(place, 'att_dead', DEMAND);

    await finishAttempt(deps, entry, { type: 'unknown', reason: 'the process died' });

    expect(await deps.quotas.take(place, 'att_next', DEMAND)).toEqual({ granted: true });
  });

  it('has told by then which channel it asked last', async () => {
    const world = await open({ id: 'full', order: 1, ...alone }, { id: 'free', order: 2, ...alone });
    const { deps, test } = world;
    const job = await test.read(await submit(world, {}));
    const choice = await chooseFor(deps, job);
    if (choice.type !== 'try') throw new Error('no channel is free');
    await deps.quotas.take({ channel: 'full', model: PRO }, 'att_other', DEMAND);

    const ready = await makeReady(deps, job, choice.order);

    if (ready.type !== 'ready') throw new Error('it has no leave');
    expect(ready.entry.place()).toEqual({ channel: 'free', model: PRO });
    await ready.entry.remove();
  });
});

it('frees its channel and the bounds of its tenant as soon as a call is given up whose host died', async () => {
  const world = await open({ id: 'only', models: { pro: { limits: { concurrency: 1 } } } });
  const { deps, test } = world;
  const id = await submit(world, {});
  const picked = await deps.lines.pick(PRO);
  if (picked.type !== 'job') throw new Error('nobody is there');
  const place = { channel: 'only', model: PRO };
  await deps.quotas.take(place, 'att_dead', DEMAND);
  const begun = begin(await test.read(id), { id: 'att_dead', channel: 'only' }, test.clock.now());
  if (begun.type === 'go') await test.write(begun.change);
  await deps.lines.started(picked.turn, 'att_dead');
  await test.redis.sadd(`${test.prefix}tenants`, TENANT);
  await test.redis.set(test.key('tick'), 100);

  await sweepOnce({ ...test, ...deps, letGo: (job, attempt) => letGo(deps, job, attempt) });

  expect((await test.read(id)).state.attempts).toMatchObject([{ state: 'in_doubt' }]);
  expect(await deps.quotas.take(place, 'att_next', DEMAND)).toEqual({ granted: true });
  expect((await deps.lines.sizes(PRO)).filter(({ running }) => running > 0)).toEqual([]);
});

it.each([50, HOUR])('runs on a worker whose clock is %d ms behind that of who submitted it', async (ms) => {
  const world = await open({ id: 'only', models: { pro: {} } });
  const id = await submit(world, {});
  const clock = { now: () => world.test.clock.now() - ms };

  await serveOne({ ...world.deps, clock }, PRO);

  expect((await world.test.read(id)).state.status).toBe('succeeded');
});
