import { begin, cancel, expire, inherit, settle } from '@darkroom/shared/domain';
import { aJob, anImage, doubtEnd, imageEnd, NOON, refusalEnd, rejectionEnd } from '@darkroom/shared/testing/factories';
import { cancelJob, handOff, releaseJob } from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../support/usecases.ts';

const MUG = { prompt: 'a red mug' };
const half = () => 0.5;

/** Gives the job an open attempt. */
async function start(test: TestUsecases, id: string): Promise<void> {
  const begun = begin(await test.read(id), { id: 'att_1', channel: 'gemini' }, test.clock.now());
  if (begun.type !== 'go') throw new Error(begun.type);
  await test.write(begun.change);
}

describe('hand-off', () => {
  /** A leader and five followers, in the order of their ids. */
  async function aCrowd(test: TestUsecases, body: object = MUG) {
    const submitted = [];
    for (let n = 0; n < 6; n++) submitted.push(await test.submit(body));
    const [leader, ...followers] = submitted.map(({ job }) => job);
    if (!leader) throw new Error('no leader');
    return { leader, followers: followers.map(({ id }) => id) };
  }
  const statesOf = async (test: TestUsecases, ids: string[]) =>
    Promise.all(ids.map(async (id) => (await test.read(id)).state));

  it('gives followers the image of their leader, at no cost', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);

    await test.succeed(leader.id);

    for (const state of await statesOf(test, followers)) {
      expect(state).toMatchObject({ status: 'succeeded', leader: leader.id, images: [anImage()] });
      expect(state.attempts).toEqual([]);
    }
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual([]);
  });

  it.each([
    ['failed', rejectionEnd({ retryable: false, code: 'upstream_rejected' })],
    ['blocked', refusalEnd('content_blocked')],
  ] as const)('ends followers as their leader ended: %s', async (status, end) => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    await start(test, leader.id);
    const ended = await test.write(settle(await test.read(leader.id), 'att_1', end, NOON, half));

    await test.handOff(leader.id);

    for (const state of await statesOf(test, followers))
      expect(state).toMatchObject({ status, error: ended.state.error });
  });

  it('gives followers the late image of a leader that was canceled while its call was out', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    await start(test, leader.id);
    await cancelJob(test.deps, TENANT, leader.id);
    expect((await statesOf(test, followers)).map(({ leader: id }) => id)).toEqual(followers.map(() => leader.id));

    await test.write(settle(await test.read(leader.id), 'att_1', imageEnd(), NOON, half));
    await test.handOff(leader.id);

    for (const state of await statesOf(test, followers)) expect(state.status).toBe('succeeded');
  });

  /** One heir goes on alone, with fingerprint, wake-up and estimate; the others wait for it. */
  async function expectOneHeir(test: TestUsecases, leader: string, followers: string[]): Promise<string> {
    const states = await statesOf(test, followers);
    const [heir = ''] = followers.filter((_, n) => states[n]?.leader === undefined);
    expect(states.map((state) => state.leader)).toEqual(followers.map((id) => (id === heir ? undefined : heir)));
    expect(states.every(({ status }) => status === 'queued')).toBe(true);
    expect((await test.read(heir)).state.estimated).toBeGreaterThan(0);
    expect(await test.ledger.twin(TENANT, (await test.read(heir)).fingerprint)).toBe(heir);
    expect((await test.ledger.dueWakes(TENANT, Number.MAX_SAFE_INTEGER, 10)).map(({ id }) => id)).toEqual([heir]);
    expect((await test.ledger.followers(TENANT, heir, 10)).toSorted()).toEqual(
      followers.filter((id) => id !== heir).toSorted(),
    );
    expect(await test.ledger.followers(TENANT, leader, 10)).toEqual([]);
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual([]);
    return heir;
  }

  it('leaves one heir when the leader is canceled, and the others to it', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);

    await cancelJob(test.deps, TENANT, leader.id);

    const heir = await expectOneHeir(test, leader.id, followers);
    expect(await test.messages()).toContain(heir);
    await test.succeed(heir);
    for (const state of await statesOf(test, followers)) expect(state.status).toBe('succeeded');
    expect(await test.ledger.totals(TENANT)).toMatchObject({ calls: 1 });
  });

  it('leaves one heir when the leader expired, however often it is repeated', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    await test.write(expire({ ...leader, state: { ...leader.state, expiresAt: NOON } }, NOON));

    await test.handOff(leader.id);
    await test.outbox.flush();
    const after = await test.dump();
    await test.handOff(leader.id);
    await Promise.all([test.handOff(leader.id), test.handOff(leader.id)]);
    await test.outbox.flush();

    expect(await test.dump()).toEqual(after);
    await expectOneHeir(test, leader.id, followers);
  });

  it('leaves one heir though several sweepers hand over at once', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    await test.write(cancel(leader, NOON));

    await Promise.all(Array.from({ length: 5 }, () => test.handOff(leader.id)));

    expect(followers).toContain(await expectOneHeir(test, leader.id, followers));
  });

  it('names no second heir after a crash between the steps', async () => {
    // 0: the heir is written; 1: and moved; 2: a second follower is written; 3: and moved.
    for (const steps of [0, 1, 2, 3]) {
      await using test = await openTestUsecases();
      const { leader, followers } = await aCrowd(test);
      await test.write(cancel(leader, NOON));
      const order = await test.ledger.followers(TENANT, leader.id, 10);
      const [first = '', second = ''] = order;
      await test.write(inherit(await test.read(first), leader.id, undefined, NOON));
      if (steps > 0) await test.ledger.unfollow(TENANT, leader.id, first, first);
      if (steps > 1) await test.write(inherit(await test.read(second), leader.id, first, NOON));
      if (steps > 2) await test.ledger.unfollow(TENANT, leader.id, second, first);

      await test.handOff(leader.id);

      expect(await expectOneHeir(test, leader.id, followers)).toBe(first);
    }
  });

  it('tells a follower of an heir that had ended before it could join', async () => {
    await using test = await openTestUsecases();
    const { leader } = await aCrowd(test);
    await test.write(cancel(leader, NOON));
    const [heir = '', late = ''] = await test.ledger.followers(TENANT, leader.id, 10);
    await test.write(inherit(await test.read(heir), leader.id, undefined, NOON));
    await test.ledger.unfollow(TENANT, leader.id, heir, heir);
    await test.write(inherit(await test.read(late), leader.id, heir, NOON));
    await test.succeed(heir);

    await test.ledger.unfollow(TENANT, leader.id, late, heir);

    expect(await test.ledger.dueHandoffs(TENANT, 10)).toContain(heir);
    await test.handOff(heir);
    expect((await test.read(late)).state.status).toBe('succeeded');
  });

  it('sends followers to a twin that leads by now instead of making a second call', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    await start(test, leader.id);
    await cancelJob(test.deps, TENANT, leader.id);
    const next = await test.submit(MUG);
    await test.write(settle(await test.read(leader.id), 'att_1', rejectionEnd(), NOON, half));

    await test.handOff(leader.id);

    expect(next.dedup).toBe('miss');
    for (const state of await statesOf(test, followers)) expect(state.leader).toBe(next.job.id);
    await test.succeed(next.job.id);
    for (const state of await statesOf(test, followers)) expect(state.status).toBe('succeeded');
  });

  it('passes over followers that ended on their own', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);
    for (const id of followers.slice(0, 3)) await cancelJob(test.deps, TENANT, id);

    await cancelJob(test.deps, TENANT, leader.id);

    await expectOneHeir(test, leader.id, followers.slice(3));
    for (const state of await statesOf(test, followers.slice(0, 3))) expect(state.status).toBe('canceled');
  });

  it('is one bounded step that says whether more is left, and leaves that to the sweeper', async () => {
    await using test = await openTestUsecases();
    const leader = await test.admit('leader');
    for (let n = 0; n < 250; n++) {
      const state = { leader: 'leader', source: 'joined' } as const;
      await test.admit(`f${n}`, { fingerprint: leader.fingerprint, state }, { type: 'join', leader: 'leader' });
    }

    await cancelJob(test.deps, TENANT, 'leader');

    const left = await test.ledger.followers(TENANT, 'leader', 1_000);
    expect(left).toHaveLength(50);
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual(['leader']);
    expect(await handOff(test.deps, TENANT, 'leader')).toEqual({ more: false });
    expect(await test.ledger.followers(TENANT, 'leader', 1_000)).toEqual([]);
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual([]);
    const states = await statesOf(
      test,
      Array.from({ length: 250 }, (_, n) => `f${n}`),
    );
    expect(new Set(states.map((state) => state.leader)).size).toBe(2); // One heir, and everybody else behind it.
  });

  /** Loses the answer of a leader that wants to be asked then. */
  async function hold(test: TestUsecases, id: string): Promise<void> {
    await start(test, id);
    const held = await test.write(settle(await test.read(id), 'att_1', doubtEnd(), NOON, half));
    expect(held.state.phase).toBe('held');
  }
  const CAREFUL = { ...MUG, on_unknown_outcome: 'hold' };

  it('lets followers go on without a leader that is held for the operator', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test, CAREFUL);

    await hold(test, leader.id);
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual([leader.id]);
    await test.handOff(leader.id);

    const heir = await expectOneHeir(test, leader.id, followers);
    expect((await test.read(leader.id)).state).toMatchObject({ status: 'queued', phase: 'held' });
    await test.succeed(heir);
    for (const state of await statesOf(test, followers)) expect(state.status).toBe('succeeded');
    // The lost call and the heir's: no follower pays.
    expect(await test.ledger.totals(TENANT)).toMatchObject({ calls: 2, inDoubt: 1, settled: 1 });
  });

  it('lets no new twin join a held leader, neither by its fingerprint nor by having looked too early', async () => {
    await using test = await openTestUsecases();
    const leader = (await test.submit(CAREFUL)).job;
    await hold(test, leader.id);

    const state = { leader: leader.id, source: 'joined' } as const;
    const late = aJob({ id: 'late', fingerprint: leader.fingerprint, state });
    const mode = { type: 'join', leader: leader.id } as const;
    expect(await test.ledger.admit({ job: late, bodyHash: 'body', mode })).toEqual({ type: 'gone' });
    const next = await test.submit(MUG);

    expect(next).toMatchObject({ dedup: 'miss', job: { state: { status: 'queued' } } });
    expect(await test.ledger.twin(TENANT, leader.fingerprint)).toBe(next.job.id);
    await releaseJob(test.deps, TENANT, leader.id);
    expect(await test.ledger.twin(TENANT, leader.fingerprint)).toBe(next.job.id);
  });

  it('lets twins join a leader again that was released, unless it wants none', async () => {
    await using test = await openTestUsecases();
    const leader = (await test.submit(CAREFUL)).job;
    const single = (await test.submit({ ...CAREFUL, prompt: 'a red cup', dedup: false })).job;
    for (const { id } of [leader, single]) await hold(test, id);

    for (const { id } of [leader, single]) await releaseJob(test.deps, TENANT, id);

    expect(await test.submit(MUG)).toMatchObject({ dedup: 'joined', job: { state: { leader: leader.id } } });
    expect(await test.submit({ prompt: 'a red cup' })).toMatchObject({ dedup: 'miss' });
  });

  it('gives no follower to an heir that is held by then', async () => {
    await using test = await openTestUsecases();
    const { leader } = await aCrowd(test, CAREFUL);
    await hold(test, leader.id);
    const [heir = '', late = ''] = await test.ledger.followers(TENANT, leader.id, 10);
    await test.write(inherit(await test.read(heir), leader.id, undefined, NOON));
    await test.ledger.unfollow(TENANT, leader.id, heir, heir);
    await hold(test, heir);

    await test.write(inherit(await test.read(late), leader.id, heir, NOON));
    await test.ledger.unfollow(TENANT, leader.id, late, heir);

    expect(await test.ledger.dueHandoffs(TENANT, 10)).toContain(heir);
    for (const id of [leader.id, heir]) await test.handOff(id);
    const open = await statesOf(test, await test.messages());
    expect(open.filter(({ phase, leader: id }) => phase !== 'held' && !id)).toHaveLength(1);
  });

  it('waits while the leader is open', async () => {
    await using test = await openTestUsecases();
    const { leader, followers } = await aCrowd(test);

    await test.handOff(leader.id);

    expect(await test.ledger.followers(TENANT, leader.id, 10)).toHaveLength(followers.length);
  });
});
