/** A provider that takes a call, charges it and says nothing: the deadline of the call ends it, not its answer. */

import type { Fault } from '@darkroom/emulator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

/** The shortest there is; real models are waited for three to five minutes. */
const CALL_TIMEOUT = 1;

let system: System;
beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl(), workerEnv: { CALL_TIMEOUT: String(CALL_TIMEOUT) } });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const HANG: Fault = { kind: 'hang' };
const LOST = { state: 'in_doubt', error: 'outcome_unknown', reason: 'no whole answer within 1000 ms' };

/** A body whose calls meet `fault`, the first `times` of them. */
function facing(fault: Fault, { times, ...more }: { times?: number; on_unknown_outcome?: string } = {}) {
  const body = aBody(more);
  const match = { promptIncludes: String(body['prompt']) };
  return { body, rule: { match, fault, ...(times && { times }) } };
}

function callsOf({ prompt }: { prompt: string }) {
  return system.emulator.control.journal().entries.filter((entry) => entry.prompt === prompt);
}

it('gives each hanging call up at its deadline, as in doubt, and goes on as the job says', async () => {
  const { client, emulator } = system;
  const once = facing(HANG, { times: 1 });
  const always = facing(HANG);
  const free = facing({ kind: 'hang', billed: false }, { times: 1 });
  const failing = facing(HANG, { on_unknown_outcome: 'fail' });
  const slow = facing({ kind: 'slow_drip', overMs: 2_500, pieces: 10 });
  const cases = [once, always, free, failing, slow];
  emulator.control.putFaults(cases.map(({ rule }) => rule));

  const ids = await Promise.all(cases.map(async ({ body }) => (await client.submit(body)).body.id));
  const jobs = await Promise.all(ids.map((id) => client.end(id)));

  expect(jobs).toMatchObject([
    { status: 'succeeded', attempts: [LOST, { state: 'settled' }] },
    { status: 'failed', error: { code: 'outcome_unknown' }, attempts: [LOST, LOST] },
    { status: 'succeeded', attempts: [LOST, { state: 'settled' }] },
    { status: 'failed', error: { code: 'outcome_unknown' }, attempts: [LOST] },
    // An answer that still flows when time is up is waited for: it is paid.
    { status: 'succeeded', attempts: [{ state: 'settled' }] },
  ]);
  // No call that is not on the record, and the next one leaves only when the one before was given up.
  for (const job of jobs) {
    const calls = callsOf(job);
    expect(calls).toHaveLength(job.attempts.length);
    const gaps = calls.slice(1).map(({ at }, n) => at - (calls[n]?.at ?? at));
    expect(Math.min(...gaps, Number.POSITIVE_INFINITY)).toBeGreaterThanOrEqual(CALL_TIMEOUT * 1_000);
    const lost = job.attempts.filter(({ state }) => state === 'in_doubt').length;
    expect(Number(job.cost.in_doubt)).toBeCloseTo(lost * Number(job.cost.estimated), 6);
  }
});

it('holds the job of a hanging call when its caller wants to be asked', async () => {
  const { client, emulator } = system;
  const { body, rule } = facing(HANG, { times: 1, on_unknown_outcome: 'hold' });
  emulator.control.putFaults([rule]);
  const { id } = (await client.submit(body)).body;

  const held = await client.until(id, ({ phase }) => phase === 'held');
  expect(held.attempts).toMatchObject([LOST]);
  expect(callsOf(held)).toHaveLength(1);

  await client.retry(id);
  expect(await client.end(id)).toMatchObject({ status: 'succeeded', attempts: [LOST, { state: 'settled' }] });
});

it('keeps a ledger that adds up to the bill, to the micro-dollar', async () => {
  const figures = await system.assertInvariants();
  const totals = await system.redis.hgetall(`${system.prefix}{t:default}:totals`);
  const { entries } = system.emulator.control.journal();
  const settled = entries.filter(({ outcome }) => outcome === 'settled');
  const hung = entries.filter(({ fault }) => fault === 'hang');

  // Six hung and five of them were charged: each is counted as spent, the free one too, since nobody could know.
  expect(figures).toMatchObject({ calls: 10, providerCalls: 10, settled: 4, inDoubt: 6, billed: 9, extra: 5 });
  expect(hung).toHaveLength(6);
  const bill = (calls: typeof entries) => calls.reduce((sum, { billed }) => sum + (billed?.cost_micros ?? 0), 0);
  expect(Number(totals['actual'])).toBe(bill(settled));
  expect(system.emulator.control.bill().cost_micros).toBe(bill(settled) + bill(hung));
});
