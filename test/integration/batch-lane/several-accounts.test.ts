/** Several accounts that carry the batch lane side by side. */

import { randomBytes } from 'node:crypto';
import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { type Account, imageLine, openAccount } from './account.ts';
import { accountsOf, openLane, type TestLane, withAllowance } from './lane.ts';

let lane: TestLane;
let one: Account;
let two: Account;

beforeEach(async () => {
  lane = await openLane();
  one = openAccount(lane.test.clock, 'one');
  two = openAccount(lane.test.clock, 'two');
  lane.deps.accounts = accountsOf([one, two]);
  lane.deps.plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 2 } };
});

afterEach(() => lane[Symbol.asyncDispose]());

/** How many chunks each has: of `one`, of `two`. */
const made = () => [one.made, two.made];

const routes = async () => (await lane.jobs()).map(({ state }) => [state.status, state.route?.lane]);

describe('a chunk', () => {
  it('goes to the account that has the least, each within its own slots', async () => {
    lane.deps.accounts = new Map([...accountsOf([one]), ...withAllowance(twoAlone(), { slots: 1 }).accounts]);
    await lane.submit(8);

    await lane.send();

    expect(made()).toEqual([3, 1]);
  });

  it('goes elsewhere when the tokens of the first are used up', async () => {
    const tight = withAllowance({ ...lane.deps, accounts: accountsOf([one], { order: 0 }) }, { enqueuedTokens: 14 });
    lane.deps.accounts = new Map([...tight.accounts, ...accountsOf([two])]);
    await lane.submit(8);

    await lane.send();

    expect(one.made).toBeLessThan(4);
    expect(one.made + two.made).toBe(4);
  });

  it('goes to the first in order, and among those to the cheapest', async () => {
    lane.deps.accounts = new Map([...accountsOf([one], { order: 2 }), ...accountsOf([two])]);
    await lane.submit(4);
    await lane.send();
    expect(made()).toEqual([0, 2]);

    lane.deps.accounts = new Map([...accountsOf([one], { price: { factor: 0.5 } }), ...accountsOf([two])]);
    await lane.submit(2);
    await lane.send();
    expect(made()).toEqual([1, 2]);
    expect((await lane.chunk(2)).estimated).toBeLessThan((await lane.chunk(0)).estimated * 0.6);
  });

  it('holds only jobs that its account may carry', async () => {
    const [bound = ''] = await lane.submit(1, { request: { routing: { channels: ['two'] } } });
    await lane.submit(1, { request: { routing: { channels: ['one'] } } });
    const [alone = ''] = await lane.submit(1, { request: { routing: { channels: ['elsewhere'] } } });

    await lane.send();

    expect(made()).toEqual([1, 1]);
    const attempt = (await lane.test.read(bound)).state.attempts[0];
    expect([attempt?.channel, two.keys()]).toEqual(['two', [attempt?.id]]);
    expect((await lane.test.read(alone)).state.route).toMatchObject({
      lane: 'standard',
      reason: 'no channel has batches for it',
    });
  });

  it('does not go to an account that is out of use', async () => {
    lane.deps.isOut = async ({ channel }) => channel === 'one';
    await lane.submit(4);

    await lane.send();

    expect(made()).toEqual([0, 2]);
  });
});

describe('an account that refuses to make a batch', () => {
  it.each([
    ['for now', { code: 'upstream_rate_limited', retryable: true, limit: 'unknown', http: 429 }],
    ['for good', { code: 'upstream_quota_exhausted', retryable: false, none: true, http: 429 }],
    ['the key', { code: 'upstream_auth', retryable: false, channelDown: true, http: 403 }],
  ] as const)('leaves its jobs to another one at once, and gets no more of them: %s', async (_, verdict) => {
    lane.deps.accounts = new Map([...accountsOf([one], { order: 0 }), ...accountsOf([two])]);
    one.creates = Array.from({ length: 9 }, () => ({ type: 'rejected', verdict: { type: 'rejected', ...verdict } }));
    await lane.submit(2);

    await lane.send();
    await collectOnce(lane.deps);
    await lane.deps.outbox.flush();
    await lane.submit(2);
    await lane.send();

    expect(made()).toEqual([0, 2]);
    expect(one.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(await lane.totals()).toMatchObject({ inDoubt: 0 });
    two.batches.forEach((batch) => {
      const lines = two.keys(batch).map((key) => imageLine(key, randomBytes(64)));
      two.end('succeeded', lines, batch);
    });
    expect((await lane.chunk(0)).cancelFor ?? (await lane.chunk(0)).end?.code).toBeDefined();
  });
});

describe('an account that refuses its key before anything is sent', () => {
  it('leaves its jobs to another one at once, and an operator is told', async () => {
    lane.deps.accounts = new Map([...accountsOf([one], { order: 0 }), ...accountsOf([two])]);
    const verdict = {
      type: 'rejected',
      code: 'upstream_auth',
      retryable: false,
      channelDown: true,
      http: 401,
    } as const;
    one.broken.upload = Array.from({ length: 9 }, () => ({ type: 'rejected', verdict }));
    await lane.submit(2);

    await lane.send();
    await collectOnce(lane.deps);
    await lane.deps.outbox.flush();
    await lane.send();

    expect(made()).toEqual([0, 1]);
    expect(one.calls).toEqual(['upload']);
    const alarm = 'upload was refused (401 upstream_auth)';
    expect((await lane.chunk(0)).alarms).toEqual([alarm]);
    expect(lane.lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'chunk.alarm', alarm }));
    expect(await lane.totals()).toMatchObject({ inDoubt: 0, actualCost: 0 });
  });
});

describe('an account that was taken out of the configuration', () => {
  it('gives back what was not sent, and keeps what was until it is there again', async () => {
    lane.deps.accounts = accountsOf([one]);
    await lane.submit(2);
    await lane.send();
    await lane.submit(2);
    await planOnce(lane.deps);
    const whole = lane.deps.accounts;

    lane.deps.accounts = accountsOf([two]);
    const poller = createPoller(lane.deps);
    await submitOnce(lane.deps);
    await collectOnce(lane.deps);
    await lane.deps.outbox.flush();
    await lane.send();
    lane.test.clock.advance(MINUTE);
    await poller.once();

    expect(made()).toEqual([1, 1]);
    expect(await lane.chunk(0)).toMatchObject({ state: 'submitted', channel: 'one' });
    expect(lane.lines).toContainEqual(
      expect.objectContaining({ level: 'error', event: 'chunk.channel_gone', channel: 'one' }),
    );

    lane.deps.accounts = whole;
    one.end('failed');
    lane.test.clock.advance(MINUTE);
    await createPoller(lane.deps).once();
    await collectOnce(lane.deps);
    expect((await lane.chunk(0)).state).toBe('closed');
    expect(await routes()).toHaveLength(4);
  });
});

it('lists each account for its own batches; one that hangs or fails says nothing of the other', async () => {
  await lane.submit(4);
  await lane.send();
  expect(made()).toEqual([1, 1]);
  one.broken.list = [{ type: 'unknown', reason: 'timeout' }];
  two.end('failed');
  const poller = createPoller(lane.deps);

  lane.test.clock.advance(HOUR / 60);
  await poller.once();

  const stateIn = new Map((await lane.chunks()).map(({ channel, state }) => [channel, state]));
  expect([stateIn.get('one'), stateIn.get('two')]).toEqual(['submitted', 'ended']);
});

function twoAlone() {
  return { ...lane.deps, accounts: accountsOf([two]) };
}
