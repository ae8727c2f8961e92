import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Rescuable, takenBack } from './provider-batch-steps-rescue.ts';

const MS_PER_JOB = 1_500;
const NOON = 1_800_000_000_000;
const DUE = NOON + 36_000_000;

const chunks = fc
  .array(
    fc.record({
      leaving: fc.integer({ min: 1, max: 2_000 }),
      state: fc.constantFrom('sealed' as const, 'submitted' as const),
      providerState: fc.constantFrom('BATCH_STATE_PENDING', 'BATCH_STATE_RUNNING'),
      createdAt: fc.integer({ min: NOON - 3_600_000, max: NOON }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((some) => some.map((one, n): Rescuable => ({ ...one, id: `pb_${n}` })));

const workOf = (some: Rescuable[]) => some.reduce((sum, { leaving }) => sum + leaving, 0) * MS_PER_JOB;

describe('chunks of one deadline', () => {
  it('go no earlier than needed, and early enough for what remains, one by one', () => {
    fc.assert(
      fc.property(chunks, fc.integer({ min: NOON, max: DUE + 1_000 }), (all, start) => {
        let left = all;
        for (let now = start; left.length; ) {
          const { go, nextAt } = takenBack(left, { due: DUE, msPerJob: MS_PER_JOB, now });
          const rest = left.filter(({ id }) => !go.has(id));

          const lastOf = left.filter(({ id }) => id === [...go].at(-1));

          // What stays can be made until the deadline; with one chunk more it could not, from the very next job on.
          expect(rest.length === 0 || now + workOf(rest) < DUE).toBe(true);
          expect(go.size === 0 || now + workOf([...rest, ...lastOf]) >= DUE).toBe(true);
          expect(nextAt).toBe(DUE - workOf(rest));
          left = rest;
          now = nextAt;
        }
      }),
    );
  });

  it('are all done in time when each goes at its time, at the rate of the standard lane', () => {
    fc.assert(
      fc.property(chunks, (all) => {
        fc.pre(workOf(all) <= DUE - NOON);
        let left = all;
        let idleFrom = NOON;
        for (let now = DUE - workOf(all); left.length; ) {
          const { go, nextAt } = takenBack(left, { due: DUE, msPerJob: MS_PER_JOB, now });
          idleFrom = Math.max(idleFrom, now) + workOf(left.filter(({ id }) => go.has(id)));
          left = left.filter(({ id }) => !go.has(id));
          now = nextAt;
        }

        expect(idleFrom).toBe(DUE);
      }),
    );
  });

  it('go in the order of what is furthest from coming home, whoever asks', () => {
    const like = { leaving: 10, createdAt: NOON };
    const all: Rescuable[] = [
      { ...like, id: 'pb_running', state: 'submitted', submittedAt: NOON + 3, providerState: 'BATCH_STATE_RUNNING' },
      { ...like, id: 'pb_first', state: 'submitted', submittedAt: NOON + 1, providerState: 'BATCH_STATE_PENDING' },
      { ...like, id: 'pb_calling', state: 'creating' },
      { ...like, id: 'pb_last', state: 'submitted', submittedAt: NOON + 2, providerState: 'BATCH_STATE_PENDING' },
      { ...like, id: 'pb_here', state: 'sealed' },
    ];
    const at = (now: number) => [...takenBack(all, { due: DUE, msPerJob: MS_PER_JOB, now }).go];

    expect(at(DUE - 50 * MS_PER_JOB - 1)).toEqual([]);
    expect(at(DUE - 50 * MS_PER_JOB)).toEqual(['pb_here']);
    expect(at(DUE)).toEqual(['pb_here', 'pb_last', 'pb_first', 'pb_running']);
  });
});
