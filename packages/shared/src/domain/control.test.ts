import { describe, expect, it } from 'vitest';
import { aJob, anError, anImage, aRunningJob, NOON, SECOND } from '../testing/factories.ts';
import { cancel, follow, inherit, release, sharedResult, terminalEvent, unpark, wait } from './control.ts';
import { JOB_STATUSES } from './job.ts';

const LATER = NOON + 10 * SECOND;
const TERMINAL = ['succeeded', 'blocked', 'failed', 'canceled', 'expired'] as const;

const aFollower = (state = {}) =>
  aJob({ id: 'follower', state: { leader: 'leader', source: 'joined', estimated: 0, ...state } });
const aLeader = (state = {}) => aJob({ id: 'leader', state });

describe('cancel', () => {
  it('ends a waiting job, and says why', () => {
    const change = cancel(aJob({ state: { phase: 'backoff' } }), LATER);

    expect(change).toMatchObject({
      after: { version: 2, state: { status: 'canceled', completedAt: LATER, error: { code: 'canceled' } } },
      events: ['job.canceled'],
    });
    expect(change?.after.state.phase).toBeUndefined();
  });

  it('keeps the open attempt on record, for its image would be late', () => {
    expect(cancel(aRunningJob('att_1'), LATER)?.after.state).toMatchObject({ status: 'canceled', open: 'att_1' });
  });

  it.each(TERMINAL)('changes nothing when the job is %s', (status) => {
    expect(cancel(aJob({ state: { status } }), LATER)).toBeUndefined();
  });
});

describe('unpark', () => {
  it.each(['parked', 'rate_limited'] as const)('makes a job due that is %s until later', (phase) => {
    const change = unpark(aJob({ state: { phase, runAt: LATER + SECOND } }), LATER);

    expect(change?.after.state).toEqual(aJob({ state: { runAt: LATER } }).state);
    expect(change?.events).toEqual([]);
  });

  it.each([
    ['is due anyway', aJob({ state: { phase: 'parked', runAt: LATER } })],
    ['backs off from a fault of its own', aJob({ state: { phase: 'backoff', runAt: LATER + SECOND } })],
    ['waits for its operator', aJob({ state: { phase: 'held', runAt: LATER + SECOND } })],
    ['is running', aRunningJob()],
    ['follows another', aFollower({ phase: 'parked', runAt: LATER + SECOND })],
  ])('leaves a job alone that %s', (_, job) => {
    expect(unpark(job, LATER)).toBeUndefined();
  });
});

describe('release', () => {
  it('sends a held job once more, at once', () => {
    const held = aJob({ state: { phase: 'held', runAt: NOON, error: anError('outcome_unknown') } });

    const change = release(held, LATER);

    expect(change?.after.state).toMatchObject({ status: 'queued', runAt: LATER });
    expect(change?.after.state.phase).toBeUndefined();
    expect(change?.after.state.error).toBeUndefined();
  });

  it('changes nothing about a job that is not held', () => {
    expect(release(aJob(), LATER)).toBeUndefined();
    expect(release(aRunningJob(), LATER)).toBeUndefined();
  });
});

describe('wait', () => {
  it('shows why a job waits, once', () => {
    const change = wait(aJob(), 'rate_limited', LATER);

    expect(change).toMatchObject({ after: { state: { status: 'queued', phase: 'rate_limited' } }, events: [] });
    expect(change && wait(change.after, 'rate_limited', LATER)).toBeUndefined();
  });

  it('announces that a job is parked', () => {
    expect(wait(aJob(), 'parked', LATER)?.events).toEqual(['quota.parked']);
  });

  it('parks nobody who waits because calls fail', () => {
    const change = wait(aJob(), 'backoff', LATER);

    expect(change).toMatchObject({ after: { state: { status: 'queued', phase: 'backoff' } }, events: [] });
  });

  it('says nothing about a job that waits for something else', () => {
    expect(wait(aJob({ state: { phase: 'held' } }), 'parked', LATER)).toBeUndefined();
    expect(wait(aFollower(), 'rate_limited', LATER)).toBeUndefined();
    expect(wait(aRunningJob(), 'rate_limited', LATER)).toBeUndefined();
    expect(wait(aJob({ state: { status: 'failed' } }), 'rate_limited', LATER)).toBeUndefined();
  });
});

describe('follow', () => {
  it('ends a follower with the image of its leader, at no cost', () => {
    const leader = aLeader({ status: 'succeeded', images: [anImage()], text: 'Here.', grounding: { a: 1 } });

    const change = follow(aFollower(), leader, LATER);

    expect(change?.events).toEqual(['job.succeeded']);
    expect(change?.after.state).toMatchObject({
      status: 'succeeded',
      completedAt: LATER,
      images: [anImage()],
      text: 'Here.',
      grounding: { a: 1 },
      leader: 'leader',
      attempts: [],
      estimated: 0,
    });
  });

  it.each(['canceled', 'expired'] as const)('shares the late image of a leader that was %s', (status) => {
    const leader = aLeader({ status, lateImages: [anImage('late'), anImage('later', 1)] });

    expect(follow(aFollower(), leader, LATER)?.after.state).toMatchObject({
      status: 'succeeded',
      images: [anImage('late')],
    });
  });

  it.each([
    ['blocked', 'content_blocked'],
    ['failed', 'no_image'],
    ['failed', 'upstream_rejected'],
  ] as const)('ends a follower as its leader ended: %s by %s', (status, code) => {
    const change = follow(aFollower(), aLeader({ status, error: anError(code) }), LATER);

    expect(change?.events).toEqual([`job.${status}`]);
    expect(change?.after.state).toMatchObject({ status, error: anError(code), images: [] });
  });

  it.each(['outcome_unknown', 'upstream_unavailable'] as const)(
    "leaves a follower its own try where the leader's options may have decided: %s",
    (code) => {
      expect(follow(aFollower(), aLeader({ status: 'failed', error: anError(code) }), LATER)).toBeUndefined();
    },
  );

  it.each(['canceled', 'expired', 'queued', 'running'] as const)(
    'has nothing to share while a leader without image is %s',
    (status) => {
      expect(follow(aFollower(), aLeader({ status }), LATER)).toBeUndefined();
    },
  );

  it('touches no job that is over, and none that follows another', () => {
    const leader = aLeader({ status: 'succeeded', images: [anImage()] });

    for (const status of TERMINAL) expect(follow(aFollower({ status }), leader, LATER)).toBeUndefined();
    expect(follow(aFollower({ leader: 'somebody else' }), leader, LATER)).toBeUndefined();
  });
});

describe('inherit', () => {
  it('sends the heir on its own, at once, at its own cost', () => {
    const change = inherit(aFollower(), 'leader', undefined, LATER);

    expect(change?.after.state).toMatchObject({ status: 'queued', runAt: LATER, estimated: 46_331 });
    expect(change?.after.state.leader).toBeUndefined();
    expect(change?.after.state.source).toBeUndefined();
  });

  it('lets the others wait for the heir', () => {
    const change = inherit(aFollower(), 'leader', 'heir', LATER);

    expect(change?.after.state).toMatchObject({ status: 'queued', leader: 'heir', source: 'joined', estimated: 0 });
  });

  it('changes nothing the second time', () => {
    const heir = inherit(aFollower(), 'leader', undefined, LATER)?.after;
    const second = inherit(aFollower(), 'leader', 'heir', LATER)?.after;

    expect(heir && inherit(heir, 'leader', undefined, LATER + 1)).toBeUndefined();
    expect(second && inherit(second, 'leader', 'heir', LATER + 1)).toBeUndefined();
  });

  it.each(TERMINAL)('changes nothing about a follower that is %s', (status) => {
    expect(inherit(aFollower({ status }), 'leader', undefined, LATER)).toBeUndefined();
  });
});

describe('sharedResult', () => {
  it('leaves out what the twin does not have', () => {
    expect(sharedResult(aLeader({ images: [anImage()] }))).toEqual({ status: 'succeeded', images: [anImage()] });
  });
});

it('announces each end by an event of its own, and nothing else', () => {
  const events = JOB_STATUSES.map(terminalEvent);

  expect(events).toEqual([
    undefined,
    undefined,
    'job.succeeded',
    'job.blocked',
    'job.failed',
    'job.canceled',
    'job.expired',
  ]);
});
