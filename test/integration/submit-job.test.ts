import { AppError } from '@darkroom/shared/domain';
import { SubmitJobBody } from '@darkroom/shared/schemas';
import { HOUR, MINUTE, NOON } from '@darkroom/shared/testing/factories';
import { archiveJob, cancelJob, presentJob, submitJob } from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases } from '../support/usecases.ts';

const MUG = { prompt: 'a red mug' };

/** The code of the AppError that `promise` rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return error instanceof AppError ? error.code : `not refused: ${String(error)}`;
}

describe('submitJob', () => {
  it('stores the job, then has its message sent', async () => {
    await using test = await openTestUsecases();

    const { job, replayed, dedup } = await test.submit(MUG);

    expect({ replayed, dedup }).toEqual({ replayed: false, dedup: 'miss' });
    expect(await test.read(job.id)).toEqual(job);
    expect(job).toMatchObject({
      request: { model: 'gemini-nano-banana-2.1', size: '1K' },
      state: { expiresAt: NOON + HOUR },
    });
    expect(await test.messages()).toEqual([job.id]);
  });

  it('makes one leader, 199 followers and one message of 200 parallel identical submissions', async () => {
    await using test = await openTestUsecases();

    const submitted = await Promise.all(Array.from({ length: 200 }, () => test.submit(MUG)));

    const leaders = submitted.filter(({ dedup }) => dedup === 'miss').map(({ job }) => job.id);
    expect(leaders).toHaveLength(1);
    expect(new Set(submitted.map(({ job }) => job.state.leader))).toEqual(new Set([undefined, leaders[0]]));
    expect(new Set(submitted.map(({ job }) => job.id)).size).toBe(200);
    expect(await test.messages()).toEqual(leaders);
    const [leader = ''] = leaders;
    await test.succeed(leader);
    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ succeeded: 200, queued: 0 });
    expect(await test.ledger.totals(TENANT)).toMatchObject({ calls: 1 });
  });

  it('makes one job of 50 parallel submissions with one idempotency key', async () => {
    await using test = await openTestUsecases();

    const submitted = await Promise.all(Array.from({ length: 50 }, () => test.submit(MUG, { idempotencyKey: 'key' })));

    expect(new Set(submitted.map(({ job }) => job.id)).size).toBe(1);
    expect(submitted.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await test.messages()).toHaveLength(1);
  });

  it('refuses the same key or id with another body, and makes no job', async () => {
    await using test = await openTestUsecases();
    await test.submit(MUG, { idempotencyKey: 'key' });
    await test.submit(MUG, { ownId: 'sku-1' });

    expect(await codeOf(test.submit({ prompt: 'a blue mug' }, { idempotencyKey: 'key' }))).toBe(
      'idempotency_key_reused',
    );
    expect(await codeOf(test.submit({ prompt: 'a blue mug' }, { ownId: 'sku-1' }))).toBe('idempotency_key_reused');
    expect(await test.ledger.list(TENANT, { limit: 10 })).toHaveLength(2);
  });

  it('answers a replay with the job as it stands now', async () => {
    await using test = await openTestUsecases();
    const how = { ownId: 'sku-1', idempotencyKey: 'key' };
    await test.submit(MUG, how);
    const done = await test.succeed('sku-1');

    expect(await test.submit(MUG, how)).toMatchObject({
      replayed: true,
      job: { version: done.version, state: { status: 'succeeded' } },
    });
  });

  it.each([{ idempotencyKey: 'key' }, { ownId: 'sku-1' }])(
    'replays after the deadline of the body has passed (%o)',
    async (how) => {
      await using test = await openTestUsecases();
      const body = { ...MUG, deadline: new Date(NOON + MINUTE).toISOString() };
      const first = await test.submit(body, how);
      test.clock.advance(2 * MINUTE);

      expect(await test.submit(body, how)).toMatchObject({ replayed: true, job: { id: first.job.id } });
      expect(await codeOf(test.submit(body))).toBe('invalid_request');
    },
  );

  it.each([{ idempotencyKey: 'key' }, { ownId: 'sku-1' }])(
    'fetches no reference again for a replay (%o)',
    async (how) => {
      await using test = await openTestUsecases();
      const body = { ...MUG, references: [{ url: 'https://example.com/mug.png' }] };
      const first = await test.submit(body, how);

      expect(await test.submit(body, how)).toMatchObject({ replayed: true, job: { id: first.job.id } });
      expect(test.resolved()).toBe(1);
    },
  );

  it('replays a job under its own id though it moves to the archive meanwhile', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit({ ...MUG, dedup: false }, { ownId: 'sku-1' });
    const done = await test.succeed(job.id);
    const get: typeof test.store.get = async (key, range) => {
      const found = await test.store.get(key, range);
      if (!found) await archiveJob(test, done);
      return found;
    };
    const body = SubmitJobBody.parse({ ...MUG, dedup: false });

    const again = await submitJob(
      { ...test.deps, store: { ...test.store, get } },
      { tenant: TENANT, body, ownId: 'sku-1' },
    );
    await archiveJob(test, done);
    const archived = await test.submit({ ...MUG, dedup: false }, { ownId: 'sku-1' });

    for (const { replayed, job: found } of [again, archived]) expect([replayed, found]).toEqual([true, done]);
  });

  it('takes no document for its own that names another job', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG, { ownId: 'sku-1' });
    await archiveJob(test, await test.succeed(job.id));
    const get: typeof test.store.get = (key) => test.store.get(key.replace('sku-2', 'sku-1'));
    const body = SubmitJobBody.parse({ ...MUG, dedup: false });

    const other = await submitJob(
      { ...test.deps, store: { ...test.store, get } },
      { tenant: TENANT, body, ownId: 'sku-2' },
    );

    expect(other).toMatchObject({ replayed: false, job: { id: 'sku-2' } });
  });

  it('replays a job under its own id while the store is away', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG, { ownId: 'sku-1' });
    const away = {
      ...test.store,
      get: () => Promise.reject(new AppError('storage_unavailable', { message: 'Away.' })),
    };
    const body = SubmitJobBody.parse(MUG);

    const again = await submitJob({ ...test.deps, store: away }, { tenant: TENANT, body, ownId: 'sku-1' });

    expect(again).toMatchObject({ replayed: true, job: { id: job.id } });
  });

  it('shares the result of a twin that finished within the window, at no cost and at once', async () => {
    await using test = await openTestUsecases();
    const first = await test.submit(MUG);
    const leader = await test.succeed(first.job.id);
    test.clock.advance(MINUTE - 1);

    const second = await test.submit(MUG);

    expect(second).toMatchObject({
      dedup: 'joined',
      job: { state: { status: 'succeeded', leader: leader.id, images: leader.state.images } },
    });
    const view = await presentJob(test, second.job);
    expect(view).toMatchObject({
      deduplicated_of: leader.id,
      attempts: [],
      cost: { actual: '0.00', estimated: '0.00' },
    });
  });

  it('makes a variant, and joins nobody, for "dedup": false', async () => {
    await using test = await openTestUsecases();
    await test.submit(MUG);

    expect(await test.submit({ ...MUG, dedup: false })).toMatchObject({ dedup: 'miss' });
    expect(await test.messages()).toHaveLength(2);
  });

  it('does not wait for a twin in the batch lane, unless it is to travel there too', async () => {
    await using test = await openTestUsecases();
    const slow = { ...MUG, model: 'gemini-3.1-flash-image', lane: 'batch' };
    const fast = { ...slow, lane: 'standard' };
    const first = await test.submit(slow);

    const second = await test.submit(slow);
    const third = await test.submit(fast);
    const [fourth, fifth] = [await test.submit(fast), await test.submit(slow)];

    expect([second.job.state.leader, third.job.state.leader]).toEqual([first.job.id, undefined]);
    expect([fourth.job.state.leader, fifth.job.state.leader]).toEqual([third.job.id, third.job.id]);
    await test.succeed(third.job.id);
    expect((await test.read(fifth.job.id)).state.status).toBe('succeeded');
    expect((await test.read(second.job.id)).state).toMatchObject({ status: 'queued', leader: first.job.id });
  });

  it('leads once among identical jobs that find a twin too old for them', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit({ ...MUG, dedup: { window: '24h' } });
    await test.succeed(job.id);
    test.clock.advance(2 * MINUTE);

    const submitted = await Promise.all(Array.from({ length: 20 }, () => test.submit(MUG)));

    expect(submitted.filter(({ dedup }) => dedup === 'miss')).toHaveLength(1);
    expect(submitted.filter(({ dedup }) => dedup === 'joined')).toHaveLength(19);
  });

  it('leads once among identical jobs whose twin is forgotten already', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit({ ...MUG, dedup: { window: '24h' } });
    await test.ledger.forget(await test.succeed(job.id));

    const submitted = await Promise.all(Array.from({ length: 20 }, () => test.submit(MUG)));

    expect(submitted.filter(({ dedup }) => dedup === 'miss')).toHaveLength(1);
  });

  it('shares the result of a twin that rests in the archive, within the window', async () => {
    await using test = await openTestUsecases();
    const body = { ...MUG, dedup: { window: '24h' } };
    const { job } = await test.submit(body);
    const done = await test.succeed(job.id);
    await archiveJob(test, done);
    test.clock.advance(2 * HOUR);

    expect(await test.submit(body)).toMatchObject({
      dedup: 'joined',
      job: { state: { status: 'succeeded', leader: job.id, images: done.state.images, estimated: 0 } },
    });
  });

  it('leads anew after a twin failed or was canceled', async () => {
    await using test = await openTestUsecases();
    const first = await test.submit(MUG);
    await cancelJob(test.deps, TENANT, first.job.id);

    expect(await test.submit(MUG)).toMatchObject({ dedup: 'miss', job: { state: { status: 'queued' } } });
  });

  it('uses a cached result for as long as this caller wants it, and makes a new one after', async () => {
    await using test = await openTestUsecases();
    const cached = { ...MUG, dedup: { window: '1s' }, cache: { ttl: '24h' } };
    const { job } = await test.submit(cached);
    const done = await test.succeed(job.id);
    await test.redis.del(test.key(`fp:${job.fingerprint}`)); // The window of a second is over.
    test.clock.advance(HOUR);

    const hit = await test.submit(cached);
    const miss = await test.submit({ ...cached, cache: { ttl: '30m' } });

    expect(hit).toMatchObject({ cache: 'hit', job: { state: { status: 'succeeded', images: done.state.images } } });
    expect(miss).toMatchObject({ dedup: 'miss', job: { state: { status: 'queued' } } });
    expect(miss.cache).toBeUndefined();
    expect(await test.submit(cached)).toMatchObject({ dedup: 'joined', job: { state: { leader: miss.job.id } } });
  });

  it('makes a new one where both a twin and a cached result are too old for this caller', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit({ ...MUG, dedup: { window: '1h' }, cache: { ttl: '24h' } });
    await test.succeed(job.id);
    test.clock.advance(HOUR / 2);

    const submitted = await test.submit({ ...MUG, cache: { ttl: '10m' } });

    expect(submitted).toMatchObject({ dedup: 'miss', job: { state: { status: 'queued' } } });
  });

  it('refuses what can be known to fail before anything is stored', async () => {
    await using test = await openTestUsecases();
    const refused = {
      'no such model': [{ ...MUG, model: 'gpt-image-1' }, 'invalid_request'],
      'a model that is gone': [{ ...MUG, model: 'imagen-4' }, 'model_retired'],
      'a size it does not make': [{ ...MUG, model: 'lite', size: '4K' }, 'unsupported_size'],
      'a shape it does not make': [{ ...MUG, model: 'pro', aspect_ratio: '1:8' }, 'unsupported_aspect_ratio'],
      'thinking it does not do': [{ ...MUG, model: 'nano-banana', thinking: 'high' }, 'unsupported_thinking'],
      'tools it does not have': [{ ...MUG, model: 'lite', tools: ['google_search'] }, 'unsupported_tool'],
      'a price too low': [{ ...MUG, model: 'pro', max_cost: '0.05' }, 'max_cost_exceeded'],
      'a deadline in the past': [{ ...MUG, deadline: '2026-11-20T11:59:59Z' }, 'invalid_request'],
      'a deadline next year': [{ ...MUG, deadline: '2027-11-20T12:00:00Z' }, 'invalid_request'],
      'too many references': [
        { ...MUG, model: 'nano-banana', references: Array.from({ length: 4 }, () => ({ url: 'https://a' })) },
        'too_many_references',
      ],
      'too many of one role': [
        {
          ...MUG,
          model: 'pro',
          references: Array.from({ length: 6 }, () => ({ url: 'https://a', role: 'character' })),
        },
        'too_many_references',
      ],
      'a safety category twice': [
        {
          ...MUG,
          safety: ['OFF', 'BLOCK_NONE'].map((threshold) => ({ category: 'HARM_CATEGORY_HARASSMENT', threshold })),
        },
        'invalid_request',
      ],
    } as const;

    for (const [what, [body, code]] of Object.entries(refused)) {
      expect([what, await codeOf(test.submit(body))]).toEqual([what, code]);
    }
    expect(await test.dump()).toEqual({});
  });

  it('says that the queue is full', async () => {
    await using test = await openTestUsecases({ backlogMax: 1 });
    await test.submit(MUG);

    expect(await codeOf(test.submit({ prompt: 'a blue mug' }))).toBe('queue_full');
  });

  it('counts followers and waiting jobs alike when it fills the queue, but no job that ends at once', async () => {
    await using test = await openTestUsecases({ backlogMax: 2 });
    const { job } = await test.submit(MUG);
    await test.submit(MUG);

    expect(await codeOf(test.submit(MUG))).toBe('queue_full');
    await test.succeed(job.id);
    await test.submit({ prompt: 'a blue mug' });
    await test.submit({ prompt: 'a green mug' });
    expect(await test.submit(MUG)).toMatchObject({ dedup: 'joined', job: { state: { status: 'succeeded' } } });
  });
});
