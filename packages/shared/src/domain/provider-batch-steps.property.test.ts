/**
 * A chunk and a provider that does what it likes: answers are lost, lists lag, workers stop anywhere and go on late.
 *
 * Whatever happens, no create call leaves while another one may be out, and none while lists may still show what an
 * earlier one made.
 */

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MINUTE, NOON } from '../testing/factories.ts';
import type { ProviderBatch } from './provider-batch.ts';
import { cancelAsked, cancelReason, planChunk, seal, uploaded } from './provider-batch-steps.ts';
import { type BatchRules, created, createRefused, createUnknown, intendCreate } from './provider-batch-steps-create.ts';
import { type Listed, look } from './provider-batch-steps-look.ts';
import { isStray } from './provider-batch-steps-stray.ts';
import type { Verdict } from './verdict.ts';

const RULES: BatchRules = { createMs: MINUTE, recreateAfterMs: 10 * MINUTE, lifeMs: 1_200 * MINUTE };
const SUMS = { size: 2, estimated: 100, tokens: 1, inputBytes: 1, outputBytes: 1, rescueAt: NOON + 600 * MINUTE };

function sealedChunk(): ProviderBatch {
  const planned = planChunk('pb_1', { ...SUMS, channel: 'gemini', model: 'm' }, NOON);
  const sealed = seal(planned, SUMS, NOON);
  const ready = sealed && uploaded(sealed, { sha256: 'ab', bytes: 9, fileName: 'files/dk-1' }, NOON);
  if (!ready) throw new Error('a planned chunk can be sealed and uploaded');
  return ready;
}

type Rejected = Extract<Verdict, { type: 'rejected' }>;
const REFUSALS: Rejected[] = [
  { type: 'rejected', code: 'upstream_rate_limited', retryable: true, limit: 'unknown', http: 429 },
  { type: 'rejected', code: 'upstream_rejected', retryable: false, http: 400 },
  { type: 'rejected', code: 'upstream_unavailable', retryable: true, http: 500 },
  { type: 'rejected', code: 'upstream_auth', retryable: false, channelDown: true, http: 403 },
];

type Event =
  | { type: 'create'; made: boolean; answer: 'name' | 'none' | 'died' | number }
  | { type: 'list' }
  | { type: 'pass'; ms: number }
  | { type: 'rescue' }
  | { type: 'end' };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    type: fc.constant('create' as const),
    made: fc.boolean(),
    answer: fc.oneof(fc.constantFrom('name' as const, 'none' as const, 'died' as const), fc.nat(REFUSALS.length - 1)),
  }),
  { arbitrary: fc.constant({ type: 'list' as const }), weight: 4 },
  fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 20 * MINUTE }) }),
  fc.constantFrom({ type: 'rescue' as const }, { type: 'end' as const }),
);

/** A provider whose lists show all that is older than `lagMs`, and what has happened to the chunk so far. */
function play(events: Event[], lagMs: number) {
  let batch = sealedChunk();
  let now = NOON;
  const remote: Listed[] = [];
  const calls: { at: number; overAt: number; definite: boolean }[] = [];
  const listsAt: number[] = [];
  const broken: string[] = [];
  const take = (next: ProviderBatch | undefined) => {
    if (!next) return;
    if (next.version !== batch.version + 1) broken.push(`version ${next.version} follows ${batch.version}`);
    batch = next;
  };
  for (const step of events) {
    if (step.type === 'pass') now += step.ms;
    if (step.type === 'end' && remote[0] && !remote[0].end)
      remote[0] = { ...remote[0], end: 'succeeded', state: 'DONE' };
    if (step.type === 'rescue') {
      const reason = cancelReason(batch, true, now);
      if (reason) take(cancelAsked(batch, reason, now));
    }
    if (step.type === 'list') {
      listsAt.push(now);
      take(
        look(
          batch,
          remote.filter(({ createdAt }) => createdAt <= now - lagMs),
          RULES,
          now,
          now,
        ),
      );
    }
    if (step.type !== 'create') continue;
    const intended = intendCreate(batch, RULES, now);
    if (!intended) continue;
    const before = calls.at(-1);
    if (before && !before.definite) {
      // Never while the one before may still be out; and behind lists that span long enough and showed nothing.
      const since = listsAt.filter((at) => at >= before.overAt);
      const spanMs = (since.at(-1) ?? 0) - before.overAt;
      if (now < before.overAt) broken.push('called while another call may be out');
      if (since.length < 3 || spanMs < RULES.recreateAfterMs) broken.push(`${since.length} lists over ${spanMs} ms`);
    }
    take(intended);
    const refused = typeof step.answer === 'number' ? REFUSALS[step.answer] : undefined;
    const makes =
      step.answer === 'name' || (!refused && step.made) || (refused !== undefined && refused.http >= 500 && step.made);
    const name = `batches/${calls.length}`;
    if (makes)
      remote.push({ name, displayName: batch.displayName, inputFile: 'files/dk-1', state: 'PENDING', createdAt: now });
    const call = { at: now, overAt: now + RULES.createMs, definite: false };
    calls.push(call);
    now += 1_000;
    if (step.answer === 'died') continue;
    call.overAt = now;
    call.definite = refused !== undefined && refused.http < 500;
    if (step.answer === 'name') take(created(batch, name, RULES, now));
    else if (refused) take(createRefused(batch, refused, now, () => 0));
    else take(createUnknown(batch, now));
  }
  return { batch, remote, calls, broken };
}

describe('a create call', () => {
  it('never leaves while another one may be out, nor before lists have said for long enough that there is nothing', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.integer({ min: 0, max: 3 * MINUTE }), (events, lagMs) => {
        const { batch, remote, broken } = play(events, lagMs);

        expect(broken).toEqual([]);
        // Lists that lag less than the rules allow for: at most one batch is ever made.
        expect(remote.length).toBeLessThanOrEqual(1);
        expect(batch.state !== 'submitted' || batch.providerName === remote[0]?.name).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is left in doubt, not in silence, when nothing was ever seen of it', () => {
    const lost: Event[] = Array.from({ length: 8 }, () => [
      { type: 'create', made: false, answer: 'none' } as const,
      ...Array.from({ length: 20 }, () => [
        { type: 'list' } as const,
        { type: 'pass', ms: 10 * MINUTE } as const,
      ]).flat(),
    ]).flat();

    const { batch, calls } = play(lost, 0);

    expect(batch).toMatchObject({ state: 'ended', end: { type: 'lost' } });
    expect(calls.length).toBeLessThanOrEqual(4);
  });
});

describe('each step', () => {
  it('of two that decide at the same time gives the same next version, so that one of them is refused', () => {
    const sealed = sealedChunk();

    expect(intendCreate(sealed, RULES, NOON)?.version).toBe(sealed.version + 1);
    expect(intendCreate(sealed, RULES, sealed.rescueAt)).toBeUndefined();
  });

  it('closes a chunk that nobody is left in', () => {
    const planned = planChunk('pb_1', { ...SUMS, channel: 'gemini', model: 'm' }, NOON);

    expect(seal(planned, { ...SUMS, size: 0 }, NOON)?.state).toBe('closed');
  });
});

describe('two batches of one chunk', () => {
  const made = (name: string, createdAt: number, more: Partial<Listed> = {}): Listed => ({
    name,
    displayName: sealedChunk().displayName,
    inputFile: 'files/dk-1',
    state: 'PENDING',
    createdAt,
    ...more,
  });
  const creating = () => intendCreate(sealedChunk(), RULES, NOON) ?? sealedChunk();

  it('leave the older one, whatever the order of the list', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (order) => {
        const list = order.map((n) => made(`batches/${n}`, NOON + n));

        const seen = look(creating(), list, RULES, NOON + MINUTE, NOON + MINUTE);

        expect(seen?.providerName).toBe('batches/0');
        expect(
          list
            .filter((one) => seen && isStray(seen, one))
            .map(({ name }) => name)
            .toSorted(),
        ).toEqual(['batches/1', 'batches/2']);
      }),
    );
  });

  it('leave the one that has its results, though it is younger', () => {
    const list = [made('batches/0', NOON), made('batches/1', NOON + 1, { end: 'succeeded', responsesFile: 'files/r' })];

    expect(look(creating(), list, RULES, NOON, NOON)).toMatchObject({
      state: 'ended',
      providerName: 'batches/1',
      end: { type: 'succeeded', responsesFile: 'files/r' },
    });
  });

  it('leave the older one also when the younger was known first, and only while both are shown and open', () => {
    const chunk = created(creating(), 'batches/1', RULES, NOON) ?? creating();
    const [older, younger] = [made('batches/0', NOON - 1), made('batches/1', NOON)];
    const over = { end: 'canceled', state: 'DONE' } as const;
    const after = (list: Listed[]) => look(chunk, list, RULES, NOON, NOON)?.providerName;

    expect(after([older, younger])).toBe('batches/0');
    expect(after([older])).toBe('batches/1');
    expect(after([{ ...older, ...over }, younger])).toBeOneOf([undefined, 'batches/1']);
    expect(after([older, { ...younger, ...over }])).toBe('batches/1');
    expect(isStray(chunk, older)).toBe(true);
  });

  it('of other names or other files are none of its business', () => {
    const others = [
      made('batches/7', NOON, { displayName: 'theirs' }),
      made('batches/8', NOON, { inputFile: 'files/x' }),
    ];

    const seen = look(creating(), others, RULES, NOON, NOON);

    expect(seen?.state ?? 'creating').toBe('creating');
    expect(others.filter((other) => isStray({ ...creating(), state: 'closed' }, other))).toEqual([]);
  });
});
