/** What a worker's figures say of channels, limits and lines, and of which way its jobs went. */

import { BREAKER_RULES, hedge, type Job, lineStandingOf, settle } from '@darkroom/shared/domain';
import { Registry } from '@darkroom/shared/observability';
import { aRunningJob, HOUR, imageEnd, NOON, rejectionEnd } from '@darkroom/shared/testing/factories';
import { expect, it } from 'vitest';
import { createChannelCounters } from '../../apps/worker/src/channel-metrics.ts';
import { createWorkerMetrics } from '../../apps/worker/src/metrics.ts';
import { tellCourse } from '../../apps/worker/src/standard/tell-course.ts';
import { openTestAttempts } from '../support/attempts.ts';
import { readScrape } from '../support/scrape.ts';
import { withChannels } from '../support/several-channels.ts';

const FLASH = 'gemini-3.1-flash-image';

/** Its series that are not 0, each with the values of its labels. */
function toldOf(text: string, name: string): Record<string, number> {
  const samples = readScrape(text).get(name)?.samples ?? [];
  const rows = samples.filter(({ value }) => value !== 0);
  return Object.fromEntries(rows.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
}

it('tells how channels, limits and lines stand over all workers', async () => {
  await using cleanup = new AsyncDisposableStack();
  const world = cleanup.use(await openTestAttempts());
  const ids = ['a', 'b', 'c'];
  const channels = ids.map((id) => ({
    id,
    models: { [FLASH]: { limits: { rpm: 5 } } },
    limits: { spend_per_10m: '2' },
  }));
  const deps = await withChannels(world, channels, cleanup);
  const { quotas, breakers, lines } = deps;
  const places = { a: { channel: 'a', model: FLASH }, b: { channel: 'b', model: FLASH } };
  for (let n = 0; n < BREAKER_RULES.faultsInARow; n++) await breakers.note(places.a, `att_${n}`, 'timeout');
  await breakers.override('c', 'drain');
  await quotas.take(places.a, 'att_x', { images: 1, tokens: 9, cost: 500_000 });
  await quotas.learn(places.a, { type: 'limit', window: 'requests', limit: 3 });
  await quotas.learn(places.b, { type: 'pause', ms: HOUR, reason: 'parked', why: 'the day is used up' });
  for (const prompt of ['a mug', 'a boat']) {
    const { job } = await world.test.submit({ prompt, model: FLASH });
    await lines.add([lineStandingOf(job, deps.channels.specs)]);
  }
  const { spool, ledger, clock } = deps;
  const reach = { quotas, breakers, lines };
  const metrics = createWorkerMetrics({ ledger, clock, channels: deps.channels.specs, spool, spoolBytesMax: 1, reach });

  const { text } = await metrics.scrape();

  expect(toldOf(text, 'darkroom_channel_breaker')).toEqual({ [`a ${FLASH}`]: 2, [`c ${FLASH}`]: 2 });
  expect(toldOf(text, 'darkroom_channel_out')).toEqual({ [`c ${FLASH} operator`]: 1 });
  expect(toldOf(text, 'darkroom_channel_calls')).toEqual({ [`a ${FLASH} timeout`]: BREAKER_RULES.faultsInARow });
  expect(toldOf(text, 'darkroom_quota_used')).toEqual({ [`a ${FLASH} requests`]: 1, [`a ${FLASH} spend`]: 0.5 });
  expect(toldOf(text, 'darkroom_quota_limit')).toMatchObject({
    [`a ${FLASH} requests`]: 3,
    [`a ${FLASH} spend`]: 2,
    [`b ${FLASH} requests`]: 5,
  });
  expect(toldOf(text, 'darkroom_quota_learnt')).toEqual({ [`a ${FLASH} requests`]: 3 });
  const parked = toldOf(text, 'darkroom_quota_parked_seconds');
  expect(Object.keys(parked)).toEqual([`b ${FLASH}`]);
  expect(parked[`b ${FLASH}`]).toBeGreaterThan(3_500);
  expect(toldOf(text, 'darkroom_lines_waiting')).toEqual({ [FLASH]: 2 });
});

/** Ends attempts of a job one after the other. @returns what was counted, and which fail-overs were noted */
async function courseOf(job: Job, ends: [string, Parameters<typeof settle>[2]][], onward: object = {}) {
  const registry = new Registry();
  const from: unknown[] = [];
  const calls = { ended: () => {}, failedOver: (one: unknown) => void from.push(one), flush: async () => {} };
  const counters = createChannelCounters(registry, []);
  const metrics = { ...counters, called() {}, ended() {}, batchLines() {}, batchAlarm() {}, scrape: async () => never };
  let before = job;
  for (const [id, end] of ends) {
    const after = settle(before, id, end, NOON, () => 0, onward)?.after ?? before;
    const ref = { tenant: job.tenant, job: job.id, attempt: id };
    tellCourse({ metrics, calls }, { ref, end, before, after, onward });
    before = after;
  }
  const text = await registry.metrics();
  const of = (name: string) => toldOf(text, `darkroom_channel_${name}`);
  return { from, of, model: before.state.attempts[0]?.model ?? '' };
}
const never = { type: '', text: '' };

it('counts a job that leaves a channel whose call failed, which is a fail-over, and one that a limit sent away', async () => {
  const job = aRunningJob();
  const failed = await courseOf(job, [['att_1', rejectionEnd()]], { elsewhere: true });
  const limited = { code: 'upstream_rate_limited', limit: 'minute' } as const;
  const sent = await courseOf(job, [['att_1', rejectionEnd(limited)]], { elsewhere: true });

  expect(failed.of('failovers_total')).toEqual({ [`gemini ${failed.model} failed`]: 1 });
  expect(failed.from).toEqual([{ channel: 'gemini', model: failed.model }]);
  expect(sent.of('failovers_total')).toEqual({ [`gemini ${failed.model} limited`]: 1 });
  expect(sent.from).toEqual([]);
});

it('counts nothing of a job that stays, and a job that moves on by the model it left', async () => {
  const stays = await courseOf(aRunningJob(), [['att_1', rejectionEnd()]]);
  const moved = await courseOf(aRunningJob(), [['att_1', rejectionEnd()]], {
    stuck: true,
    next: { model: FLASH, estimated: 10 },
  });

  expect([stays.of('failovers_total'), stays.of('model_moves_total')]).toEqual([{}, {}]);
  expect(moved.of('model_moves_total')).toEqual({ [moved.model]: 1 });
});

it.each([
  ['won', ['att_2', 'att_1'], 'gemini'],
  ['lost', ['att_1', 'att_2'], 'other'],
])('a second call that %s costs what the other one did', async (step, order, loser) => {
  const job = aRunningJob();
  const beside = hedge(job, 'att_1', { id: 'att_2', channel: 'other', estimate: 100_000 }, NOON);
  const image = (id: string) => {
    const end = imageEnd({ cost: 100_000 });
    return end.type === 'image' ? { ...end, image: { ...end.image, key: id } } : end;
  };

  const { of, model } = await courseOf(
    beside?.after ?? job,
    order.map((id) => [id, image(id)]),
  );

  expect(of('hedges_total')).toEqual({ [`other ${model} ${step}`]: 1 });
  expect(of('hedge_usd_total')).toEqual({ [`${loser} ${model}`]: 0.1 });
});

it('counts the later of two images that are the same as lost', async () => {
  const job = aRunningJob();
  const beside = hedge(job, 'att_1', { id: 'att_2', channel: 'other', estimate: 100_000 }, NOON);
  const same = imageEnd({ cost: 100_000 });

  const { of, model } = await courseOf(beside?.after ?? job, [
    ['att_1', same],
    ['att_2', same],
  ]);

  expect(of('hedges_total')).toEqual({ [`other ${model} lost`]: 1 });
  expect(of('hedge_usd_total')).toEqual({ [`other ${model}`]: 0.1 });
});
